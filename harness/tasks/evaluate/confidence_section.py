"""How reliable a tracker's confidence is, and whether the baseline's threshold can be used for another run."""

from __future__ import annotations

from harness.backends import looks
from harness.present.charts import legend_below
from harness.present.picture import Picture, drawing, new_figure
from harness.present.section import Section
from harness.scoring import confidence
from harness.scoring.compared import Comparison, Row
from harness.scoring.confidence import Judged

HEAD = ["run", "AUROC", "own threshold", "F1 with it", "F1 with the baseline's", "mean difference", "flips"]
NONE = "-"


def sections(found: Comparison) -> list[Section]:
    """The section over all runs whose tracker reports a confidence on data with truth; nothing if there is none."""
    told = [(row, judged) for row in found.well if (judged := confidence.judged(row.job.tracked)) is not None]
    if not told:
        return []
    base = next((judged for row, judged in told if row is found.base), None)
    threshold = confidence.best_threshold(base.confidence, base.tracked) if base is not None else float("nan")
    known = threshold == threshold
    body = [_line(row, judged, threshold if known else None) for row, judged in told]
    notes = [
        "AUROC: how well the confidence tells frames with overlap above 0.5 from the rest (absent and covered targets belong to the "
        "rest): 0.5 is chance, 1 is perfect. Threshold: the confidence at and above which a frame is best taken as tracked (largest F1). "
        "Flips: the share of frames on the other side of the baseline's threshold.",
    ]
    if known and found.base is not None:
        notes += [_verdict(row, judged, threshold, found.base) for row, judged in told if row is not found.base]
    return [Section("confidence", "How sure the tracker is", HEAD, body, notes, [_picture(told)], order=25)]


def _line(row: Row, judged: Judged, threshold: float | None) -> list[str]:
    own = confidence.best_threshold(judged.confidence, judged.tracked)
    area = confidence.auroc(judged.confidence, judged.tracked)
    kept = confidence.f1(judged.confidence, judged.tracked, threshold) if threshold is not None else None
    difference, flips = (row.sureness.get(f"agreement/confidence_{name}") for name in ("diff", "flips"))
    return [
        row.shown,
        f"{area:.4f}" if area == area else NONE,
        f"{own:.4g}" if own == own else NONE,
        f"{confidence.f1(judged.confidence, judged.tracked, own):.3f}" if own == own else NONE,
        NONE if kept is None else f"{kept:.3f}",
        NONE if difference is None else f"{difference:.4f}",
        NONE if flips is None else f"{flips:.1%}",
    ]


def _verdict(row: Row, judged: Judged, threshold: float, base: Row) -> str:
    keep, kept, best = confidence.keeps(judged, threshold)
    words = f"{base.label}'s threshold {threshold:.4g}"
    if keep:
        return f"{row.shown}: {words} may be kept (F1 {kept:.3f} with it, {best:.3f} with the best of its own)."
    own = confidence.best_threshold(judged.confidence, judged.tracked)
    return f"{row.shown}: {words} must not be kept: F1 {kept:.3f} with it, {best:.3f} with its own, {own:.4g}."


def _picture(told: list[tuple[Row, Judged]]) -> Picture:
    styles = looks.styles({index: row.job.results.choice("backend") or row.label for index, (row, _) in enumerate(told)})
    with drawing():
        figure, axis = new_figure(4.2)
        for index, (row, judged) in enumerate(told):
            means, shares, _ = confidence.reliability(judged)
            style = styles[index]
            axis.plot(means, shares, color=style.color, linestyle=style.line, marker=style.marker, markersize=5, label=row.shown)
        axis.set_xlabel("confidence (mean of a tenth of the frames)")
        axis.set_ylabel("share of frames with overlap above 0.5")
        axis.set_ylim(-0.03, 1.03)
        legend_below(figure, axis, len(told))
    caption = (
        "Reliability: frames sorted by the tracker's confidence and cut into ten groups of equal size; for each group its mean confidence and "
        "the share of frames in which the box was right. A useful confidence rises from left to right; lines of two runs that lie apart "
        "mean that a threshold chosen on one does not hold for the other."
    )
    return Picture("confidence", "Confidence against being right", caption, figure)
