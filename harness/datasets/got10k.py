"""dataset=got10k: the GOT-10k benchmark's val and test splits, from a copy on disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.core.interfaces import Recognised
from harness.datasets.layouts.got10k import FolderDataset

HOME = "http://got-10k.aitestunion.com/downloads"


@dataclass
class GOT10k(FolderDataset):
    """GOT-10k under ``dataset.root``, the folder of ``val`` and ``test`` (default: the variable GOT10K_ROOT).

    Both splits have 180 sequences. ``test`` has only each sequence's first box: results are packed for the
    benchmark's server, which has the truth.
    """

    split: Literal["val", "test"] = "val"  # type: ignore[assignment]
    name: str = "got10k"

    def __post_init__(self) -> None:
        self.root = self.root or os.environ.get("GOT10K_ROOT", "")
        super().__post_init__()

    def submits(self) -> bool:
        return self.split == "test"

    @classmethod
    def recognise(cls, root: Path) -> Recognised:
        """Recognises the layout with the benchmark's sequence names; it ranks above a plain folder."""
        found = super().recognise(root)
        named = found.split in ("val", "test") and any((root / found.split).glob("GOT-10k_*"))
        return Recognised(2 * found.rank, found.split) if named else Recognised(0)

    def missing(self) -> str:
        return (
            "set dataset.root or the environment variable GOT10K_ROOT to the folder that holds GOT-10k's val and test; "
            f"the data set can be downloaded after registration at {HOME}; it is not downloaded here"
        )
