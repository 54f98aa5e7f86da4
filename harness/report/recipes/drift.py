"""``experiment=drift``: the tracker through every path, its distance from PyTorch in graph and boxes, and drift."""

from __future__ import annotations

from harness.backends.looks import class_named
from harness.present.charts import wrapped
from harness.present.picture import Picture, drawing, new_figure
from harness.present.section import Section
from harness.report.columns import value_of
from harness.report.published import FIRST, NONE, OURS, THEIRS, figure_text, ours
from harness.scoring.compared import Comparison, Row

AGREEMENT = {"ONNX": 0.9844, "OpenVINO": 0.8971}
"""Mean IoU of the published runs' boxes with the published PyTorch run's, frame 0 left out."""
DRIFTS = 3.0
"""A run drifts if its distance from PyTorch's boxes (1 - mean IoU) is more than this many times the usual one."""
LEAST_DRIFT = 0.005


def sections(found: Comparison) -> list[Section]:
    """Returns the section: the distance of every path from PyTorch in graph and boxes, and which path drifts."""
    head = ["path", "largest diff. of the graph", "share of range", "AO", "mean IoU", "identical", "first other frame", "finding"]
    usual = next((row for row in found.well if _rounds_as_usual(row)), None)
    body, drifting = [], []
    for row in found.well:
        finding = _finding(row, usual)
        if finding == "drifts":
            drifting.append(row)
        agreed = row.agreement
        body.append(
            [
                row.shown,
                _shown(row.job.metrics.get("parity/max_abs_diff"), ".2g"),
                _shown(parity_share(row), ".1e"),
                figure_text(value_of(row, "ao"), 4),
                figure_text(agreed.mean_iou if agreed else None, 4),
                f"{agreed.identical:.1%}" if agreed else NONE,
                str(agreed.first_divergent) if agreed and agreed.first_divergent is not None else NONE,
                finding,
            ]
        )
    published = ", ".join(f"{name} {value:.3f}" for name, value in AGREEMENT.items())
    notes = [
        _verdict(found, usual, drifting),
        f"Published agreement with PyTorch's boxes (mean IoU): {published}; ours: {ours(found)}. Graph differences are those of "
        "preparation, on seeded inputs against the source's outputs.",
    ]
    title = "Drift: graph and boxes against PyTorch"
    return [Section("drift", title, head, body, notes, [_bars(found)], order=FIRST)]


def parity_share(row: Row) -> float | None:
    """Returns the largest difference of any output from the source's, as a share of that output's range."""
    parity = row.job.results.artifact.get("parity")
    if not isinstance(parity, dict):
        return None
    shares = [item["max_abs_diff"] / item["range"] for outputs in parity.values() for item in outputs.values() if item["range"]]
    return max(shares, default=None)


def _shown(value: float | None, form: str) -> str:
    return NONE if value is None else format(value, form)


def _rounds_as_usual(row: Row) -> bool:
    """Whether the run's backend is the one whose rounding is the measure for the others."""
    found = class_named(row.job.results.choice("backend"))
    return found is not None and found.usual_rounding


def _finding(row: Row, usual: Row | None) -> str:
    if row.baseline:
        return "reference"
    if row.agreement is None:
        return row.why_not_agreement or "no boxes to compare"
    distance = 1.0 - row.agreement.mean_iou
    expected = 1.0 - usual.agreement.mean_iou if usual and usual.agreement else 0.0
    return "drifts" if distance > max(LEAST_DRIFT, DRIFTS * expected) else "agrees"


def _verdict(found: Comparison, reference: Row | None, drifting: list[Row]) -> str:
    """Returns which path makes boxes drift here, and what this means for the published run."""
    if any(row.job.random_weights for row in found.well):
        return "Random weights: the boxes follow the truth, so that only the graphs can be compared here; give trained weights."
    compared = [row for row in found.well if row.agreement is not None]
    if reference is None or reference.agreement is None or len(compared) < 2:
        return "Too few paths ran to tell which of them drifts."
    usual = reference.agreement.mean_iou
    if not drifting:
        least = min(compared, key=lambda row: row.agreement.mean_iou if row.agreement else 1.0)
        assert least.agreement is not None
        return (
            f"Verdict: no path drifts here: the lowest agreement is {least.agreement.mean_iou:.4f} ({least.label}), "
            f"{reference.label}'s {usual:.4f}. Neither reading the ONNX file, nor the IR, nor its weights in fp16 is by itself what took the published "
            "OpenVINO run to 0.897; what is left is what lay around its network (another export, other preprocessing or rounding)."
        )
    listed = ", ".join(f"{row.label} ({row.agreement.mean_iou:.4f})" for row in drifting if row.agreement)
    kept = ", ".join(row.label for row in compared if row not in drifting)
    return (
        f"Verdict: {listed} drift{'s' if len(drifting) == 1 else ''} from PyTorch's boxes, {kept} agree{'' if ',' in kept else 's'} "
        f"({reference.label} {usual:.4f}): what the drifting paths have and the others have not explains a drift like the published "
        "OpenVINO run's (0.897)."
    )


def _bars(found: Comparison) -> Picture:
    """Draws 1 - mean IoU of each path next to that of the published runs."""
    rows = [row for row in found.well if row.agreement is not None]
    labels = [row.shown for row in rows] + [f"published {name}" for name in AGREEMENT]
    values = [1 - row.agreement.mean_iou for row in rows if row.agreement] + [1 - value for value in AGREEMENT.values()]
    with drawing():
        figure, axis = new_figure(3.4, 8.0)
        colors = [OURS] * len(rows) + [THEIRS] * len(AGREEMENT)
        axis.bar(range(len(values)), values, 0.6, color=colors)
        for place, value in enumerate(values):
            axis.text(place, value, f"{value:.2g}", ha="center", va="bottom", fontsize=8)
        axis.set_xticks(range(len(labels)), [wrapped(label, 13) for label in labels], fontsize=8)
        axis.set_ylabel("1 - mean IoU with PyTorch's boxes")
        axis.margins(y=0.12)
        axis.grid(axis="x", visible=False)
    caption = "Height: how far a run's boxes lie from PyTorch's, 0 is the same boxes. Grey: the published runs (SMAT, GOT-10k test)."
    return Picture("published_drift", "Drift of the boxes", caption, figure)
