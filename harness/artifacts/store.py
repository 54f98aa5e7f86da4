"""The store of prepared models: a folder for each content key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import DataError, PrepareError
from harness.core.files import read_json
from harness.core.interfaces import Artifact, GraphSpec, TensorSpec

ARTIFACT_FILE = "artifact.json"
REFERENCE_FILE = "parity.npz"


def artifact_folder(cache: Path, key: str) -> Path:
    """Where an artifact lies in the cache."""
    return cache / "artifacts" / key[:20]


def load_artifact(folder: Path) -> Artifact:
    """Reads ``artifact.json``. Raises PrepareError where it is damaged or its files are gone."""
    try:
        raw = read_json(folder / ARTIFACT_FILE)
        graphs = {item["name"]: graph_from(item) for item in raw["graphs"]}
        files = {name: folder / path for name, path in raw["files"].items()}
        artifact = Artifact(raw["format"], raw["precision"], files, graphs, raw["key"], folder, raw["info"])
    except (DataError, KeyError, TypeError) as error:
        raise PrepareError(f"the prepared model in {folder} is damaged ({error}); delete that folder.") from error
    gone = [str(path) for path in files.values() if not path.is_file()]
    if gone:
        raise PrepareError(f"the prepared model in {folder} lacks {', '.join(gone)}; delete that folder.")
    return artifact


def graph_from(raw: Mapping[str, Any]) -> GraphSpec:
    """A GraphSpec from its JSON form."""
    inputs, outputs = (
        tuple(TensorSpec(item["name"], tuple(item["shape"]), item["dtype"]) for item in raw[side])
        for side in ("inputs", "outputs")
    )
    return GraphSpec(raw["name"], inputs, outputs)
