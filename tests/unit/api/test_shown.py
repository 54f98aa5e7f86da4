"""Runs and comparisons from folders: their values, and how they show themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from make_runs import make_job, make_sweep, usual

import harness
from harness.core.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return usual(tmp_path_factory.mktemp("api") / "outputs/2026-01-01/10-00-00")


def test_importing_the_package_loads_nothing_else() -> None:
    code = "import harness, sys; dir(harness); print(sorted(n for n in sys.modules if n.split('.')[0] in ('harness', 'hydra', 'pandas', 'numpy')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['harness']"


def test_every_name_that_is_promised_is_there() -> None:
    assert all(getattr(harness, name) is not None for name in harness.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        harness.nothing  # noqa: B018


def test_a_run_gives_its_values(tmp_path: Path) -> None:
    results = make_job(tmp_path / "job", "onnx", sequences=2, frames=5)
    run = harness.load(tmp_path / "job")
    assert isinstance(run, harness.Run)
    assert (run.id, run.name, run.status, run.error) == (results.id, "onnx", "ok", "")
    assert run.metrics["fps"] == results.metrics["fps"] and run.config["threads"] == 2
    assert list(run.frames.columns[:3]) == ["sequence", "repetition", "round"] and len(run.frames) == 10
    assert "latency_histogram" in run.figures


def test_a_run_is_a_line_in_a_terminal_and_a_table_in_a_notebook(tmp_path: Path) -> None:
    results = make_job(tmp_path / "job", "onnx", name="<b>odd & name</b>", warnings=["<i>noise</i>"])
    run = harness.Run(tmp_path / "job")
    assert repr(run).startswith("<Run '<b>odd & name</b>' ok: AO ") and f"fps {results.metrics['fps']:.1f}" in repr(run)
    page = run._repr_html_()
    assert "&lt;b&gt;odd &amp; name&lt;/b&gt;" in page and "<b>odd" not in page and "<i>" not in page
    assert f"<td>{results.metrics['fps']:.1f}</td>" in page and "<th>fps</th>" in page


def test_a_figure_is_matplotlibs_and_shows_itself(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    make_job(tmp_path / "job", "onnx")
    run = harness.Run(tmp_path / "job")
    figure = run.figure("latency_histogram")
    assert isinstance(figure, Figure) and figure._repr_png_()[:4] == b"\x89PNG"
    with pytest.raises(ConfigError, match=r"no figure is named 'latency' .*; there are success_curve"):
        run.figure("latency")


def test_what_a_run_does_not_have_is_told_with_its_reason(tmp_path: Path) -> None:
    make_job(tmp_path / "failed", "onnx", status="failed", message="the runtime refused the model")
    failed = harness.Run(tmp_path / "failed")
    assert "failed: the runtime refused the model" in repr(failed) and failed.figures == []
    with pytest.raises(DataError, match=r"has no samples per frame: the run failed \(the runtime refused the model\)"):
        _ = failed.frames
    make_job(tmp_path / "pruned", "onnx")
    (tmp_path / "pruned/frames.parquet").unlink()
    with pytest.raises(DataError, match="'prune' has removed them"):
        _ = harness.Run(tmp_path / "pruned").frames
    with pytest.raises(DataError, match="has no tracks"):
        _ = harness.Run(tmp_path / "pruned").tracks


def test_tracks_are_the_boxes_of_each_sequence(tmp_path: Path) -> None:
    make_job(tmp_path / "job", "onnx")
    for name, text in (("seq_a", "1,2,3,4\n5,6,7,8\n"), ("seq_b", "1.5,2,3,4\n")):
        (tmp_path / "job/tracks" / name).mkdir(parents=True)
        (tmp_path / "job/tracks" / name / f"{name}_001.txt").write_text(text)
    tracks = harness.Run(tmp_path / "job").tracks
    assert {name: boxes.tolist() for name, boxes in tracks.items()} == {
        "seq_a": [[1, 2, 3, 4], [5, 6, 7, 8]], "seq_b": [[1.5, 2, 3, 4]],
    }  # fmt: skip


def test_a_sweep_has_a_table_a_report_and_verdicts(sweep: Path) -> None:
    found = harness.load(sweep)
    assert isinstance(found, harness.Sweep) and len(found) == 6
    assert [run.status for run in found] == ["ok", "ok", "ok", "ok", "failed", "skipped"]
    assert found.table.loc["torch", "baseline"] == 1 and found.table["fps"].notna().sum() == 4
    assert found.table.loc["openvino", "fps"] == found[2].metrics["fps"]
    assert found.report == sweep / "report.html" and found.verdicts
    assert repr(found).startswith("<Sweep of 6 runs, 1 failed, 1 skipped: ")
    page = found._repr_html_()
    assert "torch *" in page and "&lt;Unsupported&gt; node &amp; friends" in page
    assert "fps_bar" in found.figures


def test_a_sweep_is_found_by_an_id_and_one_of_its_jobs_by_its_own(sweep: Path) -> None:
    outputs = sweep.parents[1]
    assert isinstance(harness.load("5" * 8, outputs=outputs), harness.Sweep)
    one = harness.load(harness.load(sweep)[1].id, outputs=outputs)
    assert isinstance(one, harness.Run) and one.name == "onnx"
    with pytest.raises(DataError, match="neither a folder nor the id of a run"):
        harness.load("0" * 8, outputs=outputs)
    with pytest.raises(ConfigError, match="is a bundle"):
        harness.load("runs.zip")


@pytest.mark.usefixtures("without_pictures")
def test_runs_are_compared_and_gated(sweep: Path, tmp_path: Path) -> None:
    runs = harness.load(sweep).runs
    found = harness.compare(runs[0], runs[2].folder, runs[1].id, outputs=sweep.parents[1], out=tmp_path / "out")
    assert [run.name for run in found] == ["torch", "openvino", "onnx"] and found.report.is_file()
    assert found.gate("fps < 1x") == [] and len(found.gate("fps > 1x")) == 2
    other = harness.compare(runs[1], baseline=runs[0], out=tmp_path / "other")
    assert other.table["baseline"].to_dict() == {"torch": 1, "onnx": 0}
    with pytest.raises(ConfigError, match="at least one run"):
        harness.compare()
    with pytest.raises(ConfigError, match="a int is no run"):
        harness.compare(3)


@pytest.mark.usefixtures("without_pictures")
def test_two_sweeps_are_compared_by_configuration(tmp_path: Path) -> None:
    jobs = [{"backend": name, "sequences": 5, "frames": 30} for name in ("torch", "onnx")]
    old, new = (make_sweep(tmp_path / name, jobs) for name in ("old", "new"))
    found = harness.compare(harness.load(old), harness.load(new), out=tmp_path / "out")
    assert len(found) == 4 and [row.against is not None for row in found.found.rows] == [False, False, True, True]
