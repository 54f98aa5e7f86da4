"""summary.csv, summary.md, report.html and the plots: complete, escaped, without network."""

from __future__ import annotations

import base64
import csv
import io
import re
from pathlib import Path

import cv2
import make_runs
import numpy as np
import pytest
from pages import Page

from harness.core.catalog import catalog
from harness.core.errors import DataError
from harness.core.files import write_json
from harness.report import looks, native, plots, sources, summary
from harness.report.comparison import compare
from harness.report.sources import jobs_of, load, resolve

EVIL = "<script>alert(1)</script>\"'&|`"


@pytest.fixture(scope="module")
def summarised(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, summary.Summary]:
    folder = make_runs.usual(tmp_path_factory.mktemp("report") / "sweep")
    return folder, summary.summarise(folder)


@pytest.fixture(scope="module")
def sweep(summarised: tuple[Path, summary.Summary]) -> Path:
    return summarised[0]


def test_summary_returns_what_the_command_line_shows(summarised: tuple[Path, summary.Summary]) -> None:
    sweep, found = summarised
    jobs = jobs_of(sweep)
    lines = found.table.splitlines()
    assert lines[0].split() == ["run", "AO", "SR0.50", "SR0.75", "fps", "p50", "ms", "p90", "ms", "p99", "ms", "peak", "MB",
                                "speed-up", "mean", "IoU"]  # fmt: skip
    assert any(line.startswith("onnx  ") and f"{jobs[1].metrics['ao']:.4f}" in line and "1.0000" in line for line in lines)
    assert any("failed: onnxruntime: <Unsupported> node & friends" in line for line in lines)
    assert set(found.agreement) == {job.id for job in jobs[1:4]}
    assert found.agreement[jobs[1].id]["agreement/identical_boxes"] == 1.0
    assert found.agreement[jobs[3].id]["agreement/first_divergent_frame"] == 1.0
    assert all(path.is_file() for path in found.files)
    assert not list(sweep.glob(".*"))  # nothing half written


def test_csv_holds_every_metric_in_full(sweep: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((sweep / "summary.csv").read_text())))
    jobs = jobs_of(sweep)
    assert [row["status"] for row in rows] == ["ok"] * 4 + ["failed", "skipped"]
    for row, job in zip(rows, jobs, strict=True):
        assert row["id"] == job.id
        for name, value in job.metrics.items():
            assert float(row[name]) == value
    assert rows[0]["baseline"] == "1"
    assert float(rows[1]["speed_up_low"]) < float(rows[1]["speed_up"]) < float(rows[1]["speed_up_high"])
    assert rows[3]["quantization"] == "int8"
    assert rows[4]["error"] == "onnxruntime: <Unsupported> node & friends"


def test_page_explains_itself_and_loads_nothing(sweep: Path) -> None:
    text = (sweep / "report.html").read_text()
    page = Page(text)
    assert not page.open
    assert {"script", "link", "iframe", "object"}.isdisjoint(tag for tag, _ in page.tags)
    for _, attributes in page.tags:
        for key in ("src", "href"):
            if key in attributes:
                assert re.match(r"data:image/svg\+xml;base64,|#", attributes[key] or "")
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import", text)
    body = " ".join(page.text.values())
    for words in ("python -m harness -m backend=torch,onnx,openvino", "Made Up CPU", "openvino 2026.4.1", "baseline",
                  "8 sequences, 480 frames", "governor performance", "higher is better", "No loss shown"):  # fmt: skip
        assert words in body, words
    assert "torch" in page.text["results"]
    assert "frames/s ↑" in page.text["results"]
    assert "2.4" in page.text["results"]
    assert "never" in page.text["agreement"]
    figures = [attributes["id"] for tag, attributes in page.tags if tag == "figure"]
    assert figures == ["fps_bar", "accuracy_bar", "accuracy_speed", "success_curve", "latency_histogram", "latency_trace",
                       "stages", "sequences", "parting"]  # fmt: skip


def test_pictures_are_whole(sweep: Path) -> None:
    page = Page((sweep / "report.html").read_text())
    images = [attributes["src"] or "" for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 9
    for image in images:
        assert base64.b64decode(image.partition(",")[2]).rstrip().endswith(b"</svg>")
    for path in (sweep / "plots").glob("*.png"):
        picture = cv2.imread(str(path))
        assert picture is not None
        assert picture.std() > 5  # something is drawn


@pytest.mark.usefixtures("blank_pictures")
def test_text_from_runs_is_never_markup(tmp_path: Path) -> None:
    jobs = [
        {"name": EVIL, "warnings": [EVIL], "environment": {"processor": EVIL, "versions": {EVIL: EVIL}}},
        {"backend": "onnx", "name": f"=HYPERLINK({EVIL})", "config": {"tracker": {"name": EVIL}}},
        {"status": "failed", "message": EVIL},
    ]
    folder = make_runs.make_sweep(tmp_path / "sweep", jobs, [f"tracker={EVIL}"])
    summary.summarise(folder)
    text = (folder / "report.html").read_text()
    assert "<script" not in text.lower()
    assert not Page(text).open
    markdown = (folder / "summary.md").read_text()
    assert not re.search(r"(?<!\\)<script", markdown)
    rows = list(csv.DictReader(io.StringIO((folder / "summary.csv").read_text())))
    assert rows[0]["run"] == EVIL
    assert rows[1]["run"].startswith("'=")


@pytest.mark.usefixtures("blank_pictures")
def test_random_weights_are_named_wherever_the_run_is(tmp_path: Path) -> None:
    jobs = [{"backend": name, "random_weights": True} for name in ("torch", "onnx")]
    folder = make_runs.make_sweep(tmp_path / "sweep", jobs)
    found = summary.summarise(folder)
    assert "onnx [random weights]" in found.table
    assert found.agreement == {}
    page = Page((folder / "report.html").read_text())
    assert page.text["results"].count("torch baseline random weights") == 1
    assert page.text["results"].count("onnx random weights") == 1
    assert "random weights" in (folder / "summary.md").read_text()
    row = next(line for line in found.table.splitlines() if line.startswith("onnx"))
    assert row.replace("onnx [random weights]", "").split()[:3] == ["-", "-", "-"]


@pytest.mark.usefixtures("blank_pictures")
def test_parallel_runs_show_no_latency(tmp_path: Path) -> None:
    folder = make_runs.make_sweep(tmp_path / "sweep", [{"parallel": True}, {"parallel": True, "backend": "onnx"}])
    table = summary.summarise(folder).table
    assert "p50" not in table
    assert "pipeline" in table
    assert not (folder / "plots" / "latency_histogram.png").exists()


@pytest.mark.usefixtures("blank_pictures")
def test_a_sweep_without_any_good_job_still_has_a_page(tmp_path: Path) -> None:
    folder = make_runs.make_sweep(tmp_path / "sweep", [{"status": "failed"}, {"status": "skipped"}])
    found = summary.summarise(folder)
    assert "failed: the runtime refused the model" in found.table
    assert "the runtime refused the model" in (folder / "report.html").read_text()


@pytest.mark.usefixtures("blank_pictures")
def test_a_single_job_has_a_page(tmp_path: Path) -> None:
    make_runs.make_job(tmp_path / "job")
    found = summary.summarise(tmp_path / "job")
    assert "baseline" not in found.table
    assert "baseline" not in Page((tmp_path / "job" / "report.html").read_text()).text[""].lower()


@pytest.mark.usefixtures("blank_pictures")
def test_two_machines_are_told_apart(tmp_path: Path) -> None:
    jobs = [{}, {"backend": "onnx", "environment": {"machine": "ffff", "processor": "Another CPU"}}]
    folder = make_runs.make_sweep(tmp_path / "sweep", jobs)
    table = summary.summarise(folder).table
    assert table.splitlines()[0].split()[1] == "machine"
    assert "speed-up  " not in table
    assert "Another CPU" in (folder / "report.html").read_text()


def test_job_plots(tmp_path: Path) -> None:
    make_runs.make_job(tmp_path / "job")
    names = {path.name for path in plots.job_plots(load(tmp_path / "job"), tmp_path / "job/plots", print)}
    assert names == {"success_curve.png", "latency_histogram.png", "latency_trace.png", "stages.png"}
    make_runs.make_job(tmp_path / "bad", status="failed")
    assert plots.job_plots(load(tmp_path / "bad"), tmp_path / "bad/plots", print) == []


def test_each_run_looks_different_and_a_backend_keeps_its_colour(sweep: Path) -> None:
    jobs = jobs_of(sweep)[:4]
    found = looks.styles(jobs)
    assert len({look.color for look in found.values()}) == 4
    alone = looks.styles([jobs[1]])
    assert alone[jobs[1].folder].color == found[jobs[1].folder].color


# --------------------------------------------------------------------------------------------- MLflow


def test_native_forms(tmp_path: Path) -> None:
    results = make_runs.make_job(tmp_path / "job")
    found = native.series(tmp_path / "job")
    curve = dict(found["success_curve"])
    assert sorted(curve) == list(range(101))
    assert curve[50] == pytest.approx(results.metrics["sr50"])
    assert found["sequence/ao"] == [(i, results.sequences[f"seq_{i:03d}"]["ao"]) for i in range(8)]
    assert dict(found["latency_ms/by_percentile"])[90] == pytest.approx(results.metrics["latency_ms/p90"])
    made = native.tables(tmp_path / "job")
    assert set(made) == {"sequences", "success_curve", "latency_percentiles", "stages"}
    assert list(made["sequences"]["sequence"])[:2] == ["seq_000", "seq_001"]
    stored = native.columns_and_data(made["stages"])
    assert stored["columns"] == ["stage", "p50_ms"]
    assert ["decode", pytest.approx(3.0)] in stored["data"]


def test_native_forms_of_random_weights_have_no_accuracy(tmp_path: Path) -> None:
    make_runs.make_job(tmp_path / "job", random_weights=True)
    assert set(native.series(tmp_path / "job")) == {"latency_ms/by_percentile"}
    assert "ao" not in native.tables(tmp_path / "job")["sequences"]


# -------------------------------------------------------------------------------------------- sources


def test_runs_are_found_by_folder_id_and_mlflow_id(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    sweep = make_runs.make_sweep(outputs / "2026-01-01" / "sweep", [{}, {"backend": "onnx"}])
    second = load(sweep / "1")
    write_json(sweep / "1" / "mlflow.json", {"run_id": "abcdef0123456789", "uri": "sqlite:///x"})
    write_json(sweep / "mlflow.json", {"run_id": "fedcba9876543210"})
    assert [job.folder for job in resolve(str(sweep), outputs)] == [sweep / "0", sweep / "1"]
    for word in (str(sweep / "1"), str(sweep / "1" / "results.json"), second.id, second.id[:8], "ABCDEF01"):
        assert [job.folder for job in resolve(word, outputs)] == [sweep / "1"], word
    for word in ("fedcba", "5" * 32):
        assert len(resolve(word, outputs)) == 2


@pytest.mark.parametrize("word", ["nothing", "abc", "../..", "zzzzzz", ""])
def test_what_is_not_a_run_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "here/now").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here/now")
    with pytest.raises(DataError):
        resolve(word or str(tmp_path / "outputs"), tmp_path / "outputs")


def test_an_id_that_fits_several_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_runs.make_job(tmp_path / name)
        write_json(tmp_path / name / "mlflow.json", {"run_id": f"abcdef{name}{name}"})
    with pytest.raises(DataError, match="fits 2 runs"):
        resolve("abcdef", tmp_path)


def test_jobs_keep_the_sweeps_order_and_lost_ones_are_seen(tmp_path: Path) -> None:
    sweep = make_runs.make_sweep(tmp_path / "sweep", [{"name": str(number)} for number in range(11)])
    (sweep / "3" / "results.json").unlink()
    jobs = jobs_of(sweep)
    assert [job.number for job in jobs] == [str(number) for number in range(11)]
    assert jobs[3].results.status == "failed"
    assert "left no results.json" in compare(jobs).rows[3].verdict


def test_bundles_are_opened_by_who_knows_them(tmp_path: Path) -> None:
    unpacked = tmp_path / "elsewhere"
    sweep = make_runs.make_sweep(unpacked / "sweeps" / "5", [{}, {"backend": "onnx"}, {"backend": "openvino"}])
    make_runs.make_job(unpacked / "jobs" / "a", "onnx", latency_ms=30)
    order = ["jobs/a", "sweeps/5/2", "sweeps/5/0"]  # a part of the sweep, in the order that was asked for
    write_json(unpacked / "manifest.json", {"runs": [{"folder": place} for place in order]})
    bundle = tmp_path / "b.zip"
    bundle.write_bytes(b"PK")
    found = resolve(str(bundle), tmp_path, unpack=lambda path: unpacked)
    assert [job.folder for job in found] == [unpacked / place for place in order]
    assert [job.sweep for job in found] == [None, sweep, sweep]
    assert [job.folder for job in resolve(str(unpacked), tmp_path)] == [job.folder for job in found]
    with pytest.raises(DataError, match="bundle"):
        resolve(str(bundle), tmp_path)
    write_json(unpacked / "manifest.json", {"runs": [{"folder": "../../etc"}]})
    with pytest.raises(DataError, match="outside"):
        resolve(str(unpacked), tmp_path)


def test_the_best_is_marked_in_the_direction_that_is_better() -> None:
    better = {entry.name: entry.better for entry in catalog()}
    assert better["fps"] == better["ao"] == better["speed_up"] == "higher"
    assert better["latency_ms/p99"] == better["rss_mb/peak"] == better["model_mb"] == "lower"


def test_damaged_frames_are_reported(tmp_path: Path) -> None:
    make_runs.make_job(tmp_path / "job")
    (tmp_path / "job" / "frames.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match=r"frames\.parquet cannot be read"):
        _ = sources.load(tmp_path / "job").frames


def test_success_curve_is_the_frames(tmp_path: Path) -> None:
    make_runs.make_job(tmp_path / "job")
    job = load(tmp_path / "job")
    assert job.frames is not None
    values = job.frames.loc[job.frames["scored"], "iou"].to_numpy()
    assert dict(native.series(job)["success_curve"])[75] == pytest.approx(np.mean(values > 0.75))
