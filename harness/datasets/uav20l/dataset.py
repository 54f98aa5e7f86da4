"""dataset=uav20l: UAV20L, as published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.datasets.layouts.uav import UavDataset


@dataclass
class Uav20l(UavDataset):
    """UAV20L under ``dataset.root``, the folder of ``data_seq`` and ``anno``."""

    name: str = "uav20l"

    title: ClassVar[str] = "UAV20L"
    shape: ClassVar[str] = "data_seq/UAV123/NAME/000001.jpg ... and anno/UAV20L/NAME.txt"
    facts_package: ClassVar[str] = "harness.datasets.uav20l"
    frames_folder: ClassVar[str] = "UAV123"
    truth_folder: ClassVar[str] = "UAV20L"
