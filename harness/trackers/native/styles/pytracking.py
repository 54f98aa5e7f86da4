"""Style ``pytracking``: ``initialize(image, info)`` and ``track(image) -> {"target_bbox": ...}``.

So are pytracking's own trackers called, and those of the repositories that grew from it (STARK, OSTrack, MixFormer, SMAT). A
factory may also return the repository's evaluation object, which knows the parameters and makes the tracker
(``lib.test.evaluation.tracker:Tracker``): then ``create_tracker(get_parameters())`` is what their evaluation calls, and
so do we.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from .common import Adapter, as_box, as_score

if TYPE_CHECKING:
    from .common import Reply

SCORES = ("best_score", "object_presence_score", "max_score", "conf_score", "confidence", "score", "all_scores")
"""Under which keys the family's outputs tell how sure a tracker is, the plainest first."""


class PyTracking(Adapter):
    """A tracker built anew for every sequence, as the family's evaluation does."""

    style = "pytracking"
    previous: Any = None
    wants_info = False

    @classmethod
    def fits(cls, subject: Any) -> bool:
        return is_tracker(subject) or is_evaluation(subject)

    def prepared(self, subject: Any) -> Any:
        if not is_tracker(subject) and is_evaluation(subject):
            parameters = subject.get_parameters()
            if not hasattr(parameters, "debug"):
                parameters.debug = 0  # the evaluation sets it before the tracker reads it
            subject = subject.create_tracker(parameters)
        return subject

    def start(self, image: Any, box: list[float]) -> None:
        self.wants_info = takes_two(self.subject.track)
        self.previous = self.subject.initialize(image, {"init_bbox": list(box)}) or {}

    def follow(self, image: Any) -> Any:
        if self.wants_info:
            return self.subject.track(image, {"previous_output": self.previous})
        return self.subject.track(image)

    def read(self, answer: Any) -> Reply:
        if not hasattr(answer, "get") or answer.get("target_bbox") is None:
            raise TypeError(f"track returned {answer!r:.80}; it must be a mapping with 'target_bbox'")
        self.previous = answer
        return {"box": as_box(answer["target_bbox"]), "confidence": self.confidence(answer)}

    def confidence(self, answer: Any) -> float | None:
        """The score of an output: under the key that ``tracker.confidence`` names, else under a usual one."""
        named = self.recipe["confidence"]
        if named and named not in answer:
            raise self.mistake(
                "tracker.confidence is {!r}, and the tracker's output has no such key; it has: {}.".format(
                    named, ", ".join(str(key) for key in answer)
                )
            )
        for key in (named,) if named else SCORES:
            score = as_score(answer.get(key))
            if score is not None:
                self.recipe["scored_by"] = key
                return score
        return None

    def facts(self) -> dict[str, str]:
        known = super().facts()
        return dict(known, confidence=self.recipe["scored_by"]) if "scored_by" in self.recipe else known


def is_tracker(subject: Any) -> bool:
    """Whether it can be initialised and can track."""
    return callable(getattr(subject, "initialize", None)) and callable(getattr(subject, "track", None))


def is_evaluation(subject: Any) -> bool:
    """Whether it is the evaluation's object that makes the tracker."""
    return callable(getattr(subject, "create_tracker", None)) and callable(getattr(subject, "get_parameters", None))


def takes_two(function: Any) -> bool:
    """Whether ``track`` takes the frame's info beside the image."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return False
    places = [item for item in parameters if item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD)]
    return len(places) > 1 or any(item.kind is item.VAR_POSITIONAL for item in parameters)
