"""report.html: one self-contained file. No script, no network: styles and pictures are inside.

This module collects the content of the templates. They escape everything: names, errors and paths of runs are text,
never markup.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from harness.present.picture import Picture, svg
from harness.present.section import Section
from harness.report import facts
from harness.report.columns import Column, by_machine, columns, subject
from harness.report.looks import styles
from harness.scoring import intervals
from harness.scoring.agreement import Agreement
from harness.scoring.compared import Comparison, Row

WORST = 8
"""The most sequences listed for each run whose boxes differ."""
MANY = 12
"""The number of runs above which the text on each run is folded up."""
FEW = 4
"""The least number of columns for a separate table."""
NO_COLOR = "#bbbbbb"
ARROWS = {"higher": "↑", "lower": "↓", "": ""}
PARTING = "parting"
"""The picture of the part on agreement."""

View = dict[str, Any]


def html(
    found: Comparison,
    pictures: list[Picture],
    title: str,
    made: str,
    command: str = "",
    sections: Iterable[Section] = (),
) -> str:
    """Returns the whole page.

    Args:
        found: What is shown.
        pictures: Its pictures, in order.
        title: The page's heading.
        made: When it was made.
        command: The command line that made the runs, if known.
        sections: The sections of tasks, recipes and packages.
    """
    return templates().get_template("page.html").render(
        title=title,
        many=MANY,
        made=made,
        style=Markup(templates().get_template("style.css").render()),  # noqa: S704 - our own file
        head=_head(found),
        verdicts=_verdicts(found),
        warnings=found.warnings,
        tables=_tables(found),
        sections=list(sections),
        facts=facts.of(found, command),
        settings=facts.settings(found) if found.well else None,
        pictures=[figure_view(picture) for picture in pictures if picture.key != PARTING],
        parting=_parting(found, [figure_view(picture) for picture in pictures if picture.key == PARTING]),
        reading=_reading(found),
    )


@cache
def templates() -> jinja2.Environment:
    """Returns the environment of the page templates, with autoescape on."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("harness.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _head(found: Comparison) -> View:
    counts = [f"{len(found.rows)} run{'s' if len(found.rows) != 1 else ''}"]
    for status in ("failed", "skipped"):
        number = sum(row.job.results.status == status for row in found.rows)
        counts += [f"{number} {status}"] if number else []
    links = [("verdicts", "Verdicts"), ("table", "Table"), ("how", "What was run"), ("pictures", "Pictures")]
    links += [("parting", "Where runs part")] if any(row.agreement for row in found.rows) else []
    links.append(("reading", "How to read this"))
    several = found.base is not None and len(found.rows) > 1
    return {
        "counts": ", ".join(counts),
        "baseline": found.base.shown if found.base is not None and several else "",
        "compared": ", ".join(found.varied) or "repeats of one configuration",
        "links": [{"key": key, "text": text} for key, text in links],
    }


def _verdicts(found: Comparison) -> View:
    if len(found.rows) == 1:
        row = found.rows[0]
        text = row.verdict.replace(" is the baseline", "", 1) if row.job.ok else row.verdict
        return {"several": False, "headlines": [text], "lines": []}
    looks = styles([row.job for row in found.well])
    colors = {folder: style.hex for folder, style in looks.items()}
    lines = [{"color": colors.get(row.job.folder, NO_COLOR), "text": row.verdict} for row in found.rows]
    return {"several": True, "headlines": found.headlines, "lines": lines}


# --------------------------------------------------------------------------------------------- table


def _tables(found: Comparison) -> list[View]:
    """Returns two tables, so that neither is wider than the page: the compared metrics, and the other figures."""
    shown = columns(found)
    main = [column for column in shown if "main" in column.metric.places]
    rest = [column for column in shown if column not in main]
    if len(main) < FEW or len(shown) <= 2 * FEW:
        main, rest = shown, []
    foot = "↑ higher is better, ↓ lower is better; bold: the best of a column; in brackets: 95 % intervals."
    if found.base is not None and len(found.rows) > 1:
        foot += f" Speed-up, AO difference, mean IoU and identical boxes are against {found.base.shown}, the baseline."
    if len(found.machines) > 1:
        foot += " Speeds of different machines are shown side by side and not divided by each other."
    parts = [_table(found, main, "results", foot, by_machine(found))] if main or not rest else []
    return parts + ([_table(found, rest, "figures", "", found.well)] if rest else [])


def _table(found: Comparison, shown: list[Column], key: str, foot: str, rows: list[Row]) -> View:
    best = {column.key: _best(found, column) for column in shown}
    return {
        "key": key,
        "foot": foot,
        "subject": subject(found),
        "machines": len(found.machines) > 1,
        "width": len(shown) + 1 + (len(found.machines) > 1),
        "columns": [{"title": column.metric.title, "unit": _direction(column)} for column in shown],
        "rows": [_row(found, row, shown, best) for row in rows],
    }


def _row(found: Comparison, row: Row, shown: list[Column], best: dict[str, str]) -> View:
    view = {"name": row.label, "baseline": row.baseline, "random": row.job.random_weights, "reason": ""}
    if not row.job.ok:
        return {**view, "reason": f"{row.job.results.status}: {row.job.failure()}"}
    cells = [
        {"text": column.text(row), "interval": column.interval(row), "best": column.text(row) == best[column.key]}
        for column in shown
    ]
    return {**view, "machine": found.machines[row.job.machine], "cells": cells}


def _direction(column: Column) -> str:
    return " ".join(word for word in (column.metric.unit, ARROWS[column.metric.better]) if word)


def _best(found: Comparison, column: Column) -> str:
    """Returns the text of the best cell; empty if all runs are equal in the digits shown."""
    values = {column.text(row): value for row in found.well if (value := column.value(row)) is not None}
    other_machines = len(found.machines) > 1 and column.metric.needs == ("machine",)
    if not column.metric.better or len(values) < 2 or other_machines:
        return ""
    choose = max if column.metric.better == "higher" else min
    return choose(values, key=lambda text: values[text])


# ---------------------------------------------------------------------------------- pictures, agreement


def figure_view(picture: Picture) -> View:
    """Returns a picture for the templates, as SVG inside the page."""
    return {
        "key": picture.key,
        "title": picture.title,
        "caption": picture.caption,
        "width": round(picture.figure.get_figwidth() * 100),
        "data": base64.b64encode(svg(picture.figure)).decode("ascii"),
    }


def _parting(found: Comparison, pictures: list[View]) -> View | None:
    rows = [(row, row.agreement) for row in found.rows if row.agreement is not None]
    if not rows or found.base is None:
        return None
    head = ["run", "mean IoU", "identical boxes", "frames", "first other box", "first IoU under 0.9", "first IoU under 0.5",
            "sequences under 0.5"]  # fmt: skip
    return {
        "baseline": found.base.shown,
        "head": head,
        "lines": [_agreement(row, agreed) for row, agreed in rows],
        "pictures": pictures,
        "worst": [_worst(row, agreed) for row, agreed in rows if agreed.identical < 1.0],
    }


def _agreement(row: Row, agreed: Agreement) -> list[View]:
    own = [item for item in agreed.sequences if item.frames]
    lost = sum(item.first_below(0.5) is not None for item in own)
    firsts = [
        {item.sequence: item.first_different for item in own},
        *({item.sequence: item.first_below(threshold) for item in own} for threshold in (0.9, 0.5)),
    ]
    texts = [row.shown, f"{agreed.mean_iou:.4f}", f"{agreed.identical:.1%}", f"{agreed.frames:,}"]
    cells = [{"text": text, "small": ""} for text in texts]
    return [*cells, *map(_earliest, firsts), {"text": f"{lost} of {len(own)}", "small": ""}]


def _earliest(frames: dict[str, int | None]) -> View:
    there = {name: frame for name, frame in frames.items() if frame is not None}
    if not there:
        return {"text": "never", "small": ""}
    name = min(there, key=lambda name: there[name])
    return {"text": f"frame {there[name]}", "small": name}


def _worst(row: Row, agreed: Agreement) -> View:
    own = [item for item in agreed.sequences if item.frames][:WORST]
    head = ["sequence", "mean IoU", "identical", "frames", "first other box", "under 0.9", "under 0.5"]
    body = []
    for item in own:
        line = [item.sequence, f"{item.mean_iou:.3f}", f"{item.identical:.1%}", str(item.frames)]
        body.append([*line, *map(_frame, (item.first_different, item.first_below(0.9), item.first_below(0.5)))])
    return {"title": f"{row.shown}: the {len(own)} sequences that agree least", "head": head, "body": body}


def _frame(value: int | None) -> str:
    return "never" if value is None else f"frame {value}"


# ------------------------------------------------------------------------------------------- reading


def _reading(found: Comparison) -> View:
    entries = []
    for column in columns(found):
        better = column.metric.better
        words = [column.metric.unit, f"{better} is better" if better else ""]
        unit = ", ".join(word for word in words if word)
        entries.append({"title": column.metric.title, "unit": unit, "meaning": column.metric.meaning})
    bases = [
        ("accuracy", row.difference["ao"].basis) for row in found.rows if row.difference and row.difference["ao"].basis
    ]
    bases += [("speed", row.ratio.basis) for row in found.rows if row.ratio and row.ratio.basis]
    return {
        "metrics": entries,
        "rounds": intervals.FEWEST_ROUNDS,
        "block": intervals.BLOCK,
        "made": "; ".join(dict.fromkeys(f"{what}: {basis}" for what, basis in bases)),
    }
