"""task=benchmark_app: what fits, which settings reach the app, what is warned of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_jobs import small_config, small_experiment

from harness.core.errors import ConfigError, SkipJob
from harness.core.interfaces import GraphSpec
from harness.jobs.experiment import build_experiment
from harness.tasks.benchmark_app import process as app
from harness.tasks.benchmark_app.task import metrics_of, percentile_of, properties, runtime, warnings_of

SETTINGS = app.Settings(Path("model.xml"), GraphSpec("search", (), ()), properties={"INFERENCE_NUM_THREADS": "2"})
REPORT = app.Report(
    50.0, 40.0, 10.0, 200.0, 41.0, 42.0, 30.0, 60.0, 2000.0, 100, 4, "async", True,
    {"INFERENCE_NUM_THREADS": "2", "NUM_STREAMS": "1"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("words", "reason"),
    [(["backend=torch"], "reads ONNX files and IR"), (["backend=openvino", "device=cuda"], "device=cuda")],
)
def test_what_makes_no_sense_is_skipped_with_the_reason(prepared, words, reason):
    with pytest.raises(SkipJob, match=reason):
        build_experiment(small_config(prepared, "task=benchmark_app", *words))


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("task.seconds=0", r"task\.seconds"),
        ("task.percentiles=[0]", r"task\.percentiles"),
        ("task.graph=neck", "graphs of tracker"),
        ("task.inputs=real", r"task\.inputs"),
    ],
)
def test_wrong_settings_are_refused(prepared, word, reason):
    with pytest.raises(ConfigError, match=reason):
        build_experiment(small_config(prepared, "task=benchmark_app", word))


def test_app_gets_the_sessions_precision_and_threads(prepared):
    # this processor would choose bf16 by itself
    config = small_config(prepared, "task=benchmark_app", "backend=openvino", "hint=throughput", "backend.streams=2")
    found = properties(runtime(config, 2), None)
    assert found == {"INFERENCE_NUM_THREADS": "2", "INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "2"}
    assert properties(runtime(config, 2), 4)["NUM_STREAMS"] == "4"


def test_file_of_another_format_gets_the_same_settings(prepared):
    config = small_config(prepared, "task=benchmark_app", "backend=onnx")
    assert properties(runtime(config, 1), None) == {"INFERENCE_NUM_THREADS": "1", "INFERENCE_PRECISION_HINT": "f32"}


def test_percentiles_are_not_taken_for_the_median():
    assert metrics_of(REPORT, SETTINGS)["benchmark_app/latency_ms/median"] == 41.0
    assert "benchmark_app/latency_ms/median" not in metrics_of(REPORT, percentile_of(SETTINGS, 90))
    assert percentile_of(SETTINGS, 90).percentile == 90


def test_noise_and_settings_not_taken_are_warned_of():
    assert warnings_of([REPORT, REPORT], SETTINGS, REPORT) == []
    (line,) = warnings_of([REPORT, replace(REPORT, throughput=56.0)], SETTINGS, REPORT)
    assert "noise" in line
    clamped = replace(REPORT, settings={"INFERENCE_NUM_THREADS": "1"})
    (line,) = warnings_of([clamped], SETTINGS, clamped)
    assert line == "threads: 2 asked for, the device runs with 1."
    (line,) = warnings_of([REPORT], replace(SETTINGS, requests=REPORT.requests + 1), REPORT)
    assert line.startswith(f"requests: {REPORT.requests + 1} asked for")


def test_a_precision_that_the_device_does_not_take_is_warned_of():
    settings = replace(SETTINGS, properties={"INFERENCE_PRECISION_HINT": "f32"})
    other = replace(REPORT, settings={"INFERENCE_PRECISION_HINT": "bfloat16"})
    assert warnings_of([other], settings, other) == ["precision: float32 asked for, the device runs with bfloat16."]


def test_a_synchronous_run_has_one_request(prepared):
    with pytest.raises(ConfigError, match=r"task\.requests is 2.*add task\.api=async"):
        small_experiment(prepared, "backend=openvino", "task=benchmark_app", "hint=latency", "task.requests=2")
