"""The gate: ``--fail-if "fps < 0.95x" "ao < -0.01"``.

Grammar: ``METRIC OP NUMBER[x|%]`` with OP one of < <= > >=.

- ``0.95x``: the metric divided by the baseline's;
- ``-5%``: its change relative to the baseline's, in percent;
- ``-0.01`` or ``+0.01`` (signed): its difference from the baseline's;
- ``20`` (unsigned): the metric itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.core.catalog import SPEEDS, catalog
from harness.core.config import suggestion
from harness.core.errors import ConfigError
from harness.report import differences
from harness.report.columns import value_of
from harness.scoring.compared import Comparison, Row
from harness.scoring.intervals import Interval

_RULE = re.compile(
    r"^\s*(?P<metric>[A-Za-z][\w./-]*)\s*(?P<op><=|>=|<|>)\s*(?P<number>[+-]?\s*(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"\s*(?P<unit>x|%)?\s*$"
)
_TESTS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}
Kind = Literal["ratio", "percent", "difference", "value"]


@dataclass(frozen=True)
class Gate:
    """A condition under which the comparison fails."""

    text: str
    metric: str
    op: str
    limit: float
    kind: Kind

    def fires(self, value: float) -> bool:
        """Whether ``value`` meets the condition."""
        return _TESTS[self.op](value, self.limit)


def parse(text: str, option: str = "--fail-if") -> Gate:
    """Parses a condition; ``option`` is the option it was given to.

    Raises ConfigError with the grammar if it is invalid.
    """
    match = _RULE.match(text)
    if not match:
        raise ConfigError(
            f"{option} {text!r} is not a condition; write METRIC < NUMBER (also <=, >, >=), the number as 0.95x (ratio "
            "to the baseline), -5% (relative change), -0.01 or +0.01 (difference) or 20 (the value itself)."
        )
    number = match["number"].replace(" ", "")
    kinds: dict[str, Kind] = {"x": "ratio", "%": "percent"}
    kind: Kind = kinds.get(match["unit"] or "", "difference" if number[0] in "+-" else "value")
    if not math.isfinite(float(number)):
        raise ConfigError(f"--fail-if {text!r}: the limit is not finite; write a number such as 0.6.")
    if kind == "ratio" and float(number) <= 0:
        raise ConfigError(f"{option} {text!r}: a ratio is positive; write for example 0.95x.")
    return Gate(text.strip(), match["metric"], match["op"], float(number), kind)


def judge(gates: list[Gate], comparison: Comparison, significant: bool = False) -> list[str]:
    """Returns a sentence for each run that a gate stops; a run that cannot be judged is stopped too.

    Conditions on a metric's own value apply to the baseline too; relative conditions apply to all other runs.

    Args:
        gates: The conditions.
        comparison: The comparison of runs with a baseline, or of two sweeps (each configuration then has its own
            baseline).
        significant: Whether a relative condition stops a run only if the whole 95 % interval meets it.

    Raises:
        ConfigError: A condition names an unknown metric.
    """
    sentences = [
        f"{row.shown} {row.job.results.status}: {row.job.failure()}"
        for row in comparison.rows
        if row.job.results.status == "failed" and gates
    ]
    sentences += [f"{name}: missing in the newer sweep." for name in comparison.missing if gates]
    for gate in gates:
        _check_known(gate, comparison)
        rows = _judged(gate, comparison)
        if not rows:
            sentences.append(f"'{gate.text}' could not be judged: no run to judge.")
        for row in rows:
            sentence = _judge_one(gate, row, significant)
            if sentence:
                sentences.append(sentence)
    return sentences


def _judged(gate: Gate, comparison: Comparison) -> list[Row]:
    """Returns the rows to which a condition applies; for two sweeps, the newer one's rows that have a partner."""
    if comparison.base is None and any(row.against is not None for row in comparison.rows):
        return [row for row in comparison.well if row.against is not None]
    return [row for row in comparison.well if gate.kind == "value" or row is not comparison.base]


def _check_known(gate: Gate, comparison: Comparison) -> None:
    """Raises ConfigError for a metric that no run and not the catalogue has, probably a typing error.

    Metrics that a run may lack for a reason (random weights, no latency) are in the catalogue.
    """
    here = {name for row in comparison.well for name in row.job.metrics}
    if comparison.well and gate.metric not in here and catalog().find(gate.metric) is None:
        known = here | {entry.name for entry in catalog() if not entry.pattern}
        raise ConfigError(
            f"--fail-if {gate.text!r}: no run has a metric {gate.metric!r}{suggestion(gate.metric, known)}; metrics here: "
            f"{', '.join(sorted(here))}."
        )


def _judge_one(gate: Gate, row: Row, significant: bool) -> str:
    reason = _why_not(gate, row)
    own = _own_value(row, gate.metric)
    other = _own_value(row.against, gate.metric)
    if not reason and own is None:
        reason = "it has no such metric"
    if not reason and gate.kind != "value" and (other is None or (gate.kind != "difference" and other == 0)):
        reason = "the baseline has no such metric, or it is zero"
    if reason or own is None:
        return f"{row.shown}: '{gate.text}' could not be judged: {reason}."
    value, words = _measure(gate, own, other)
    interval = _interval(gate, row)
    if interval is not None and gate.kind in ("ratio", "percent"):  # measured in turns: more exact than two runs' fps
        value = interval.value if gate.kind == "ratio" else 100 * (interval.value - 1)
        words += f", in turns {interval.value:.4g}x"
    if significant and gate.kind != "value":
        if interval is None or interval.low is None or interval.high is None:
            return f"{row.shown}: '{gate.text}' could not be judged: there is no interval." if gate.fires(value) else ""
        ends = [interval.low, interval.high]
        ends = [100 * (end - 1) for end in ends] if gate.kind == "percent" else ends
        if not all(gate.fires(end) for end in ends):
            return ""
    return f"{row.shown}: {gate.metric} {words}, which meets '{gate.text}'." if gate.fires(value) else ""


def _interval(gate: Gate, row: Row) -> Interval | None:
    """Returns the interval of the value in a relative condition, if there is one."""
    if gate.kind == "difference":
        return row.difference.get(gate.metric)
    if gate.metric in SPEEDS and row.ratio is not None and row.ratio.known:
        return row.ratio
    return None


def measured(gate: Gate, own: float, other: float | None) -> float:
    """Returns the value that a condition tests: the metric, its ratio, its difference, or its change in percent."""
    return _measure(gate, own, other)[0]


def _measure(gate: Gate, own: float, other: float | None) -> tuple[float, str]:
    if gate.kind == "value" or other is None:
        return own, f"is {own:.6g}"
    if gate.kind == "difference":
        return own - other, f"is {own - other:+.6g} from the baseline ({own:.6g} against {other:.6g})"
    if gate.kind == "ratio":
        return own / other, f"is {own / other:.4g}x the baseline ({own:.6g} against {other:.6g})"
    change = 100.0 * (own / other - 1.0)
    return change, f"changed by {change:+.2f}% ({own:.6g} against {other:.6g})"


def _own_value(row: Row | None, metric: str) -> float | None:
    """Returns the metric of a run; the baseline's agreement with itself is complete."""
    if row is None:
        return None
    found = value_of(row, metric)
    return 1.0 if found is None and row.baseline and metric.startswith("agreement/") else found


def _why_not(gate: Gate, row: Row) -> str:
    if gate.kind == "value":
        return ""
    if catalog().needing("truth", [gate.metric]):
        if row.why_not_difference != differences.NOTHING or row.against is None:
            return row.why_not_difference
        return differences.why_not_scores(row.job, row.against.job)  # without a plain AO, runs may have the requested metric
    if catalog().needing("machine", [gate.metric]) and row.why_not_ratio != differences.NO_SPEED:
        return row.why_not_ratio
    return ""
