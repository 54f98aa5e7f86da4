"""Compiled models that OpenVINO keeps: a bit that was flipped in one is found by our own digest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.backends.openvino.backend import OpenVino
from harness.backends.openvino.blobs import RECORD_FILE
from harness.core.interfaces import Arrays, Artifact
from harness.prepare.parity import seeded_inputs


def opened(artifact: Artifact, cache: Path, **settings: int) -> tuple[OpenVino, Arrays]:
    backend = OpenVino(threads=1, cache=str(cache), **settings)  # type: ignore[arg-type]
    session = backend.open(artifact)["search"]
    return backend, session.run(seeded_inputs(artifact.graphs["search"], {}, 3))


def test_a_flipped_bit_is_found_and_the_model_compiled_anew(tmp_path: Path, artifacts: dict[str, Artifact]) -> None:
    artifact = artifacts["openvino"]
    first, expected = opened(artifact, tmp_path)
    assert first.warnings() == []
    blobs = sorted((tmp_path / "openvino").glob("*.blob"))
    assert len(blobs) == 2
    for blob in blobs:
        data = bytearray(blob.read_bytes())
        data[-len(data) // 4] ^= 64
        blob.write_bytes(data)
    again, found = opened(artifact, tmp_path)
    assert again.describe()["from_cache"] == "False"
    (warning,) = again.warnings()
    assert "2 compiled models" in warning
    assert "compiled again" in warning
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
    third, _ = opened(artifact, tmp_path)
    assert third.describe()["from_cache"] == "True"
    assert third.warnings() == []


def test_what_is_not_recorded_is_not_read(tmp_path: Path, artifacts: dict[str, Artifact]) -> None:
    artifact = artifacts["openvino"]
    opened(artifact, tmp_path)
    (tmp_path / "openvino" / RECORD_FILE).unlink()
    again, _ = opened(artifact, tmp_path)
    assert again.describe()["from_cache"] == "False"
    third, _ = opened(artifact, tmp_path)
    assert third.describe()["from_cache"] == "True"


def test_a_job_looks_at_its_own_models_alone(tmp_path: Path, artifacts: dict[str, Artifact]) -> None:
    artifact = artifacts["openvino"]
    opened(artifact, tmp_path)
    own = set((tmp_path / "openvino").glob("*.blob"))
    opened(artifact, tmp_path, precision="bf16")  # type: ignore[arg-type]
    other = set((tmp_path / "openvino").glob("*.blob")) - own
    for blob in other:
        blob.write_bytes(blob.read_bytes()[:-1])
    again, _ = opened(artifact, tmp_path)
    assert again.warnings() == []
    assert again.describe()["from_cache"] == "True"
