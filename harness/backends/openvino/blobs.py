"""A record of the compiled models in OpenVINO's cache, because OpenVINO does not notice damage in them.

OpenVINO names its files by its own digest, so the files of a job are recorded when they are written. A job is
identified by its artifact, device and properties.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import HarnessError
from harness.core.files import Contents, changed, file_digest, plain, read_json, write_json

RECORD_FILE = "digests.json"


@dataclass
class Blobs:
    """The compiled models in ``folder``; used while no other process compiles with it."""

    folder: Path
    files: Contents = field(default_factory=dict)
    jobs: dict[str, list[str]] = field(default_factory=dict)
    before: frozenset[str] = frozenset()

    @classmethod
    def of(cls, folder: Path) -> Blobs:
        """Reads the record of ``folder``; it is empty if it is missing or damaged."""
        found = cls(folder)
        try:
            raw = read_json(folder / RECORD_FILE)
            found.files, found.jobs = dict(raw["files"]), {key: list(names) for key, names in raw["jobs"].items()}
        except (HarnessError, KeyError, TypeError, AttributeError, ValueError):
            found.files, found.jobs = {}, {}
        found.before = frozenset(found.there())
        return found

    def there(self) -> list[str]:
        """Returns the names of the compiled models in the folder."""
        return sorted(path.name for path in self.folder.glob("*.blob"))

    def remove_damaged(self, job: str) -> list[str]:
        """Removes changed files that ``job`` would read; returns their names. Raises OSError if it cannot.

        An unknown job may read any file, and a file that is not recorded may belong to any job, so all of these are
        checked.
        """
        names = [name for name in self.jobs.get(job, self.there()) if (self.folder / name).is_file()]
        damaged = [name for name in names if name not in self.files or changed(self.folder, {name: self.files[name]})]
        for name in damaged:
            (self.folder / name).unlink()
            self.files.pop(name, None)
        self.before = frozenset(self.there())
        return damaged

    def record(self, job: str, loaded: bool) -> None:
        """Records new files, and that ``job`` reads them in addition to its earlier ones.

        ``loaded``: whether some of its models came from the folder; for an unknown job these may be any.
        """
        new = [name for name in self.there() if name not in self.before]
        for name in new:
            path = self.folder / name
            self.files[name] = {"bytes": path.stat().st_size, "sha256": file_digest(path)}
        known = self.jobs.get(job)
        if not new and known is not None:
            return
        kept = known if known is not None else (sorted(self.before) if loaded else [])
        self.jobs[job] = sorted({*kept, *new})
        write_json(self.folder / RECORD_FILE, {"files": self.files, "jobs": self.jobs})


def job_key(artifact: str, device: str, settings: Mapping[str, Any], version: str) -> str:
    """Returns a key of what decides the compiled models: the artifact's key, device, properties, OpenVINO's version."""
    own = {name: value for name, value in settings.items() if name != "CACHE_DIR"}
    return hashlib.sha256(json.dumps(plain([artifact, device, own, version]), sort_keys=True).encode()).hexdigest()[:32]
