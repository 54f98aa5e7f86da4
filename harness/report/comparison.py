"""Jobs put against a baseline: intervals, ratios, agreement, verdicts in words, and warnings."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.core.errors import ConfigError
from harness.report import differences
from harness.report.sources import Job, give_labels
from harness.scoring import statistics
from harness.scoring.statistics import Agreement, Interval

SPEEDS = ("fps", "pipeline_fps", "benchmark_app/throughput_fps")
"""Speeds in order of preference: only like is compared with like."""

FEW_SEQUENCES = 10
ROUNDING = 1e-6
NEGLIGIBLE = 5e-5


@dataclass
class Row:
    """A job and how it stands against the baseline. ``why_not_*`` says why a comparison is missing."""

    job: Job
    baseline: bool = False
    accuracy: dict[str, Interval] = field(default_factory=dict)
    speed_metric: str = ""
    speed: Interval | None = None
    ratio: Interval | None = None
    why_not_ratio: str = ""
    difference: dict[str, Interval] = field(default_factory=dict)
    why_not_difference: str = ""
    agreement: Agreement | None = None
    why_not_agreement: str = ""
    verdict: str = ""

    @property
    def label(self) -> str:
        return self.job.label

    @property
    def shown(self) -> str:
        return self.job.shown


@dataclass
class Comparison:
    """What was compared, against which baseline, and what came of it."""

    rows: list[Row]
    base: Row | None
    varied: list[str]
    headlines: list[str]
    warnings: list[str]

    @property
    def well(self) -> list[Row]:
        return [row for row in self.rows if row.job.ok]

    @property
    def machines(self) -> dict[str, str]:
        """Digest of each machine -> its letter, in order of appearance (empty digest: not recorded)."""
        seen = dict.fromkeys(row.job.machine for row in self.well)
        return {digest: chr(ord("A") + index) for index, digest in enumerate(seen)}


def compare(jobs: list[Job], baseline: Job | None = None) -> Comparison:
    """Compares ``jobs`` with ``baseline`` (by default the first that is well)."""
    give_labels(jobs)
    base_job = baseline or next((job for job in jobs if job.ok), None)
    wanted = differences.varied(jobs)
    rows = [_row(job) for job in jobs]
    base = next((row for row in rows if row.job is base_job), None)
    if base is not None:
        base.baseline = True
        for row in rows:
            if row.job.ok and row is not base:
                _against(row, base)
    for row in rows:
        row.verdict = verdict(row, base)
    return Comparison(rows, base, wanted, _headlines(rows, base), _warnings(rows, base, wanted))


def find_baseline(jobs: list[Job], wanted: list[Job], word: str) -> Job:
    """The job among ``jobs`` that ``wanted`` (what ``--baseline`` resolved to) means. Raises ConfigError."""
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
        own = statistics.scores(job.tracked) if job.tracked is not None else None
        intervals = statistics.accuracy_intervals(own) if own else {}
        for name in statistics.ACCURACY:
            if name in job.metrics:
                found = intervals.get(name, Interval(job.metrics[name]))
                row.accuracy[name] = Interval(job.metrics[name], found.low, found.high, found.basis)
    return row


def _speed(job: Job, metric: str) -> Interval:
    value = job.metrics[metric]
    if metric == "fps" and job.timed is not None and _repeats(job):
        return statistics.fps_interval(job.timed, value)
    return Interval(value)


def _repeats(job: Job, tolerance: float = 0.05) -> bool:
    """Whether the frames give the job's fps: if not, an interval from them would lie elsewhere than the value."""
    if job.timed is None or "fps" not in job.metrics:
        return False
    return abs(statistics.fps(job.timed) / job.metrics["fps"] - 1.0) <= tolerance


def _against(row: Row, base: Row) -> None:
    own, other = row.job, base.job
    row.why_not_ratio = differences.why_not_speed(own, other)
    metric = next((name for name in SPEEDS if name in own.metrics and name in other.metrics), "")
    if not metric:
        row.why_not_ratio = row.why_not_ratio or "no speed measured in the same way"
    if not row.why_not_ratio:
        row.ratio = _ratio(own, other, metric)
    row.why_not_difference = differences.why_not_accuracy(own, other)
    if not row.why_not_difference:
        row.difference, row.why_not_difference = _difference(own, other)
    row.why_not_agreement = differences.why_not_agreement(own, other)
    if not row.why_not_agreement and own.tracked is not None and other.tracked is not None:
        row.agreement = statistics.agreement(own.tracked, other.tracked)
        row.why_not_agreement = "" if row.agreement else "the runs share no frames"


def _ratio(own: Job, base: Job, metric: str) -> Interval:
    value = own.metrics[metric] / base.metrics[metric]
    if metric == "fps" and own.timed is not None and base.timed is not None and _repeats(own) and _repeats(base):
        return statistics.speed_ratio(own.timed, base.timed, value)
    return Interval(value)


def _difference(own: Job, base: Job) -> tuple[dict[str, Interval], str]:
    """Paired differences; where frames are missing, the plain difference without an interval."""
    mine = statistics.scores(own.tracked) if own.tracked is not None else None
    other = statistics.scores(base.tracked) if base.tracked is not None else None
    plain = {name: own.metrics[name] - base.metrics[name] for name in statistics.ACCURACY if name in own.metrics}
    if mine is None or other is None:
        return {name: Interval(value) for name, value in plain.items()}, ""
    try:
        found = statistics.accuracy_differences(mine, other)
    except ValueError as error:
        return {}, str(error)
    return {
        name: Interval(value, found[name].low, found[name].high, found[name].basis) for name, value in plain.items()
    }, ""


# ------------------------------------------------------------------------------------------- verdicts


def bracket(interval: Interval, digits: int, signed: bool = False) -> str:
    """``1.52 [1.48, 1.57]``; the value alone where there is no interval."""
    form = f"{{:{'+' if signed else ''}.{digits}f}}"
    text = form.format(interval.value)
    if interval.low is None or interval.high is None:
        return text
    return f"{text} [{form.format(interval.low)}, {form.format(interval.high)}]"


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


def _headlines(rows: list[Row], base: Row | None) -> list[str]:
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
    if 0 < count < statistics.FEWEST_SEQUENCES:
        found.append(f"{count} sequences are too few for accuracy intervals: differences stand without.")
    elif 0 < count < FEW_SEQUENCES:
        found.append(f"Accuracy intervals rest on {count} sequences only: they are rough, and likely too narrow.")
    return list(dict.fromkeys(found))


def _other_differences(rows: list[Row], base: Row, wanted: list[str]) -> list[str]:
    """One line for each difference nobody asked for, with all the runs that have it."""
    holders: dict[str, list[str]] = {}
    for row in rows:
        if row is not base:
            for line in differences.unwanted(row.job, base.job, wanted):
                holders.setdefault(line, []).append(row.label)
            if row.job.machine != base.job.machine:
                holders.setdefault("another machine: speeds stand side by side", []).append(row.label)
            if row.why_not_difference not in ("", differences.NOTHING) and not row.job.random_weights:
                holders.setdefault(f"accuracy not compared: {row.why_not_difference}", []).append(row.label)
    return [f"{', '.join(labels)} (against {base.label}): {line}" for line, labels in holders.items()]


def _whose(labels: list[str], rows: list[Row]) -> str:
    return "All runs" if len(labels) == len([row for row in rows if row.job.ok]) else ", ".join(labels)


def _own_doubts(row: Row) -> list[str]:
    """What a job's own files say against it: scores that its frames do not give."""
    lines = []
    own = statistics.scores(row.job.tracked) if row.accuracy and row.job.tracked is not None else None
    if own is not None:
        found = float(own.pooled()[0])
        if abs(found - row.job.metrics["ao"]) > ROUNDING:
            lines.append(f"results.json says AO {row.job.metrics['ao']:.6f}, its frames give {found:.6f}")
    if row.job.timed is not None and "fps" in row.job.metrics and not _repeats(row.job):
        found = statistics.fps(row.job.timed)
        lines.append(f"results.json says {row.job.metrics['fps']:.2f} fps, its frames give {found:.2f}: no interval")
    return lines
