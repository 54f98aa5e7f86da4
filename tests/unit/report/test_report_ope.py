"""The section and pictures of one-pass evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmark_folders import boxes, text, write

from harness.publish.submission.reference import Wanted
from harness.publish.submission.scoring import score_all, write_job
from harness.report import native, ope
from harness.report.plots import job_plots
from harness.report.sources import give_labels, load
from harness.scoring.compared import Comparison, Job, Row

TRUTH = {"Deer": boxes(71, 3), "Football1": boxes(74, 4)}


def _jobs(folder: Path, **shifts: float) -> list[Job]:
    """A scored job for each name, whose boxes lie so many pixels beside the truth."""
    for name, truth in TRUTH.items():
        write(folder / "otb" / "anno" / f"{name}.txt", text(truth))
    for job, shift in shifts.items():
        for name, truth in TRUTH.items():
            write(folder / job / f"{name}.txt", text(truth + np.array([shift, 0, 0, 0])))
    scored, references = score_all([folder / job for job in shifts], Wanted(folder / "otb"))
    jobs = []
    for number, (item, against) in enumerate(zip(scored, references, strict=True)):
        jobs.append(load(write_job(item, against, folder / "jobs" / str(number), False, ["score"])))
    give_labels(jobs)
    return jobs


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    return _jobs(tmp_path, far=6.0, near=1.0, lost=90.0)


def test_the_table_has_a_row_for_all_and_for_each_attribute(jobs: list[Job]) -> None:
    [section] = ope.sections(Comparison([Row(job) for job in jobs]))
    assert section.head == ["attribute", "sequences", "far: AUC / P20", "near: AUC / P20", "lost: AUC / P20"]
    rows = {row[0]: row for row in section.body}
    near = jobs[1].metrics
    assert rows["all"][1:4:2] == ["2", f"{near['auc']:.3f} / {near['precision20']:.3f}"]
    assert rows["FM"][1] == "1", "Deer alone is fast"
    assert rows["BC"][1] == "2", "both stand before clutter"


@pytest.mark.parametrize(("kind", "score"), [("success", "auc"), ("precision", "precision20"), ("norm_precision", "norm_precision20")])
def test_a_legend_is_sorted_by_its_plots_score(kind: str, score: str, jobs: list[Job]) -> None:
    [section] = ope.sections(Comparison([Row(job) for job in jobs]))
    [picture] = [item for item in section.pictures if item.key == f"ope_{kind}"]
    legend = [entry.get_text() for entry in picture.figure.axes[0].get_legend().get_texts()]
    ranked = sorted(jobs, key=lambda job: (-job.metrics[score], job.shown))
    assert legend == [f"[{job.metrics[score]:.3f}] {job.shown}" for job in ranked]


def test_each_attribute_has_a_panel(jobs: list[Job]) -> None:
    [section] = ope.sections(Comparison([Row(job) for job in jobs]))
    [picture] = [item for item in section.pictures if item.key == "ope_attributes"]
    titles = [axis.get_title(loc="left") for axis in picture.figure.axes if axis.axison]
    assert titles == [f"{row[0]} ({row[1]})" for row in section.body[1:]]


def test_a_jobs_own_pictures_lie_in_its_folder(tmp_path: Path) -> None:
    [job] = _jobs(tmp_path, near=1.0)
    names = {path.name for path in job_plots(job, job.folder / "plots", print)}
    assert {"ope_success.png", "ope_precision.png", "ope_norm_precision.png", "ope_attributes.png"} <= names
    assert all((job.folder / "plots" / name).stat().st_size > 5000 for name in names)


def test_mlflow_gets_tables_and_curves(jobs: list[Job]) -> None:
    tables, series = native.tables(jobs[1]), native.series(jobs[1])
    assert tables["ope_success"]["share"].mean() == pytest.approx(jobs[1].metrics["auc"])
    assert dict(series["ope/precision"])[20] == pytest.approx(jobs[1].metrics["precision20"])
    assert dict(series["ope/norm_precision"])[20] == pytest.approx(jobs[1].metrics["norm_precision20"])
    assert [step for step, _ in series["ope/success"]] == list(range(0, 101, 5))
    assert set(tables["attributes"]["attribute"]) >= {"BC", "FM"}
    assert {"auc", "precision20", "mean_overlap"} <= set(tables["sequences"].columns)


def test_frames_without_a_valid_truth_are_reported(tmp_path: Path) -> None:
    write(tmp_path / "otb" / "anno" / "Deer.txt", text(np.vstack([TRUTH["Deer"][:-1], np.zeros((1, 4))])))
    write(tmp_path / "one" / "Deer.txt", text(TRUTH["Deer"]))
    scored, references = score_all([tmp_path / "one"], Wanted(tmp_path / "otb", layout="otb"))
    job = load(write_job(scored[0], references[0], tmp_path / "job", False, ["score"]))
    give_labels([job])
    [section] = ope.sections(Comparison([Row(job)]))
    assert section.notes[0].startswith("1 of 71 frames have no valid truth: a frame without a valid truth (four numbers above")


def test_jobs_scored_otherwise_have_no_section(jobs: list[Job]) -> None:
    for job in jobs:
        job.results.details.pop("ope")
    assert ope.sections(Comparison([Row(job) for job in jobs])) == []
