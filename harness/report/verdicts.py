"""The result of a comparison in sentences: one on each run, and which run is best."""

from __future__ import annotations

import shlex

from harness.report import differences
from harness.scoring import turns
from harness.scoring.compared import Comparison, Contest, Row
from harness.scoring.intervals import Interval, bracket
from harness.scoring.turns import Decision

ROUNDING = 1e-6
NEGLIGIBLE = 5e-5


def verdict(row: Row, base: Row | None, contest: Contest | None = None) -> str:
    """Returns one sentence on a job: its speed, its accuracy and its boxes compared with the baseline."""
    if not row.job.ok:
        return f"{row.shown}: {row.job.results.status} ({row.job.failure().rstrip('.')})."
    if base is None or row is base:
        return f"{row.shown} is the baseline{_figures(row)}."
    contest = contest or Contest()
    parts = [_speed_verdict(row, base, contest), _accuracy_verdict(row), _agreement_verdict(row), _same_verdict(row)]
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


def _speed_verdict(row: Row, base: Row, contest: Contest) -> str:
    if row.ratio is None:
        own = f"runs at {row.speed.value:.1f} {speed_word(row.speed_metric)}" if row.speed else "has no speed"
        return f"{own} (not divided by the baseline's: {row.why_not_ratio})"
    text = f"is {bracket(row.ratio, 2)} times as fast as {base.label}"
    if not row.ratio.known:
        return f"{text} (no interval: not measured side by side)"
    if not contest.holds(row.job.id, base.job.id):  # jobs of two sweeps
        far = abs(row.ratio.value - 1) > turns.MARGIN
        return text + {1: "", 0: ": no difference in speed shown", -1: ": slower"}[row.ratio.excludes(1.0) if far else 0]
    decision = decision_of(contest, [base, row])
    if decision.kind == "tie":
        return f"{text}: no difference in speed shown"
    return text if decision.leaders[0] == row.job.id else f"{text}: slower"


def _same_verdict(row: Row) -> str:
    if not row.same_as:
        return ""
    return f"it is the same configuration in force as {row.same_as}, so that their difference is noise"


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
    """Whether a difference and its whole interval are zero to four decimals: it may be certain, but does not matter."""
    ends = (difference.value, difference.low or 0.0, difference.high or 0.0)
    return max(map(abs, ends)) < NEGLIGIBLE


def keeps_accuracy(row: Row) -> bool:
    """Whether no interval shows a loss of AO."""
    difference = row.difference["ao"]
    return _negligible(difference) or (difference.known and difference.excludes(0.0) >= 0)


def _agreement_verdict(row: Row) -> str:
    if row.agreement is None or row.agreement.identical == 1.0:
        return ""
    return f"boxes agree to mean IoU {row.agreement.mean_iou:.3f} ({row.agreement.identical:.1%} identical)"


# -------------------------------------------------------------------------------------------- who wins


def headlines(found: Comparison) -> list[str]:
    """Returns which run wins, decided once for every sentence, table and badge of a report; empty without a choice."""
    base, ratios = found.base, [row for row in found.rows if row.ratio is not None]
    if base is None or not ratios:
        return []
    if not all(found.contest.holds(row.job.id, base.job.id) for row in ratios):
        return [_apart(found)]
    entrants = [base, *ratios]
    decision = decision_of(found.contest, entrants)
    if decision.kind == "again":
        return [_again(decision, found)]
    lines = [_speed_headline(decision, entrants, base)]
    line = _accuracy_headline(decision, entrants, base, found.contest)
    return [*lines, line] if line else lines


def decision_of(contest: Contest, rows: list[Row]) -> Decision:
    """Returns which of ``rows`` is fastest in the rounds of all of them; none by less than the noise floor."""
    margin = max(turns.MARGIN, contest.floor)
    return turns.decide(contest.rounds, [row.job.id for row in rows], margin, contest.least)


def _apart(found: Comparison) -> str:
    sweeps = {row.job.sweep for row in found.well}
    text = "Speed ratios have no intervals and no run is named the fastest, because the runs were not measured side by side"
    sweep = next(iter(sweeps))
    if len(sweeps) != 1 or sweep is None:
        return f"{text}; a sweep over them measures in turns."
    if any(row.speed_metric != "fps" for row in found.well):
        return f"{text}; only runs that track one sequence at a time are measured in turns (task.mode=serial)."
    return f"{text}; measure in turns by: {_command(found)}"


def _again(decision: Decision, found: Comparison) -> str:
    total = decision.rounds + decision.disturbed
    return (
        f"Not decided: others used the machine in {decision.disturbed} of {total} rounds, and {decision.rounds} quiet ones are too few. "
        f"When it is quiet, measure again: {_command(found)}"
    )


def _command(found: Comparison) -> str:
    sweep = next(row.job.sweep for row in found.well)
    return f"python -m harness resume={shlex.quote(str(sweep))} turns.again=true"


def _speed_headline(decision: Decision, rows: list[Row], base: Row) -> str:
    leaders = _rows(decision, rows)
    if base in leaders:
        others = [row for row in leaders if row is not base]
        if not others:
            return f"None is faster than {base.shown}, the baseline."
        return f"None is shown to be faster than {base.shown}, the baseline: {_with_ratios(others)} {_tie(others)} with it."
    if len(leaders) == 1:
        return f"Fastest: {leaders[0].shown}, {_times(leaders[0])} {base.label}."
    return f"Fastest, a tie: {_with_ratios(leaders)} {base.label}."


def _tie(rows: list[Row]) -> str:
    return "ties" if len(rows) == 1 else "tie"


def _times(row: Row) -> str:
    assert row.ratio is not None
    return f"{bracket(row.ratio, 2)} times"


def _with_ratios(rows: list[Row]) -> str:
    return " and ".join(f"{row.shown} ({_times(row)})" for row in rows)


def _rows(decision: Decision, rows: list[Row]) -> list[Row]:
    by_id = {row.job.id: row for row in rows}
    return [by_id[name] for name in decision.leaders]


def _accuracy_headline(decision: Decision, rows: list[Row], base: Row, contest: Contest) -> str:
    """Returns the winner's loss of accuracy, or the fastest without a loss; empty if there is no accuracy."""
    judged = [row for row in rows if "ao" in row.difference]
    leaders = _rows(decision, rows)
    if not judged or base in leaders:
        return ""
    safe = [base, *(row for row in judged if keeps_accuracy(row))]
    if all(row in safe for row in leaders):
        return f"No loss of accuracy is shown for {'it' if len(leaders) == 1 else 'them'}."
    if not any(row.difference["ao"].known or _negligible(row.difference["ao"]) for row in judged):
        return "There are too few sequences to tell what it costs in accuracy."
    if len(safe) < 2:
        return "None is shown to be faster without a loss of accuracy."
    best = decision_of(contest, safe)
    winners = _rows(best, safe) if best.kind != "again" else [base]
    if base in winners:
        return "None is shown to be faster without a loss of accuracy."
    tie = ", a tie" if len(winners) > 1 else ""
    return f"Fastest with no loss of accuracy shown{tie}: {_with_ratios(winners)} {base.label}."
