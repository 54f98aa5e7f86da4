"""Accuracy over the camera's rate: a line per configuration, the best at each rate, and where the order changes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence as Seq
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from harness.backends import looks
from harness.present.charts import least_span, legend_below
from harness.present.picture import Picture, drawing, new_figure
from harness.present.section import Section
from harness.scoring.bootstrap import bootstrap_interval
from harness.scoring.compared import Comparison, Job, Row

LEVEL = 0.0005
"""Smaller differences count as equal, because tables show four digits."""
MOST_CROSSINGS = 12
LEAST_SPAN = 0.04
"""The least height of the accuracy axis."""
TITLES = {"ao": "AO", "auc": "AUC"}


@dataclass(frozen=True)
class Line:
    """A configuration: its accuracy at each rate, overall and by sequence (with its weight)."""

    name: str
    backend: str
    scores: Mapping[float, float]
    sequences: Mapping[float, Mapping[str, tuple[float, float]]]


@dataclass(frozen=True)
class Crossing:
    """Between rates ``low`` and ``high``, at about ``rate``, ``ahead`` falls behind ``behind``.

    Sure if both leads are.
    """

    ahead: str
    behind: str
    low: float
    high: float
    rate: float
    sure: bool


def sections(found: Comparison) -> list[Section]:
    """A section for each convention among the jobs of ``task=realtime``."""
    groups: dict[str, list[Row]] = {}
    for row in found.well:
        if told := _told(row.job):
            groups.setdefault(_rule(told), []).append(row)
    return [_section(rule, rows, number) for number, (rule, rows) in enumerate(groups.items(), 1)]


def _told(job: Job) -> Mapping[str, Any]:
    told = job.results.details.get("realtime")
    return told if isinstance(told, Mapping) else {}


def _rule(told: Mapping[str, Any]) -> str:
    """Describes the rule by which a frame is scored."""
    if told["convention"] == "vot":
        rule = f"scored by VOT's real-time rule, {told['grace']} grace frames a sequence"
    else:
        rule = "scored with the newest result finished when it arrived"
    return f"{rule}; decoding {'counted' if told['count_decoding'] else 'not counted'}"


def _section(rule: str, rows: Seq[Row], number: int) -> Section:
    key = _measure(rows)
    rates = sorted({float(item["fps"]) for row in rows for item in _told(row.job)["rates"]})
    head = ["run", *(f"{rate:g} fps" for rate in rates), *(f"dropped at {rate:g}" for rate in rates)]
    body = [_cells(row, rates, key) for row in rows]
    lines = [_line(row, key) for row in rows]
    lines = [line for line in lines if line.scores]
    notes = [f"{TITLES.get(key, 'No accuracy')} at each camera rate; a frame is {rule}.", *_clocks(rows)]
    notes += verdicts(lines, rates) if len(lines) > 1 else []
    pictures = [_picture(lines, key, rule, number)] if lines and len(rates) > 1 else []
    suffix = "" if number == 1 else f"-{number}"
    return Section(f"realtime{suffix}", "Accuracy at the camera's rate", head, body, notes, pictures, order=10)


def _measure(rows: Seq[Row]) -> str:
    """Returns the score by which rates are compared: AO, or AUC under the protocol ope."""
    names = {key for row in rows for item in _told(row.job)["rates"] for key in item}
    return "ao" if "ao" in names else "auc"


def _cells(row: Row, rates: Seq[float], key: str) -> list[str]:
    own = {float(item["fps"]): item for item in _told(row.job)["rates"]}
    scores = [f"{own[rate][key]:.4f}" if key in own.get(rate, {}) else "-" for rate in rates]
    dropped = [f"{own[rate]['dropped']:.1%}" if "dropped" in own.get(rate, {}) else "-" for rate in rates]
    return [row.shown, *scores, *dropped]


def _clocks(rows: Seq[Row]) -> list[str]:
    """Returns sentences on the source of simulated time, if it was not each run's own measurement."""
    notes = []
    for row in rows:
        told = _told(row.job)
        if told["clock"] == "fixed":
            notes.append(f"{row.shown}: every update took {told['latency_ms']:g} ms by assumption (task.clock=fixed).")
        elif told["clock"] == "recorded":
            notes.append(f"{row.shown}: time passed as recorded in {told['recording']}.")
    return notes


def _line(row: Row, key: str) -> Line:
    scores = {float(item["fps"]): float(item[key]) for item in _told(row.job)["rates"] if key in item}
    sequences: dict[float, dict[str, tuple[float, float]]] = {rate: {} for rate in scores}
    for name, values in row.job.results.sequences.items():
        for rate in scores:
            if (value := values.get(f"realtime/{rate:g}/{key}")) is not None:
                weight = values.get("scored_frames", 1.0) if key == "ao" else 1.0
                sequences[rate][name] = (float(value), float(weight))
    return Line(row.shown, row.job.results.choice("backend") or row.label, scores, sequences)


# -------------------------------------------------------------------------------------------- verdicts


def verdicts(lines: Seq[Line], rates: Seq[float]) -> list[str]:
    """Returns which configuration is best at each rate, and where the order of two configurations changes."""
    found = [sentence for rate in rates if (sentence := _best(lines, rate))]
    crossings = [item for first, second in combinations(lines, 2) for item in crossings_of(first, second)]
    if not crossings:
        return [*found, "No two configurations change places between these rates."]
    crossings.sort(key=lambda item: (not item.sure, item.rate))
    found += [_sentence(item) for item in crossings[:MOST_CROSSINGS]]
    if len(crossings) > MOST_CROSSINGS:
        found.append(f"{len(crossings) - MOST_CROSSINGS} further crossings lie within noise or are smaller.")
    return found


def _best(lines: Seq[Line], rate: float) -> str:
    ranked = sorted((line for line in lines if rate in line.scores), key=lambda line: -line.scores[rate])
    if len(ranked) < 2:
        return ""
    first, second = ranked[:2]
    lead = first.scores[rate] - second.scores[rate]
    if lead < LEVEL:
        level = [line.name for line in ranked if first.scores[rate] - line.scores[rate] < LEVEL]
        return f"At {rate:g} fps {', '.join(level[:-1])} and {level[-1]} are level ({first.scores[rate]:.4f})."
    low, high = difference(first, second, rate)
    interval = f" [{low:.4f}, {high:.4f}]" if math.isfinite(low) else ""
    noise = "" if low > 0 or not math.isfinite(low) else ", which is within noise"
    return (
        f"At {rate:g} fps {first.name} is best ({first.scores[rate]:.4f}), by {lead:.4f}{interval} before {second.name}{noise}."
    )


def difference(first: Line, second: Line, rate: float) -> tuple[float, float]:
    """Returns the 95 % interval of ``first``'s lead at ``rate``, paired by sequence; NaN if it is unknown."""
    own, other = first.sequences.get(rate, {}), second.sequences.get(rate, {})
    names = [name for name in own if name in other]
    values = np.array([own[name][0] - other[name][0] for name in names])
    return bootstrap_interval(values, np.array([own[name][1] for name in names]))


def crossings_of(first: Line, second: Line) -> list[Crossing]:
    """Returns where two configurations' lines cross, interpolated linearly on the logarithm of the rate."""
    shared = sorted(set(first.scores) & set(second.scores))
    apart = [(rate, first.scores[rate] - second.scores[rate]) for rate in shared]
    apart = [(rate, lead) for rate, lead in apart if abs(lead) >= LEVEL]
    found = []
    for (low, before), (high, after) in pairwise(apart):
        if before * after > 0:
            continue
        ahead, behind = (first, second) if before > 0 else (second, first)
        share = abs(before) / (abs(before) + abs(after))
        rate = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        sure = difference(ahead, behind, low)[0] > 0 and difference(behind, ahead, high)[0] > 0
        found.append(Crossing(ahead.name, behind.name, low, high, rate, sure))
    return found


def _sentence(item: Crossing) -> str:
    words = f"{item.behind} overtakes {item.ahead} between {item.low:g} and {item.high:g} fps, at about {item.rate:.0f} fps"
    return f"{words}." if item.sure else f"{words}; one of the leads is within noise."


def _picture(lines: Seq[Line], key: str, rule: str, number: int) -> Picture:
    styles = looks.styles({index: line.backend for index, line in enumerate(lines)})
    with drawing():
        figure, axis = new_figure(4.2)
        for index, line in enumerate(lines):
            style, rates = styles[index], sorted(line.scores)
            axis.plot(
                rates, [line.scores[rate] for rate in rates], color=style.color, linestyle=style.line, marker=style.marker,
                markersize=5, label=line.name,
            )  # fmt: skip
        axis.set_xscale("log", base=2)
        ticks = sorted({rate for line in lines for rate in line.scores})
        axis.set_xticks(ticks, [f"{rate:g}" for rate in ticks])
        axis.minorticks_off()
        axis.set_xlabel("camera's rate, frames/s")
        axis.set_ylabel(TITLES[key])
        least_span(axis, LEAST_SPAN)
        legend_below(figure, axis, len(lines))
    caption = (
        f"{TITLES[key]} when frames arrive at a camera's rate, each {rule}. A line that falls is a configuration that the camera "
        "outruns; where two lines cross, the better choice changes."
    )
    suffix = "" if number == 1 else f"_{number}"
    return Picture(f"realtime{suffix}", f"{TITLES[key]} against the camera's rate", caption, figure)
