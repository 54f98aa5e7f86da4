"""Sections of recipes and tasks: published tables, drift, rounds, the ladder, the profile."""

from __future__ import annotations

from pathlib import Path

import pytest
from make_runs import make_job, make_sweep

from harness.core.results import Results
from harness.present.section import Section
from harness.report import comparison, page, sections
from harness.report.sources import jobs_of
from harness.report.summary import summarise
from harness.scoring.compared import Comparison
from harness.tasks.explain_gap import ladder as gap_ladder
from harness.tasks.explain_gap.ladder import Round, account


def recipe(name: str, hint: str = "none", backend: str | None = None) -> dict:
    found = {"recipe": name, "hint": {"name": hint}}
    return found | ({"backend": {"name": backend}} if backend else {})


def compared(folder: Path) -> Comparison:
    return comparison.compare(jobs_of(folder))


def section(folder: Path) -> Section:
    (found,) = sections.of(compared(folder))
    return found


def test_table_1_has_our_figures_and_the_published_ones(tmp_path):
    jobs = [{"backend": name, "config": recipe("formats")} for name in ("torch", "onnx", "openvino")]
    found = section(make_sweep(tmp_path, jobs))
    assert [line[0] for line in found.body] == ["PyTorch", "ONNX", "OpenVINO"]
    assert [line[5:] for line in found.body] == [
        ["0.645", "0.748", "0.579", "9.10"],
        ["0.646", "0.748", "0.580", "18.67"],
        ["0.643", "0.745", "0.579", "19.22"],
    ]
    own = Results.load(tmp_path / "1")
    assert found.body[1][1:4] == [f"{own.metrics[name]:.3f}" for name in ("ao", "sr50", "sr75")]
    assert any("Core i3-1005G1" in note and "Made Up CPU" in note for note in found.notes)


def test_published_speed_is_put_beside_the_same_mean(tmp_path):
    make_job(tmp_path / "0", config=recipe("formats"))
    results = Results.load(tmp_path / "0")
    results.metrics |= {"fps": 10.0, "fps_got10k": 11.5}
    results.save(tmp_path / "0")
    assert section(tmp_path).body[0][4] == "11.50"


def test_table_2_names_the_hint(tmp_path):
    jobs = [{"backend": "openvino", "config": recipe("hints", hint)} for hint in ("none", "throughput")]
    found = section(make_sweep(tmp_path, jobs))
    assert [(line[0], line[-1]) for line in found.body] == [
        ("OpenVINO", "19.22"),
        ("OpenVINO with throughput hint", "19.55"),
    ]


def test_table_3_holds_benchmark_app(tmp_path):
    for number, backend in enumerate(("onnx", "openvino")):
        make_job(tmp_path / str(number), backend=backend, config=recipe("benchmark_app", "throughput"))
        results = Results.load(tmp_path / str(number))
        results.metrics = {
            "benchmark_app/throughput_fps": 31.5,
            "benchmark_app/first_inference_ms": 40.25,
            "benchmark_app/latency_ms/average": 63.0,
        }
        results.save(tmp_path / str(number))
    found = section(tmp_path)
    assert found.body == [
        ["ONNX", "31.50", "40.25", "63.00", "26.35", "89.33", "75.76"],
        ["OpenVINO", "31.50", "40.25", "63.00", "27.62", "53.96", "72.27"],
    ]


def test_random_weights_have_no_accuracy_here_either(tmp_path):
    make_job(tmp_path / "0", config=recipe("formats"), random_weights=True)
    results = Results.load(tmp_path / "0")
    results.metrics["ao"] = 0.9  # even if a file said so
    results.save(tmp_path / "0")
    found = section(tmp_path)
    assert found.body[0][1:4] == ["-", "-", "-"]
    assert any("Random weights" in note for note in found.notes)


def drift_sweep(folder: Path, fp16_noise: float) -> Path:
    names = ("torch", "onnx", "openvino_file", "openvino", "openvino_fp16")
    jobs = [
        {"backend": name, "name": name, "seed": 3, "config": recipe("drift"), "noise_px": 3.0 + 0.001 * place}
        for place, name in enumerate(names)
    ]
    jobs[-1]["noise_px"] = fp16_noise
    return make_sweep(folder, jobs)


def test_drift_names_the_path_that_drifts(tmp_path):
    found = section(drift_sweep(tmp_path, 6.0))
    assert [line[-1] for line in found.body] == ["reference", "agrees", "agrees", "agrees", "drifts"]
    assert found.notes[0].startswith("Verdict: openvino_fp16 (")
    assert "0.897" in found.notes[0]


def test_no_drift_is_reported_too(tmp_path):
    found = section(drift_sweep(tmp_path, 3.002))
    assert [line[-1] for line in found.body] == ["reference", *["agrees"] * 4]
    assert "no path drifts here" in found.notes[0]


def test_no_recipe_no_table(tmp_path):
    make_job(tmp_path / "0")
    assert sections.of(compared(tmp_path)) == []


def test_summary_prints_the_table_and_draws_the_chart(tmp_path):
    make_sweep(tmp_path, [{"backend": name, "config": recipe("formats")} for name in ("torch", "onnx")])
    found = summarise(tmp_path)
    assert "Table 1" in found.table
    assert "18.67" in (tmp_path / "summary.md").read_text()
    assert "Table 1" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "plots/published_formats.png").read_bytes()[:4] == b"\x89PNG"


def with_rounds(folder: Path, speeds: list[float]) -> None:
    make_job(folder, rounds=len(speeds))
    results = Results.load(folder)
    results.details["rounds"] = [{"fps": value} for value in speeds]
    results.save(folder)


@pytest.mark.parametrize(("speeds", "last"), [([10.0, 10.5, 9.9], ""), ([10.0, 12.0, 10.0], "noise")])
def test_rounds_are_all_shown_and_noise_is_called_noise(tmp_path, speeds, last):
    with_rounds(tmp_path / "0", speeds)
    found = next(item for item in sections.of(compared(tmp_path)) if item.key == "rounds")
    (line,) = found.body
    assert line[2:5] == [f"{value:.2f}" for value in speeds]
    assert line[-2] == f"{(max(speeds) - min(speeds)) / sorted(speeds)[1]:.1%}"
    assert line[-1] == last


@pytest.mark.usefixtures("blank_pictures")
def test_ladder_becomes_a_table_and_a_waterfall(tmp_path):
    make_job(tmp_path / "0", config={"task": {"name": "explain_gap"}})
    results = Results.load(tmp_path / "0")
    rungs = {key: 30.0 + place for place, key in enumerate(gap_ladder.RUNGS)}
    timers = {"inference": 35.0, "preprocess": 1.0, "postprocess": 1.0, "decode": 1.0}
    ladder = account([Round(rungs, 38.5, timers)] * 5).__dict__
    results.details["ladder"] = {
        **ladder, "once_ms": {"read": 1.0}, "counted": {"statement": "It counts the loop."}, "frames": 30, "requests": 2,
        "sequence": "a",
    }  # fmt: skip
    results.save(tmp_path / "0")
    found = next(item for item in sections.of(compared(tmp_path)) if item.key.startswith("gap"))
    assert len(found.body) == len(gap_ladder.RUNGS) + 1
    assert found.body[0][1:4] == ["30.00", "33.33", ""]
    assert found.body[-1][3] == "+0.50"
    assert "It counts the loop." in found.notes
    summarise(tmp_path)
    assert list((tmp_path / "plots").glob("gap_*.png"))


def test_names_of_runs_are_text_in_a_section(tmp_path):
    make_job(tmp_path / "0")
    own = Section("x", "a <b>", ["h"], [["<script>"]], ["1 < 2"])
    found = page.html(compared(tmp_path), [], "title", "today", sections=[own])
    assert "<script>" not in found
    assert "&lt;script&gt;" in found
    assert "a &lt;b&gt;" in found
    assert "1 &lt; 2" in found
