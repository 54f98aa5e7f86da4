"""The pages on adding a product, followed word for word."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from command_line import ROOT
from doc_pages import follow
from fakes import tiny_dataset
from ready_children import Ready

LOCAL = ["mlflow=off"]


def well(outcomes: list) -> None:
    for done in outcomes:
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory, prepared: Path, imports: Ready) -> Path:
    """The folder in which the page on tasks was followed; the pages on metrics and sections go on from there."""
    folder = tmp_path_factory.mktemp("task")
    well(follow("docs/add-a-task.md", folder, prepared, imports, *LOCAL, "hydra.sweep.dir=outputs/it"))
    return folder


def copied(task: Path, folder: Path) -> Path:
    """A copy, so that the pages on metrics and sections do not see each other's package."""
    shutil.copytree(task, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("it", "cache"))
    return folder


def test_the_page_on_backends_gives_the_boxes_of_onnx_runtime(tmp_path: Path, prepared: Path, imports: Ready) -> None:
    root = tiny_dataset(tmp_path / "data", 1, size=(160, 120))  # ONNX's own evaluator takes its time over a frame
    few = ["dataset=folder", f"dataset.root={root}", "dataset.split=val"]
    well(follow("docs/add-a-backend.md", tmp_path, prepared, imports, *LOCAL, *few, "hydra.sweep.dir=outputs/it"))
    table = pd.read_csv(tmp_path / "outputs/it/summary.csv")
    assert list(table["backend"]) == ["onnx", "reference"]
    assert table["agreement/mean_iou"][1] > 0.999
    described = json.loads((tmp_path / "outputs/it/1/results.json").read_text())["effective"]
    assert described["runtime"].endswith("reference evaluator")


def test_the_page_on_data_sets_tracks_every_clip_and_scores_it(tmp_path: Path, prepared: Path, imports: Ready) -> None:
    well(follow("docs/add-a-dataset.md", tmp_path, prepared, imports, *LOCAL, "hydra.run.dir=outputs/it"))
    found = json.loads((tmp_path / "outputs/it/results.json").read_text())
    assert set(found["sequences"]) == {"clip_1", "clip_2"}
    assert found["dataset"]["frames"] == 16 and found["metrics"]["ao"] > 0.5


def test_the_page_on_tasks_measures_starts(task: Path) -> None:
    table = pd.read_csv(task / "outputs/it/summary.csv")
    assert list(table["task"]) == ["starting", "starting"]
    found = json.loads((task / "outputs/it/0/results.json").read_text())
    seconds = sorted(found["details"]["seconds"])
    assert len(seconds) == 20
    assert found["metrics"]["starting/ms"] == pytest.approx(500 * (seconds[9] + seconds[10]))


def test_the_page_on_metrics_gives_a_column_and_a_gate(task: Path, tmp_path: Path, prepared: Path, imports: Ready) -> None:
    place = copied(task, tmp_path)
    outcomes = follow("docs/add-a-metric.md", place, prepared, imports, *LOCAL)
    well(outcomes)
    _, sweep, gate = outcomes
    assert "start ms" in sweep.stdout and "starts/s" not in sweep.stdout
    assert "Gate: passed" in gate.stdout
    assert "start ms" in (place / "outputs/gate/report.html").read_text()


def test_the_page_on_sections_is_in_the_report(task: Path, tmp_path: Path, prepared: Path, imports: Ready) -> None:
    place = copied(task, tmp_path)
    well(follow("docs/add-a-section.md", place, prepared, imports, *LOCAL))
    page = (place / "outputs/started/report.html").read_text()
    assert "How long a start takes" in page and "The first start warms up and is left out." in page
    assert "slowest start ms" in (place / "outputs/started/summary.md").read_text()


def test_every_page_on_adding_a_product_is_linked_from_the_contributors_page() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    pages = sorted(page.name for page in (ROOT / "docs").glob("add-a-*.md"))
    assert len(pages) == 6 and all(f"docs/{page}" in text for page in pages)
