"""The end of a search: the answer with its command and a YAML file to keep, the report, the record in MLflow."""

from __future__ import annotations

import csv
import io
import shlex
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.core.catalog import GROUP_NAMES
from harness.core.files import write_json, write_text
from harness.core.results import VERDICT_FILE
from harness.jobs.finishing import keep_verdicts
from harness.jobs.recommend.search import Search
from harness.jobs.recommend.state import Entry, Request, State
from harness.report import advice
from harness.scoring.compared import Advice

YAML_FILE = "conf/experiment/recommended.yaml"
TEXT_FILE = "recommendation.md"
TABLE_FILE = "candidates.csv"


@dataclass(frozen=True)
class Answer:
    """The result of a search.

    Attributes:
        kind: As in ``report.choice.Choice``.
        sentence: The answer in one sentence.
        command: The command that runs the recommended configuration; empty if no candidate fits.
        call: The command of the search itself.
        folder: The folder of the search.
        run: The folder of the recommended run; empty if no candidate fits.
        overrides: The recommended settings.
        steps: (title, command) of the next steps.
        changes: Sentences on what would change the answer.
        dropped: Why each other candidate was dropped, by its settings.
    """

    kind: str
    sentence: str
    command: str
    call: str
    folder: Path
    run: str = ""
    overrides: list[str] = field(default_factory=list)
    steps: list[tuple[str, str]] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Returns the answer as JSON values."""
        return {**asdict(self), "folder": str(self.folder)}

    def text(self) -> str:
        """Returns the answer as text for a terminal, which is also Markdown."""
        lines = [self.sentence]
        for title, command in self.steps:
            lines += ["", f"{title}:", f"    {command}"]
        lines += ["", "What would change the answer:", *(f"- {line}" for line in self.changes)] if self.changes else []
        return "\n".join(lines)


def conclude(search: Search) -> Answer:
    """Chooses and writes the answer, the report and the record; if one of the last two fails, it is only a warning."""
    found = search.compared()
    chosen, told = advice.advise(found, search.objectives, search.requirements, search.eligible(found))
    places = {entry.place: entry for entry in search.state.entries if entry.place}
    best = chosen.rows[0].job.folder.name if chosen.rows and chosen.kind != "none" else ""
    made = worded(search.request, search.folder, search.state, told, places.get(best))
    names = {row.job.id: places[row.job.folder.name].name for row in found.rows if row.job.folder.name in places}
    made.dropped.update({names[identity]: reason for identity, reason in told.dropped.items()})
    if chosen.kind == "tie":
        made.dropped.update({names[row.job.id]: "a tie with the recommended one, which is simpler" for row in chosen.rows[1:]})
    write(made, search.request, search.state)
    search.state.answer = made.plain()
    search.save()
    untried = tuple((entry.name, entry.reason) for entry in search.state.entries if entry.status == "dropped")
    found.advice = [replace(told, steps=tuple(made.steps), untried=untried)]
    found.headlines = [made.sentence]
    search.lab.report(found, search.folder, f"Recommendation: {made.sentence}", made.call, search.say)
    keep_verdicts(search.folder, found)
    write_json(search.folder / VERDICT_FILE, {"headlines": [made.sentence], "kind": made.kind, "leader": made.run})
    config = found.rows[0].job.results.config
    search.lab.publish(search.folder, [row.job.folder for row in found.rows], config, made.kind == "none", search.say)
    return made


def worded(request: Request, folder: Path, state: State, told: Advice, entry: Entry | None) -> Answer:
    """Returns the answer of a search with its commands; ``entry`` is the recommended candidate, None if none fits."""
    dropped = {item.name: item.reason for item in state.entries if item.status == "dropped"}
    if entry is None:
        return Answer(told.kind, told.sentence, "", call_of(request), folder, changes=list(told.changes), dropped=dropped)
    command = " ".join(["python -m harness", *map(shlex.quote, (*request.fixed, *entry.overrides))])
    further = f" --config-dir {shlex.quote(request.config_dir)}" if request.config_dir else ""
    steps = [
        ("Run it", f"{command}{further}"),
        ("Run it from the kept YAML file", f"python -m harness --config-dir {shlex.quote(str(folder / 'conf'))} experiment=recommended"),
        ("Export it", f"python -m harness export {shlex.quote(str(folder / entry.place))} -o recommended"),
    ]
    return Answer(
        told.kind, told.sentence, command, call_of(request), folder, entry.place, entry.overrides, steps, list(told.changes), dropped
    )


def write(made: Answer, request: Request, state: State) -> None:
    """Writes the answer's files next to the state."""
    reasons = "".join(f"- {name}: {reason}.\n" for name, reason in made.dropped.items()) or "There were none.\n"
    write_text(made.folder / TEXT_FILE, f"# Recommendation\n\n{made.text()}\n\n## Why not the others\n\n{reasons}")
    write_text(made.folder / TABLE_FILE, _table(state, made.dropped))
    if made.run:
        write_text(made.folder / YAML_FILE, experiment_yaml(request, made.overrides, made.sentence))


def call_of(request: Request) -> str:
    """The command of the search."""
    words = ["python -m harness recommend", *map(shlex.quote, request.fixed), f"search={request.search}"]
    for option, values in (("--maximize", request.maximize), ("--minimize", request.minimize), ("--require", request.require)):
        words += [option, *map(shlex.quote, values)] if values else []
    words += [f"--minutes {request.minutes:g}"]
    words += [f"--seed {request.seed}"] if request.seed else []
    words += [f"--config-dir {shlex.quote(request.config_dir)}"] if request.config_dir else []
    return " ".join(words)


def experiment_yaml(request: Request, overrides: list[str], said: str) -> str:
    """Returns the recommended settings as an experiment file for Hydra."""
    settings: dict[str, str] = {}
    for text in (*request.fixed, *overrides):
        key, _, value = text.partition("=")
        settings[key.lstrip("+~")] = value
    groups = {key: value for key, value in settings.items() if key in GROUP_NAMES}
    lines = ["# @package _global_", f"# {said}", f"# found by: {call_of(request)}", "defaults:"]
    lines += [f"  - override /{key}: {value}" for key, value in groups.items()]
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


def _table(state: State, dropped: dict[str, str]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["candidate", "settings", "status", "run", "reason"])
    for entry in sorted(state.entries, key=lambda item: item.number):
        writer.writerow([entry.number, entry.name, entry.status, entry.place, entry.reason or dropped.get(entry.name, "")])
    return out.getvalue()
