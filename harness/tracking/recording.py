"""Records the real inputs of one graph while a tracker runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence as Seq
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.core.errors import ConfigError, DataError, SkipJob
from harness.core.interfaces import Array, Arrays, Boxes, Dataset, Sequence, Session, TensorSpec, TrackerSpec
from harness.tracking.loop import Runner


@dataclass(frozen=True)
class Recording:
    """A tracked part of a sequence: ``boxes`` ``[T, 4]`` (the given one first) and a graph's inputs of each update."""

    sequence: Sequence
    boxes: Boxes
    inputs: list[Arrays]


class RecordingSession:
    """A session that keeps copies of all its inputs."""

    def __init__(self, session: Session, kept: list[Arrays]) -> None:
        self._session, self._kept, self.spec = session, kept, session.spec

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        self._kept.append({tensor.name: np.array(inputs[tensor.name]) for tensor in self.spec.inputs})
        return self._session.run(inputs)


def record(
    spec: TrackerSpec, sessions: Mapping[str, Session], sequence: Sequence, graph: str, updates: int
) -> Recording:
    """Tracks the first ``updates`` updates of ``sequence`` and keeps the inputs of ``graph``.

    A tracker with random weights is set to the truth (without truth, to the first box) before each update. If different
    objects use different graphs, the tracker is one that runs ``graph``.
    """
    kept: list[Arrays] = []
    spec = next((item for item in spec.variants() if graph in item.per_frame), spec)
    wrapped = {**sessions, graph: RecordingSession(sessions[graph], kept)}
    track = Runner(spec, wrapped).track(sequence, feedback=_feedback(spec, sequence), limit=updates + 1)
    boxes = track.boxes
    truth = _feedback(spec, sequence)
    return Recording(sequence, boxes if truth is None else truth[: len(boxes)], kept[-(len(boxes) - 1) :])


def _feedback(spec: TrackerSpec, sequence: Sequence) -> Boxes | None:
    if not spec.random_weights:
        return None
    return sequence.truth if sequence.truth is not None else np.tile(sequence.init_box, (len(sequence), 1))


def record_crops(
    spec: TrackerSpec, sessions: Mapping[str, Session], sequences: Seq[Sequence], graph: str, count: int
) -> list[Arrays]:
    """Records at most ``count`` inputs of ``graph``, from up to four sequences spread over the data set."""
    chosen = spread([item for item in sequences if len(item) > 1], 4)
    if not chosen:
        raise DataError("no sequence of the data set has a second frame, so that there is nothing to record.")
    each = -(-count // len(chosen))
    found: list[Arrays] = []
    for sequence in chosen:
        found += record(spec, sessions, sequence, graph, min(each, len(sequence) - 1)).inputs
    return found[:count]


def spread(items: Seq[Sequence], count: int) -> list[Sequence]:
    """Returns ``count`` of ``items`` at even distances, in order; all if there are fewer."""
    if len(items) <= count:
        return list(items)
    return [items[index * len(items) // count] for index in range(count)]


def save(inputs: Seq[Arrays], folder: Path) -> Path:
    """Writes ``folder/<input>/<number>.npy``, the form in which benchmark_app reads inputs by name."""
    for number, arrays in enumerate(inputs):
        for name, value in arrays.items():
            path = folder / name / f"{number:05d}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, value, allow_pickle=False)
    return folder


def graph_of(spec: TrackerSpec, wanted: str | None) -> str:
    """Returns the graph to measure: ``wanted``, else the last that runs on every frame. Raises ConfigError, SkipJob."""
    if not spec.graphs:
        raise SkipJob(f"tracker {spec.name} runs as it is: it has no graph that could be measured by itself.")
    if wanted is None:
        return spec.per_frame[-1]
    if wanted not in spec.graphs:
        raise ConfigError(f"task.graph is {wanted!r}; graphs of tracker {spec.name}: {', '.join(spec.graphs)}.")
    return wanted


def random_input(tensor: TensorSpec, generator: np.random.Generator) -> Array:
    """Draws random values like benchmark_app: uniform from 0 to 255 for every type."""
    return generator.uniform(0, 256 if tensor.dtype == "uint8" else 255, tensor.shape).astype(tensor.dtype)


def check_dataset(dataset: Dataset) -> None:
    """Raises DataError if the data set is empty."""
    if not len(dataset):
        raise DataError(f"dataset={dataset.name} has no sequences; choose others with dataset.sequences.")
