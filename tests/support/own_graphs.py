"""A person's graph of a test, prepared and run by a backend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from own_tracker import Own

from harness.core.interfaces import Artifact, Backend
from harness.machine.progress import Silent
from harness.prepare.plan import Settings, plan
from harness.prepare.steps import realise

PATCH = np.arange(192, dtype=np.uint8).reshape(1, 8, 8, 3)


def words(value: object) -> str:
    """A short name for a backend in a test's name."""
    return f"{value.name}-{getattr(value, 'source', '')}" if isinstance(value, Backend) else ""


def prepared(spec: Own, backend: Backend, cache: Path) -> Artifact:
    return realise(plan(spec, backend, Settings(cache=str(cache)), 0), cache, Silent(), 1)


def run(backend: Backend, artifact: Artifact) -> dict[str, np.ndarray]:
    return backend.open(artifact)["search"].run({"patch": PATCH})


def check_numbers(found: dict[str, np.ndarray]) -> None:
    assert list(found) == ["mean", "most"]
    np.testing.assert_allclose(found["mean"][0], [94.5, 95.5, 96.5])
    np.testing.assert_allclose(found["most"][0], [189, 190, 191])
