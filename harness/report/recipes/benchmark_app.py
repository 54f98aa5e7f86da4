"""``experiment=benchmark_app``, the published Table 3: OpenVINO's benchmark_app on both files."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from harness.backends.looks import title_of
from harness.present.section import Section
from harness.report.published import FIRST, NONE, Panel, bars, figure_text, machine_mark, notes_of
from harness.scoring.compared import Comparison, Row


class Benchmarked(NamedTuple):
    """A row of the published table: frames per second, milliseconds."""

    throughput: float
    first_ms: float
    average_ms: float


TABLE = {"ONNX": Benchmarked(26.35, 89.33, 75.76), "OpenVINO": Benchmarked(27.62, 53.96, 72.27)}
NAMES = ("benchmark_app/throughput_fps", "benchmark_app/first_inference_ms", "benchmark_app/latency_ms/average")
TITLES = ("throughput, fps", "first inference, ms", "average latency, ms")
HEAD = ["model", "throughput fps", "first inference ms", "average latency ms", "published fps", "first ms", "average ms"]
TITLE = "Table 3: OpenVINO's benchmark_app"


def sections(found: Comparison) -> list[Section]:
    """Returns Table 3 with our figures next to the published ones."""
    body = [_line(found, row) for row in found.well]
    panels = [
        Panel(title, _own(name), _theirs(field)) for title, name, field in zip(TITLES, NAMES, Benchmarked._fields, strict=True)
    ]
    picture = bars(found, "published_benchmark_app", TITLE, panels, hinted=False)
    return [Section("published-benchmark_app", TITLE, HEAD, body, notes_of(found, "SMAT"), [picture], order=FIRST)]


def _line(found: Comparison, row: Row) -> list[str]:
    backend, hint = row.job.results.choice("backend"), row.job.results.choice("hint")
    name = title_of(backend)
    theirs = TABLE.get(name)
    cells = [NONE] * 3 if theirs is None else [f"{value:.2f}" for value in theirs]
    label = (name if hint == "throughput" else f"{name}, hint {hint}") + machine_mark(found, row)
    return [label, *(figure_text(row.job.metrics.get(metric), 2) for metric in NAMES), *cells]


def _own(name: str) -> Callable[[Row], float | None]:
    return lambda row: row.job.metrics.get(name)


def _theirs(field: str) -> Callable[[str], float | None]:
    return lambda name: float(getattr(TABLE[name], field)) if name in TABLE else None
