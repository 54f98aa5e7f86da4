"""Which of existing runs to deploy: ``compare --recommend``, over drawn runs whose figures are known."""

from __future__ import annotations

import re
from pathlib import Path

import make_runs
import pytest

from harness.cli.main import main
from harness.report import advice, choice
from harness.report.comparison import compare
from harness.report.recommended import front
from harness.report.sources import jobs_of


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """torch 100 ms, onnx 41 ms, openvino 36 ms, openvino int8 25 ms with a sequence lost."""
    return make_runs.usual(tmp_path / "outputs" / "2026-01-01" / "10-00-00")


def recommended(sweep: Path, *words: str) -> int:
    return main(["compare", str(sweep), "--out", str(sweep / "out"), "--recommend", *words])


@pytest.mark.usefixtures("without_pictures")
def test_compare_recommends_the_fastest_that_keeps_the_accuracy(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert recommended(sweep, "--require", "ao >= -0.01") == 0
    said = capsys.readouterr().out
    assert re.search(r"openvino: 2\.78 \[2\.[67]\d, 2\.[89]\d\] times torch, AO -0\.001", said)  # 100 / 36
    assert "does not fulfil ao >= -0.01 (it is -0.0" in said
    assert "Run it: python -m harness backend=openvino" in said and f"Export it: python -m harness export {sweep}/2 -o recommended" in said
    assert "Without 'ao >= -0.01': openvino, int8" in said and "If accuracy came first (ao): torch: " in said
    assert "What can be had" in (sweep / "out/report.html").read_text()


@pytest.mark.usefixtures("without_pictures")
def test_compare_of_which_nothing_fits_exits_with_1_and_names_the_nearest(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert recommended(sweep, "--require", "fps >= 10x") == 1
    said = capsys.readouterr().out
    assert "Nothing fits. Nearest: openvino, int8: " in said and "it lacks fps >= 10x (it is 3.8" in said


@pytest.mark.usefixtures("without_pictures")
def test_compare_takes_the_options_of_a_recommendation_with_recommend_alone(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(sweep), "--require", "fps >= 1"]) == 2
    assert "add --recommend" in capsys.readouterr().err
    assert recommended(sweep, "--maximize", "fpz") == 2
    assert "did you mean 'fps'" in capsys.readouterr().err


@pytest.mark.usefixtures("without_pictures")
def test_compare_of_two_machines_gives_an_answer_for_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = {**make_runs.ENVIRONMENT, "machine": "ddddeeeeffff"}
    runs = []
    for number, (backend, latency, place) in enumerate([("torch", 100, None), ("onnx", 50, None), ("torch", 40, other), ("openvino", 20, other)]):
        make_runs.make_job(tmp_path / str(number), backend, latency_ms=latency, seed=3, environment=place, overrides=[f"backend={backend}"])
        runs.append(str(tmp_path / str(number)))
    assert main(["compare", *runs, "--out", str(tmp_path / "out"), "--recommend"]) == 0
    said = capsys.readouterr().out
    assert "Recommendation (machine A)" in said and "Recommendation (machine B)" in said
    # 100 / 50 and 40 / 20, as drawn: each against its own machine's torch
    assert re.search(r"onnx: (1\.9|2\.0)\d times torch", said) and re.search(r"openvino: (1\.9|2\.0)\d times torch", said)
    assert main(["compare", *runs, "--out", str(tmp_path / "out"), "--recommend", "--require", "fps >= 30"]) == 1  # A has none, B has
    said = capsys.readouterr().out
    assert "Nothing fits. Nearest: onnx" in said and re.search(r"openvino: \S+ times torch", said)


def test_pareto_set_holds_what_no_other_beats_in_every_objective(sweep: Path) -> None:
    found = compare(jobs_of(sweep))
    chosen, told = advice.advise(found, choice.objectives(["fps", "ao"], []), [])
    assert chosen.kind == "pareto"
    fronted = {row.shown for row in chosen.rows}
    points = {row.shown: (row.job.metrics["fps"], row.job.metrics["ao"]) for row in found.well}
    for name, (speed, accuracy) in points.items():
        beaten = any(s >= speed and a >= accuracy and (s, a) != (speed, accuracy) for s, a in points.values())
        assert (name in fronted) != beaten
    assert told.sentence.count("times torch") >= 1


def test_front_of_points_by_hand() -> None:
    points = [(1.0, 5.0), (2.0, 4.0), (2.0, 3.0), (3.0, 1.0), (0.5, 4.0)]
    assert front(points, True, True) == [(1.0, 5.0), (2.0, 4.0), (3.0, 1.0)]
    assert front(points, True, False) == [(3.0, 1.0)]
    assert front(points, False, True) == [(0.5, 4.0), (1.0, 5.0)]
