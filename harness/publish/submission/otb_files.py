"""Reads result files of OTB's toolkits, JSON (Python) and MAT (MATLAB), without running code from them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import DataError
from harness.core.files import open_regular, read_regular
from harness.core.interfaces import Track

LARGEST = 64 << 20
"""Limit in bytes; the longest sequence's results have about 500 kB."""
OPE = "OPE"


def is_otb_json(path: Path) -> bool:
    """Whether a JSON file holds results of a sequence, judged by its first bytes."""
    try:
        with open_regular(path) as file:
            head = file.read(4096)
    except (OSError, DataError):
        return False
    return b'"res"' in head or b'"resType"' in head or b'"seqName"' in head


def read_otb(name: str, path: Path) -> Track:
    """Reads a sequence's one-pass results. Raises DataError for other kinds of results or evaluation."""
    if path.stat().st_size > LARGEST:
        raise DataError(f"{path} has {path.stat().st_size >> 20} MiB, which no result file has.")
    record = _mat(path) if path.suffix == ".mat" else _json(path)
    kind = str(record.get("resType") or record.get("type") or "rect")
    if kind != "rect":
        raise DataError(f"{path}: results are of type {kind!r}; rectangles (rect) are read, so convert them first.")
    if str(record.get("evalType") or OPE) != OPE:
        raise DataError(f"{path}: these are results of {record['evalType']}; one-pass results (OPE) are read.")
    try:
        boxes = np.array(record["res"], float)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: 'res' holds no boxes ({error}); a box is four numbers.") from error
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes):
        raise DataError(f"{path}: 'res' has the shape {boxes.shape}; expected a row of four numbers a frame.")
    return Track(name, boxes, np.full(len(boxes), np.nan))


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_regular(path, LARGEST).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON ({error}); restore the file.") from error
    runs = found if isinstance(found, list) else [found]
    if len(runs) != 1 or not isinstance(runs[0], dict):
        raise DataError(f"{path} holds {len(runs)} runs; one-pass results hold one (a list of one object, or the object).")
    return runs[0]


def _mat(path: Path) -> dict[str, Any]:
    """``results{1}`` of the MATLAB toolkit: a cell array of structs with ``res`` and ``type``."""
    from scipy.io import loadmat

    data = read_regular(path, LARGEST)
    try:
        content = loadmat(io.BytesIO(data), squeeze_me=True, struct_as_record=False, variable_names=["results"])
    except Exception as error:  # scipy raises any exception for a damaged file
        raise DataError(f"{path} is not a readable MAT file ({type(error).__name__}: {error}); save it by -v7.") from error
    results = content.get("results")
    runs = list(np.atleast_1d(results)) if results is not None else []
    if len(runs) != 1 or not hasattr(runs[0], "res"):
        raise DataError(f"{path}: 'results' holds {len(runs)} runs; one-pass results hold one, with a field res.")
    fields = {name: getattr(runs[0], name) for name in ("res", "type") if hasattr(runs[0], name)}
    return {**fields, "evalType": OPE}
