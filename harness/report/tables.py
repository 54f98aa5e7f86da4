"""The table of a comparison: as text for a terminal and as Markdown."""

from __future__ import annotations

from harness.present.table import Table, markdown_text
from harness.report.columns import Column, by_machine, columns, subject
from harness.scoring.compared import Comparison

NONE = "-"


def grid(comparison: Comparison, shown: list[Column]) -> Table:
    """Returns all rows as text. A job without results has its status and reason in the last cell."""
    machines = comparison.machines
    head = [subject(comparison), *([column.metric.head for column in shown] or ["status"])]
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
    return Table(head, body)


def machine_lines(comparison: Comparison) -> list[str]:
    """Returns the meaning of each letter in the column ``machine``; nothing if there is only one machine."""
    if len(comparison.machines) < 2:
        return []
    lines = []
    for digest, letter in comparison.machines.items():
        own = next(row.job.results.environment for row in comparison.well if row.job.machine == digest)
        words = [str(own.get("processor") or "processor not recorded"), f"{own.get('threads_allowed', '?')} threads"]
        lines.append(f"machine {letter}: {', '.join(words)}" + (f" ({own['hostname']})" if own.get("hostname") else ""))
    return lines


def text(comparison: Comparison) -> str:
    """Returns the table for a terminal, with the verdicts below it."""
    lines = grid(comparison, columns(comparison, "terminal")).lines()
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


def markdown(comparison: Comparison) -> str:
    """Returns verdicts, table, warnings and the meaning of each column as Markdown."""
    shown = columns(comparison)
    lines = [*(f"**{markdown_text(line)}**\n" for line in comparison.headlines)]
    if len(comparison.rows) > 1:
        lines += [f"- {markdown_text(row.verdict)}" for row in comparison.rows] + [""]
    lines += grid(comparison, shown).markdown()
    if comparison.base is not None and len(comparison.rows) > 1:
        lines += ["", f"\\* baseline: {markdown_text(comparison.base.label)}; {_legend(comparison)}."]
    if comparison.warnings:
        lines += ["", "Warnings:", "", *(f"- {markdown_text(line)}" for line in comparison.warnings)]
    lines += ["", "Columns:", ""]
    for column in shown:
        lines.append(f"- {column.metric.title}{_unit(column)}: {column.metric.meaning}.")
    return "\n".join(lines) + "\n"


def _unit(column: Column) -> str:
    better = column.metric.better
    words = [column.metric.unit, f"{better} is better" if better else ""]
    return f" ({', '.join(word for word in words if word)})" if any(words) else ""
