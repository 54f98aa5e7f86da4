"""Whether each configuration's speed stays constant: first against last minute, changes, memory, joules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.present import theme
from harness.present.picture import Picture, drawing, new_figure
from harness.present.section import Section
from harness.scoring.compared import Comparison, Job, Row
from harness.tasks.soak.store import SAMPLES, read_csv

HEAD = ["run", "fps first", "fps last", "slowdown", "changes", "memory", "J per frame", "power"]
PANELS = (
    ("fps", "fps"),
    ("mhz", "clock, MHz"),
    ("celsius", "temperature, °C"),
    ("rss_mb", "memory, MB"),
    ("joules", "power, W"),
)


def sections(found: Comparison) -> list[Section]:
    """One section over all jobs of ``task=soak``, with a picture of each; nothing if there is none."""
    rows = [row for row in found.well if _told(row.job)]
    if not rows:
        return []
    notes = [sentence for row in rows for sentence in _sentences(row)]
    pictures = [picture for row in rows if (picture := _picture(row)) is not None]
    return [Section("soak", "Whether the speed lasts", HEAD, [_cells(row) for row in rows], notes, pictures, order=14)]


def _told(job: Job) -> Mapping[str, Any]:
    told = job.results.details.get("soak")
    return told if isinstance(told, Mapping) else {}


def _cells(row: Row) -> list[str]:
    told, metrics = _told(row.job), row.job.metrics
    joules, watts = metrics.get("energy/joules_per_frame"), metrics.get("energy/watts")
    memory = told["memory"]
    return [
        row.shown,
        f"{metrics['soak/fps_first']:.1f}",
        f"{metrics['soak/fps_last']:.1f}",
        f"{metrics['soak/slowdown']:.1%}",
        str(len(told["changes"])),
        f"{memory['mb_per_minute']:+.1f} MB/min" if memory["flagged"] else "steady",
        "-" if joules is None else f"{joules:.3f}",
        "-" if watts is None else f"{watts:.1f} W",
    ]


def _sentences(row: Row) -> list[str]:
    told = _told(row.job)
    cuts = told.get("interruptions", [])
    found = [f"{row.shown}: {item['sentence']}" for item in told["changes"]]
    if not found:
        found = [f"{row.shown}: no change of speed in {told['minutes']:g} minutes."]
    found = [f"{row.shown}: {cut['sentence']}" for cut in cuts] + found
    for key, words in (("thermal", "heat held the clock back {:.0f} times"), ("quota_s", "the quota held threads back for {:.1f} s")):
        if value := told["throttled"].get(key):
            found.append(f"{row.shown}: {words.format(value)} in all.")
    if told["memory"]["flagged"]:
        run = "a part of the run" if cuts else "the run"
        found.append(f"{row.shown}: memory grew by {told['memory']['total_mb']:.0f} MB after the first fifth of {run}.")
    return [*found, f"{row.shown}: energy: {told['energy']}."]


def _picture(row: Row) -> Picture | None:
    """Draws a panel over time for each value that the machine reported, with the changes marked."""
    path = row.job.folder / SAMPLES
    if not path.is_file():
        return None
    samples = read_csv(path)
    columns = {key: np.array([math.nan if item.get(key) is None else item[key] for item in samples], float) for key, _ in PANELS}
    seconds = np.array([item["seconds"] for item in samples], float)
    columns["joules"] = columns["joules"] / np.diff(seconds, prepend=0.0)
    panels = [(key, title) for key, title in PANELS if np.isfinite(columns[key]).any()]
    starts = [index for index in range(1, len(samples)) if samples[index].get("part") != samples[index - 1].get("part")]
    cuts = [item["second"] / 60 for item in _told(row.job).get("interruptions", [])]
    with drawing():
        figure, axes = new_figure(0.8 + 1.3 * len(panels), nrows=len(panels), sharex=True, squeeze=False)
        for axis, (key, title) in zip(axes[:, 0], panels, strict=True):
            # lines are not drawn across an interruption
            axis.plot(np.insert(seconds / 60, starts, math.nan), np.insert(columns[key], starts, math.nan), color=theme.BLUE, linewidth=1)
            axis.set_ylabel(title)
            for change in _told(row.job)["changes"]:
                axis.axvline(change["second"] / 60, color=theme.ORANGE, linestyle="--", linewidth=1)
            for minute in cuts:
                axis.axvline(minute, color=theme.GREY, linestyle=":", linewidth=2)
        axes[0][0].set_ylim(bottom=0)
        axes[-1][0].set_xlabel("minutes")
    caption = "A sample a second; dashed lines are the changes of speed that were found. What the machine does not tell is not drawn."
    if cuts:
        caption += " Dotted grey lines are interruptions: minutes are of tracking, and the time away is not drawn."
    return Picture(f"soak_{row.job.id[:8]}", f"Over time: {row.shown}", caption, figure)
