"""The ground truth with which a run was scored, small enough for a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.config import build
from harness.core.errors import DataError, HarnessError
from harness.core.files import read_json
from harness.core.interfaces import Dataset, Sequence
from harness.core.results import Results
from harness.publish.submission.reference import TruthFolder


def truth_of(results: Results) -> dict[str, Any] | str | None:
    """Returns the data that scoring needs as JSON values; None if there is no truth.

    Or a sentence why it is missing.
    """
    if not results.dataset.get("truth"):
        return None
    try:
        dataset = _dataset(results)
        sequences = {sequence.name: _entry(sequence) for sequence in dataset}
        digest = dataset.digest()
    except (HarnessError, OSError, TypeError, ValueError) as error:
        return f"{results.name}: the truth is not in the bundle, so nobody can recompute the scores ({error})"
    if digest != results.dataset.get("digest"):
        return f"{results.name}: the data set was changed since the run; its truth is not put into the bundle"
    return {"digest": digest, "sequences": sequences}


def _dataset(results: Results) -> Dataset:
    section = results.config["dataset"]
    if "target" in section:
        found = build(section, Dataset, "dataset")  # type: ignore[type-abstract]
        assert isinstance(found, Dataset)
        return found
    if results.scoring.get("truth_rule"):
        raise DataError("its result files are another tool's, and were brought into line with a benchmark's annotations")
    return TruthFolder(root=str(section["root"]), split=str(section.get("split", "")), sequences=list(results.sequences))


def _entry(sequence: Sequence) -> dict[str, Any]:
    truth, visible = sequence.truth, sequence.visible
    return {
        "init": np.asarray(sequence.init_box, float).tolist(),
        "size": list(sequence.size) if sequence.size else None,
        "object_class": sequence.meta.get("object_class", ""),
        "visible": None if visible is None else "".join("1" if item else "0" for item in visible),
        "truth": None if truth is None else np.asarray(truth, float).tolist(),
        "first_pixel": sequence.meta.get("first_pixel", "0"),
        "attributes": list(sequence.attributes),
    }


def read_truth(path: Path) -> list[Sequence]:
    """The sequences of a truth file. Raises DataError if it is damaged."""
    raw = read_json(path)
    try:
        return [_sequence(str(name), entry) for name, entry in raw["sequences"].items()]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DataError(f"{path} is damaged ({error}); get the bundle again.") from error


def _sequence(name: str, entry: Mapping[str, Any]) -> Sequence:
    size, visible, truth = entry["size"], entry["visible"], entry["truth"]
    return Sequence(
        name,
        (),
        np.array(entry["init"], float).reshape(4),
        (int(size[0]), int(size[1])) if size else None,
        None if truth is None else np.array(truth, float).reshape(-1, 4),
        None if visible is None else np.array([letter == "1" for letter in visible]),
        {"object_class": str(entry["object_class"]), "first_pixel": str(entry.get("first_pixel", "0"))},
        tuple(map(str, entry.get("attributes", ()))),
    )
