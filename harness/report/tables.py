"""The table of a comparison: as text for a terminal, as Markdown, as CSV; ``columns`` also serves the HTML page."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.report.comparison import Comparison, Row, bracket
from harness.scoring.statistics import Interval

NONE = "-"


@dataclass(frozen=True)
class Column:
    """A column: its title, its unit, which way is better, how it is read from a row, and what it means."""

    key: str
    title: str
    unit: str
    better: Literal["higher", "lower", ""]
    value: Callable[[Row], float | None]
    digits: int
    meaning: str
    suffix: str = ""
    interval: Callable[[Row], Interval | None] | None = None

    def text(self, row: Row) -> str:
        """The cell as plain text."""
        value = self.value(row)
        if value is None:
            return NONE
        shown = round(value, self.digits) + 0.0  # no minus before zero
        return f"{shown:{'+' if self.key == 'ao_difference' else ''}.{self.digits}f}{self.suffix}"


def _metric(name: str) -> Callable[[Row], float | None]:
    return lambda row: row.job.metrics.get(name)


def _accuracy(name: str) -> Callable[[Row], float | None]:
    return lambda row: None if row.job.random_weights else row.job.metrics.get(name)


def _own(name: str) -> Callable[[Row], Interval | None]:
    return lambda row: row.accuracy.get(name)


def _agreed(name: str) -> Callable[[Row], float | None]:
    return lambda row: row.agreement.metrics().get(name) if row.agreement else None


def _difference(row: Row) -> Interval | None:
    return row.difference.get("ao")


def _fps(row: Row) -> Interval | None:
    return row.speed if row.speed_metric == "fps" else None


def _ratio(row: Row) -> float | None:
    return 1.0 if row.baseline else row.ratio.value if row.ratio else None


COLUMNS = (
    Column("ao", "AO", "0 to 1", "higher", _accuracy("ao"), 4,
           "average overlap of box and truth over all scored frames of all sequences, first frames left out",
           interval=_own("ao")),
    Column("sr50", "SR0.50", "0 to 1", "higher", _accuracy("sr50"), 4, "share of scored frames with overlap above 0.5",
           interval=_own("sr50")),
    Column("sr75", "SR0.75", "0 to 1", "higher", _accuracy("sr75"), 4, "share of scored frames with overlap above 0.75",
           interval=_own("sr75")),
    Column("fps", "fps", "frames/s", "higher", _metric("fps"), 1,
           "frames over the sum of their times: crop, inference, postprocessing; no decoding, one sequence at a time",
           interval=_fps),
    Column("pipeline_fps", "pipeline", "frames/s", "higher", _metric("pipeline_fps"), 1,
           "frames over wall clock time, decoding included"),
    Column("latency_ms/p50", "p50", "ms", "lower", _metric("latency_ms/p50"), 1, "half of the frames took less than this"),
    Column("latency_ms/p90", "p90", "ms", "lower", _metric("latency_ms/p90"), 1, "nine of ten frames took less"),
    Column("latency_ms/p99", "p99", "ms", "lower", _metric("latency_ms/p99"), 1, "99 of 100 frames took less"),
    Column("rss_mb/peak", "peak", "MB", "lower", _metric("rss_mb/peak"), 0,
           "most resident memory of the measuring process (MiB)"),
    Column("model_mb", "model", "MB", "lower", _metric("model_mb"), 1, "size of the model files"),
    Column("benchmark_app/throughput_fps", "app fps", "inf./s", "higher", _metric("benchmark_app/throughput_fps"), 1,
           "inferences of the search graph per second, by OpenVINO's benchmark_app"),
    Column("benchmark_app/first_inference_ms", "app first", "ms", "lower", _metric("benchmark_app/first_inference_ms"), 1,
           "benchmark_app's first inference"),
    Column("benchmark_app/latency_ms/median", "app p50", "ms", "lower", _metric("benchmark_app/latency_ms/median"), 1,
           "benchmark_app's median latency"),
    Column("benchmark_app/latency_ms/average", "app mean", "ms", "lower", _metric("benchmark_app/latency_ms/average"), 1,
           "benchmark_app's mean latency"),
    Column("speed_up", "speed-up", "times", "higher", _ratio, 2, "speed over the baseline's", suffix="x",
           interval=lambda row: row.ratio),
    Column("ao_difference", "AO diff.", "", "higher", lambda row: item.value if (item := _difference(row)) else None, 4,
           "AO less the baseline's, paired by sequence", interval=_difference),
    Column("agreement/mean_iou", "mean IoU", "0 to 1", "", _agreed("agreement/mean_iou"), 4,
           "overlap of the run's boxes with the baseline's, frame 0 left out; 1 means the same boxes"),
    Column("agreement/identical_boxes", "identical", "%", "",
           lambda row: 100 * row.agreement.identical if row.agreement else None, 1,
           "share of boxes that equal the baseline's in all four shipped numbers"),
)  # fmt: skip
ACCURACY = ("ao", "sr50", "sr75")
"""Left out where no run has them; shown empty where that is for random weights, so that nobody misses it."""
NARROW = ("ao_difference", "model_mb", "agreement/identical_boxes", "pipeline_fps")
"""Columns that the terminal leaves out as long as there are others to show."""


def columns(comparison: Comparison, narrow: bool = False) -> list[Column]:
    """The columns worth showing: those that hold something (of ``speed-up``: more than the baseline's own 1)."""
    rows = comparison.well
    shown = []
    for column in COLUMNS:
        filled = any(column.value(row) is not None for row in rows)
        if column.key == "pipeline_fps" and narrow and filled:
            filled = any("fps" not in row.job.metrics for row in rows)
        elif narrow and column.key in NARROW:
            continue
        if column.key == "speed_up":
            filled = any(row.ratio is not None for row in rows)
        missed = column.key in ACCURACY and any(row.job.random_weights for row in rows)
        if filled or missed:
            shown.append(column)
    return shown


def subject(comparison: Comparison) -> str:
    """What the first column holds: the one thing that the sweep varies, else ``run``."""
    return comparison.varied[0] if len(comparison.varied) == 1 else "run"


def grid(comparison: Comparison, shown: list[Column]) -> tuple[list[str], list[list[str]]]:
    """Head and body as text. A job without results has its status and reason in the last cell."""
    machines = comparison.machines
    head = [subject(comparison), *([_head(column) for column in shown] or ["status"])]
    if len(machines) > 1:
        head.insert(1, "machine")
    body = []
    for row in by_machine(comparison):
        line = [row.shown + (" *" if row.baseline and len(comparison.rows) > 1 else "")]
        if len(machines) > 1:
            line.append(machines[row.job.machine] if row.job.ok else NONE)
        if row.job.ok:
            line += [column.text(row) for column in shown]
        else:
            line.append(f"{row.job.results.status}: {row.job.failure()}")
        body.append(line)
    return head, body


def by_machine(comparison: Comparison) -> list[Row]:
    """The rows, those of one machine together; jobs without results last where there are several machines."""
    letters = list(comparison.machines)
    if len(letters) < 2:
        return list(comparison.rows)
    return sorted(comparison.rows, key=lambda row: letters.index(row.job.machine) if row.job.ok else len(letters))


def machine_lines(comparison: Comparison) -> list[str]:
    """What each letter in the column ``machine`` stands for; nothing where all ran on one."""
    if len(comparison.machines) < 2:
        return []
    lines = []
    for digest, letter in comparison.machines.items():
        own = next(row.job.results.environment for row in comparison.well if row.job.machine == digest)
        words = [str(own.get("processor") or "processor not recorded"), f"{own.get('threads_allowed', '?')} threads"]
        lines.append(f"machine {letter}: {', '.join(words)}" + (f" ({own['hostname']})" if own.get("hostname") else ""))
    return lines


def _head(column: Column) -> str:
    return f"{column.title} ms" if column.unit == "ms" else f"{column.title} MB" if column.unit == "MB" else column.title


def text(comparison: Comparison) -> str:
    """The table for a terminal, with the verdicts below it."""
    head, body = grid(comparison, columns(comparison, narrow=True))
    lines = _aligned(head, body)
    if comparison.base is not None and len(comparison.rows) > 1:
        lines.append(f"* baseline; {_legend(comparison)}")
    lines += machine_lines(comparison)
    verdicts = [row.verdict for row in comparison.well if not row.baseline]
    if verdicts:
        lines += ["", *comparison.headlines, *(f"- {sentence}" for sentence in verdicts)]
    return "\n".join(lines) + "\n"


def _legend(comparison: Comparison) -> str:
    words = "speed-up and mean IoU of the boxes are against it; intervals are 95 %"
    if len(comparison.machines) > 1:
        words += "; speeds of different machines are not divided by each other"
    return words


def _aligned(head: list[str], body: list[list[str]]) -> list[str]:
    full = [line for line in body if len(line) == len(head)]
    widths = [max(len(line[index]) for line in [head, *full]) for index in range(len(head))]
    widths[0] = max(widths[0], *(len(line[0]) for line in body), 0) if body else widths[0]
    lines = [_line(head, widths), "  ".join("-" * width for width in widths)]
    return lines + [_line(line, widths) for line in body]


def _line(line: list[str], widths: list[int]) -> str:
    if len(line) < len(widths):  # a failed or skipped job: its reason runs over the other columns
        return "  ".join([line[0].ljust(widths[0]), *line[1:]])
    cells = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
    return "  ".join([line[0].ljust(widths[0]), *cells]).rstrip()


def markdown(comparison: Comparison) -> str:
    """Verdicts, table, warnings and the meaning of each column."""
    shown = columns(comparison)
    head, body = grid(comparison, shown)
    lines = [*(f"**{_md(line)}**\n" for line in comparison.headlines)]
    if len(comparison.rows) > 1:
        lines += [f"- {_md(row.verdict)}" for row in comparison.rows] + [""]
    lines += ["| " + " | ".join(_md(word) for word in head) + " |", "|" + " --- |" + " ---: |" * (len(head) - 1)]
    for line in body:
        padded = line + [""] * (len(head) - len(line))
        lines.append("| " + " | ".join(_md(word) for word in padded) + " |")
    if comparison.base is not None and len(comparison.rows) > 1:
        lines += ["", f"\\* baseline: {_md(comparison.base.label)}; {_legend(comparison)}."]
    if comparison.warnings:
        lines += ["", "Warnings:", "", *(f"- {_md(line)}" for line in comparison.warnings)]
    lines += ["", "Columns:", ""]
    for column in shown:
        lines.append(f"- {column.title}{_unit(column)}: {column.meaning}.")
    return "\n".join(lines) + "\n"


def _unit(column: Column) -> str:
    words = [column.unit, f"{column.better} is better" if column.better else ""]
    return f" ({', '.join(word for word in words if word)})" if any(words) else ""


def _md(text: str) -> str:
    """Text that Markdown and the HTML made of it leave as it is."""
    for mark in "\\`*_{}[]<>|#":
        text = text.replace(mark, "\\" + mark)
    return text.replace("\n", " ")


CHOICES = ("tracker", "backend", "device", "hint", "quantization", "dataset", "task")


def csv_text(comparison: Comparison) -> str:
    """One line a job: identity, choices, status, every metric under its own name in full precision, and intervals."""
    names = sorted({name for row in comparison.rows for name in row.job.metrics})
    extra = ["speed_up", "speed_up_low", "speed_up_high", "ao_difference", "ao_difference_low", "ao_difference_high"]
    agreed = ["agreement/mean_iou", "agreement/identical_boxes", "agreement/first_divergent_frame"]
    head = ["job", "id", "run", "status", "error", "baseline", "random_weights", "machine", *CHOICES, "threads"]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*head, *names, *extra, *agreed, "verdict"])
    for row in comparison.rows:
        writer.writerow(_csv_row(row, names, agreed))
    return buffer.getvalue()


def _csv_row(row: Row, names: list[str], agreed: list[str]) -> list[object]:
    results = row.job.results
    own = [row.job.number, results.id, row.label, results.status, row.job.failure(), int(row.baseline)]
    own += [int(row.job.random_weights), row.job.machine, *(results.choice(group) for group in CHOICES)]
    values: list[object] = [results.metrics.get(name, "") for name in names]
    for interval in (row.ratio, row.difference.get("ao")):
        values += ["" if part is None else part for part in _parts(interval)]
    found = row.agreement.metrics() if row.agreement else {}
    values += [found.get(name, "") for name in agreed]
    return [_cell(value) for value in [*own, results.config.get("threads", ""), *values, row.verdict]]


def _parts(interval: Interval | None) -> tuple[float | None, float | None, float | None]:
    return (interval.value, interval.low, interval.high) if interval else (None, None, None)


def _cell(value: object) -> object:
    """Text that a spreadsheet would take for a formula gets an apostrophe before it."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return "'" + value
    return value


def with_interval(column: Column, row: Row) -> str:
    """The interval of a cell in brackets, or nothing."""
    interval = column.interval(row) if column.interval else None
    if interval is None or not interval.known:
        return ""
    digits = min(column.digits, 3)
    signed = column.key == "ao_difference"
    return bracket(interval, digits, signed).split(" ", 1)[1]
