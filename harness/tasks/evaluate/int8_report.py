"""The gains and losses of int8 against its own fp32, measured in the job's process after the job's measurement.

Both models are opened in the same way and take turns on every frame, so that drift and load affect both. Two ways of
comparing boxes answer different questions. Free running: each model follows its own boxes, as in use, so that errors
feed
back. Teacher forcing: int8 sees the crops of fp32's boxes, so that each frame shows only its own error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence as Seq
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from harness.core.interfaces import (
    Array,
    Arrays,
    Artifact,
    Backend,
    Boxes,
    Context,
    GraphSpec,
    Image,
    Metrics,
    Sequence,
    Session,
    Track,
)
from harness.machine.environment import cpu_info
from harness.scoring.agreement import SequenceAgreement, agreement
from harness.scoring.bootstrap import bootstrap_interval
from harness.scoring.overlap import ao, iou
from harness.tasks.evaluate.int8_layers import layer_report
from harness.tasks.evaluate.record import BoxesAgainst, Compared, Int8Record
from harness.tracking.loop import decoded

DEFAULT_SECONDS = 30.0
WARMUP = 5
OUTPUTS_EVERY = 5
"""The number of frames between comparisons of both graphs' outputs on the same inputs."""
DIVERGED = 0.5
"""Boxes that overlap less than this have diverged."""
SHOWN_LAYERS = 8

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass
class Tap:
    """A session that keeps its last inputs."""

    session: Session
    inputs: Mapping[str, Array] = field(default_factory=dict)
    spec: GraphSpec = field(init=False)

    def __post_init__(self) -> None:
        self.spec = self.session.spec

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        self.inputs = inputs
        return self.session.run(inputs)


@dataclass
class Pair:
    """The results of one sequence: boxes [n, 4] of fp32 and of teacher-forced int8, and seconds [n - 1] of both."""

    sequence: Sequence
    fp32: Boxes
    forced: Boxes
    fp32_seconds: Floats
    int8_seconds: Floats


@dataclass
class Differences:
    """The largest absolute difference and the range of each output, over graphs run on the same inputs."""

    rows: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, graph: str, fp32: Arrays, int8: Arrays) -> None:
        for name, expected in fp32.items():
            row = self.rows.setdefault(f"{graph}/{name}", {"max_abs_diff": 0.0, "low": np.inf, "high": -np.inf})
            row["max_abs_diff"] = max(row["max_abs_diff"], float(np.abs(int8[name] - expected).max()))
            row["low"], row["high"] = min(row["low"], float(expected.min())), max(row["high"], float(expected.max()))

    def table(self) -> dict[str, dict[str, float]]:
        """Returns output -> ``max_abs_diff``, ``range``, and the difference's ``share`` of the range."""
        found = {}
        for name, row in self.rows.items():
            spread = row["high"] - row["low"]
            share = row["max_abs_diff"] / spread if spread > 0 else 0.0
            found[name] = {"max_abs_diff": row["max_abs_diff"], "range": spread, "share": share}
        return found


def compare(
    context: Context, sequences: Seq[Sequence], tracks: Mapping[str, Track], truthful: bool
) -> tuple[Metrics, Int8Record, list[str]]:
    """Returns (``int8/*`` metrics, record, warnings) of an int8 job; if ``truthful``, crops follow the ground truth."""
    seconds = float(context.config["quantization"].get("compare_seconds", DEFAULT_SECONDS))
    backend = context.backend.quiet()
    base = fp32_artifact(context.artifact)
    record = Int8Record(processor=processor(), quantisation=context.artifact.info.get("int8", {}))
    found, record.size = sizes(context.artifact, base)
    if seconds <= 0:
        return {f"int8/{key}": value for key, value in found.items()}, record, []
    duel = Duel(context, backend, base, truthful)
    pairs = duel.run(sequences, seconds)
    record.compared = Compared(
        sequences=len(pairs),
        of_sequences=len(sequences),
        frames=sum(len(pair.fp32) for pair in pairs),
        of_frames=sum(len(item) for item in sequences),
        seconds=round(duel.seconds, 1),
    )
    found |= speeds(pairs)
    record.outputs = duel.differences.table()
    found["max_output_diff_share"] = max((row["share"] for row in record.outputs.values()), default=0.0)
    if not truthful:
        found |= boxes_against(pairs, tracks, record)
    if not truthful and context.dataset.has_truth:
        found |= ao_difference(pairs, tracks, context.seed)
    report = layer_report(context.artifact, base, backend, list(duel.last_inputs()), duel.last_inputs())
    record.layers = report
    found["layers_share"] = report["int8_share"]
    return {f"int8/{key}": value for key, value in found.items()}, record, warnings_of(found, report)


def fp32_artifact(artifact: Artifact) -> Artifact:
    """Returns the artifact from which ``artifact`` was quantised; it is next to it in the cache."""
    known = artifact.info["fp32"]
    folder = artifact.folder.parent / known["folder"]
    files = {name: folder / path for name, path in known["files"].items()}
    return Artifact(artifact.format, "fp32", files, artifact.graphs, known["key"], folder, {"mb": known["mb"]})


def processor() -> dict[str, Any]:
    """Returns the processor's instructions for int8 arithmetic."""
    features = set(cpu_info()["features"])
    return {
        "model": cpu_info()["model"],
        "AVX2": "avx2" in features,
        "AVX-512": "avx512f" in features,
        "VNNI": bool(features & {"avx_vnni", "avx512_vnni"}),
        "AMX": "amx_int8" in features,
        "Arm dot product": bool(features & {"asimddp", "i8mm"}),
    }


# ---------------------------------------------------------------------------------------------- sizes


def sizes(artifact: Artifact, base: Artifact) -> tuple[Metrics, dict[str, Any]]:
    """Returns MB of all files and of each quantised graph's weights."""
    rows = {}
    for name in artifact.graphs:
        own, other = _weights(artifact.files[name]), _weights(base.files[name])
        rows[name] = {"int8_bytes": own, "fp32_bytes": other, "ratio": own / max(1, other)}
    mb = {"int8": float(artifact.info.get("mb", 0.0)), "fp32": float(base.info.get("mb", 0.0))}
    quantised = [row["ratio"] for row in rows.values() if row["int8_bytes"] != row["fp32_bytes"]]
    found = {"size_ratio": mb["int8"] / mb["fp32"]} if mb["fp32"] else {}
    found |= {"weights_ratio": max(quantised)} if quantised else {}
    return found, {"mb": mb, "weights": rows}


def _weights(path: Path) -> int:
    weights = path.with_suffix(".bin")
    return (weights if path.suffix == ".xml" and weights.is_file() else path).stat().st_size


# ------------------------------------------------------------------------------------------- the duel


class Duel:
    """Runs fp32 and int8 in turns over the same frames."""

    def __init__(self, context: Context, backend: Backend, base: Artifact, truthful: bool) -> None:
        self._context, self._truthful = context, truthful
        self._fp32 = {name: Tap(item) for name, item in backend.open(base).items()}
        self._int8 = backend.open(context.artifact)
        self._fp32_again = backend.open(base)
        self.differences = Differences()
        self.seconds = 0.0

    def run(self, sequences: Seq[Sequence], seconds: float) -> list[Pair]:
        """Runs the first frames of all ``sequences``, the same number of each, as many as fit into ``seconds``."""
        began = perf_counter()
        cost = self._warm_up(sequences[0])
        each = fair_share([len(item) for item in sequences], int(seconds / cost))
        progress = self._context.progress
        progress.start("int8 against fp32", sum(min(each, len(item)) for item in sequences))
        pairs = []
        for item in sequences:
            pairs.append(self._sequence(item, min(each, len(item))))
            if perf_counter() - began > 2 * seconds + 5:
                break  # slower than at the start: the frames so far must be enough
        progress.close()
        self.seconds = perf_counter() - began
        return pairs

    def _warm_up(self, sequence: Sequence) -> float:
        """Runs a few frames; returns the seconds that a frame costs from then on."""
        count = min(WARMUP + 1, len(sequence))
        self._sequence(sequence, count)
        began = perf_counter()
        self._sequence(sequence, count)
        self.differences = Differences()
        return max(1e-4, (perf_counter() - began) / count)

    def _sequence(self, sequence: Sequence, count: int) -> Pair:
        spec = self._context.tracker
        mine, other = spec.start(dict(self._fp32.items())), spec.start(self._int8)
        fp32, forced = np.empty((count, 4)), np.empty((count, 4))
        times = np.zeros((2, count))
        for index, (image, _) in enumerate(islice(decoded(sequence, spec.color), count)):
            if not index:
                mine.init(image, sequence.init_box)
                other.init(image, sequence.init_box)
                fp32[0] = forced[0] = sequence.init_box
                continue
            before = sequence.truth[index - 1] if self._truthful and sequence.truth is not None else None
            if before is not None:
                mine.place(before)
            other.place(fp32[index - 1] if before is None else before)
            for turn in (0, 1) if index % 2 else (1, 0):
                tracker, boxes = ((mine, fp32), (other, forced))[turn]
                boxes[index], times[turn, index] = timed(tracker.update, image)
            if index % OUTPUTS_EVERY == 0:
                self._outputs()
            self._context.progress.step()
        return Pair(sequence, fp32, forced, times[0, 1:], times[1, 1:])

    def _outputs(self) -> None:
        for name, inputs in self.last_inputs().items():
            self.differences.add(name, self._fp32_again[name].run(inputs), self._int8[name].run(inputs))

    def last_inputs(self) -> dict[str, Mapping[str, Array]]:
        """Returns the last inputs of each graph that runs on every frame, without graphs that were not used."""
        return {name: self._fp32[name].inputs for name in self._context.tracker.per_frame if self._fp32[name].inputs}


def timed(update: Any, image: Image) -> tuple[Boxes, float]:
    begin = perf_counter()
    box = update(image)
    return box, perf_counter() - begin


def fair_share(lengths: Seq[int], total: int) -> int:
    """The largest number n with sum(min(length, n)) <= ``total``; at least 2."""
    low, high = 2, max(lengths, default=2)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sum(min(item, middle) for item in lengths) <= total else (low, middle - 1)
    return low


# -------------------------------------------------------------------------------------------- figures


def speeds(pairs: Seq[Pair]) -> Metrics:
    """fp32's time over int8's: of all frames (``fps_ratio``) and of the median frame (``latency_ratio``)."""
    fp32 = np.concatenate([pair.fp32_seconds for pair in pairs])
    int8 = np.concatenate([pair.int8_seconds for pair in pairs])
    return {
        "fps_ratio": float(fp32.sum() / int8.sum()),
        "latency_ratio": float(np.median(fp32) / np.median(int8)),
        "latency_ms/p50": float(np.median(int8) * 1e3),
        "fp32_latency_ms/p50": float(np.median(fp32) * 1e3),
    }


def boxes_against(pairs: Seq[Pair], tracks: Mapping[str, Track], record: Int8Record) -> Metrics:
    """Returns the agreement with fp32's boxes, free running and teacher-forced; adds it per sequence to ``record``."""
    found: Metrics = {}
    base = {pair.sequence.name: pair.fp32 for pair in pairs}
    ways = {
        "free": {pair.sequence.name: tracks[pair.sequence.name].boxes[: len(pair.fp32)] for pair in pairs},
        "forced": {pair.sequence.name: pair.forced for pair in pairs},
    }
    told = {}
    for way, boxes in ways.items():
        agreed = agreement(boxes, base)
        found[f"{way}/mean_iou"] = agreed.mean_iou
        parted = agreed.first_below(DIVERGED)
        if parted is not None:
            found[f"{way}/first_divergent_frame"] = float(parted)
        rows = {item.sequence: item for item in agreed.sequences}
        told[way] = {name: _row(rows[name]) for name in base}
    record.boxes_free, record.boxes_forced = told["free"], told["forced"]
    return found


def _row(agreed: SequenceAgreement) -> BoxesAgainst:
    return BoxesAgainst(
        mean_iou=agreed.mean_iou,
        min_iou=float(agreed.overlaps.min()),
        first_divergent_frame=agreed.first_below(DIVERGED),
    )


def ao_difference(pairs: Seq[Pair], tracks: Mapping[str, Track], seed: int) -> Metrics:
    """Returns AO of int8 minus AO of fp32 over the compared frames, with its paired 95 % bootstrap interval."""
    differences, weights, pooled = [], [], []
    for pair in pairs:
        mask = scored(pair.sequence, len(pair.fp32))
        if pair.sequence.truth is None or not mask.any():
            continue
        truth = pair.sequence.truth[1 : len(pair.fp32)]
        both = [
            iou(boxes[1:], truth, pair.sequence.size)[mask]
            for boxes in (tracks[pair.sequence.name].boxes[: len(pair.fp32)], pair.fp32)
        ]
        differences.append(float(both[0].mean() - both[1].mean()))
        weights.append(float(mask.sum()))
        pooled.append(both)
    if not pooled:
        return {}
    int8, fp32 = (np.concatenate([both[index] for both in pooled]) for index in (0, 1))
    found = {"ao": ao(int8), "fp32_ao": ao(fp32), "ao_difference": ao(int8) - ao(fp32)}
    low, high = bootstrap_interval(np.array(differences), np.array(weights), seed)
    return found | ({"ao_difference_low": low, "ao_difference_high": high} if np.isfinite(low) else {})


def scored(sequence: Sequence, count: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Returns a mask of the frames 1 ... count - 1 that count for AO."""
    return np.ones(count - 1, bool) if sequence.visible is None else np.asarray(sequence.visible[1:count], bool)


def warnings_of(found: Metrics, layers: Mapping[str, Any]) -> list[str]:
    """Returns a warning if int8 is not faster, with the slowest layers."""
    if found["latency_ratio"] > 1.0:
        return []
    costly = ", ".join(
        f"{row['name']} ({row['type']}, {row['precision']}, {row['ms']:.2f} ms)" for row in layers["costly"][:SHOWN_LAYERS]
    )
    return [
        f"int8 is not faster here: {found['latency_ratio']:.2f} times fp32, both in turns on the same frames. "
        + (f"Its layers that cost most: {costly}." if costly else "")
    ]
