"""Random weights amplify rounding as no trained network does; every conversion of NanoTrack holds all the same."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from command_line import PATH
from fakes import tiny_dataset
from ready_children import Ready


@pytest.mark.slow
@pytest.mark.parametrize(("isa", "exporter"), [("", "dynamo"), ("AVX2", "torchscript")])
def test_nanotrack_is_prepared_for_every_backend_whatever_the_instructions(isa: str, exporter: str, tmp_path: Path, imports: Ready) -> None:
    """In a process of its own: oneDNN takes its instructions when it is first used."""
    root = tiny_dataset(tmp_path / "data")
    variables = {**os.environ, "PYTHONPATH": PATH} | ({"ONEDNN_MAX_CPU_ISA": isa} if isa else {})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    child = imports.module("prepare_all", str(tmp_path / "cache"), str(root), exporter, cwd=tmp_path, env=variables, **pipes)
    out, error = child.communicate(timeout=900)
    assert child.returncode == 0, error[-2000:]
    found = json.loads(out.strip().splitlines()[-1])
    assert len(found) == 9
    rows = [row for key, graphs in found.items() if "torch" not in key for outputs in graphs.values() for row in outputs.values()]
    assert len(rows) == 3 * 2 * 3
    for row in rows:
        assert 0 < row["torch_error"] < row["range"]
        assert row["max_abs_diff"] <= row["allowed"]
        assert row["allowed"] >= 1e-4 * row["range"]
