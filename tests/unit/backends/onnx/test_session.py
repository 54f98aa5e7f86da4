"""ONNX Runtime's own threads."""

from __future__ import annotations

import pytest

from harness.backends.onnx.session import pool_affinities


def test_onnx_runtimes_pool_gets_the_cores_after_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.backends.onnx.session.allowed_cores", lambda: [2, 4, 6, 8])
    assert pool_affinities(3) == "5;7"
