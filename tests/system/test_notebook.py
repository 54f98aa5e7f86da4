"""The notebook of the documentation, executed from top to bottom as a user would, in a kernel of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import PATH, ROOT, UNDRAWN, with_cache
from ready_children import Ready

nbformat = pytest.importorskip("nbformat", reason="extra [notebook] is not installed")
nbclient = pytest.importorskip("nbclient", reason="extra [notebook] is not installed")
pytest.importorskip("ipykernel", reason="extra [notebook] is not installed")

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


def shown(cell: dict) -> dict[str, str]:
    """What a cell shows, by kind."""
    found: dict[str, str] = {}
    for output in cell["outputs"]:
        assert output["output_type"] != "error", output
        found |= output.get("data", {})
    return found


LESS = {"dataset__limit=3": "dataset__limit=1", "turns__seconds=1": "turns__seconds=0.3", "minutes=1": "minutes=0.1",
        "*answer.overrides, ": "*answer.overrides, dataset__limit=1, "}  # fmt: skip
"""The amount of work that the notebook asks for, and what is enough here."""


def test_the_notebook_is_kept_without_outputs() -> None:
    found = nbformat.read(NOTEBOOK, as_version=4)
    assert [cell for cell in found.cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)] == []


STARTUP = """
from harness.report import plots, render
from ready_children import Ready

_ready = Ready({address!r}).given()
_ready.__enter__()
plots.job_plots = render.job_sheets = lambda *_: []
"""
"""A kernel's children are forked from the process that keeps the imports ready; runs have no pictures but those that are asked for."""


def begin_ready(ipython: Path, address: str) -> None:
    """Has a kernel begin with ``STARTUP``."""
    startup = ipython / "profile_default/startup"
    startup.mkdir(parents=True)
    (startup / "ready.py").write_text(STARTUP.format(address=address))


@pytest.mark.slow
def test_the_notebook_sweeps_compares_plots_and_recommends(
    tmp_path: Path, prepared: Path, imports: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_ready(tmp_path / "ipython", imports.address)
    with_cache(tmp_path, prepared)
    monkeypatch.setenv("PYTHONPATH", f"{PATH}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv(UNDRAWN, "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for asked, enough in LESS.items():
        assert any(asked in cell["source"] for cell in notebook.cells), asked
        for cell in notebook.cells:
            cell["source"] = cell["source"].replace(asked, enough)
    nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    results = {cell["source"].splitlines()[-1]: shown(cell) for cell in notebook.cells if cell["cell_type"] == "code"}
    assert "<table>" in results["run"]["text/html"] and results["run"]["text/plain"].startswith("<Run 'onnx smat_demo' ok: AO 0.")
    assert results['run.figure("latency_histogram")']["image/png"]
    assert "<Sweep of 3 runs" in results["sweep"]["text/plain"] and "openvino" in results["sweep"]["text/html"]
    assert results['sweep.figure("accuracy_speed")']["image/png"] and (tmp_path / "overlap.png").is_file()
    assert results['comparison.gate("ao < -0.01")']["text/plain"] == "[]"
    assert results["answer"]["text/plain"].startswith("<Recommendation: ")
    assert "backend=onnx" in results["answer"]["text/html"]
    assert "ok: AO 0." in results["again"]["text/plain"]
