"""Which run to deploy: the answer in one sentence, and what would change it."""

from __future__ import annotations

import shlex
from dataclasses import replace

from harness.report import choice
from harness.report.choice import Choice, Objective
from harness.report.columns import value_of
from harness.report.comparison import compare
from harness.report.gates import Gate
from harness.report.sources import give_labels
from harness.scoring.compared import Advice, Comparison, Row
from harness.scoring.intervals import bracket

P99 = "latency_ms/p99"
SPOKEN = {
    "backend.precision": {"fp32": "fp32", "device": "the device's own precision", "bf16": "bf16", "fp16": "fp16"},
    "backend.tf32": {"true": "tf32", "false": "fp32"},
    "backend.spinning": {"true": "spinning", "false": "no spinning"},
}
COUNTED = {"threads": "thread", "backend.streams": "stream"}


def advise(found: Comparison, wanted: list[Objective], requirements: list[Gate], rows: list[Row] | None = None) -> tuple[Choice, Advice]:
    """Returns which of ``rows`` (by default all that succeeded) to deploy, with sentences."""
    rows = list(found.well) if rows is None else rows
    chosen = choice.choose(found, wanted, requirements, rows)
    identity = {row.shown: row.job.id for row in rows}
    told = Advice(
        kind=chosen.kind,
        sentence=sentence(found, chosen, wanted, requirements),
        chosen=tuple(row.job.id for row in chosen.rows),
        judged=tuple(row.job.id for row in rows),
        objectives=tuple((item.metric, item.higher) for item in wanted),
        requirements=tuple(gate.text for gate in requirements),
        limits=tuple(limit for gate in requirements if (limit := _limit(found, gate)) is not None),
        dropped={identity[name]: reason for name, reason in chosen.dropped.items()},
        changes=tuple(what_changes(found, chosen, wanted, requirements, rows)),
    )
    return chosen, told


def advise_each(found: Comparison, wanted: list[Objective], requirements: list[Gate]) -> list[Advice]:
    """Returns an answer for each machine that runs were measured on; speeds of different machines are not compared.

    Each machine has its own baseline: that of the comparison if it ran there, else its first run that succeeded.
    """
    machines = found.machines
    if len(machines) < 2:
        chosen, told = advise(found, wanted, requirements)
        return [replace(told, steps=_steps(chosen))]
    made = []
    for digest, letter in machines.items():
        jobs = [row.job for row in found.well if row.job.machine == digest]
        base = found.base.job if found.base is not None and found.base.job in jobs else None
        chosen, told = advise(compare(jobs, base), wanted, requirements)
        made.append(replace(told, steps=_steps(chosen), machine=letter))
    give_labels([row.job for row in found.rows])
    return made


def _steps(chosen: Choice) -> tuple[tuple[str, str], ...]:
    """Returns the next steps with an existing run."""
    if not chosen.rows or chosen.kind == "none":
        return ()
    job = chosen.rows[0].job
    words = " ".join(["python -m harness", *map(shlex.quote, job.results.overrides)])
    return (("Run it", words), ("Export it", f"python -m harness export {shlex.quote(str(job.folder))} -o recommended"))


def sentence(found: Comparison, chosen: Choice, wanted: list[Objective], requirements: list[Gate]) -> str:
    """Returns the answer: ``openvino, int8, 2 threads: 3.7 [3.6, 3.8] times torch, AO -0.002, p99 11.2 ms.``"""
    if not chosen.rows:
        return "Nothing fits: no run has what is asked for."
    text = described(found, chosen.rows[0], wanted, requirements)
    if chosen.kind == "none":
        return f"Nothing fits. Nearest: {text}; it lacks {', '.join(chosen.lacks)}."
    if chosen.kind == "again":
        return (
            f"Not decided: others used the machine while the final was measured. Fastest as far as can be told: {text}. "
            "Run it again when the machine is quiet."
        )
    if chosen.kind == "tie":
        others = "; ".join(spoken(row) for row in chosen.rows[1:])
        return f"{text}. A tie with {others}; this is the simplest of them."
    if chosen.kind == "pareto":
        others = "; ".join(described(found, row, wanted, requirements) for row in chosen.rows[1:])
        return f"{text}. None is best in all: also {others}."
    return f"{text}."


def spoken(row: Row) -> str:
    """Returns a run's settings in plain words: ``openvino, int8, 2 threads, latency hint``."""
    results = row.job.results
    device, quantization, hint = (results.choice(name) for name in ("device", "quantization", "hint"))
    parts = [results.choice("backend") or row.shown]
    parts += [device] if device not in ("", "cpu") else []
    parts += [quantization] if quantization not in ("", "none") else []
    for text in results.overrides:
        key, _, value = text.lstrip("+").partition("=")
        if key in COUNTED:
            parts.append(f"{value} {COUNTED[key]}{'' if value == '1' else 's'}")
        elif key in SPOKEN:
            parts.append(SPOKEN[key].get(value, f"{key}={value}"))
        elif key.startswith("backend."):
            parts.append(f"{key.partition('.')[2]} {value}")
    return ", ".join([*parts, *([f"{hint} hint"] if hint not in ("", "none") else [])])


def described(found: Comparison, row: Row, wanted: list[Objective], requirements: list[Gate]) -> str:
    """Describes a run with its relevant figures."""
    parts = []
    if row.ratio is not None and found.base is not None:
        unsure = "" if row.ratio.known else " (no interval: not measured side by side on a quiet machine)"
        parts.append(f"{bracket(row.ratio, 2)} times {spoken(found.base)}{unsure}")
    if "ao" in row.difference:
        parts.append(f"AO {bracket(row.difference['ao'], 3, signed=True)}")
    if P99 in row.job.metrics:
        parts.append(f"p99 {row.job.metrics[P99]:.1f} ms")
    told = {"ao", P99} if "ao" in row.difference else {P99}
    for name in dict.fromkeys([*(item.metric for item in wanted), *(gate.metric for gate in requirements)]):
        value = value_of(row, name)
        if name not in told and value is not None:
            parts.append(f"{name} {value:.4g}")
    return f"{spoken(row)}: {', '.join(parts)}" if parts else spoken(row)


def what_changes(found: Comparison, chosen: Choice, wanted: list[Objective], requirements: list[Gate], rows: list[Row]) -> list[str]:
    """Returns what the answer would be without each requirement, and with the other objective."""
    now = chosen.rows[0].job.folder if chosen.rows and chosen.kind != "none" else None
    lines = []
    for gate in requirements:
        other = choice.choose(found, wanted, [item for item in requirements if item is not gate], rows)
        if other.kind != "none" and other.rows and other.rows[0].job.folder != now:
            lines.append(f"Without '{gate.text}': {described(found, other.rows[0], wanted, requirements)}.")
    if now is None or len(wanted) > 1:
        return lines
    for name, higher, words in (("ao", True, "accuracy"), ("fps", True, "speed"), (P99, False, "the slowest frames")):
        if name != wanted[0].metric and any(value_of(row, name) is not None for row in rows):
            other = choice.choose(found, [Objective(name, higher)], requirements, rows)
            if other.rows and other.kind != "none" and now not in [row.job.folder for row in other.rows]:
                lines.append(f"If {words} came first ({name}): {described(found, other.rows[0], wanted, requirements)}.")
    if not lines:
        lines.append("Among what was measured nothing would: no single requirement, and no other of AO, fps and p99 as objective, gives another answer.")
    return lines


def _limit(found: Comparison, gate: Gate) -> tuple[str, float] | None:
    if gate.kind == "value":
        return gate.metric, gate.limit
    base = value_of(found.base, gate.metric) if found.base is not None else None
    if base is None:
        return None
    limits = {"difference": base + gate.limit, "ratio": base * gate.limit, "percent": base * (1 + gate.limit / 100)}
    return gate.metric, limits[gate.kind]
