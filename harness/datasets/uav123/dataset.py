"""dataset=uav123: UAV123, as published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.datasets.layouts.uav import UavDataset


@dataclass
class Uav123(UavDataset):
    """UAV123 under ``dataset.root``, the folder of ``data_seq`` and ``anno``."""

    name: str = "uav123"

    title: ClassVar[str] = "UAV123"
    shape: ClassVar[str] = "data_seq/UAV123/NAME/000001.jpg ... and anno/UAV123/NAME.txt"
    facts_package: ClassVar[str] = "harness.datasets.uav123"
    frames_folder: ClassVar[str] = "UAV123"
    truth_folder: ClassVar[str] = "UAV123"
