"""The store of prepared models: a folder for each content key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import DataError, PrepareError
from harness.core.files import changed, contents_of, file_digest, read_json, write_json
from harness.core.interfaces import Artifact, GraphSpec, TensorSpec

ARTIFACT_FILE = "artifact.json"
REFERENCE_FILE = "parity.npz"
SOURCE_FILE = "source.json"
CONTENTS = "contents"
READS_WEIGHTS = "reads_weights"
"""Key in an artifact's info: its jobs read the files of weights at their original place."""
SHOWN = 3
"""The most faults that a message lists."""


def artifact_folder(cache: Path, key: str) -> Path:
    """Returns the folder of an artifact in the cache."""
    return cache / "artifacts" / key[:20]


def record(folder: Path, facts: Mapping[str, Any]) -> None:
    """Writes ``artifact.json`` with ``facts``, and size and SHA-256 of every other file of the folder."""
    write_json(folder / ARTIFACT_FILE, {**facts, CONTENTS: contents_of(folder, (ARTIFACT_FILE,))})


def damage(folder: Path) -> str:
    """Describes what is wrong with an artifact's files; empty if all are unchanged, or if there is no artifact.

    Weights that a job reads at their original place must be the ones that the artifact was made from.
    """
    if not folder.is_dir():
        return ""
    try:
        raw = read_json(folder / ARTIFACT_FILE)
        faults = changed(folder, raw[CONTENTS])
        if not faults and raw.get("info", {}).get(READS_WEIGHTS):
            faults = _changed_weights(raw["options"])
    except (DataError, KeyError, TypeError, AttributeError) as error:
        return f"{ARTIFACT_FILE} cannot be read ({type(error).__name__})"
    return "; ".join(f"{name} {what}".strip() for name, what in list(faults.items())[:SHOWN])


def _changed_weights(options: Mapping[str, Any]) -> dict[str, str]:
    expected = dict(zip(options["weights"], options["sha256"], strict=False))
    found = {}
    for name, digest in expected.items():
        if not Path(name).is_file():
            found[name] = "is missing"
        elif file_digest(Path(name)) != digest:
            found[name] = "is another file than the model was made from"
    return found


def weights_of(folder: Path) -> list[Path]:
    """Returns the files outside its own folder that a torch artifact reads."""
    if not (folder / SOURCE_FILE).is_file():
        return []
    return [Path(name) for name in read_json(folder / SOURCE_FILE)["weights"]]


def load_artifact(folder: Path) -> Artifact:
    """Reads ``artifact.json``. Raises PrepareError if it is damaged or its files are gone."""
    try:
        raw = read_json(folder / ARTIFACT_FILE)
        graphs = {item["name"]: graph_from(item) for item in raw["graphs"]}
        files = {name: folder / path for name, path in raw["files"].items()}
        artifact = Artifact(raw["format"], raw["precision"], files, graphs, raw["key"], folder, raw["info"])
    except (DataError, KeyError, TypeError, AttributeError) as error:
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
