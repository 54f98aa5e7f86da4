"""The published experiment's tables in their own form, with the published figures and their machine beside ours.

Figures: SMAT on GOT-10k test, scores of the GOT-10k server, speeds on a Core i3-1005G1. Its FPS is the server's mean of
1 / t over frames, so ours in these tables is ``fps_got10k``, which is that same mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from harness.report import plots
from harness.report.comparison import Comparison, Row
from harness.report.plots import Picture
from harness.report.sections import Section

MACHINE = "Core i3-1005G1"
NONE = "-"
OURS, THEIRS = "#009E73", "#9A9A9A"


class Tracked(NamedTuple):
    """A row of the published Tables 1 and 2."""

    ao: float
    sr50: float
    sr75: float
    fps: float


class Benchmarked(NamedTuple):
    """A row of the published Table 3: frames a second, milliseconds."""

    throughput: float
    first_ms: float
    average_ms: float


TABLE_1 = {
    "PyTorch": Tracked(0.645, 0.748, 0.579, 9.10),
    "ONNX": Tracked(0.646, 0.748, 0.580, 18.67),
    "OpenVINO": Tracked(0.643, 0.745, 0.579, 19.22),
}
TABLE_2 = {**TABLE_1, "OpenVINO with throughput hint": Tracked(0.643, 0.745, 0.579, 19.55)}
TABLE_3 = {"ONNX": Benchmarked(26.35, 89.33, 75.76), "OpenVINO": Benchmarked(27.62, 53.96, 72.27)}
AGREEMENT = {"ONNX": 0.9844, "OpenVINO": 0.8971}
"""Mean IoU of the published runs' boxes with the published PyTorch run's, frame 0 left out."""

DRIFTS = 3.0
"""A run drifts where its boxes lie more than so many times as far (1 - mean IoU) from PyTorch's as ONNX Runtime's do."""
LEAST_DRIFT = 0.005

FRAMEWORKS = {"torch": "PyTorch", "onnx": "ONNX", "openvino": "OpenVINO"}


def sections(found: Comparison) -> list[Section]:
    """The published table of the recipe that the jobs were made by; none where they were made by no recipe."""
    recipes = {str(row.job.results.config.get("recipe") or "") for row in found.well}
    makers = {"formats": formats, "hints": hints, "benchmark_app": benchmark_app, "drift": drift}
    return [makers[recipe](found) for recipe in sorted(recipes) if recipe in makers]


def machine_mark(found: Comparison, row: Row) -> str:
    """`` (A)`` where runs of several machines stand in one table, else nothing."""
    letters = found.machines
    return f" ({letters[row.job.machine]})" if len(letters) > 1 else ""


def framework(row: Row) -> str:
    """The published name of a run: by its backend and, for OpenVINO, its hint."""
    name = FRAMEWORKS.get(row.job.results.choice("backend"), row.job.results.choice("backend"))
    hint = row.job.results.choice("hint")
    return f"{name} with {hint} hint" if hint not in ("", "none") else name


def formats(found: Comparison) -> Section:
    """Table 1: PyTorch, ONNX, OpenVINO."""
    return _tracked(found, "formats", "Table 1: accuracy and speed by format", TABLE_1)


def hints(found: Comparison) -> Section:
    """Table 2: the same, and OpenVINO with its throughput hint."""
    return _tracked(found, "hints", "Table 2: with and without the throughput hint", TABLE_2)


def _tracked(found: Comparison, key: str, title: str, table: Mapping[str, Tracked]) -> Section:
    head = ["framework", "AO", "SR0.50", "SR0.75", "FPS", "published AO", "SR0.50", "SR0.75", "FPS"]
    body = []
    for row in found.well:
        name = framework(row)
        own = [_figure(_score(row, metric), 3) for metric in ("ao", "sr50", "sr75")]
        theirs = table.get(name)
        cells = [NONE] * 4 if theirs is None else [*(f"{value:.3f}" for value in theirs[:3]), f"{theirs.fps:.2f}"]
        body.append([name + machine_mark(found, row), *own, _figure(fps(row), 2), *cells])
    picture = _bars(
        found, f"published_{key}", title, {"FPS": (fps, lambda name: _theirs(table, name, "fps"))}
        | {
            word: (lambda row, metric=metric: _score(row, metric), lambda name, metric=metric: _theirs(table, name, metric))
            for word, metric in (("AO", "ao"), ("SR0.50", "sr50"), ("SR0.75", "sr75"))
            if any(_score(row, metric) is not None for row in found.well)
        },
    )  # fmt: skip
    return Section(f"published-{key}", title, head, body, _notes(found, "SMAT on GOT-10k test"), [picture])


def benchmark_app(found: Comparison) -> Section:
    """Table 3: benchmark_app on both files."""
    head = ["model", "throughput fps", "first inference ms", "average latency ms", "published fps", "first ms", "average ms"]
    names = ("benchmark_app/throughput_fps", "benchmark_app/first_inference_ms", "benchmark_app/latency_ms/average")
    body = []
    for row in found.well:
        name = FRAMEWORKS.get(row.job.results.choice("backend"), row.job.results.choice("backend"))
        theirs = TABLE_3.get(name)
        cells = [NONE] * 3 if theirs is None else [f"{value:.2f}" for value in theirs]
        hint = row.job.results.choice("hint")
        label = (name if hint == "throughput" else f"{name}, hint {hint}") + machine_mark(found, row)
        body.append([label, *(_figure(row.job.metrics.get(metric), 2) for metric in names), *cells])
    title = "Table 3: OpenVINO's benchmark_app"
    fields = ("throughput", "first_ms", "average_ms")
    panels = {
        word: (
            lambda row, metric=metric: row.job.metrics.get(metric),
            lambda name, field=field: getattr(TABLE_3[name], field) if name in TABLE_3 else None,
        )
        for word, metric, field in zip(("throughput, fps", "first inference, ms", "average latency, ms"), names, fields, strict=True)
    }  # fmt: skip
    picture = _bars(found, "published_benchmark_app", title, panels, hinted=False)
    return Section("published-benchmark_app", title, head, body, _notes(found, "SMAT"), [picture])


def fps(row: Row) -> float | None:
    """Mean of 1 / t, as the GOT-10k server computes it."""
    return row.job.metrics.get("fps_got10k", row.job.metrics.get("fps"))


def _score(row: Row, metric: str) -> float | None:
    return None if row.job.random_weights else row.job.metrics.get(metric)


def _theirs(table: Mapping[str, Tracked], name: str, field: str) -> float | None:
    return float(getattr(table[name], field)) if name in table else None


def _figure(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def _notes(found: Comparison, what: str) -> list[str]:
    notes = [f"Published: {what}, {MACHINE}. Ours: {ours(found)}."]
    if any(row.job.random_weights for row in found.well):
        notes.append("Random weights: speed alone was measured.")
    return notes


def ours(found: Comparison) -> str:
    """Tracker, data set and processor of our runs, in words."""
    parts: dict[str, None] = {}
    for row in found.well:
        results = row.job.results
        data = results.dataset
        machine = str(results.environment.get("processor", "an unknown processor"))
        letter = found.machines[row.job.machine]
        parts[
            (f"{letter}: " if len(found.machines) > 1 else "")
            + f"{results.choice('tracker')} on {data.get('name', '')} {data.get('split', '')}".rstrip()
            + f" ({data.get('sequences', 0)} sequences, {data.get('frames', 0)} frames), {machine}, "
            f"{results.config.get('threads')} threads"
        ] = None
    return "; ".join(parts)


def _bars(found: Comparison, key: str, title: str, panels: Mapping[str, tuple], hinted: bool = True) -> Picture:  # type: ignore[type-arg]
    """Pairs of bars a panel: ours, and the published figure with its machine."""
    rows = found.well
    names = [framework(row) if hinted else framework(row).partition(" with ")[0] for row in rows]
    with plots._drawing():
        figure, axes = plots._figure(3.4, max(5.0, 2.6 * len(panels)), ncols=len(panels), squeeze=False)
        for axis, (word, (own, theirs)) in zip(axes[0], panels.items(), strict=True):
            for side, (label, color) in enumerate((("ours", OURS), (f"published, {MACHINE}", THEIRS))):
                values = [own(row) for row in rows] if side == 0 else [theirs(name) for name in names]
                for place, value in enumerate(values):
                    if value is None:
                        continue
                    spot = place + (side - 0.5) * 0.4
                    axis.bar(spot, value, 0.38, color=color, label=label if place == 0 else None)
                    axis.text(spot, value, f"{value:.4g}", ha="center", va="bottom", fontsize=7)
            marked = [name + machine_mark(found, row) for name, row in zip(names, rows, strict=True)]
            axis.set_xticks(range(len(names)), [plots._wrapped(name, 11) for name in marked], fontsize=8)
            axis.set_title(word)
            axis.margins(y=0.14)
            axis.grid(axis="x", visible=False)
        handles = {label: handle for axis in axes[0] for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2)
    caption = f"Green: ours ({ours(found)}). Grey: the published figures, measured on a {MACHINE} with SMAT."
    return Picture(key, title, caption, figure)


# -------------------------------------------------------------------------------------------- drift


def drift(found: Comparison) -> Section:
    """The same tracker through every path: how far graph and boxes go from PyTorch's, and which path drifts."""
    head = ["path", "largest diff. of the graph", "share of range", "AO", "mean IoU", "identical", "first other frame", "finding"]
    onnx = next((row for row in found.well if row.job.results.choice("backend") == "onnx"), None)
    body, drifting = [], []
    for row in found.well:
        finding = _finding(row, onnx)
        if finding == "drifts":
            drifting.append(row)
        agreed = row.agreement
        body.append(
            [
                row.shown,
                _figure_or(row.job.metrics.get("parity/max_abs_diff"), ".2g"),
                _figure_or(parity_share(row), ".1e"),
                _figure(_score(row, "ao"), 4),
                _figure(agreed.mean_iou if agreed else None, 4),
                f"{agreed.identical:.1%}" if agreed else NONE,
                str(agreed.first_divergent) if agreed and agreed.first_divergent is not None else NONE,
                finding,
            ]
        )
    published = ", ".join(f"{name} {value:.3f}" for name, value in AGREEMENT.items())
    notes = [
        _verdict(found, onnx, drifting),
        f"Published agreement with PyTorch's boxes (mean IoU): {published}; ours: {ours(found)}. Graph differences are those of "
        "preparation, on seeded inputs against the source's outputs.",
    ]
    return Section("drift", "Drift: graph and boxes against PyTorch", head, body, notes, [_drift_bars(found)])


def parity_share(row: Row) -> float | None:
    """The largest difference of any output from the source's, as a share of that output's range."""
    parity = row.job.results.artifact.get("parity")
    if not isinstance(parity, dict):
        return None
    shares = [item["max_abs_diff"] / item["range"] for outputs in parity.values() for item in outputs.values() if item["range"]]
    return max(shares, default=None)


def _figure_or(value: float | None, form: str) -> str:
    return NONE if value is None else format(value, form)


def _finding(row: Row, onnx: Row | None) -> str:
    if row.baseline:
        return "reference"
    if row.agreement is None:
        return row.why_not_agreement or "no boxes to compare"
    away = 1.0 - row.agreement.mean_iou
    usual = 1.0 - onnx.agreement.mean_iou if onnx and onnx.agreement else 0.0
    return "drifts" if away > max(LEAST_DRIFT, DRIFTS * usual) else "agrees"


def _verdict(found: Comparison, onnx: Row | None, drifting: list[Row]) -> str:
    """Which path makes boxes drift here, and what that says of the published run."""
    if any(row.job.random_weights for row in found.well):
        return "Random weights: the boxes follow the truth, so that only the graphs can be compared here; give trained weights."
    compared = [row for row in found.well if row.agreement is not None]
    if onnx is None or onnx.agreement is None or len(compared) < 2:
        return "Too few paths ran to tell which of them drifts."
    usual = onnx.agreement.mean_iou
    if not drifting:
        least = min(compared, key=lambda row: row.agreement.mean_iou if row.agreement else 1.0)
        assert least.agreement is not None
        return (
            f"Verdict: no path drifts here: the lowest agreement is {least.agreement.mean_iou:.4f} ({least.label}), ONNX Runtime's "
            f"{usual:.4f}. Neither reading the ONNX file, nor the IR, nor its weights in fp16 is by itself what took the published "
            "OpenVINO run to 0.897; what is left is what lay around its network (another export, other preprocessing or rounding)."
        )
    listed = ", ".join(f"{row.label} ({row.agreement.mean_iou:.4f})" for row in drifting if row.agreement)
    kept = ", ".join(row.label for row in compared if row not in drifting)
    return (
        f"Verdict: {listed} drift{'s' if len(drifting) == 1 else ''} from PyTorch's boxes, {kept} agree{'' if ',' in kept else 's'} "
        f"(ONNX Runtime {usual:.4f}): what the drifting paths have and the others have not explains a drift like the published "
        "OpenVINO run's (0.897)."
    )


def _drift_bars(found: Comparison) -> Picture:
    """1 - mean IoU of each path, with the published runs' beside them."""
    rows = [row for row in found.well if row.agreement is not None]
    labels = [row.shown for row in rows] + [f"published {name}" for name in AGREEMENT]
    values = [1 - row.agreement.mean_iou for row in rows if row.agreement] + [1 - value for value in AGREEMENT.values()]
    with plots._drawing():
        figure, axis = plots._figure(3.4, 8.0)
        colors = [OURS] * len(rows) + [THEIRS] * len(AGREEMENT)
        axis.bar(range(len(values)), values, 0.6, color=colors)
        for place, value in enumerate(values):
            axis.text(place, value, f"{value:.2g}", ha="center", va="bottom", fontsize=8)
        axis.set_xticks(range(len(labels)), [plots._wrapped(label, 13) for label in labels], fontsize=8)
        axis.set_ylabel("1 - mean IoU with PyTorch's boxes")
        axis.margins(y=0.12)
        axis.grid(axis="x", visible=False)
    caption = "Height: how far a run's boxes lie from PyTorch's, 0 is the same boxes. Grey: the published runs (SMAT, GOT-10k test)."
    return Picture("published_drift", "Drift of the boxes", caption, figure)
