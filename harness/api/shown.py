"""How runs and tables look in a notebook: plain HTML, everything escaped, no script and no style sheet."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.core.catalog import catalog
from harness.core.config import suggestion
from harness.core.errors import ConfigError
from harness.core.interfaces import Metric
from harness.present.picture import Picture
from harness.present.table import Table


def main_metrics(metrics: Mapping[str, float], random_weights: bool = False) -> list[Metric]:
    """Returns the metrics of a terminal's table, in the catalogue's order; without accuracy if weights are random."""
    known = catalog()
    hidden = set(known.needing("truth", metrics)) if random_weights else set()
    return known.shown("terminal", [name for name in metrics if name not in hidden])


def heading(title: str, soft: str = "") -> str:
    """Returns a bold line, with a note after it."""
    return f"<p><b>{html.escape(title)}</b> {html.escape(soft)}</p>"


def sentences(lines: Iterable[str]) -> str:
    """Returns a list of sentences; empty if there are none."""
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def table(shown: Table) -> str:
    """Returns a table; the last cell of a line shorter than the head extends over the other columns."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in shown.head)
    rows = []
    for line in shown.body:
        cells = [f"<td>{html.escape(cell)}</td>" for cell in line[:-1]]
        span = f' colspan="{len(shown.head) - len(line) + 1}"' if len(line) < len(shown.head) else ""
        rows.append(f"<tr>{''.join(cells)}<td{span}>{html.escape(line[-1])}</td></tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def place(path: Path) -> str:
    """Returns a line on where files are."""
    return f"<p><code>{html.escape(str(path))}</code></p>"


def near(path: Path) -> Path:
    """Returns a path in short form: relative to the current folder if it is below it."""
    return path.relative_to(Path.cwd()) if path.is_absolute() and path.is_relative_to(Path.cwd()) else path


def named(pictures: list[Picture], name: str) -> Picture:
    """Returns the picture with a name.

    Raises:
        ConfigError: There is no picture with this name.
    """
    for picture in pictures:
        if picture.key == name:
            return picture
    names = [picture.key for picture in pictures]
    known = f"there are {', '.join(names)}" if names else "this has no figures"
    raise ConfigError(f"no figure is named {name!r}{suggestion(name, names)}; {known}.")
