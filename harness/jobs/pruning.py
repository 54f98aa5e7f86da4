"""Removes the heavy files of old runs and keeps their numbers: results, settings, verdicts, intervals.

Nothing outside the named folders is changed: links are neither followed nor removed. A run is kept as it is if it is
being made or measured, did not end, or is not in its MLflow store yet.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from harness.core.errors import DataError, StoreError, in_words
from harness.core.files import read_json, read_record, write_json
from harness.core.results import RESULTS_FILE, SWEEP_FILE, Results
from harness.jobs import folders
from harness.jobs.outcomes import now
from harness.jobs.worker import LOCK_FILE as JOB_LOCK
from harness.publish.mlflow import STATE_FILE
from harness.report.history import reading
from harness.report.history.values import INTERVALS_FILE, all_intervals, kept_intervals
from harness.report.sources import load

PRUNED_FILE = "pruned.json"
"""A file in a run's folder: when its heavy files were removed, and how much of each kind."""
KINDS: dict[str, tuple[str, ...]] = {
    "frames": ("frames.parquet", "tables", "rounds/*/*.parquet"),
    "tracks": ("tracks", "sequences", "tracks.zip", "submission*.zip", "vot"),
    "pictures": ("plots", "*.png", "*.jpg", "rounds/*/plots"),
    "videos": ("*.mp4", "*.avi", "*.mkv"),
    "models": ("model",),
}
"""Kind -> its patterns of paths in a run's folder. All other files stay."""
CACHED = "cached models"
"""The kind of cached prepared models that no younger run has used; they are prepared again when they are needed."""


@dataclass
class Item:
    """A file or folder that would be removed."""

    path: Path
    kind: str
    bytes: int
    files: int


@dataclass
class Old:
    """An old run and the items in it that would be removed."""

    folder: Path
    items: list[Item] = field(default_factory=list)


@dataclass
class Pruning:
    """Everything that can be removed.

    Attributes:
        runs: Old runs with something to remove.
        cached: Prepared models that no younger run has used.
        left: (folder, why nothing is removed) of old runs.
        younger: How many runs are too young.
    """

    runs: list[Old] = field(default_factory=list)
    cached: list[Item] = field(default_factory=list)
    left: list[tuple[Path, str]] = field(default_factory=list)
    younger: int = 0

    @property
    def items(self) -> list[Item]:
        """Everything that would be removed."""
        return [*(item for run in self.runs for item in run.items), *self.cached]

    def by_kind(self) -> dict[str, tuple[int, int]]:
        """Kind -> files and bytes."""
        found: dict[str, tuple[int, int]] = {}
        for item in self.items:
            files, size = found.get(item.kind, (0, 0))
            found[item.kind] = (files + item.files, size + item.bytes)
        return found


def look(outputs: Path, store: Path | None, before: str, kinds: tuple[str, ...] = (*KINDS, CACHED)) -> Pruning:
    """Finds what may be removed; removes nothing.

    Args:
        outputs: The folder of runs, with the cache of prepared models in it.
        store: The folder of a local MLflow store, or None.
        before: Runs that ended before this time (ISO 8601, UTC) are old.
        kinds: The kinds to remove: some of ``KINDS`` and ``CACHED``.

    Raises:
        DataError: Neither folder exists.
    """
    found = Pruning()
    used: dict[str, bool] = {}  # key of a model -> whether a younger run used it
    running = False
    for root in reading.roots_of(outputs, store):
        base = root.resolve()
        for folder in reading.folders(base):
            why, results = _state(folder)
            running |= why.startswith("it is being")
            if results is None:
                found.left.append((folder, why))
                continue
            old = reading.ended(results) < before
            key = str(results.artifact.get("key") or "")[:20]
            used[key] = used.get(key, False) or not old
            if not old:
                found.younger += 1
            elif why:
                found.left.append((folder, why))
            elif items := _items(folder, kinds):
                found.runs.append(Old(folder, items))
        found.runs += _sweeps(base, before, kinds)
    running |= _any_running(outputs)
    if CACHED in kinds and not running and outputs.is_dir():
        found.cached = _cached(outputs.resolve() / reading.CACHE, used, before)
    return found


def _sweeps(base: Path, before: str, kinds: tuple[str, ...]) -> Iterator[Old]:
    """Yields sweeps that began before a time and have picture files; their pages already contain these pictures."""
    for folder in reading.folders(base, SWEEP_FILE):
        try:
            created = str(read_record(folder / SWEEP_FILE).get("created") or "")
        except DataError:
            continue
        old = "" < created < before and not (folder / RESULTS_FILE).exists()
        if old and not _held(folder) and (items := [item for item in _items(folder, kinds) if item.kind == "pictures"]):
            yield Old(folder, items)


def _state(folder: Path) -> tuple[str, Results | None]:
    """Returns why nothing of a run is removed (empty if it can be), and its results."""
    try:
        results = Results.load(folder)
    except DataError as error:
        return f"its results cannot be read ({error})", None
    if not results.ended:
        return "it says nothing of when it ended", None
    if _held(folder):
        return "it is being made or measured", results
    if _pending(folder):
        return "its MLflow store does not have it yet; run sync first", results
    return "", results


def _held(folder: Path) -> bool:
    """Whether a process holds the folder of a run or of its sweep."""
    return any(_locked(path) for path in _locks(folder))


def _locks(folder: Path) -> list[Path]:
    """Returns the existing lock files of a run; creates none."""
    found = [folder / folders.LOCK_FILE, folder / JOB_LOCK]
    for above in list(folder.parents)[:3]:
        if (above / SWEEP_FILE).is_file():
            found.append(above / folders.LOCK_FILE)
    return [path for path in found if path.is_file() and not path.is_symlink()]


def _locked(path: Path) -> bool:
    try:
        with FileLock(path, timeout=0):
            return False
    except (Timeout, OSError):
        return True


def _any_running(outputs: Path) -> bool:
    """Whether any run below a folder is in progress, even one that has written nothing yet."""
    for place, inner, files in os.walk(outputs):
        inner[:] = [name for name in inner if not (Path(place) == outputs and name == reading.CACHE)]
        for name in (folders.LOCK_FILE, JOB_LOCK):
            if name in files and _locked(Path(place) / name):
                return True
    return False


def _pending(folder: Path) -> bool:
    """Whether this run is still to be logged to a store."""
    if not (folder / STATE_FILE).is_file():
        return False
    try:
        raw = read_json(folder / STATE_FILE)
    except DataError:
        return True
    stores = raw.get("stores", {}) if isinstance(raw, dict) else {}
    return any(isinstance(item, dict) and item.get("pending") for item in [raw, *(stores.values() if isinstance(stores, dict) else ())])


# ------------------------------------------------------------------------------------------- finding


def _items(folder: Path, kinds: tuple[str, ...]) -> list[Item]:
    """Returns the items of a run's folder that would be removed. Runs inside the folder count as separate runs."""
    found: list[Item] = []
    for kind, patterns in KINDS.items():
        for pattern in patterns if kind in kinds else ():
            for path in sorted(folder.glob(pattern)):
                inside = folder.resolve() in path.resolve().parents
                if inside and not _through_link(path, folder) and not _holds_run(path) and not any(path == item.path for item in found):
                    found.append(_item(path, kind))
    return [item for item in found if item.files]


def _through_link(path: Path, folder: Path) -> bool:
    return any(part.is_symlink() for part in (path, *path.parents) if part != folder and folder in part.parents) or path.is_symlink()


def _holds_run(path: Path) -> bool:
    return path.is_dir() and (path / RESULTS_FILE).is_file()


def _item(path: Path, kind: str) -> Item:
    sizes = [stat for stat in (_size(name) for name in _files(path)) if stat is not None]
    return Item(path, kind, sum(sizes), len(sizes))


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for place, _, names in os.walk(path):
        yield from (Path(place) / name for name in names)


def _size(path: Path) -> int | None:
    try:
        return path.lstat().st_size
    except OSError:
        return None


def _cached(cache: Path, used: dict[str, bool], before: str) -> list[Item]:
    """Returns prepared models that no younger run has used and that are not recent themselves."""
    from datetime import datetime

    place, limit = cache / "artifacts", datetime.fromisoformat(before).timestamp()
    if not place.is_dir() or any(path.is_symlink() for path in (cache, place)):
        return []
    found = []
    for folder in sorted(place.iterdir()):
        ours = folder.is_dir() and not folder.is_symlink() and (folder / "artifact.json").is_file()
        if ours and not used.get(folder.name, False) and folder.stat().st_mtime < limit and _newest(folder) < limit:
            found.append(_item(folder, CACHED))
    return found


def _newest(folder: Path) -> float:
    return max((path.lstat().st_mtime for path in _files(folder)), default=0.0)


# ------------------------------------------------------------------------------------------- removing


def remove(found: Pruning) -> Pruning:
    """Removes what ``look`` found, except runs that have been taken into use since.

    Returns:
        What was removed and what was kept.

    Raises:
        StoreError: A file cannot be removed.
    """
    done = Pruning(left=list(found.left), younger=found.younger)
    for run in found.runs:
        with contextlib.ExitStack() as held:
            try:
                for path in _locks(run.folder):
                    held.enter_context(FileLock(path, timeout=0))
            except (Timeout, OSError):
                done.left.append((run.folder, "it is being made or measured"))
                continue
            _remove_run(run)
            done.runs.append(run)
    for item in found.cached:
        _remove_item(item)
        done.cached.append(item)
    return done


def _remove_run(run: Old) -> None:
    """Stores a run's intervals, removes its items, and then records this in the folder."""
    if any(item.kind == "frames" for item in run.items) and not kept_intervals(run.folder):
        with contextlib.suppress(DataError):  # damaged frames give no interval
            write_json(run.folder / INTERVALS_FILE, all_intervals(load(run.folder)))
    for item in run.items:
        _remove_item(item)
    path = run.folder / PRUNED_FILE
    kept = read_record(path).get("removed") if path.is_file() else None
    old = kept if isinstance(kept, list) else []
    removed = [{"when": now(), "path": item.path.relative_to(run.folder).as_posix(), "kind": item.kind, "bytes": item.bytes} for item in run.items]
    write_json(path, {"removed": [*old, *removed]})


def _remove_item(item: Item) -> None:
    try:
        if item.path.is_dir() and not item.path.is_symlink():
            shutil.rmtree(item.path)
        else:
            item.path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{item.path} cannot be removed: {in_words(error, 'change its permissions, or keep it')}") from error
