"""dataset=uav123_10fps: UAV123@10fps, as published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.datasets.layouts.uav import UavDataset


@dataclass
class Uav123At10fps(UavDataset):
    """UAV123@10fps under ``dataset.root``, the folder of ``data_seq`` and ``anno``."""

    name: str = "uav123_10fps"

    title: ClassVar[str] = "UAV123@10fps"
    shape: ClassVar[str] = "data_seq/UAV123_10fps/NAME/000001.jpg ... and anno/UAV123_10fps/NAME.txt"
    facts_package: ClassVar[str] = "harness.datasets.uav123_10fps"
    frames_folder: ClassVar[str] = "UAV123_10fps"
    truth_folder: ClassVar[str] = "UAV123_10fps"
