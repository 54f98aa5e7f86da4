"""report.html: one file that explains itself. No script, no network: styles and pictures are inside.

Everything that comes from a run is escaped: names, errors and paths are text, never markup.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from typing import Any

import numpy as np

from harness.report import plots, tables
from harness.report.comparison import Comparison, Row
from harness.report.differences import flatten
from harness.report.plots import Picture
from harness.report.sections import Section
from harness.report.sources import Job
from harness.report.tables import Column
from harness.scoring import statistics

WORST = 8
"""Sequences listed for each run where boxes part."""

MAIN = ("ao", "sr50", "sr75", "ao_difference", "fps", "speed_up", "agreement/mean_iou", "agreement/identical_boxes")
"""Columns of the first table."""
FEW = 4
"""A table of fewer columns is not worth a table of its own."""

# The page may load nothing from anywhere, whatever a run's text contains.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_STYLE = """
:root { --ink: #1c2330; --soft: #5b6575; --line: #dfe3e9; --wash: #f5f7fa; --mark: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", "Liberation Sans", Arial,
  sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 28px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 40px 0 10px; padding-bottom: 4px; border-bottom: 2px solid var(--line); }
h3 { font-size: 15px; margin: 22px 0 6px; }
p { margin: 6px 0 10px; max-width: 85ch; }
.soft, figcaption, caption { color: var(--soft); }
.lead { font-size: 18px; font-weight: 600; margin: 4px 0; max-width: none; }
.verdicts { border-left: 5px solid var(--mark); background: var(--wash); padding: 14px 18px; border-radius: 0 6px 6px 0; }
.verdicts ul { margin: 8px 0 0; padding: 0; list-style: none; }
.verdicts li { margin: 5px 0; }
.warnings { border-left: 5px solid #e69f00; background: #fff8e8; padding: 10px 18px; margin-top: 14px;
  border-radius: 0 6px 6px 0; }
.warnings ul { margin: 4px 0; padding-left: 20px; overflow-wrap: anywhere; }
.dot { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 7px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; margin: 8px 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; caption-side: bottom; padding-top: 6px; font-size: 13px; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th { background: var(--wash); font-weight: 600; vertical-align: bottom; }
tbody th { vertical-align: top; }
th small, td small { display: block; font-weight: 400; color: var(--soft); font-size: 11.5px; white-space: nowrap; }
th:first-child, td:first-child, .text td, .text th { text-align: left; }
.text td { overflow-wrap: anywhere; padding: 3px 10px; font-size: 13px; }
tr.differs td { background: #f3f0fa; }
tr.base td { background: #eef5fb; }
td.best { font-weight: 700; }
td.reason { text-align: left; color: #9a3412; }
.tag { font-size: 11.5px; border: 1px solid currentColor; border-radius: 9px; padding: 0 7px; margin-left: 6px;
  color: var(--mark); white-space: nowrap; }
.tag.random { color: #9a3412; }
.number { white-space: nowrap; }
figure { margin: 18px 0 30px; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { font-size: 13px; max-width: 95ch; margin-top: 4px; }
code { font: 13px/1.5 ui-monospace, "Liberation Mono", Consolas, monospace; background: var(--wash); padding: 1px 5px;
  border-radius: 4px; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 18px; margin: 8px 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
nav { margin: 10px 0 18px; font-size: 14px; } nav a { margin-right: 16px; color: var(--mark); }
@media print { main { max-width: none; padding: 0; } figure, tr { break-inside: avoid; } nav { display: none; } }
"""


def html(
    found: Comparison,
    pictures: list[Picture],
    title: str,
    made: str,
    command: str = "",
    sections: Iterable[Section] = (),
) -> str:
    """The whole page. ``made`` is when it was made, ``command`` the command line that made the runs, if known."""
    several = len(found.rows) > 1
    colors = {
        folder: "#" + "".join(f"{round(part * 255):02x}" for part in style.color)
        for folder, style in plots.styles([row.job for row in found.well]).items()
    }
    parts = [
        _head(title, found, made),
        _verdicts(found, colors) if several else _single(found),
        _warnings(found.warnings),
        '<h2 id="table">Table</h2>',
        *_tables(found),
        *(section.html() for section in sections),
        '<h2 id="how">What was run, where and how</h2>',
        _what(found, command),
        _settings(found) if found.well else "",
        '<h2 id="pictures">Pictures</h2>' if pictures else "",
        *(_figure(picture) for picture in pictures if picture.key != "parting"),
        _parting(found, [picture for picture in pictures if picture.key == "parting"]) if several else "",
        _reading(found),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _head(title: str, found: Comparison, made: str) -> str:
    counts = [f"{len(found.rows)} run{'s' if len(found.rows) != 1 else ''}"]
    for status in ("failed", "skipped"):
        number = sum(row.job.results.status == status for row in found.rows)
        counts += [f"{number} {status}"] if number else []
    words = [", ".join(counts)]
    if found.base is not None and len(found.rows) > 1:
        words.append(f"baseline: <b>{escape(found.base.shown)}</b>")
        words.append("compared: " + escape(", ".join(found.varied) or "repeats of one configuration"))
    links = [("verdicts", "Verdicts"), ("table", "Table"), ("how", "What was run"), ("pictures", "Pictures")]
    links += [("parting", "Where runs part")] if any(row.agreement for row in found.rows) else []
    links.append(("reading", "How to read this"))
    nav = "".join(f'<a href="#{key}">{text}</a>' for key, text in links)
    return f'<h1>{escape(title)}</h1>\n<p class="soft">{" · ".join(words)} · made {escape(made)}</p>\n<nav>{nav}</nav>'


# ------------------------------------------------------------------------------------------ verdicts


def _verdicts(found: Comparison, colors: dict[Any, str]) -> str:
    lines = "".join(f'<p class="lead">{escape(line)}</p>' for line in found.headlines)
    items = "".join(f"<li>{_dot(row.job, colors)}{escape(row.verdict)}</li>" for row in found.rows)
    return f'<h2 id="verdicts">Verdicts</h2>\n<div class="verdicts">{lines}<ul>{items}</ul></div>'


def _single(found: Comparison) -> str:
    row = found.rows[0]
    text = row.verdict.replace(" is the baseline", "", 1) if row.job.ok else row.verdict
    return f'<h2 id="verdicts">Result</h2>\n<div class="verdicts"><p class="lead">{escape(text)}</p></div>'


def _dot(job: Job, colors: dict[Any, str]) -> str:
    return f'<span class="dot" style="background:{colors.get(job.folder, "#bbbbbb")}"></span>'


def _warnings(lines: list[str]) -> str:
    if not lines:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<div class="warnings"><b>Read with care</b><ul>{items}</ul></div>'


# --------------------------------------------------------------------------------------------- table


def _tables(found: Comparison) -> list[str]:
    """Two tables, so that neither is wider than the page: what is compared, and the rest of the figures."""
    shown = tables.columns(found)
    main = [column for column in shown if column.key in MAIN]
    rest = [column for column in shown if column.key not in MAIN]
    if len(main) < FEW or len(shown) <= 2 * FEW:
        main, rest = shown, []
    foot = "↑ higher is better, ↓ lower is better; bold: the best of a column; in brackets: 95 % intervals."
    if found.base is not None and len(found.rows) > 1:
        foot += f" Speed-up, AO difference, mean IoU and identical boxes are against {found.base.shown}, the baseline."
    if len(found.machines) > 1:
        foot += " Speeds of different machines stand side by side and are not divided by each other."
    parts = [_table(found, main, "results", foot)] if main or not rest else []
    return parts + ([_table(found, rest, "figures", "")] if rest else [])


def _table(found: Comparison, shown: list[Column], key: str, foot: str) -> str:
    machines = found.machines
    head = [f"<th>{escape(tables.subject(found))}</th>"]
    head += ["<th>machine</th>"] if len(machines) > 1 else []
    head += [f"<th>{escape(column.title)}<small>{_direction(column)}</small></th>" for column in shown]
    best = {column.key: _best(found, column) for column in shown}
    rows = sorted(found.rows, key=lambda row: list(machines).index(row.job.machine) if row.job.ok else len(machines))
    if key != "results":
        rows = [row for row in rows if row.job.ok]
    body = "".join(_table_row(row, shown, best, machines, len(head)) for row in rows)
    caption = f"<caption>{escape(foot)}</caption>" if foot else ""
    return (
        f'<div class="scroll"><table id="{key}">{caption}<thead><tr>{"".join(head)}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _direction(column: Column) -> str:
    arrow = {"higher": "↑", "lower": "↓", "": ""}[column.better]
    return " ".join(word for word in (escape(column.unit), arrow) if word)


def _best(found: Comparison, column: Column) -> str:
    """The text of the best cell; empty where no run is better than another as far as the digits shown tell."""
    values = {column.text(row): value for row in found.well if (value := column.value(row)) is not None}
    if not column.better or len(values) < 2 or (len(found.machines) > 1 and column.unit in ("frames/s", "ms", "inf./s")):
        return ""
    choose = max if column.better == "higher" else min
    return choose(values, key=lambda text: values[text])


def _table_row(row: Row, shown: list[Column], best: dict[str, str], machines: dict[str, str], width: int) -> str:
    name = f"{escape(row.label)}"
    name += '<span class="tag">baseline</span>' if row.baseline else ""
    name += '<span class="tag random">random weights</span>' if row.job.random_weights else ""
    if not row.job.ok:
        reason = f"{row.job.results.status}: {row.job.failure()}"
        return f'<tr><td>{name}</td><td class="reason" colspan="{width - 1}">{escape(reason)}</td></tr>'
    line = [f"<td>{name}</td>"]
    line += [f"<td>{machines[row.job.machine]}</td>"] if len(machines) > 1 else []
    for column in shown:
        text, interval = column.text(row), tables.with_interval(column, row)
        mark = ' class="best"' if text == best[column.key] else ""
        extra = f"<small>{escape(interval)}</small>" if interval else ""
        line.append(f'<td{mark}><span class="number">{escape(text)}</span>{extra}</td>')
    return f'<tr{" class=base" if row.baseline else ""}>{"".join(line)}</tr>'


# ---------------------------------------------------------------------------------------------- what


def _what(found: Comparison, command: str) -> str:
    rows = found.well or found.rows
    entries: list[tuple[str, str]] = []
    if command:
        entries.append(("command line", f"<code>{escape(command)}</code>"))
    for label, texts in (("data", [_data(row.job) for row in rows]), ("scoring", [_scoring(row.job) for row in rows])):
        for text in dict.fromkeys(text for text in texts if text):
            entries.append((label, escape(text)))
    for digest, letter in found.machines.items():
        own = next(row.job for row in found.well if row.job.machine == digest)
        label = f"machine {letter}" if len(found.machines) > 1 else "machine"
        entries.append((label, escape(_machine(own))))
        entries.append(("system", escape(_system(own))))
        # Where no machine is recorded, the versions are those of the scoring, not of what was measured.
        entries.append(("versions" if digest else "scored with", escape(_versions(own))))
    code = dict.fromkeys(text for row in rows if (text := _code(row.job)))
    entries += [("code", escape(text)) for text in code]
    measured = [row.job.results.started for row in rows if row.job.results.started]
    ended = [row.job.results.ended for row in rows if row.job.results.ended]
    if measured and ended:
        entries.append(("measured", escape(f"{min(measured)} to {max(ended)} (UTC)")))
    return "<dl>" + "".join(f"<dt>{key}</dt><dd>{value}</dd>" for key, value in entries if value) + "</dl>"


def _data(job: Job) -> str:
    data = job.results.dataset
    if not data:
        return ""
    words = [" ".join(str(data[key]) for key in ("name", "split") if data.get(key))]
    for key, word in (("sequences", "sequences"), ("frames", "frames"), ("scored_frames", "of them scored")):
        if data.get(key):
            words.append(f"{int(data[key]):,} {word}")
    if data.get("truth") is False:
        words.append("no ground truth: speed and agreement only")
    if data.get("digest"):
        words.append(f"digest {str(data['digest'])[:12]}")
    return ", ".join(word for word in words if word)


def _scoring(job: Job) -> str:
    scoring = job.results.scoring
    if not scoring:
        return ""
    if job.random_weights:
        return "none: random weights, crops follow the ground truth; only speed is measured"
    if job.results.dataset.get("truth") is False:
        return "none: there is no ground truth"
    words = [f"{scoring.get('protocol', 'got10k')} protocol, frames pooled, first frame of each sequence left out"]
    words.append("covered frames left out" if scoring.get("mask") else "no cover mask")
    words.append("boxes clipped to the image" if scoring.get("bounds") else "boxes not clipped")
    if scoring.get("feedback") == "truth":
        words.append("the tracker is put on the truth before every frame")
    return ", ".join(words)


def _machine(job: Job) -> str:
    env = job.results.environment
    if not env:
        return "not recorded"
    words = [str(env.get("processor") or "")]
    if env.get("cores"):
        words.append(f"{env['cores']} cores ({env.get('logical_cores', '?')} logical)")
    if env.get("threads_allowed"):
        words.append(f"{env['threads_allowed']} threads allowed")
    if env.get("memory_mb"):
        words.append(f"{float(env['memory_mb']) / 1024:.0f} GiB memory")
    if env.get("governor"):
        words.append(f"governor {env['governor']}")
    if env.get("virtual"):
        words.append("virtual machine")
    if env.get("features"):
        words.append(" ".join(str(item) for item in env["features"]))
    return ", ".join(word for word in words if word) or "not recorded"


def _system(job: Job) -> str:
    env = job.results.environment
    python = f"Python {env['python']}" if env.get("python") else ""
    return ", ".join(str(word) for word in (env.get("system"), env.get("kernel"), python) if word)


def _versions(job: Job) -> str:
    found = job.results.environment.get("versions")
    return ", ".join(f"{name} {version}" for name, version in found.items()) if isinstance(found, dict) else ""


def _code(job: Job) -> str:
    env = job.results.environment
    if not env.get("commit"):
        return ""
    return f"commit {str(env['commit'])[:12]}" + (" with uncommitted changes" if env.get("dirty") else "")


def _settings(found: Comparison) -> str:
    """A row a setting, a column a run: what was asked for, and what the runtime says that it did."""
    rows = found.well
    asked = [{**_asked(row.job), **_made(row.job)} for row in rows]
    did = [{str(key): str(value) for key, value in row.job.results.effective.items()} for row in rows]
    head = "".join(f"<th>{escape(row.shown)}</th>" for row in rows)
    body = _setting_rows(asked, "") + _setting_rows(did, "reported: ")
    note = (
        "First what was asked for; 'reported' is what the runtime says that it is doing, in its own words. "
        "Shaded: not the same in all runs."
    )
    return (
        f'<h3>Settings of each run</h3><div class="scroll"><table class="text"><caption>{note}</caption>'
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _asked(job: Job) -> dict[str, str]:
    found = {group: job.results.choice(group) for group in tables.CHOICES}
    task = job.results.config.get("task")
    found |= {f"task.{key}": str(task[key]) for key in ("mode", "repeats", "warmup", "repetitions")
              if isinstance(task, dict) and task.get(key) is not None}  # fmt: skip
    for key in ("threads", "seed"):
        if job.results.config.get(key) is not None:
            found[key] = str(job.results.config[key])
    return {key: value for key, value in found.items() if value}


def _made(job: Job) -> dict[str, str]:
    artifact = job.results.artifact
    found = {f"model {key}": str(artifact[key]) for key in ("format", "precision") if artifact.get(key)}
    if artifact.get("key"):
        found["model key"] = str(artifact["key"])[:12]
    if "parity/max_abs_diff" in job.metrics:
        found["largest output difference from torch"] = f"{job.metrics['parity/max_abs_diff']:.2e}"
    for key, value in flatten({"load_ms": {k[8:]: v for k, v in job.metrics.items() if k.startswith("load_ms/")}}).items():
        if isinstance(value, float):
            found[f"{key.replace('.', ' ').replace('load_ms', 'load (ms):')}"] = f"{value:.0f}"
    return found


def _setting_rows(columns: list[dict[str, str]], prefix: str) -> str:
    keys = list(dict.fromkeys(key for column in columns for key in column))
    lines = []
    for key in keys:
        cells = "".join(f"<td>{escape(column.get(key, ''))}</td>" for column in columns)
        mark = " class=differs" if len({column.get(key) for column in columns}) > 1 else ""
        lines.append(f"<tr{mark}><td>{escape(prefix + key)}</td>{cells}</tr>")
    return "".join(lines)


# ------------------------------------------------------------------------------------------ pictures


def _figure(picture: Picture) -> str:
    data = base64.b64encode(plots.svg(picture.figure)).decode("ascii")
    width = round(picture.figure.get_figwidth() * 100)
    return (
        f'<figure id="{picture.key}"><h3>{escape(picture.title)}</h3><img width="{width}" alt="{escape(picture.title)}" '
        f'src="data:image/svg+xml;base64,{data}"><figcaption>{escape(picture.caption)}</figcaption></figure>'
    )


def _parting(found: Comparison, pictures: list[Picture]) -> str:
    rows = [row for row in found.rows if row.agreement is not None]
    if not rows or found.base is None:
        return ""
    parts = ['<h2 id="parting">Where runs part</h2>']
    parts.append(
        f"<p>Boxes of each run against those of {escape(found.base.shown)}, frame by frame, frame 0 (the given box) left out. "
        "The first frame is counted from 0, in the sequence where it comes first.</p>"
    )
    parts.append(_agreement_table(rows))
    parts += [_figure(picture) for picture in pictures]
    parts += [_worst(row) for row in rows if row.agreement and row.agreement.identical < 1.0]
    return "\n".join(parts)


def _agreement_table(rows: Iterable[Row]) -> str:
    head = ["run", "mean IoU", "identical boxes", "frames", "first other box", "first IoU under 0.9", "first IoU under 0.5",
            "sequences under 0.5"]  # fmt: skip
    lines = []
    for row in rows:
        assert row.agreement is not None
        table = row.agreement.table
        cells = [escape(row.shown), f"{row.agreement.mean_iou:.4f}", f"{row.agreement.identical:.1%}"]
        cells += [f"{row.agreement.frames:,}", *(_earliest(table, key) for key in ("differs", "below_0.9", "below_0.5"))]
        cells.append(f"{int(table['below_0.5'].notna().sum())} of {len(table)}")
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return (
        f'<div class="scroll"><table id="agreement"><thead><tr>{"".join(f"<th>{word}</th>" for word in head)}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _earliest(table: Any, key: str) -> str:
    values = table[key].to_numpy(float)
    if np.isnan(values).all():
        return "never"
    index = int(np.nanargmin(values))
    return f"frame {int(values[index])}<small>{escape(str(table['sequence'].iloc[index]))}</small>"


def _worst(row: Row) -> str:
    assert row.agreement is not None
    table = row.agreement.table.head(WORST)
    head = ["sequence", "mean IoU", "identical", "frames", "first other box", "under 0.9", "under 0.5"]
    lines = []
    for record in table.to_dict("records"):
        cells = [escape(str(record["sequence"])), f"{record['mean_iou']:.3f}", f"{record['identical']:.1%}"]
        cells.append(str(int(record["frames"])))
        cells += [_frame(record[key]) for key in ("differs", "below_0.9", "below_0.5")]
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return (
        f"<h3>{escape(row.shown)}: the {len(table)} sequences that agree least</h3>"
        f'<div class="scroll"><table><thead><tr>{"".join(f"<th>{word}</th>" for word in head)}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _frame(value: float) -> str:
    return "never" if np.isnan(value) else f"frame {int(value)}"


# ------------------------------------------------------------------------------------------- reading


def _reading(found: Comparison) -> str:
    shown = tables.columns(found)
    entries = "".join(
        f"<dt>{escape(column.title)} ({escape(', '.join(word for word in (column.unit, _plain(column)) if word))})</dt>"
        f"<dd>{escape(column.meaning)}</dd>"
        for column in shown
    )
    bases = [
        ("accuracy", row.difference["ao"].basis) for row in found.rows if row.difference and row.difference["ao"].basis
    ]
    bases += [("speed", row.ratio.basis) for row in found.rows if row.ratio and row.ratio.basis]
    made = "; ".join(dict.fromkeys(f"{what}: {basis}" for what, basis in bases))
    return (
        f'<h2 id="reading">How to read this</h2><dl>{entries}</dl>'
        "<p>Intervals are 95 %. Accuracy is a matter of which sequences were drawn: its intervals resample whole sequences, "
        "for both runs alike, so that what is hard for both cancels. Speed intervals come from rounds where a run has at "
        f"least {statistics.FEWEST_ROUNDS}, else from blocks of {statistics.BLOCK} consecutive frames; blocks know the noise "
        "within a run, not that between runs (task.repeats shows it)."
        + (f" Here: {escape(made)}." if made else "")
        + "</p><p>'No loss shown' means that the interval of the difference holds zero: the data do not tell the two apart. It is "
        "not a proof that they are equal; the interval's lower end is the loss that is still possible. Latency of parallel "
        "runs is contended and not shown.</p>"
    )


def _plain(column: Column) -> str:
    return f"{column.better} is better" if column.better else ""
