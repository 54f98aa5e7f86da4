"""Sends a prepared model to a machine without access to the cache: packed, checked by content, unpacked once."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

import platformdirs
from filelock import FileLock

from harness.artifacts.store import (
    ARTIFACT_FILE,
    CONTENTS,
    REFERENCE_FILE,
    SOURCE_FILE,
    artifact_folder,
    load_artifact,
    record,
    weights_of,
)
from harness.core.errors import DataError, PrepareError
from harness.core.files import changed, read_json, write_json
from harness.core.interfaces import Artifact

WEIGHTS = "weights"
CACHE_VARIABLE = "HARNESS_CACHE"


def worker_cache() -> Path:
    """Returns the folder in which a worker keeps received models: HARNESS_CACHE, else the user's cache folder."""
    own = os.environ.get(CACHE_VARIABLE)
    return Path(own) if own else platformdirs.user_cache_path("tracker-harness") / "models"


def pack(artifact: Artifact) -> bytes:
    """Returns the artifact's folder as a reproducible tar archive, with the weights that a torch source reads."""
    members = {
        str(path.relative_to(artifact.folder)): path
        for path in sorted(artifact.folder.rglob("*"))
        if path.is_file() and path.name != REFERENCE_FILE
    }
    for index, path in enumerate(weights_of(artifact.folder)):
        members[f"{WEIGHTS}/{index}_{path.name}"] = path
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, path in sorted(members.items()):
            content = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def digest(data: bytes) -> str:
    """SHA-256."""
    return hashlib.sha256(data).hexdigest()


def seen(folder: Path, key: str) -> Artifact | None:
    """Returns the artifact in ``folder`` if it is complete on this machine and has ``key``, else None."""
    try:
        if read_json(folder / ARTIFACT_FILE)["key"] != key or not all(path.is_file() for path in weights_of(folder)):
            return None
        faults = changed(folder, {k: v for k, v in read_json(folder / ARTIFACT_FILE)[CONTENTS].items() if k != REFERENCE_FILE})
        return None if faults else load_artifact(folder)
    except (DataError, PrepareError, KeyError, TypeError):
        return None


def unpack(data: bytes, expected: str, key: str, cache: Path) -> Artifact:
    """Unpacks an archive of ``pack`` into ``cache``. Raises DataError if it is not the one of digest ``expected``."""
    if digest(data) != expected:
        raise DataError("the model that was sent to this worker was damaged on its way; start the job again.")
    folder = artifact_folder(cache, key)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):  # workers of one node get the same model at the same time
        found = seen(folder, key)
        if found is not None:
            return found
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            _extract(data, temporary)
            _point_to_weights(temporary, folder)
            record(temporary, {k: v for k, v in read_json(temporary / ARTIFACT_FILE).items() if k != CONTENTS})
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return load_artifact(folder)


def _extract(data: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r") as archive:
        for entry in archive.getmembers():
            name = PurePosixPath(entry.name)
            content = archive.extractfile(entry) if entry.isfile() else None
            if content is None or name.is_absolute() or ".." in name.parts:
                raise DataError(f"the model that was sent to this worker holds {entry.name!r}, which is not a regular file.")
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())


def _point_to_weights(temporary: Path, folder: Path) -> None:
    """Makes a torch source refer to the weights that were sent with it."""
    if not (temporary / SOURCE_FILE).is_file():
        return
    source = json.loads((temporary / SOURCE_FILE).read_text())
    came = sorted((temporary / WEIGHTS).glob("*"), key=lambda path: int(path.name.partition("_")[0]))
    source["weights"] = [str((folder / WEIGHTS / path.name).resolve()) for path in came]
    write_json(temporary / SOURCE_FILE, source)
