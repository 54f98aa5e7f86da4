"""The results of an evaluation besides its metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.core.records import Record


@dataclass(kw_only=True)
class BoxesAgainst:
    """One sequence of an int8 model against its own fp32; ``first_divergent_frame`` is None if no frame diverged."""

    mean_iou: float
    min_iou: float
    first_divergent_frame: int | None


@dataclass(kw_only=True)
class Compared:
    """The frames and sequences on which int8 and fp32 were compared."""

    sequences: int
    of_sequences: int
    frames: int
    of_frames: int
    seconds: float


@dataclass(kw_only=True)
class Int8Record:
    """An int8 model against its own fp32.

    Attributes:
        processor: The processor's model, and its instructions for int8 arithmetic.
        quantisation: The record of preparation: calibration, accuracy control.
        size: ``mb`` of both, and ``weights`` of each graph.
        compared: The frames on which boxes, outputs and times were compared; None if ``quantization.compare_seconds``
            is 0.
        outputs: Output -> largest difference on the same inputs, its range, and the share.
        boxes_free: Agreement by sequence if each model follows its own boxes.
        boxes_forced: Agreement by sequence if int8 gets the crops of fp32's boxes.
        layers: The layers that the runtime executed in int8, and the slowest ones.
    """

    processor: dict[str, Any]
    quantisation: dict[str, Any]
    size: dict[str, Any] | None = None
    compared: Compared | None = None
    outputs: dict[str, dict[str, float]] | None = None
    boxes_free: dict[str, BoxesAgainst] | None = None
    boxes_forced: dict[str, BoxesAgainst] | None = None
    layers: dict[str, Any] | None = None


@dataclass(kw_only=True)
class EvaluateRecord(Record):
    """An evaluation.

    Attributes:
        decoder: The library that decodes images.
        mode: ``task.mode``.
        resumed_sequences: Sequences that an earlier, interrupted run had finished.
        contended: Whether all sequences ran in parallel with others, so that no time is a latency.
        repetitions: How often each sequence was tracked.
        timed_sequences: With ``mode=both``, the sequences that were tracked alone.
        start_s: Seconds from the start of the process to the first tracked frame.
        last_frame: When the last frame was tracked, seconds since the epoch.
        requests: Sequences in flight.
        threads: How threads were split among them.
        parallel_wall: Seconds of the part that ran in parallel.
        parallel_frames: Frames of the part that ran in parallel.
        parallel_effective: The effective settings there, as the runtime reports them.
        cluster: The work of a cluster's workers.
        success_curve: Share of frames above each of the 101 overlap thresholds.
        intervals: Metric -> its 95 % interval over sequences.
        ope: Curves and attributes under OPE.
        int8: An int8 model against its own fp32.
    """

    decoder: str = ""
    mode: str = "serial"
    resumed_sequences: int = 0
    contended: bool = False
    repetitions: int = 1
    timed_sequences: list[str] | None = None
    start_s: float | None = None
    last_frame: float | None = None
    requests: int | None = None
    threads: dict[str, Any] | None = None
    parallel_wall: float | None = None
    parallel_frames: int | None = None
    parallel_effective: dict[str, Any] | None = None
    cluster: dict[str, Any] | None = None
    success_curve: list[float] | None = None
    intervals: dict[str, tuple[float, float]] | None = None
    ope: dict[str, Any] | None = None
    int8: Int8Record | None = None

    @property
    def in_flight(self) -> tuple[int, float] | None:
        """Frames and seconds of tracking with several sequences in flight; None if there was none."""
        if not self.parallel_wall or self.parallel_frames is None:
            return None
        return self.parallel_frames, self.parallel_wall
