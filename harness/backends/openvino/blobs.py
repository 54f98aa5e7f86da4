"""Our own record of the compiled models that OpenVINO keeps: it does not notice a bit that was flipped in one.

OpenVINO names its files by a digest of its own, so which of them a job reads is learned when they are written: a job is known by
its artifact, device and properties.
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
        """What is recorded of ``folder``; nothing where the record is missing or damaged."""
        found = cls(folder)
        try:
            raw = read_json(folder / RECORD_FILE)
            found.files, found.jobs = dict(raw["files"]), {key: list(names) for key, names in raw["jobs"].items()}
        except (HarnessError, KeyError, TypeError, AttributeError, ValueError):
            found.files, found.jobs = {}, {}
        found.before = frozenset(found.there())
        return found

    def there(self) -> list[str]:
        """Names of the compiled models that lie in the folder."""
        return sorted(path.name for path in self.folder.glob("*.blob"))

    def remove_damaged(self, job: str) -> list[str]:
        """Removes what ``job`` would read and is not as it was written; returns the names. Raises OSError if it cannot.

        A job that is not known may read any file, and a file that is not recorded may be any job's: all are looked at.
        """
        names = [name for name in self.jobs.get(job, self.there()) if (self.folder / name).is_file()]
        damaged = [name for name in names if name not in self.files or changed(self.folder, {name: self.files[name]})]
        for name in damaged:
            (self.folder / name).unlink()
            self.files.pop(name, None)
        self.before = frozenset(self.there())
        return damaged

    def record(self, job: str, loaded: bool) -> None:
        """Notes the files that were written since, and that ``job`` reads them and what it read before.

        ``loaded``: some of its models came from the folder; of a job that was not known these may be any.
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
    """What decides which compiled models are read: the artifact's key, the device, the properties, OpenVINO's version."""
    own = {name: value for name, value in settings.items() if name != "CACHE_DIR"}
    return hashlib.sha256(json.dumps(plain([artifact, device, own, version]), sort_keys=True).encode()).hexdigest()[:32]
