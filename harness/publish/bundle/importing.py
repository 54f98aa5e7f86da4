"""Imports a bundle: unpacks it to its own folder, once, and computes its scores again."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from harness.core.archives import MANIFEST, Bundle, file_digest, unpack
from harness.core.errors import ArchiveError, DataError, reason, told_as
from harness.core.files import read_record, write_json
from harness.core.results import SWEEP_FILE, Results, read_sweep
from harness.publish.bundle.check import Check, check_scores
from harness.publish.bundle.truth import read_truth

IMPORTED_FILE = "imported.json"


@dataclass
class Imported:
    """A bundle on disk: its folder, whether it is new there, and the check of each run's scores."""

    folder: Path
    new: bool
    checks: list[Check]


def import_bundle(path: Path, out: Path) -> Imported:
    """Unpacks ``path`` to ``out/<name>-<digest>``, or finds it there unchanged. Raises ArchiveError, DataError."""
    if not path.is_file():
        raise DataError(f"{path} is not a file; give a bundle (.zip) that `python -m harness share` wrote.")
    try:
        return _imported(path, out)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:  # an invalid manifest
        raise ArchiveError(f"{path} is not a whole bundle ({reason(error)}); have it made again.") from error


def _imported(path: Path, out: Path) -> Imported:
    folder = out / f"{path.stem}-{file_digest(path)[:8]}"
    if (folder / MANIFEST).is_file():
        _check_unchanged(folder, read_record(folder / MANIFEST))
        return Imported(folder, False, _checks(folder, read_record(folder / MANIFEST)))
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".importing-", dir=out) as scratch:
        bundle = unpack(path, Path(scratch) / "bundle")
        with told_as(bundle.folder, path):
            _check_runs(path, bundle)
            checks = _checks(bundle.folder, bundle.manifest)
        for run, check in zip(bundle.manifest["runs"], checks, strict=True):
            note = {"bundle": bundle.sha256, "recomputed": check.outcome, "notes": check.notes}
            write_json(bundle.folder / run["folder"] / IMPORTED_FILE, note)
        bundle.folder.rename(folder)
    return Imported(folder, True, checks)


def _check_unchanged(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Raises DataError if a file of an earlier import has changed since."""
    for name, facts in manifest["files"].items():
        if not (folder / name).is_file() or file_digest(folder / name) != facts["sha256"]:
            raise DataError(f"{folder / name} was changed since the bundle was imported; remove {folder} and import again.")


def _check_runs(path: Path, bundle: Bundle) -> None:
    """Each run that the manifest names is a job's folder inside, with the identity that it names. Raises ArchiveError, DataError."""
    runs = bundle.manifest.get("runs")
    files = bundle.manifest["files"]
    if not isinstance(runs, list) or not runs:
        raise ArchiveError(f"{path}: the manifest names no runs.")
    for run in runs:
        place, truth = str(run.get("folder")), run.get("truth")
        if f"{place}/results.json" not in files or PurePosixPath(place).parts[0] not in ("jobs", "sweeps"):
            raise ArchiveError(f"{path}: the manifest names the run {place!r}, which the bundle does not hold.")
        if truth is not None and not isinstance(truth, str):
            raise ArchiveError(f"{path}: the manifest's truth of {place!r} is not a name.")
        if Results.load(bundle.folder / place).id != run.get("id"):
            raise ArchiveError(f"{path}: the run in {place!r} has another identity than the manifest says.")
        if (bundle.folder / place).parent.joinpath(SWEEP_FILE).is_file():
            read_sweep((bundle.folder / place).parent)


def _checks(folder: Path, manifest: Mapping[str, Any]) -> list[Check]:
    found = []
    for run in manifest["runs"]:
        name = run.get("truth")
        truth = read_truth(folder / name) if name in manifest["files"] else None
        found.append(check_scores(folder / run["folder"], truth))
    return found
