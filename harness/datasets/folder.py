"""dataset=folder: any folder in the GOT-10k layout."""

from __future__ import annotations

from dataclasses import dataclass

from harness.datasets.layouts.got10k import FolderDataset


@dataclass
class Folder(FolderDataset):
    """``dataset.root`` is the folder, ``dataset.split`` its subfolder (empty if root itself holds ``list.txt``)."""
