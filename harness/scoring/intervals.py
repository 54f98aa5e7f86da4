"""Two-sided 95 % intervals: of accuracy over sequences, of speed over rounds or blocks of frames.

Accuracy varies with the sequence, so its intervals resample whole sequences (B. Efron, R. Tibshirani, An Introduction
to the Bootstrap, 1993, ch. 8 and 13: percentile interval). Speed varies with time, so its intervals come from rounds
if there are three or more, else from blocks of consecutive frames (correlated noise stays inside a block; ch. 8.6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from harness.scoring.bootstrap import bootstrap_interval
from harness.scoring.means import student

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

DRAWS = 2000
SEED = 20200101
LEVEL = 0.95
BLOCK = 25
"""Consecutive frames in a block: longer than the disturbance by a scheduler slice or a garbage collection."""
FEWEST_ROUNDS = 3
FEWEST_SEQUENCES = 5
"""The least number of sequences: fewer give too few different draws (2 sequences give 3) for an interval."""


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval; ``low`` and ``high`` are None if there is no interval.

    ``basis`` describes the samples of the interval in a few words.
    """

    value: float
    low: float | None = None
    high: float | None = None
    basis: str = ""

    @property
    def known(self) -> bool:
        """Whether the interval has both of its ends."""
        return self.low is not None and self.high is not None

    def excludes(self, point: float) -> int:
        """Returns 1 if the whole interval is above ``point``, -1 if below, 0 if it contains it or is not known."""
        if self.low is None or self.high is None:
            return 0
        return 1 if self.low > point else -1 if self.high < point else 0


def bracket(interval: Interval, digits: int, signed: bool = False) -> str:
    """Returns ``1.52 [1.48, 1.57]``; only the value if there is no interval."""
    form = f"{{:{'+' if signed else ''}.{digits}f}}"
    text = form.format(interval.value)
    if interval.low is None or interval.high is None:
        return text
    return f"{text} [{form.format(interval.low)}, {form.format(interval.high)}]"


# --------------------------------------------------------------------------------------- accuracy


@dataclass(frozen=True)
class Sums:
    """Sums over the scored frames of each sequence: ``counts`` [S], ``sums`` [S, 3] of IoU, IoU > 0.5, IoU > 0.75."""

    names: tuple[str, ...]
    counts: Floats
    sums: Floats

    def pooled(self) -> Floats:
        """AO, SR0.50, SR0.75 over all frames together ``[3]``."""
        return np.asarray(self.sums.sum(axis=0) / self.counts.sum(), float)


ACCURACY = ("ao", "sr50", "sr75")


def sums_of(tracked: pd.DataFrame) -> Sums | None:
    """Returns sums per sequence (in order of name) over scored frames of all repetitions; None if nothing is scored."""
    import pandas as pd

    if "iou" not in tracked:
        return None
    rows = tracked[np.isfinite(tracked["iou"].astype(float))]
    if "scored" in rows:
        rows = rows[rows["scored"].astype(bool)]
    if rows.empty:
        return None
    iou = rows["iou"].astype(float)
    table = pd.DataFrame(
        {"sequence": rows["sequence"], "n": 1.0, "ao": iou, "sr50": iou > 0.5, "sr75": iou > 0.75}
    ).astype({"sr50": float, "sr75": float})
    sums = table.groupby("sequence", sort=True).sum()
    names = tuple(str(name) for name in sums.index)
    return Sums(names, sums["n"].to_numpy(float), sums[list(ACCURACY)].to_numpy(float))


def weights(size: int, draws: int = DRAWS, seed: int = SEED) -> Floats:
    """Returns ``[draws, size]``: how often each of ``size`` units is drawn in ``size`` draws with replacement."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(size, np.full(size, 1.0 / size), size=draws).astype(float)


def _bounds(samples: Floats) -> tuple[float, float]:
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(samples, [tail, 1.0 - tail])
    return float(low), float(high)


def accuracy_intervals(own: Sums) -> dict[str, Interval]:
    """Returns frame-pooled AO, SR0.50, SR0.75, each with its interval over sequences (none for fewer than five)."""
    return _pooled(own.sums / own.counts[:, None], own.counts)


def accuracy_differences(own: Sums, base: Sums) -> dict[str, Interval]:
    """Returns paired differences ``own - base`` of AO, SR0.50, SR0.75 with intervals; both use the same draws.

    Raises ValueError if the two do not hold the same sequences with frames in the same proportions (a run of
    three repetitions may be compared with a run of one).
    """
    if own.names != base.names or not np.allclose(own.counts / own.counts.sum(), base.counts / base.counts.sum()):
        raise ValueError("the runs scored different sequences or frames")
    return _pooled(own.sums / own.counts[:, None] - base.sums / base.counts[:, None], base.counts)


def _pooled(values: Floats, counts: Floats) -> dict[str, Interval]:
    """Frame-weighted means of ``values`` [S, 3] with intervals over sequences."""
    found = {}
    for index, name in enumerate(ACCURACY):
        value = float(values[:, index] @ counts / counts.sum())
        low, high = bootstrap_interval(values[:, index], counts, resamples=DRAWS)
        known = bool(np.isfinite(low)) and len(counts) >= FEWEST_SEQUENCES
        basis = f"bootstrap over {len(counts)} sequences" if known else ""
        found[name] = Interval(value, low if known else None, high if known else None, basis)
    return found


# ------------------------------------------------------------------------------------------ speed


def fps(timed: pd.DataFrame) -> float:
    """Returns updates over the sum of their seconds; the median if there are several rounds."""
    return float(round_fps(timed).median())


def fps_interval(timed: pd.DataFrame, value: float | None = None) -> Interval:
    """Returns frames per second with an interval, from rounds if there are enough, else from blocks."""
    rounds = round_fps(timed)
    point = fps(timed) if value is None else value
    if len(rounds) >= FEWEST_ROUNDS:
        low, high = student(np.log(rounds.to_numpy(float)), LEVEL)
        return Interval(point, float(np.exp(low)), float(np.exp(high)), f"{len(rounds)} rounds")
    blocks = _blocks(timed)
    if len(blocks) < 2:
        return Interval(point)
    drawn = weights(len(blocks))
    samples = (drawn @ blocks["n"].to_numpy(float)) / (drawn @ blocks["s"].to_numpy(float))
    return Interval(point, *_bounds(samples), basis=_blocks_basis(len(blocks)))


def repeats(job: Timed, tolerance: float = 0.05) -> bool:
    """Whether a job's frames give its fps; if not, an interval from them would not fit the value."""
    if job.timed is None or "fps" not in job.metrics:
        return False
    return abs(fps(job.timed) / job.metrics["fps"] - 1.0) <= tolerance


class Timed(Protocol):
    """An object with times per frame and metrics."""

    @property
    def timed(self) -> pd.DataFrame | None:
        """Rows of updates whose times are latencies; None if there are none."""

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics by name."""


def _blocks_basis(count: int) -> str:
    return f"{count} blocks of {BLOCK} frames"


def round_fps(timed: pd.DataFrame) -> pd.Series:
    """Returns updates per second of each round, by the round's number."""
    groups = timed.groupby("round")["seconds"]
    return groups.count() / groups.sum()


def _blocks(timed: pd.DataFrame) -> pd.DataFrame:
    """Returns count ``n`` and sum of seconds ``s`` of each block of consecutive frames of a sequence."""
    import pandas as pd

    keys = [timed["sequence"], timed["repetition"], timed["round"], (timed["frame"] // BLOCK).rename("block")]
    grouped = timed.groupby(keys, sort=True)["seconds"]
    return pd.DataFrame({"n": grouped.count().astype(float), "s": grouped.sum()})
