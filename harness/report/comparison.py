"""Compares jobs with a baseline: intervals, ratios, agreement, and warnings."""

from __future__ import annotations

from harness.core.catalog import SPEEDS
from harness.core.errors import ConfigError
from harness.core.words import listed
from harness.report import differences, pairs
from harness.report.contest import contest_of, mark_equals
from harness.report.sources import give_labels
from harness.report.verdicts import headlines, verdict
from harness.scoring import confidence, intervals, turns
from harness.scoring.compared import Comparison, Contest, Job, Row
from harness.scoring.frames import frames_agreement
from harness.scoring.intervals import Interval

MOST_NAMED = 6
"""The most runs that a warning names; if there are more, it gives their number."""
FEW_SEQUENCES = 10
ROUNDING = 1e-6


def compare(jobs: list[Job], baseline: Job | None = None) -> Comparison:
    """Compares ``jobs`` with ``baseline`` (by default the first that succeeded)."""
    give_labels(jobs)
    base_job = baseline or next((job for job in jobs if job.ok), None)
    wanted = differences.varied(jobs)
    rows = [_row(job) for job in jobs]
    base = next((row for row in rows if row.job is base_job), None)
    contest = contest_of(jobs)
    mark_equals(rows)
    if base is not None:
        base.baseline = True
        for row in rows:
            if row.job.ok and row is not base:
                _against(row, base, contest)
    for row in rows:
        row.verdict = verdict(row, base, contest)
    found = Comparison(rows, base, contest, wanted, warnings=_warnings(rows, base, wanted))
    found.headlines = headlines(found)
    return found


def compare_sweeps(old: list[Job], new: list[Job]) -> Comparison:
    """Compares each configuration of a sweep with the same one of an older sweep."""
    partners, missing, extra = pairs.pair(old, new)
    give_labels([*old, *new])
    earlier = {job.folder: _row(job) for job in old}
    rows = [_row(job) for job in new]
    for row in rows:
        partner = partners.get(row.job.folder)
        base = earlier[partner.folder] if partner is not None else None
        if base is not None and row.job.ok and base.job.ok:
            _against(row, base, Contest())
            row.ratio = row.ratio and (pairs.speed_ratio(row.job, base.job) or row.ratio)
        row.verdict = verdict(row, base)
    wanted = differences.varied(new)
    found = Comparison([*earlier.values(), *rows], None, Contest(), wanted, missing=[job.shown for job in missing])
    found.warnings = _warnings(found.rows, None, wanted)
    found.headlines = pairs.headlines(rows, missing, extra)
    return found


def find_baseline(jobs: list[Job], wanted: list[Job], word: str) -> Job:
    """Returns the job among ``jobs`` that ``--baseline`` (resolved to ``wanted``) means. Raises ConfigError."""
    folders = {job.folder.resolve() for job in wanted}
    hits = [job for job in jobs if job.folder.resolve() in folders]
    if not hits:
        raise ConfigError(f"--baseline {word} is not among the runs compared; name one of them.")
    if not hits[0].ok:
        raise ConfigError(f"--baseline {word} is a run that {hits[0].results.status}; choose one that is ok.")
    return hits[0]


# ----------------------------------------------------------------------------------- one job, two jobs


def _row(job: Job) -> Row:
    row = Row(job)
    if not job.ok:
        return row
    row.speed_metric = next((name for name in SPEEDS if name in job.metrics), "")
    if row.speed_metric:
        row.speed = _speed(job, row.speed_metric)
    if "ao" in job.metrics and not job.random_weights:
        own = intervals.sums_of(job.tracked) if job.tracked is not None else None
        known = intervals.accuracy_intervals(own) if own else {}
        for name in intervals.ACCURACY:
            if name in job.metrics:
                found = known.get(name, Interval(job.metrics[name]))
                row.accuracy[name] = Interval(job.metrics[name], found.low, found.high, found.basis)
    return row


def _speed(job: Job, metric: str) -> Interval:
    value = job.metrics[metric]
    if metric == "fps" and job.timed is not None and intervals.repeats(job):
        return intervals.fps_interval(job.timed, value)
    return Interval(value)


def _against(row: Row, base: Row, contest: Contest) -> None:
    own, other = row.job, base.job
    row.against = base
    row.why_not_ratio = differences.why_not_speed(own, other)
    metric = next((name for name in SPEEDS if name in own.metrics and name in other.metrics), "")
    if not metric:
        row.why_not_ratio = row.why_not_ratio or differences.NO_SPEED
    if not row.why_not_ratio:
        row.ratio = _ratio(own, other, metric, contest)
    row.why_not_difference = differences.why_not_accuracy(own, other)
    if not row.why_not_difference:
        row.difference, row.why_not_difference = _difference(own, other)
    row.why_not_agreement = differences.why_not_agreement(own, other)
    if not row.why_not_agreement and own.tracked is not None and other.tracked is not None:
        row.agreement = frames_agreement(own.tracked, other.tracked)
        row.why_not_agreement = "" if row.agreement else "the runs share no frames"
        row.sureness = confidence.agreement(own.tracked, other.tracked, other.metrics.get("confidence/threshold"))


def _ratio(own: Job, base: Job, metric: str, contest: Contest) -> Interval:
    """Returns speed over speed, with an interval only if both were measured side by side in rounds."""
    if metric == "fps" and contest.holds(own.id, base.id):
        found = turns.ratio(contest.rounds, own.id, base.id, least=contest.least)
        if found.rounds:
            return Interval(found.value, found.low, found.high, contest.basis if found.low is not None else "")
    return Interval(own.metrics[metric] / base.metrics[metric])


def _difference(own: Job, base: Job) -> tuple[dict[str, Interval], str]:
    """Returns paired differences; if frames are missing, the plain difference without an interval."""
    mine = intervals.sums_of(own.tracked) if own.tracked is not None else None
    other = intervals.sums_of(base.tracked) if base.tracked is not None else None
    plain = {name: own.metrics[name] - base.metrics[name] for name in intervals.ACCURACY if name in own.metrics}
    if mine is None or other is None:
        return {name: Interval(value) for name, value in plain.items()}, ""
    try:
        found = intervals.accuracy_differences(mine, other)
    except ValueError as error:
        return {}, str(error)
    return {
        name: Interval(value, found[name].low, found[name].high, found[name].basis) for name, value in plain.items()
    }, ""


# ------------------------------------------------------------------------------------------- warnings


def _warnings(rows: list[Row], base: Row | None, wanted: list[str]) -> list[str]:
    found: list[str] = []
    if any(row.job.random_weights for row in rows):
        found.append("Random weights: speed alone is measured; accuracy and agreement do not exist.")
    if base is not None:
        found += _other_differences([row for row in rows if row.job.ok], base, wanted)
    holders: dict[str, list[str]] = {}
    for row in rows:
        for line in [*row.job.results.warnings, *_own_doubts(row)]:
            holders.setdefault(line, []).append(row.shown)
    several = len(rows) > 1
    found += [f"{_whose(labels, rows)}: {line}" if several else line for line, labels in holders.items()]
    judged = [row for row in rows if row.difference]
    count = len(judged[0].job.results.sequences) if judged else 0
    if 0 < count < intervals.FEWEST_SEQUENCES:
        found.append(f"{count} sequences are too few for accuracy intervals: differences have no intervals.")
    elif 0 < count < FEW_SEQUENCES:
        found.append(f"Accuracy intervals rest on {count} sequences only: they are rough, and likely too narrow.")
    return list(dict.fromkeys(found))


def _other_differences(rows: list[Row], base: Row, wanted: list[str]) -> list[str]:
    """Returns one line for each unintended difference, with all the runs that have it."""
    holders: dict[str, list[str]] = {}
    for row in rows:
        if row is not base:
            for line in differences.unwanted(row.job, base.job, wanted):
                holders.setdefault(line, []).append(row.label)
            if row.job.machine != base.job.machine:
                holders.setdefault("another machine: speeds are shown side by side", []).append(row.label)
            if row.why_not_difference not in ("", differences.NOTHING) and not row.job.random_weights:
                holders.setdefault(f"accuracy not compared: {row.why_not_difference}", []).append(row.label)
    return [f"{', '.join(labels)} (against {base.label}): {line}" for line, labels in holders.items()]


def _whose(labels: list[str], rows: list[Row]) -> str:
    return "All runs" if len(labels) == len([row for row in rows if row.job.ok]) else listed(labels, MOST_NAMED)


def _own_doubts(row: Row) -> list[str]:
    """Returns warnings from a job's own files: stated scores that its frames do not confirm."""
    lines = []
    own = intervals.sums_of(row.job.tracked) if row.accuracy and row.job.tracked is not None else None
    if own is not None:
        found = float(own.pooled()[0])
        if abs(found - row.job.metrics["ao"]) > ROUNDING:
            lines.append(f"results.json says AO {row.job.metrics['ao']:.6f}, its frames give {found:.6f}")
    if row.job.timed is not None and "fps" in row.job.metrics and not intervals.repeats(row.job):
        found = intervals.fps(row.job.timed)
        lines.append(f"results.json says {row.job.metrics['fps']:.2f} fps, its frames give {found:.2f}: no interval")
    return lines
