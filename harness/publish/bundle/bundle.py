"""Writes a bundle: the folders of runs, the ground truth of their scores, a manifest with every file's SHA-256."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.archives import FORMAT, LARGEST_RATIO, MANIFEST, SMALL, VERSION, allowed
from harness.core.errors import DataError, StoreError, in_words
from harness.core.files import file_mode, put_in_place
from harness.core.results import RESULTS_FILE, read_sweep
from harness.core.words import listed
from harness.machine import environment
from harness.publish.bundle.truth import truth_of
from harness.publish.mlflow.models import model_files

if TYPE_CHECKING:
    from harness.scoring.compared import Job

STAMP = (1980, 1, 1, 0, 0, 0)
"""The time of every entry, so that the same files give the same entries."""
KEPT_BACK = ("id", "mlflow.json", "imported.json", "failure.json", "command.json", "rounds", "sequences", "tracks", "model")
"""Left out: files for this machine only, files that ``resume`` needs, and files that are added only on request."""
OF_A_SWEEP = ("sweep.json", "summary.csv", "summary.md", "report.html", "plots")
COMPRESSED = (".png", ".jpg", ".jpeg", ".parquet", ".zip", ".mp4", ".gz")


@dataclass
class Written:
    """A written bundle: its file, digest, size, number of files, and sentences about what is missing."""

    path: Path
    sha256: str
    bytes: int
    files: int
    warnings: list[str] = field(default_factory=list)


def write_bundle(jobs: list[Job], path: Path, models: bool = False, tracks: bool = False) -> Written:
    """Writes ``jobs`` to the zip file ``path``, completely or not at all.

    ``models`` adds the prepared models, ``tracks`` the track files (their boxes are in frames.parquet anyway).
    Raises DataError if a job has no results.
    """
    warnings: list[str] = []
    entries: dict[str, Path | bytes] = {}
    runs, truths = [], {}
    for job in jobs:
        if not (job.folder / RESULTS_FILE).is_file():
            warnings.append(f"{job.folder} left no {RESULTS_FILE} and is not in the bundle")
            continue
        place = _place(job)
        entries |= {f"{place}/{name}": file for name, file in _job_files(job, models, tracks, warnings)}
        if job.sweep is not None:
            base = place.rpartition("/")[0]
            entries |= {f"{base}/{name}": file for name, file in _chosen(job.sweep, OF_A_SWEEP)}
        runs.append(_run(job, place))
        truths[str(job.results.dataset.get("digest", ""))] = job.results
    if not runs:
        raise DataError("none of the runs has results; there is nothing to share.")
    for digest, results in truths.items():
        truth = truth_of(results)
        if isinstance(truth, str):
            warnings.append(truth)
        elif truth is not None:
            entries[f"truth/{digest[:16]}.json"] = json.dumps(truth, separators=(",", ":")).encode()
    head = {
        "format": FORMAT,
        "version": VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": environment.versions(),
        "runs": runs,
        "holds": {"models": models, "tracks": tracks},
    }
    _write(path, entries, head)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Written(path, digest, path.stat().st_size, len(entries), warnings)


def _place(job: Job) -> str:
    """``sweeps/<id>/<number>`` or ``jobs/<id>``."""
    if job.sweep is None:
        return f"jobs/{job.id[:12]}"
    identity = read_sweep(job.sweep).get("id", "") if (job.sweep / "sweep.json").is_file() else ""
    return f"sweeps/{identity[:12]}/{job.folder.name}" if identity else f"jobs/{job.id[:12]}"


def _run(job: Job, place: str) -> dict[str, Any]:
    results = job.results
    digest = str(results.dataset.get("digest", ""))
    truth = f"truth/{digest[:16]}.json" if results.dataset.get("truth") else None
    return {"folder": place, "id": results.id, "name": results.name, "status": results.status, "truth": truth}


def _job_files(job: Job, models: bool, tracks: bool, warnings: list[str]) -> Iterator[tuple[str, Path]]:
    names = [path.name for path in sorted(job.folder.iterdir()) if path.name not in KEPT_BACK]
    yield from _chosen(job.folder, names)
    if tracks:
        found = list(_chosen(job.folder, ["tracks"]))
        refused = sorted({Path(name).parts[1] for name, _ in found if not allowed(name)})
        if refused:
            warnings.append(
                f"{job.results.name}: the track files of {listed(refused)} have names that not every file system takes, and are "
                "not in the bundle (their boxes are, in frames.parquet)"
            )
        yield from ((name, path) for name, path in found if allowed(name))
    if models and job.results.artifact:
        files = model_files(job.folder, job.results)
        if not files:
            warnings.append(f"{job.results.name}: its model files are gone from the cache and are not in the bundle")
        yield from ((f"model/{name}", path) for name, path in files.items())


def _chosen(folder: Path, names: list[str] | tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Yields (name relative to ``folder``, path) of all regular, visible files in ``names`` and below."""
    for name in names:
        top = folder / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            relative = path.relative_to(folder)
            hidden = any(part.startswith(".") for part in relative.parts)
            if path.is_file() and not path.is_symlink() and not hidden:
                yield relative.as_posix(), path


def _write(path: Path, entries: dict[str, Path | bytes], head: dict[str, Any]) -> None:
    """Writes to a temporary name, then renames."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}); choose another folder.") from error
    temporary = Path(name)
    try:
        files: dict[str, Any] = {}
        with zipfile.ZipFile(temporary, "w", allowZip64=True) as archive:
            for entry, content in sorted(entries.items()):
                data = content if isinstance(content, bytes) else content.read_bytes()
                files[entry] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
                _add(archive, entry, data)
            _add(archive, MANIFEST, (json.dumps({**head, "files": files}, indent=1) + "\n").encode())
        temporary.chmod(file_mode())
        put_in_place(temporary, path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {in_words(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, STAMP)
    info.external_attr = 0o100644 << 16
    # a file that compresses too well (only zeros) is stored: readers would take it for a zip bomb
    suspicious = len(data) > SMALL and len(zlib.compress(data, 1)) * LARGEST_RATIO < 2 * len(data)
    stored = suspicious or name.endswith(COMPRESSED)
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    archive.writestr(info, data)
