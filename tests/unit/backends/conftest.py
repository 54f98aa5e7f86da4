"""The small network, prepared for each of the three runtimes."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_jobs import small_experiment

from harness.core.interfaces import Artifact


@pytest.fixture(scope="session")
def artifacts(prepared: Path) -> dict[str, Artifact]:
    return {name: small_experiment(prepared, f"backend={name}")[1] for name in ("torch", "onnx", "openvino")}
