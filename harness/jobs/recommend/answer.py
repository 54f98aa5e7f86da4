"""The answer of a search: a sentence, a command, a YAML file to keep, why each other candidate was dropped."""

from __future__ import annotations

import csv
import io
import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.core.catalog import GROUP_NAMES
from harness.core.files import write_text
from harness.jobs.recommend.state import Request, State
from harness.report import choice
from harness.report.choice import Choice, Objective
from harness.report.columns import value_of
from harness.report.gates import Gate
from harness.scoring.compared import Comparison, Row
from harness.scoring.intervals import bracket

YAML_FILE = "conf/experiment/recommended.yaml"
TEXT_FILE = "recommendation.md"
TABLE_FILE = "candidates.csv"
P99 = "latency_ms/p99"


@dataclass(frozen=True)
class Answer:
    """What a search found.

    Attributes:
        kind: As of ``report.choice.Choice``.
        sentence: The answer in one sentence.
        command: The command that runs the recommended configuration; empty where nothing fits.
        call: The command of the search itself.
        overrides: The recommended settings.
        changes: Sentences on what would change the answer.
        dropped: Why each other candidate was dropped, by its settings.
        folder: Where everything lies.
        run: The folder of the recommended run; empty where nothing fits.
    """

    kind: str
    sentence: str
    command: str
    call: str
    folder: Path
    run: str = ""
    overrides: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "folder": str(self.folder)}

    def text(self) -> str:
        """For a terminal and as Markdown."""
        lines = [self.sentence]
        if self.command:
            lines += ["", "Run it:", f"    {self.command}", "Keep it:", f"    {keeping(self.folder)}"]
        lines += ["", *(f"- {line}" for line in self.changes)] if self.changes else []
        return "\n".join(lines)


def make(
    request: Request, folder: Path, state: State, found: Comparison, chosen: Choice, wanted: list[Objective], requirements: list[Gate]
) -> Answer:
    """Words the answer and writes its files beside the state."""
    by_place = {entry.place: entry for entry in state.entries if entry.place}
    best = chosen.rows[0] if chosen.rows and chosen.kind != "none" else None
    entry = by_place.get(best.job.folder.name) if best is not None else None
    overrides = entry.overrides if entry is not None else []
    command = " ".join(["python -m harness", *map(shlex.quote, (*request.fixed, *overrides))]) if entry is not None else ""
    dropped = {item.name: item.reason for item in state.entries if item.status == "dropped"}
    shown = {row.shown: by_place[row.job.folder.name].name for row in found.rows if row.job.folder.name in by_place}
    dropped |= {shown.get(name, name): reason for name, reason in chosen.dropped.items()}
    made = Answer(
        chosen.kind, sentence(found, chosen, wanted), command, call_of(request), folder,
        best.job.folder.name if best is not None else "", overrides, what_changes(found, chosen, wanted, requirements, by_place), dropped,
    )  # fmt: skip
    write_text(folder / TEXT_FILE, f"# Recommendation\n\n{made.text()}\n\n## Why not the others\n\n{_reasons(dropped)}")
    write_text(folder / TABLE_FILE, _table(state))
    if entry is not None:
        write_text(folder / YAML_FILE, experiment_yaml(request, overrides, made.sentence))
    return made


def sentence(found: Comparison, chosen: Choice, wanted: list[Objective]) -> str:
    """``openvino, int8, threads=2: 3.7 [3.6, 3.8] times torch, AO -0.002 [-0.006, +0.002], p99 11.2 ms.``"""
    if not chosen.rows:
        return "Nothing fits: no candidate could be measured."
    first = chosen.rows[0]
    if chosen.kind == "none":
        return f"Nothing fits. Nearest: {described(found, first, wanted)}; it lacks {', '.join(chosen.lacks)}."
    if chosen.kind == "again":
        return (
            f"Not decided: others used the machine while the final was measured. Fastest as far as can be told: "
            f"{described(found, first, wanted)}. Run it again when the machine is quiet."
        )
    text = described(found, first, wanted)
    if chosen.kind == "tie":
        others = "; ".join(row.shown for row in chosen.rows[1:])
        return f"{text}. A tie with {others}; this is the simplest of them."
    if chosen.kind == "pareto":
        others = "; ".join(described(found, row, wanted) for row in chosen.rows[1:])
        return f"{text}. None is best in all: also {others}."
    return f"{text}."


def described(found: Comparison, row: Row, wanted: list[Objective]) -> str:
    """A run with the figures that matter."""
    parts = []
    if row.ratio is not None and found.base is not None:
        parts.append(f"{bracket(row.ratio, 2)} times the reference ({found.base.job.results.choice('backend')})")
    if "ao" in row.difference:
        parts.append(f"AO {bracket(row.difference['ao'], 3, signed=True)}")
    if P99 in row.job.metrics:
        parts.append(f"p99 {row.job.metrics[P99]:.1f} ms")
    for item in wanted:
        value = value_of(row, item.metric)
        if item.metric not in ("ao", P99) and value is not None:
            parts.append(f"{item.metric} {value:.4g}")
    return f"{row.job.results.name}: {', '.join(parts)}"


def what_changes(
    found: Comparison, chosen: Choice, wanted: list[Objective], requirements: list[Gate], by_place: dict[str, Any]
) -> list[str]:
    """What the answer would be without each requirement, and which objective would give another one."""
    rows = [row for row in found.well if row.job.folder.name in by_place]
    now = chosen.rows[0].job.folder if chosen.rows and chosen.kind != "none" else None
    lines = []
    for gate in requirements:
        without = choice.choose(found, wanted, [item for item in requirements if item is not gate], rows)
        if without.kind != "none" and without.rows and without.rows[0].job.folder != now:
            lines.append(f"Without '{gate.text}': {described(found, without.rows[0], wanted)}.")
    if now is not None and [item.metric for item in wanted] == ["fps"] and any("ao" in row.job.metrics for row in rows):
        other = choice.choose(found, [Objective("ao", True)], requirements, rows)
        if other.rows and other.kind != "none" and other.rows[0].job.folder != now:
            lines.append(f"If accuracy mattered more than speed: {described(found, other.rows[0], wanted)}.")
    return lines


def call_of(request: Request) -> str:
    """The command of the search."""
    words = ["python -m harness recommend", *map(shlex.quote, request.fixed), f"search={request.search}"]
    for option, values in (("--maximize", request.maximize), ("--minimize", request.minimize), ("--require", request.require)):
        words += [option, *map(shlex.quote, values)] if values else []
    return " ".join([*words, f"--minutes {request.minutes:g}"])


def keeping(folder: Path) -> str:
    """The command that runs the kept YAML file."""
    return f"python -m harness --config-dir {shlex.quote(str(folder / 'conf'))} experiment=recommended"


def experiment_yaml(request: Request, overrides: list[str], said: str) -> str:
    """The recommended settings as an experiment of Hydra's."""
    settings: dict[str, str] = {}
    for text in (*request.fixed, *overrides):
        key, _, value = text.partition("=")
        settings[key.lstrip("+~")] = value
    groups = {key: value for key, value in settings.items() if key in GROUP_NAMES}
    lines = ["# @package _global_", f"# {said}", "defaults:"]
    lines += [f"  - override /{key}: {value}" for key, value in groups.items()] or ["  - _self_"]
    if groups:
        lines.append("  - _self_")
    tree: dict[str, Any] = {}
    for key, value in settings.items():
        if key in groups or key.startswith("hydra."):
            continue
        node = tree
        *path, last = key.split(".")
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return "\n".join([*lines, *_yaml(tree, 0)]) + "\n"


def _yaml(tree: dict[str, Any], depth: int) -> list[str]:
    lines = []
    for key, value in tree.items():
        indent = "  " * depth
        lines += [f"{indent}{key}:", *_yaml(value, depth + 1)] if isinstance(value, dict) else [f"{indent}{key}: {value}"]
    return lines


def _reasons(dropped: dict[str, str]) -> str:
    return "".join(f"- {name}: {reason}.\n" for name, reason in dropped.items()) or "There were none.\n"


def _table(state: State) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["candidate", "settings", "status", "run", "reason"])
    for entry in state.entries:
        writer.writerow([entry.number, entry.name, entry.status, entry.place, entry.reason])
    return out.getvalue()
