"""What came of a comparison, in words: a sentence on each run, and who wins."""

from __future__ import annotations

from harness.report import differences
from harness.scoring.compared import Row
from harness.scoring.intervals import Interval, bracket

ROUNDING = 1e-6
NEGLIGIBLE = 5e-5


def verdict(row: Row, base: Row | None) -> str:
    """One sentence on a job: its speed, its accuracy and its boxes against the baseline's."""
    if not row.job.ok:
        return f"{row.shown}: {row.job.results.status} ({row.job.failure().rstrip('.')})."
    if base is None or row is base:
        return f"{row.shown} is the baseline{_figures(row)}."
    parts = [_speed_verdict(row, base), _accuracy_verdict(row), _agreement_verdict(row)]
    return f"{row.shown} " + "; ".join(part for part in parts if part) + "."


def _figures(row: Row) -> str:
    parts = []
    if row.speed:
        parts.append(f"{bracket(row.speed, 1)} {speed_word(row.speed_metric)}")
    if "ao" in row.accuracy:
        parts.append(f"AO {bracket(row.accuracy['ao'], 3)}")
    return ": " + ", ".join(parts) if parts else ""


def speed_word(metric: str) -> str:
    words = {"pipeline_fps": "frames per second with decoding", "benchmark_app/throughput_fps": "inferences per second"}
    return words.get(metric, "frames per second")


def _speed_verdict(row: Row, base: Row) -> str:
    if row.ratio is None:
        own = f"runs at {row.speed.value:.1f} {speed_word(row.speed_metric)}" if row.speed else "has no speed"
        return f"{own} (not divided by the baseline's: {row.why_not_ratio})"
    text = f"is {bracket(row.ratio, 2)} times as fast as {base.label}"
    if not row.ratio.known:
        return text
    return text + {1: "", 0: ": no difference in speed shown", -1: ": slower"}[row.ratio.excludes(1.0)]


def _accuracy_verdict(row: Row) -> str:
    if row.why_not_difference == differences.NOTHING:
        return ""
    if row.why_not_difference:
        return f"accuracy not compared: {row.why_not_difference}"
    ao = row.difference["ao"]
    if row.agreement and row.agreement.identical == 1.0 and abs(ao.value) < ROUNDING:
        return "AO the same, every box identical"
    if _negligible(ao):
        return "AO the same to four decimals"
    narrow = ao.low is not None and ao.high is not None and ao.high - ao.low < 0.002
    text = f"AO {bracket(ao, 4 if narrow else 3, signed=True)}"
    if not ao.known:
        return text + " (too few sequences for an interval)"
    return text + {1: ": a gain", 0: ": no loss shown", -1: ": a loss"}[ao.excludes(0.0)]


def _negligible(difference: Interval) -> bool:
    """Whether a difference and its whole interval are zero to four decimals: certain, perhaps, but of no account."""
    ends = (difference.value, difference.low or 0.0, difference.high or 0.0)
    return max(map(abs, ends)) < NEGLIGIBLE


def _keeps_accuracy(row: Row) -> bool:
    """Whether no loss of AO is shown by an interval."""
    difference = row.difference["ao"]
    return _negligible(difference) or (difference.known and difference.excludes(0.0) >= 0)


def _agreement_verdict(row: Row) -> str:
    if row.agreement is None or row.agreement.identical == 1.0:
        return ""
    return f"boxes agree to mean IoU {row.agreement.mean_iou:.3f} ({row.agreement.identical:.1%} identical)"


def headlines(rows: list[Row], base: Row | None) -> list[str]:
    """Who wins, in a sentence or two; nothing where there is nothing to choose from."""
    ratios = [row for row in rows if row.ratio is not None]
    if base is None or not ratios:
        return []
    fastest = max(ratios, key=lambda row: row.ratio.value if row.ratio else 0.0)
    assert fastest.ratio is not None
    if fastest.ratio.value <= 1.0:
        lines = [f"None is faster than {base.shown}, the baseline."]
    else:
        lines = [f"Fastest: {fastest.shown}, {bracket(fastest.ratio, 2)} times {base.label}."]
    judged = [row for row in ratios if "ao" in row.difference]
    safe = [row for row in judged if _keeps_accuracy(row)]
    quick = [row for row in safe if row.ratio is not None and row.ratio.excludes(1.0) > 0]
    if judged and not quick:
        lines.append("None is shown to be faster without a loss of accuracy.")
    elif quick:
        best = max(quick, key=lambda row: row.ratio.value if row.ratio else 0.0)
        assert best.ratio is not None
        if best is not fastest:
            lines.append(f"Fastest with no loss of accuracy shown: {best.shown}, {bracket(best.ratio, 2)} times.")
        else:
            lines.append("No loss of accuracy is shown for it.")
    return lines
