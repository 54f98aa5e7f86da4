"""Chooses a finished run to deploy: the best within limits, the simpler in a tie, or what the nearest one lacks."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.core.catalog import catalog
from harness.core.config import suggestion
from harness.core.errors import ConfigError
from harness.report import gates
from harness.report.columns import value_of
from harness.report.gates import Gate
from harness.report.verdicts import decision_of
from harness.scoring.compared import Comparison, Row


@dataclass(frozen=True)
class Objective:
    """A metric to optimise; ``higher`` is True if higher values are better."""

    metric: str
    higher: bool


@dataclass(frozen=True)
class Choice:
    """The result of the choice.

    Attributes:
        kind: ``answer`` (one run), ``tie`` (several do not differ clearly; the first is the simplest), ``pareto``
            (several objectives, none of the runs is worse in all), ``none`` (no run fits; the first is the nearest),
            ``again`` (the machine was too disturbed to decide).
        rows: The runs, the recommended one first.
        dropped: Why each other run was not chosen, by its label.
        lacks: For ``none``: what the nearest run does not fulfil.
    """

    kind: str
    rows: tuple[Row, ...] = ()
    dropped: dict[str, str] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()


def objectives(maximize: list[str], minimize: list[str]) -> list[Objective]:
    """Objectives from the words of a command.

    Raises:
        ConfigError: A metric is unknown, is better the other way, or none is given.
    """
    found = []
    for names, higher in ((maximize, True), (minimize, False)):
        for name in names:
            entry = catalog().find(name)
            if entry is None:
                known = [item.name for item in catalog() if not item.pattern]
                raise ConfigError(f"unknown metric {name!r}{suggestion(name, known)}; docs/metrics.md lists them.")
            if entry.better and (entry.better == "higher") != higher:
                raise ConfigError(f"{name} is better {entry.better}; use --{'minimize' if higher else 'maximize'} {name}.")
            found.append(Objective(name, higher))
    return found or [Objective("fps", True)]


def requirements(texts: list[str]) -> list[Gate]:
    """Parses requirements of a command. Raises ConfigError if one is not a condition or names an unknown metric."""
    found = [gates.parse(text, "--require") for text in texts]
    for gate in found:
        if catalog().find(gate.metric) is None:
            known = [item.name for item in catalog() if not item.pattern]
            raise ConfigError(f"--require {gate.text!r}: unknown metric {gate.metric!r}{suggestion(gate.metric, known)}; docs/metrics.md lists them.")
    return found


def unmet(row: Row, requirements: list[Gate]) -> list[str]:
    """Returns the requirements that a run does not meet, each with the value; a missing metric meets none."""
    lacking = []
    for gate in requirements:
        own = value_of(row, gate.metric)
        other = own if row.against is None and row.baseline else (value_of(row.against, gate.metric) if row.against else None)
        if own is None:
            lacking.append(f"{gate.text} (no {gate.metric} was measured)")
        elif gate.kind != "value" and (other is None or (gate.kind != "difference" and other == 0)):
            lacking.append(f"{gate.text} (the reference has no {gate.metric})")
        elif not gate.fires(measured := gates.measured(gate, own, other)):
            lacking.append(f"{gate.text} (it is {measured:.4g})")
    return lacking


def choose(found: Comparison, wanted: list[Objective], requirements: list[Gate], eligible: list[Row] | None = None) -> Choice:
    """Chooses the run to deploy.

    Args:
        found: The runs, compared with the reference.
        wanted: One objective, or several for a Pareto set.
        requirements: Conditions that must hold, in the grammar of the gates.
        eligible: The runs that may be chosen; by default all that succeeded.
    """
    rows = list(found.well if eligible is None else eligible)
    lacking = {row.job.folder: unmet(row, requirements) for row in rows}
    able = [row for row in rows if all(value_of(row, item.metric) is not None for item in wanted)]
    fitting = [row for row in able if not lacking[row.job.folder]]
    dropped = {row.shown: f"does not fulfil {', '.join(lacking[row.job.folder])}" for row in able if lacking[row.job.folder]}
    dropped |= {row.shown: f"has no {', '.join(item.metric for item in wanted)}" for row in rows if row not in able}
    if not fitting:
        nearest = min(able, key=lambda row: (len(lacking[row.job.folder]), _rank(row, wanted[0])), default=None)
        if nearest is None:
            return Choice("none", (), dropped)
        return Choice("none", (nearest,), {k: v for k, v in dropped.items() if k != nearest.shown}, tuple(lacking[nearest.job.folder]))
    if len(wanted) > 1:
        return _pareto(fitting, wanted, dropped)
    return _best(found, fitting, wanted[0], dropped)


def _best(found: Comparison, fitting: list[Row], wanted: Objective, dropped: dict[str, str]) -> Choice:
    ordered = sorted(fitting, key=lambda row: _rank(row, wanted))
    tied = [ordered[0]]
    if wanted.metric == "fps" and len(fitting) > 1 and found.contest.holds(*(row.job.id for row in fitting)):
        decision = decision_of(found.contest, fitting)
        if decision.kind == "again":
            return Choice("again", tuple(ordered), dropped)
        by_id = {row.job.id: row for row in fitting}
        tied = [by_id[name] for name in decision.leaders]
    else:
        tied = [row for row in ordered if value_of(row, wanted.metric) == value_of(ordered[0], wanted.metric)]
    tied.sort(key=lambda row: (complexity(row), found.rows.index(row)))
    for row in fitting:
        if row not in tied:
            dropped[row.shown] = f"{value_of(row, wanted.metric):.4g} {wanted.metric}, against {value_of(tied[0], wanted.metric):.4g}"
    return Choice("tie" if len(tied) > 1 else "answer", tuple(tied), dropped)


def _pareto(fitting: list[Row], wanted: list[Objective], dropped: dict[str, str]) -> Choice:
    """Returns the runs that are not dominated: no other is at least as good in all objectives and better in one."""
    kept = []
    for row in fitting:
        beaten = next((other for other in fitting if other is not row and _dominates(other, row, wanted)), None)
        if beaten is None:
            kept.append(row)
        else:
            dropped[row.shown] = f"{beaten.shown} is at least as good in {', '.join(item.metric for item in wanted)}"
    kept.sort(key=lambda row: _rank(row, wanted[0]))
    return Choice("answer" if len(kept) == 1 else "pareto", tuple(kept), dropped)


def _dominates(own: Row, other: Row, wanted: list[Objective]) -> bool:
    mine, theirs = [[_rank(row, item) for item in wanted] for row in (own, other)]
    return all(a <= b for a, b in zip(mine, theirs, strict=True)) and mine != theirs


def _rank(row: Row, wanted: Objective) -> float:
    """Smaller is better."""
    value = value_of(row, wanted.metric)
    if value is None:
        return float("inf")
    return -value if wanted.higher else value


PLAIN = ("none", "cpu")
COUNTING = ("device", "hint", "threads")
CALIBRATED = 2
"""The complexity that quantisation adds: it needs calibration data, and another model to keep."""


def complexity(row: Row) -> int:
    """Counts what must be set up: quantisation, a hint, a device, threads, backend settings; fewer is simpler."""
    results = row.job.results
    weight = 0 if results.choice("quantization") in ("", "none") else CALIBRATED
    for text in dict.fromkeys(results.overrides):
        key, _, value = text.lstrip("+").partition("=")
        weight += (key in COUNTING or key.startswith("backend.")) and value not in PLAIN
    return weight
