"""The samples per frame of a run, edited: columns dropped, of other types, with numbers that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hostile.case import Case
from hostile.files import READERS

COLUMNS = ("sequence", "repetition", "round", "frame", "x", "y", "w", "h", "iou", "scored", "seconds", "decode", "inference")
CELLS: dict[str, Callable[[pd.DataFrame, str], Any]] = {
    "words": lambda rows, key: rows.assign(**{key: "abc"}),
    "NaN": lambda rows, key: rows.assign(**{key: np.nan}),
    "infinity": lambda rows, key: rows.assign(**{key: np.inf}),
    "-1": lambda rows, key: rows.assign(**{key: -1}),
    "zero": lambda rows, key: rows.assign(**{key: 0}),
    "1e308": lambda rows, key: rows.assign(**{key: 1e308}),
    "true": lambda rows, key: rows.assign(**{key: True}),
    "lists": lambda rows, key: rows.assign(**{key: [[1]] * len(rows)}),
    "null": lambda rows, key: rows.assign(**{key: None}),
    "dates": lambda rows, key: rows.assign(**{key: pd.Timestamp("2026-01-01")}),
    "dropped": lambda rows, key: rows.drop(columns=[key]),
}
TABLES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "no rows": lambda rows: rows.iloc[:0],
    "one row": lambda rows: rows.iloc[:1],
    "twice": lambda rows: pd.concat([rows, rows]),
    "half": lambda rows: rows.iloc[::2],
    "no columns": lambda rows: rows[[]],
    "another table": lambda rows: pd.DataFrame({"a": [1, 2]}),
    "another sequence": lambda rows: rows.assign(sequence="nobody"),
    "names with slashes": lambda rows: rows.assign(sequence="../../x"),
    "columns twice in other letters": lambda rows: rows.assign(X=1, Frame=2),
    "thousands of columns": lambda rows: pd.concat([rows, pd.DataFrame({f"c{n}": [0] * len(rows) for n in range(2000)})], axis=1),
}


def samples() -> Iterator[Case]:
    """``frames.parquet`` of a run with a column or the table changed, read by each command in turn."""
    readers = sorted(READERS)
    number = 0
    for key in COLUMNS:
        for name, change in CELLS.items():
            number += 1
            reader = readers[number % len(readers)]
            edit = _edit(lambda rows, change=change, key=key: change(rows, key))
            yield Case("samples", f"{key}: {name}, {reader}", READERS[reader], edit, codes=(0, 1, 2), needs=("runs",))
    for name, change in TABLES.items():
        for reader in ("compare", "render", "sync", "convert"):
            yield Case("samples", f"{name}, {reader}", READERS[reader], _edit(change), codes=(0, 1, 2), needs=("runs",))


def _edit(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    def setup(folder: Path) -> None:
        path = folder / "runs/0/frames.parquet"
        change(pd.read_parquet(path)).to_parquet(path)

    return setup
