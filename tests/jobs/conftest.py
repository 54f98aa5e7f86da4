"""What all tests that use the command line have in common."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_jobs import small_experiment

from harness.core.interfaces import Artifact


@pytest.fixture(scope="module", autouse=True)
def begin_ready(ready: None) -> None:
    """Small jobs are mostly imports and the making of a store: both are ready."""


@pytest.fixture(scope="session")
def artifacts(prepared: Path) -> dict[str, Artifact]:
    """The small network, prepared for each of the three runtimes."""
    return {name: small_experiment(prepared, f"backend={name}")[1] for name in ("torch", "onnx", "openvino")}
