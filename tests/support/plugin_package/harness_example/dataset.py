"""dataset=example: a folder in GOT-10k's layout under another name."""

from __future__ import annotations

from dataclasses import dataclass

from harness.datasets.layouts.got10k import FolderDataset


@dataclass
class ExampleDataset(FolderDataset):
    """A data set."""
