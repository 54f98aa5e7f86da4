"""Which files of a prepared model are logged, shared and exported."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from harness.artifacts.store import record
from harness.publish.mlflow.models import model_files


def test_a_model_that_was_damaged_in_the_cache_is_not_handed_on(tmp_path: Path) -> None:
    cached = tmp_path / "outputs/cache/artifacts/key"
    cached.mkdir(parents=True)
    (cached / "search.xml").write_text("<net/>")
    (cached / "search.bin").write_bytes(bytes(64))
    record(cached, {"key": "key"})
    results: Any = SimpleNamespace(artifact={"files": {"search": "outputs/cache/artifacts/key/search.xml"}})
    job = tmp_path / "outputs/today/0"
    job.mkdir(parents=True)
    assert set(model_files(job, results)) == {"search.xml", "search.bin"}
    (cached / "search.bin").write_bytes(bytes(63) + b"\x01")
    assert model_files(job, results) == {}
