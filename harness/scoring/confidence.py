"""How well a tracker's confidence predicts its correctness: pure functions over confidences and overlaps.

A frame counts as tracked if its box overlaps the truth by more than 0.5 and the target is present. Frames whose target
is absent or fully covered count as not tracked, for any box.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

OVERLAP = 0.5
COLUMNS = ("confidence", "iou", "scored", "frame")
BINS = 10
KEPT_LOSS = 0.01
"""The largest loss of F1 with which a threshold may be used for another run."""
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """Frames with a confidence and a truth: ``confidence`` ``[N]``, and which of them count as ``tracked`` ``[N]``."""

    confidence: Floats
    tracked: Mask

    def __len__(self) -> int:
        return len(self.confidence)


def judged(frames: pd.DataFrame | None) -> Judged | None:
    """Returns the frames (of a frames.parquet) that can be judged; None without confidence or truth."""
    if frames is None or not set(COLUMNS) <= set(frames.columns):
        return None
    return judged_columns({name: frames[name].to_numpy() for name in COLUMNS})


def judged_columns(columns: Mapping[str, npt.NDArray[Any]]) -> Judged | None:
    """Returns the same from a table's columns by name (``COLUMNS``)."""
    confidence, overlap, scored, frame = (np.asarray(columns[name]) for name in COLUMNS)
    known = np.isfinite(confidence) & np.isfinite(overlap) & (frame > 0)
    tracked = (overlap > OVERLAP) & scored.astype(bool)
    return Judged(confidence[known].astype(float), tracked[known]) if known.any() else None


def auroc(confidence: Floats, tracked: Mask) -> float:
    """Returns the area under the ROC curve.

    This is the chance that a tracked frame has a higher confidence than another one, equal ones counted half
    (Mann-Whitney's U over the number of pairs; T. Fawcett, An introduction to ROC analysis, 2006, section 7).

    Args:
        confidence: ``[N]``, finite; higher is surer.
        tracked: ``[N]``.

    Returns:
        0 to 1; NaN if one of the two kinds is missing.
    """
    from scipy.stats import rankdata

    positives, negatives = int(tracked.sum()), int((~tracked).sum())
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(confidence)
    return float((ranks[tracked].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def f1(confidence: Floats, tracked: Mask, threshold: float) -> float:
    """Returns F1 of classifying frames with at least ``threshold`` as tracked; 0 if none is correct."""
    chosen = confidence >= threshold
    right = int((chosen & tracked).sum())
    return 2 * right / (int(chosen.sum()) + int(tracked.sum())) if right else 0.0


def best_threshold(confidence: Floats, tracked: Mask) -> float:
    """Returns the confidence with the largest F1, the highest of several; NaN if no frame is tracked.

    Args:
        confidence: ``[N]``, finite.
        tracked: ``[N]``.
    """
    if not tracked.any():
        return float("nan")
    order = np.argsort(-confidence, kind="stable")
    values, hits = confidence[order], np.cumsum(tracked[order])
    last = np.append(values[1:] != values[:-1], True)  # all frames of one confidence fall on the same side
    scores = 2 * hits / (np.arange(1, len(values) + 1) + tracked.sum())
    scores[~last] = -1.0
    return float(values[int(np.argmax(scores))])


def metrics_of(found: Judged | None) -> dict[str, float]:
    """Returns ``confidence/auroc`` and ``confidence/threshold``; empty if there is nothing to judge."""
    if found is None:
        return {}
    values = {
        "confidence/auroc": auroc(found.confidence, found.tracked),
        "confidence/threshold": best_threshold(found.confidence, found.tracked),
    }
    return {key: value for key, value in values.items() if np.isfinite(value)}


def reliability(found: Judged, bins: int = BINS) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Returns the share of tracked frames by confidence, in bins with equal numbers of frames.

    Returns:
        Mean confidence ``[B]``, share tracked ``[B]`` and number of frames ``[B]`` of each bin that has frames.
    """
    order = np.argsort(found.confidence, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    means = np.array([found.confidence[part].mean() for part in parts])
    shares = np.array([found.tracked[part].mean() for part in parts])
    return means, shares, np.array([len(part) for part in parts])


def agreement(own: pd.DataFrame | None, base: pd.DataFrame | None, threshold: float | None) -> dict[str, float]:
    """Returns how far the confidences of two runs differ, over their common frames.

    Args:
        own: A run's frames, one round.
        base: The baseline's frames.
        threshold: The baseline's threshold.

    Returns:
        ``agreement/confidence_diff`` (mean absolute difference) and, with a threshold, ``agreement/confidence_flips`` (share of
        frames on the other side of it); empty if a run has no confidence.
    """
    keys = ["sequence", "repetition", "frame"]
    if own is None or base is None or "confidence" not in own or "confidence" not in base:
        return {}
    both = own[[*keys, "confidence"]].merge(base[[*keys, "confidence"]], on=keys, suffixes=("", "_base"))
    mine, theirs = both["confidence"].to_numpy(float), both["confidence_base"].to_numpy(float)
    known = np.isfinite(mine) & np.isfinite(theirs) & (both["frame"].to_numpy() > 0)
    if not known.any():
        return {}
    found = {"agreement/confidence_diff": float(np.abs(mine[known] - theirs[known]).mean())}
    if threshold is not None and np.isfinite(threshold):
        found["agreement/confidence_flips"] = float(((mine[known] >= threshold) != (theirs[known] >= threshold)).mean())
    return found


def keeps(found: Judged, threshold: float) -> tuple[bool, float, float]:
    """Checks whether another run's threshold may be used: (yes or no, F1 with it, F1 with the run's own best one)."""
    own = best_threshold(found.confidence, found.tracked)
    kept, best = f1(found.confidence, found.tracked, threshold), f1(found.confidence, found.tracked, own)
    return best - kept <= KEPT_LOSS, kept, best
