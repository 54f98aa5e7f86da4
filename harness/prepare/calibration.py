"""Calibration data: the inputs that each graph really gets while a tracker follows the calibration sequences.

Every sequence is cut into segments, and the tracker takes a new template at the start of each (at the truth, where it is
known): real tracking, but with several templates a sequence, since template features are an input of the search
graph too. Which updates are kept is drawn with a seed, spread evenly over all frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence as Seq
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from harness.core.errors import PrepareError
from harness.core.interfaces import Array, Arrays, GraphSpec, Progress, Sequence, Session, TrackerSpec
from harness.tracking.loop import Runner

SEGMENTS = 4
"""Templates taken from each calibration sequence."""
SHORTEST = 10
"""Frames of the shortest segment that a sequence is cut into."""

Items = dict[str, list[Arrays]]
"""Graph -> its calibration items, each an input set by name."""


@dataclass
class Recorder:
    """A session that keeps copies of the inputs of those runs that ``wanted`` names (counted from 0)."""

    session: Session
    wanted: frozenset[int]
    items: list[Arrays] = field(default_factory=list)
    runs: int = 0
    spec: GraphSpec = field(init=False)

    def __post_init__(self) -> None:
        self.spec = self.session.spec

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        """Runs the graph, and keeps the inputs if this run is one of those wanted."""
        if self.runs in self.wanted:
            self.items.append({name: np.array(value) for name, value in inputs.items()})
        self.runs += 1
        return self.session.run(inputs)


def segments(sequences: Iterable[Sequence], truthful: bool) -> list[Sequence]:
    """The pieces of ``sequences`` that are tracked: up to ``SEGMENTS`` each where the truth is known, else one.

    A piece begins where the target is visible and has an area; ``truthful`` demands a truth (crops follow it).
    Raises PrepareError if it is missing.
    """
    pieces = []
    for sequence in sequences:
        if sequence.truth is None:
            if truthful:
                raise PrepareError(f"{sequence.name} has no ground truth, which random weights need to place the crops.")
            pieces.append(sequence)
            continue
        count = max(1, min(SEGMENTS, len(sequence) // SHORTEST))
        edges = [round(len(sequence) * part / count) for part in range(count + 1)]
        for begin, end in pairwise(edges):
            first = _usable(sequence, begin, end)
            if first is not None and end - first > 1:
                pieces.append(piece(sequence, first, end))
    return pieces


def _usable(sequence: Sequence, begin: int, end: int) -> int | None:
    """The first frame of [begin, end) at which a template can be taken."""
    assert sequence.truth is not None
    for frame in range(begin, end):
        seen = sequence.visible is None or bool(sequence.visible[frame])
        if seen and (sequence.truth[frame, 2:] > 0).all():
            return frame
    return None


def piece(sequence: Sequence, begin: int, end: int) -> Sequence:
    """Frames [begin, end) of ``sequence`` as a sequence of its own, started at the truth (at its own box at frame 0)."""
    truth = sequence.truth
    return replace(
        sequence,
        frames=sequence.frames[begin:end],
        init_box=sequence.init_box if begin == 0 or truth is None else truth[begin],
        truth=None if truth is None else truth[begin:end],
        visible=None if sequence.visible is None else sequence.visible[begin:end],
    )


def chosen(count: int, wanted: int, seed: int) -> frozenset[int]:
    """``min(count, wanted)`` of 0 ... count - 1, one drawn from each of so many equal stretches."""
    wanted = min(count, wanted)
    generator = np.random.default_rng(seed)
    edges = np.linspace(0, count, wanted + 1)
    return frozenset(
        int(generator.integers(int(np.ceil(low)), max(int(np.ceil(high)), int(np.ceil(low)) + 1)))
        for low, high in pairwise(edges)
    )


def record(
    tracker: TrackerSpec,
    sessions: Mapping[str, Session],
    sequences: Iterable[Sequence],
    wanted: int,
    seed: int,
    progress: Progress,
) -> Items:
    """Tracks ``sequences`` with ``sessions`` and returns up to ``wanted`` items for every graph.

    Where graphs take turns by the object, every sequence is tracked once with each (``TrackerSpec.variants``). Crops follow
    the tracker's own boxes; with random weights they follow the truth. Raises PrepareError without frames.
    """
    truthful = tracker.random_weights
    pieces = segments(sequences, truthful)
    updates = sum(len(item) - 1 for item in pieces)
    if updates < 1:
        raise PrepareError("the calibration sequences have no frames to track; name longer ones in quantization.sequences.")
    trackers = tracker.variants()
    counts = {name: updates if name in tracker.per_frame else len(pieces) * len(trackers) for name in sessions}
    recorders = {
        name: Recorder(session, chosen(counts[name], wanted, seed)) for name, session in sessions.items()
    }
    progress.start("calibration crops", (updates + len(pieces)) * len(trackers))
    recording: dict[str, Session] = dict(recorders.items())
    for each in trackers:
        runner = Runner(each, recording)
        for item in pieces:
            runner.track(item, feedback=item.truth if truthful else None, on_frame=lambda _seconds: progress.step())
    progress.close()
    return {name: recorder.items for name, recorder in recorders.items()}


# -------------------------------------------------------------------------------------------- checking


def check(graph: GraphSpec, items: Seq[Mapping[str, Array]]) -> None:
    """Raises PrepareError, with the names, where an item's inputs are not the graph's: NNCF itself would stay silent."""
    if not items:
        raise PrepareError(f"graph {graph.name} has no calibration data; it needs {', '.join(graph.input_names())}.")
    expected = {tensor.name: tensor for tensor in graph.inputs}
    for index, item in enumerate(items):
        where = f"calibration item {index} of graph {graph.name}"
        missing, unknown = expected.keys() - item.keys(), item.keys() - expected.keys()
        if missing or unknown:
            parts = [f"lacks {', '.join(sorted(missing))}"] if missing else []
            parts += [f"has {', '.join(sorted(unknown))}, which the graph does not take"] if unknown else []
            raise PrepareError(f"{where} {' and '.join(parts)}; its inputs are {', '.join(graph.input_names())}.")
        _check_shapes(graph, item, where)


def _check_shapes(graph: GraphSpec, item: Mapping[str, Array], where: str) -> None:
    wrong = [
        tensor
        for tensor in graph.inputs
        if tuple(item[tensor.name].shape) != tensor.shape or str(item[tensor.name].dtype) != tensor.dtype
    ]
    if not wrong:
        return
    said = "; ".join(
        f"{tensor.name} is {item[tensor.name].dtype} {list(item[tensor.name].shape)} where {tensor.dtype} "
        f"{list(tensor.shape)} is expected"
        for tensor in wrong
    )
    fits = len(wrong) > 1 and sorted((item[t.name].shape, str(item[t.name].dtype)) for t in wrong) == sorted(
        (t.shape, t.dtype) for t in wrong
    )
    hint = f" (are {' and '.join(tensor.name for tensor in wrong)} swapped?)" if fits else ""
    raise PrepareError(f"{where}: {said}{hint}.")
