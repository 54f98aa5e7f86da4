"""The account of a frame's time, from benchmark_app's throughput to the tracker's pipeline; each rung adds one cost.

This module only calculates with measured rounds. A rung is the milliseconds of one frame (1000 / fps) if everything up
to this rung is done. A step is a rung minus the one above it, both medians over the rounds, so that the steps add up to
the whole difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from harness.core.interfaces import Metrics

INCONCLUSIVE = 0.05
AGREES = 0.05

RUNGS: dict[str, str] = {
    "benchmark_app": "benchmark_app: several requests in flight, random inputs",
    "requests": "the same in the tracker's process",
    "one_request": "one request at a time (latency mode)",
    "real_inputs": "real crops instead of random inputs",
    "filled": "inputs filled each time",
    "session": "called through the tracker's own session",
    "crop": "+ crop and preprocessing",
    "postprocess": "+ postprocessing",
    "decode": "+ decoding",
}
"""Key -> title of every rung, in order; each includes everything above it (apart from the network's mode)."""

STAGES = {
    "inference": ("session", None),
    "preprocess": ("crop", "session"),
    "postprocess": ("postprocess", "crop"),
    "decode": ("decode", "postprocess"),
}
"""Stage of the loop's own timers -> the rungs whose difference should be the same milliseconds."""


@dataclass(frozen=True)
class Round:
    """One round: milliseconds per frame of every rung, the whole loop (``pipeline``), and its stage timers."""

    rungs: Mapping[str, float]
    pipeline: float
    timers: Mapping[str, float]

    def total(self) -> float:
        """The sum of everything measured in the round, which shows how fast the machine was."""
        return sum(self.rungs.values()) + self.pipeline


@dataclass(frozen=True)
class Account:
    """The result of the rounds, in milliseconds per frame, medians over rounds; shares are of ``pipeline``."""

    rows: list[dict[str, Any]]
    pipeline: float
    ladder: float
    timers: float
    stages: list[dict[str, Any]]
    difference: float
    differences: list[float]
    stage_difference: float
    unexplained: float
    spread: float
    rounds: int
    verdict: str

    @property
    def conclusive(self) -> bool:
        return self.spread <= INCONCLUSIVE


def account(rounds: Sequence[Round]) -> Account:
    """The account over ``rounds`` (at least one)."""
    rungs = {key: median([item.rungs[key] for item in rounds]) for key in RUNGS if key in rounds[0].rungs}
    pipeline = median([item.pipeline for item in rounds])
    rows, before = [], None
    for key, value in rungs.items():
        values = [item.rungs[key] for item in rounds]
        rows.append(_row(key, RUNGS[key], value, before, values))
        before = value
    ladder = rungs["decode"]
    unexplained = pipeline - ladder
    rows.append(_row("pipeline", "the tracker's loop as it is (unexplained rest)", pipeline, ladder,
                     [item.pipeline for item in rounds]))  # fmt: skip
    stages = [_stage(stage, rungs, rounds, pipeline) for stage in STAGES]
    timers = median([sum(item.timers[stage] for stage in STAGES) for item in rounds])
    # the ladder and the timers of a round saw the same machine state, so their difference is taken within each round
    differences = [item.rungs["decode"] - sum(item.timers[stage] for stage in STAGES) for item in rounds]
    difference = median(differences)
    spread = max(spread_of([item.total() for item in rounds]), spread_of([item.pipeline for item in rounds]))
    found = Account(
        rows,
        pipeline,
        ladder,
        timers,
        stages,
        difference,
        differences,
        sum(abs(row["difference_ms"]) for row in stages),
        unexplained,
        spread,
        len(rounds),
        "",
    )
    return Account(**{**found.__dict__, "verdict": verdict(found)})


def _row(key: str, title: str, value: float, before: float | None, values: Sequence[float]) -> dict[str, Any]:
    return {
        "key": key,
        "step": title,
        "ms": value,
        "fps": 1000.0 / value,
        "step_ms": None if before is None else value - before,
        "spread": spread_of(values),
        "rounds_ms": list(values),
    }


def _stage(stage: str, rungs: Mapping[str, float], rounds: Sequence[Round], pipeline: float) -> dict[str, Any]:
    upper, lower = STAGES[stage]
    steps = [item.rungs[upper] - (item.rungs[lower] if lower else 0.0) for item in rounds]
    timed = [item.timers[stage] for item in rounds]
    difference = median([own - other for own, other in zip(steps, timed, strict=True)])
    return {
        "stage": stage,
        "ladder_ms": median(steps),
        "timer_ms": median(timed),
        "difference_ms": difference,
        "share": difference / pipeline,
    }


def spread_of(values: Sequence[float]) -> float:
    """(largest - smallest) / median; 0 for a single value."""
    return (max(values) - min(values)) / median(values) if len(values) > 1 else 0.0


def verdict(found: Account) -> str:
    """Returns one sentence: explained, not explained, or inconclusive."""
    top = found.rows[0]
    share = abs(found.difference) / found.pipeline
    gap = f"benchmark_app's {top['fps']:.1f} fps against the tracker's {1000 / found.pipeline:.1f}"
    if not found.conclusive:
        return (
            f"Inconclusive: the rounds themselves spread over {found.spread:.1%} (more than {INCONCLUSIVE:.0%}), so that "
            f"{gap} fps cannot be accounted for on this machine now; ladder and stage timers, which take turns within a round, "
            f"differ by {share:.1%} of a frame ({_range(found)} in the single rounds)."
        )
    word = "is accounted for" if share <= AGREES else "is not wholly accounted for"
    return (
        f"{gap} fps {word}: ladder and stage timers differ by {found.difference:+.2f} ms, {share:.1%} of a frame's "
        f"{found.pipeline:.1f} ms (stage by stage {found.stage_difference / found.pipeline:.1%} in all); "
        f"{found.unexplained:+.2f} ms of the loop are unexplained; {found.rounds} rounds spread over {found.spread:.1%}."
    )


def _range(found: Account) -> str:
    """Returns the smallest and largest difference of a round as shares of a frame: ``-0.4% to +1.2%``."""
    shares = [value / found.pipeline for value in found.differences]
    return f"{min(shares):+.1%} to {max(shares):+.1%}"


def metrics_of(found: Account) -> Metrics:
    """Returns metrics: ``gap/ms/*`` and ``gap/fps/*`` of rungs, ``gap/step_ms/*`` of steps, and checks."""
    named: Metrics = {}
    for row in found.rows:
        named[f"gap/ms/{row['key']}"] = row["ms"]
        named[f"gap/fps/{row['key']}"] = row["fps"]
        if row["step_ms"] is not None:
            named[f"gap/step_ms/{row['key']}"] = row["step_ms"]
    named["gap/unexplained_ms"] = found.unexplained
    named["gap/disagreement_ms"] = found.difference
    named["gap/disagreement_share"] = abs(found.difference) / found.pipeline
    named["gap/spread"] = found.spread
    return named


# ------------------------------------------------------------------------- what benchmark_app counts


@dataclass(frozen=True)
class AppRun:
    """The report of one run of benchmark_app: milliseconds, its throughput, and the requested seconds."""

    throughput: float
    iterations: int
    total_ms: float
    asked_ms: float
    first_ms: float
    read_ms: float
    compile_ms: float
    min_ms: float
    max_ms: float


def what_is_counted(runs: Sequence[AppRun]) -> dict[str, Any]:
    """Checks by the app's own figures whether its throughput counts model loading or the first inference.

    The throughput must be inferences over the seconds of the timed loop, and that loop must last as long as requested.
    Reading, compiling and the first inference, which are reported separately, are then outside it if they would not fit
    in.
    """
    recomputed = [run.iterations / run.total_ms * 1e3 for run in runs]
    # the app rounds its throughput to two decimals and its times to hundredths of a millisecond
    exact = all(abs(own - run.throughput) <= 0.006 + 1e-5 * own for own, run in zip(recomputed, runs, strict=True))
    over = [run.total_ms - run.asked_ms for run in runs]
    loading = [run.read_ms + run.compile_ms for run in runs]
    loading_outside = exact and all(late < load for late, load in zip(over, loading, strict=True))
    telling = [run for run in runs if not run.min_ms <= run.first_ms <= run.max_ms]
    first_outside = exact and bool(telling)
    typical = telling[0] if telling else runs[len(runs) // 2]
    words = (
        f"benchmark_app's throughput {'is' if exact else 'is not'} its inferences over its timed loop "
        f"({typical.iterations} / {typical.total_ms / 1e3:.2f} s = {typical.iterations / typical.total_ms * 1e3:.2f}; it says "
        f"{typical.throughput:.2f}). The loop lasted {median(over):.0f} ms longer than the {typical.asked_ms / 1e3:.0f} s asked "
        f"for, reading and compiling took {median(loading):.0f} ms: model loading is "
        f"{'not counted' if loading_outside else 'not shown to be left out'}. "
        f"The first inference took {typical.first_ms:.1f} ms and is reported separately; the inferences counted took "
        f"{typical.min_ms:.1f} to {typical.max_ms:.1f} ms: "
        + (
            "the first one is not among those counted."
            if first_outside
            else "by these figures alone it could be among those counted; it is run before the loop begins."
        )
    )
    return {
        "throughput_is_the_loop": exact,
        "counts_model_loading": False if loading_outside else None,
        "counts_first_inference": False if first_outside else None,
        "statement": words,
    }
