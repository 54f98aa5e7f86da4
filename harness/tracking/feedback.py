"""Which box places the next crop: the tracker's own, or the ground truth."""

from __future__ import annotations

from typing import Literal

from harness.core.errors import ConfigError, SkipJob
from harness.core.interfaces import Boxes, Dataset, Sequence, TrackerSpec

Feedback = Literal["auto", "self", "truth"]


def truthful(feedback: Feedback, tracker: TrackerSpec) -> bool:
    """Whether crops follow the ground truth; ``auto`` does so for random weights, whose boxes leave the image."""
    return feedback == "truth" or (feedback == "auto" and tracker.random_weights)


def check_feedback(feedback: Feedback, tracker: TrackerSpec, dataset: Dataset) -> None:
    """Raises SkipJob if the tracker cannot be set to a box, ConfigError if there is no truth to follow."""
    if not truthful(feedback, tracker):
        return
    if not tracker.placeable:
        raise SkipJob(
            f"task.feedback=truth puts the tracker at the true box before each frame, and tracker {tracker.name} cannot be "
            "put anywhere; use task.feedback=self."
        )
    if not dataset.has_truth:
        why = "has random weights, so its crops must" if tracker.random_weights else "is to"
        raise ConfigError(
            f"tracker {tracker.name} {why} follow the ground truth, which dataset={dataset.name} does not have; use a data set "
            "with truth, or trained weights and task.feedback=self."
        )


def true_box(sequence: Sequence, frame: int) -> Boxes | None:
    """Returns the truth of ``frame``.

    None if there is none or the target is absent (the tracker then stays in place).
    """
    if sequence.truth is None or not sequence.truth[frame][2:].min() > 0:
        return None
    box: Boxes = sequence.truth[frame]
    return box
