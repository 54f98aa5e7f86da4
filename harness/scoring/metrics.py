"""The scores under one name, until all who use them import them from where they are computed."""

from harness.core.words import listed
from harness.scoring.bootstrap import bootstrap_interval
from harness.scoring.got10k import Scores, score_tracks
from harness.scoring.overlap import THRESHOLDS, ao, clip_boxes, iou, sr, success_curve
from harness.scoring.speed import fps, fps_got10k, latency_summary, usable_times

__all__ = [
    "THRESHOLDS", "Scores", "ao", "bootstrap_interval", "clip_boxes", "fps", "fps_got10k", "iou", "latency_summary", "listed",
    "score_tracks", "sr", "success_curve", "usable_times",
]  # fmt: skip
