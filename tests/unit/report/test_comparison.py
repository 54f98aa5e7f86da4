"""What is compared with what, what is said about it, and when the gate closes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import make_runs
import pytest

from harness.core.errors import ConfigError
from harness.report import differences, gates
from harness.report.comparison import compare, find_baseline
from harness.report.sources import jobs_of, load
from harness.scoring.compared import Comparison, Job


def pair(tmp_path: Path, **second: Any) -> list[Job]:
    """Two jobs that differ in the backend and in ``second``."""
    make_runs.make_job(tmp_path / "first", "torch", latency_ms=100)
    make_runs.make_job(tmp_path / "second", **({"backend": "onnx", "latency_ms": 50} | second))
    return [load(tmp_path / "first"), load(tmp_path / "second")]


def in_one_sweep(folder: Path, *latencies: float, **settings: Any) -> Comparison:
    """A sweep of jobs a, b, c, ... with these milliseconds a frame, measured in turns."""
    jobs = [{"name": name, "latency_ms": ms, "seed": 7, "overrides": [f"threads={name}"]} for name, ms in zip("abcdef", latencies, strict=False)]
    return compare(jobs_of(make_runs.make_sweep(folder, jobs, ["threads=..."], **settings)))


def warned(found: Comparison, *words: str) -> bool:
    return any(all(word in line for word in words) for line in found.warnings)


def test_the_usual_sweep(tmp_path: Path) -> None:
    found = compare(jobs_of(make_runs.usual(tmp_path / "s")))
    torch, onnx, openvino, int8, failed, skipped = found.rows
    assert found.base is torch
    assert torch.verdict.startswith("torch is the baseline")
    assert onnx.ratio is not None
    assert onnx.ratio.value == pytest.approx(100 / 41, rel=0.01)  # of the measurement in turns, not of the jobs' own fps
    assert onnx.ratio.basis == "8 rounds in turns"
    assert onnx.ratio.low is not None
    assert onnx.ratio.high is not None
    assert onnx.ratio.low <= onnx.ratio.value <= onnx.ratio.high
    assert "AO the same, every box identical" in onnx.verdict
    assert openvino.agreement is not None
    assert 0.99 < openvino.agreement.mean_iou < 1
    assert int8.difference["ao"].excludes(0.0) == -1
    assert ": a loss" in int8.verdict
    assert failed.verdict == "onnx, int8: failed (onnxruntime: <Unsupported> node & friends)."
    assert "skipped" in skipped.verdict
    assert found.headlines[0].startswith("Fastest: openvino, int8")
    assert found.varied == ["backend", "quantization"]
    assert warned(found, "8 sequences only")
    assert warned(found, "onnx", "other load on the machine")


def test_no_loss_shown_and_no_difference_in_speed(tmp_path: Path) -> None:
    found = compare(pair(tmp_path, latency_ms=100, seed=2))
    verdict = found.rows[1].verdict
    assert "no loss shown" in verdict
    assert "[" in verdict
    found = in_one_sweep(tmp_path / "x", 100, 125)
    assert ": slower" in found.rows[1].verdict
    found = in_one_sweep(tmp_path / "y", 100, 100)
    assert ": no difference in speed shown" in found.rows[1].verdict


def test_one_decision_is_reported_once_and_nothing_contradicts_it(tmp_path: Path) -> None:
    fast = in_one_sweep(tmp_path / "fast", 100, 60, 50)
    assert fast.headlines[0].startswith("Fastest: c, 2.0")
    assert "times a." in fast.headlines[0]
    tie = in_one_sweep(tmp_path / "tie", 100, 50, 50.2)
    assert tie.headlines[0].startswith("Fastest, a tie: b (")
    assert " and c (" in tie.headlines[0]
    equal = in_one_sweep(tmp_path / "equal", 100, 100, 100.3)
    assert equal.headlines[0].startswith("None is shown to be faster than a, the baseline: ")
    assert equal.headlines[0].endswith("tie with it.")
    slow = in_one_sweep(tmp_path / "slow", 100, 150, 200)
    assert slow.headlines == ["None is faster than a, the baseline."]


def test_too_many_disturbed_rounds_give_a_command_instead_of_a_winner(tmp_path: Path) -> None:
    found = in_one_sweep(tmp_path / "s", 100, 50, loud=4)
    (line,) = found.headlines
    assert line.startswith("Not decided: others used the machine in 4 of 8 rounds, and 4 quiet ones are too few.")
    assert f"resume={tmp_path / 's'} turns.again=true" in line
    assert found.rows[1].ratio is not None
    assert found.rows[1].ratio.low is None


def test_jobs_not_measured_side_by_side_have_no_interval_and_no_fastest(tmp_path: Path) -> None:
    found = in_one_sweep(tmp_path / "s", 100, 20, turns=False)
    assert found.rows[1].ratio is not None
    assert found.rows[1].ratio.value == pytest.approx(5, rel=0.1)
    assert not found.rows[1].ratio.known
    assert "(no interval: not measured side by side)" in found.rows[1].verdict
    (line,) = found.headlines
    assert "no run is named the fastest" in line
    assert "Fastest" not in " ".join(found.headlines)
    assert "no run is named the fastest, because the runs were not measured side by side" in compare(pair(tmp_path / "loose")).headlines[0]


def test_interleaved_rounds_of_repeats_serve_where_there_are_no_turns(tmp_path: Path) -> None:
    jobs = [{"name": name, "latency_ms": ms, "rounds": 4} for name, ms in (("a", 100), ("b", 50))]
    found = compare(jobs_of(make_runs.make_sweep(tmp_path / "s", jobs, ["threads=1,2"], turns=False)))
    assert found.rows[1].ratio is not None
    assert found.rows[1].ratio.basis == "4 rounds"
    assert found.headlines[0].startswith("Fastest: b, ")


def test_jobs_of_the_same_configuration_in_force_are_marked_and_are_the_noise_floor(tmp_path: Path) -> None:
    sweep = make_runs.make_sweep(tmp_path / "s", [{"name": name} for name in "abc"], ["hint=none,latency,throughput"], turns=False)
    jobs = jobs_of(sweep)
    for job in jobs[:2]:
        job.results.artifact["key"] = "same"
        job.results.config["hint"]["name"] = f"of {job.results.name}"  # asked for differently, the same in force
    make_runs.make_turns(sweep, {jobs[0].id: 100, jobs[1].id: 94, jobs[2].id: 95})
    found = compare(jobs)
    assert found.rows[1].same_as == "a"
    assert "the same configuration in force as a, so that their difference is noise" in found.rows[1].verdict
    assert found.contest.floor == pytest.approx(100 / 94 - 1, abs=0.01)
    assert found.headlines[0].startswith("None is shown to be faster than a")  # 5 % is less than what noise made of equal jobs


def test_random_weights_have_no_accuracy_and_are_named(tmp_path: Path) -> None:
    jobs = pair(tmp_path, random_weights=True)
    found = compare(jobs)
    row = found.rows[1]
    assert row.shown == "onnx [random weights]"
    assert not row.accuracy
    assert not row.difference
    assert row.agreement is None
    assert "random weights have no accuracy" in row.verdict
    assert row.ratio is not None
    assert warned(found, "Random weights")


def test_other_data_or_scoring_are_not_compared_in_accuracy(tmp_path: Path) -> None:
    found = compare(pair(tmp_path, frames=50))
    assert not found.rows[1].difference
    assert found.rows[1].agreement is None
    assert "the data differ" in found.rows[1].verdict
    jobs = pair(tmp_path / "x")
    jobs[1].results.scoring["mask"] = True
    found = compare(jobs)
    assert "the scoring differs (mask is True here and False in the baseline)" in found.rows[1].verdict


def test_other_machines_stand_side_by_side(tmp_path: Path) -> None:
    found = compare(pair(tmp_path, environment={"machine": "ffff", "governor": "powersave"}))
    assert found.rows[1].ratio is None
    assert "measured on different machines" in found.rows[1].verdict
    assert found.machines == {"aaaabbbbcccc": "A", "ffff": "B"}
    assert found.rows[1].difference
    assert warned(found, "another machine")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"environment": {"governor": "powersave"}}, ["governor: powersave against performance"]),
        ({"environment": {"commit": "feed"}}, ["commit: feed against 0123"]),
        ({"environment": {"versions": {**make_runs.VERSIONS, "numpy": "1.0"}}}, ["versions.numpy: 1.0 against 2.4.6"]),
        ({"config": {"threads": 8}}, ["threads: 8 against 2"]),
        ({"config": {"task": {"name": "evaluate", "mode": "serial", "repeats": 1, "warmup": 9}}}, ["task.warmup: 9"]),
    ],
)
def test_what_nobody_asked_to_vary_is_a_warning(tmp_path: Path, change: dict[str, Any], words: list[str]) -> None:
    assert warned(compare(pair(tmp_path, **change)), "onnx (against torch)", *words)


def test_what_the_sweep_varies_is_not_a_warning(tmp_path: Path) -> None:
    jobs = [
        {"backend": "openvino", "config": {"threads": 1}, "overrides": ["threads=1"], "name": "1"},
        {"backend": "openvino", "config": {"threads": 2}, "overrides": ["threads=2"], "name": "2"},
    ]
    found = compare(jobs_of(make_runs.make_sweep(tmp_path / "s", jobs, ["threads=1,2"])))
    assert found.varied == ["threads"]
    assert not warned(found, "threads:")


def test_passing_values_of_the_environment_are_not_a_difference(tmp_path: Path) -> None:
    jobs = pair(tmp_path, environment={"load_1min": 3.5, "memory_available_mb": 17, "hostname": "bench"})
    assert differences.unwanted(jobs[1], jobs[0], ["backend"]) == []


def test_scores_that_the_frames_do_not_give_are_doubted(tmp_path: Path) -> None:
    jobs = pair(tmp_path)
    jobs[1].results.metrics["ao"] += 0.01
    assert warned(compare(jobs), "its frames give")


def test_labels_are_told_apart(tmp_path: Path) -> None:
    names = ["a", "b", "c"]
    for name in names:
        make_runs.make_job(tmp_path / name, "onnx", config={"hint": {"name": "none" if name == "a" else "latency"}})
    jobs = [load(tmp_path / name) for name in names]
    compare(jobs)
    assert [job.label for job in jobs] == ["onnx (none)", "onnx (latency) (b)", "onnx (latency) (c)"]


def test_contended_runs_have_no_latency_but_a_speed(tmp_path: Path) -> None:
    jobs = pair(tmp_path, parallel=True)
    found = compare(jobs)
    assert jobs[1].timed is None
    assert found.rows[1].speed_metric == "pipeline_fps"
    assert found.rows[1].ratio is not None  # pipeline against pipeline: like with like
    ratio = jobs[1].metrics["pipeline_fps"] / jobs[0].metrics["pipeline_fps"]
    assert found.rows[1].ratio.value == pytest.approx(ratio)


def test_runs_of_benchmark_app_alone_are_compared_by_it(tmp_path: Path) -> None:
    jobs = pair(tmp_path)
    for job, value in zip(jobs, (20.0, 30.0), strict=True):
        job.results.metrics = {"benchmark_app/throughput_fps": value}
        (job.folder / "frames.parquet").unlink()
    found = compare(jobs)
    assert found.rows[1].verdict == "onnx is 1.50 times as fast as torch (no interval: not measured side by side)."
    assert not warned(found, "accuracy")


def test_baseline_is_the_first_that_is_well_or_the_one_named(tmp_path: Path) -> None:
    jobs = jobs_of(make_runs.make_sweep(tmp_path / "s", [{"status": "failed"}, {}, {"backend": "onnx"}]))
    assert compare(jobs).base is not None
    assert compare(jobs).base.job is jobs[1]  # type: ignore[union-attr]
    assert find_baseline(jobs, [jobs[2]], "2") is jobs[2]
    with pytest.raises(ConfigError, match="failed"):
        find_baseline(jobs, [jobs[0]], "0")
    with pytest.raises(ConfigError, match="not among"):
        find_baseline(jobs[1:], [jobs[0]], "0")


# ---------------------------------------------------------------------------------------------- gates


@pytest.mark.parametrize(
    ("text", "kind", "limit"),
    [
        ("fps < 0.95x", "ratio", 0.95),
        ("ao<-0.01", "difference", -0.01),
        ("latency_ms/p99 > +5", "difference", 5.0),
        ("fps <= -5%", "percent", -5.0),
        ("agreement/mean_iou < 0.97", "value", 0.97),
        ("rss_mb/peak >= 1e3", "value", 1000.0),
    ],
)
def test_gate_grammar(text: str, kind: str, limit: float) -> None:
    gate = gates.parse(text)
    assert (gate.kind, gate.limit) == (kind, limit)


@pytest.mark.parametrize("text", ["fps", "fps < ", "fps = 3", "< 3", "fps < 3y", "fps < x", "fps < 0x", "__import__('os')", ""])
def test_what_is_not_a_gate_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--fail-if"):
        gates.parse(text)


@pytest.mark.parametrize(
    ("text", "stopped"),
    [
        ("fps < 1.5x", False),
        ("fps < 3x", True),
        ("fps < +50%", False),
        ("ao < -0.01", True),
        ("ao < -0.5", False),
        ("ao < 0.1", False),
        ("agreement/mean_iou < 0.99", True),
        ("latency_ms/p50 > 0.9x", False),
        ("fps_got10k > 1", True),
    ],
)
def test_gate(tmp_path: Path, text: str, stopped: bool) -> None:
    found = compare(pair(tmp_path, noise_px=6.0, seed=5))
    sentences = gates.judge([gates.parse(text)], found)
    assert bool(sentences) == stopped, sentences
    assert all("onnx" in sentence or gates.parse(text).kind == "value" for sentence in sentences)


def test_a_metric_that_nobody_knows_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no run has a metric 'fsp' \(did you mean 'fps'\?\); metrics here: .*ao"):
        gates.judge([gates.parse("fsp < 1")], compare(pair(tmp_path)))


def test_a_gate_that_cannot_be_judged_is_closed(tmp_path: Path) -> None:
    found = compare(pair(tmp_path, environment={"machine": "other"}))
    assert "different machines" in gates.judge([gates.parse("fps < 0.95x")], found)[0]
    found = compare(pair(tmp_path / "x", random_weights=True))
    assert "random weights" in gates.judge([gates.parse("ao < -0.01")], found)[0]
    found = compare(pair(tmp_path / "y", status="failed"))
    assert any("failed" in line for line in gates.judge([gates.parse("ao < -0.01")], found))
    found = compare(pair(tmp_path / "z")[:1])
    assert "no run to judge" in gates.judge([gates.parse("ao < -0.01")], found)[0]


def at_a_rate(folder: Path, ao: float, rule: str = "latency", digest: str = "same") -> Job:
    """A job of ``task=realtime``: no plain AO, no samples per frame."""
    results = make_runs.make_job(folder, "torch")
    (folder / "frames.parquet").unlink()
    results.metrics = {"realtime/30/ao": ao, "realtime/30/dropped": 0.1}
    results.scoring = {**results.scoring, "realtime": rule}
    results.dataset = {**results.dataset, "digest": digest}
    results.save(folder)
    return load(folder)


def test_a_gate_on_accuracy_at_a_rate_judges_runs_without_a_plain_ao(tmp_path: Path) -> None:
    base, worse = at_a_rate(tmp_path / "a", 0.60), at_a_rate(tmp_path / "b", 0.58)
    found = compare([base, worse])
    assert "is -0.02 from the baseline" in gates.judge([gates.parse("realtime/30/ao < -0.01")], found)[0]
    assert gates.judge([gates.parse("realtime/30/ao < -0.05")], found) == []
    assert gates.judge([gates.parse("realtime/30/dropped > 0.2")], found) == []


def test_accuracies_at_a_rate_by_other_rules_or_data_are_not_compared(tmp_path: Path) -> None:
    base, voted = at_a_rate(tmp_path / "a", 0.60), at_a_rate(tmp_path / "b", 0.62, rule="vot, 3 grace frames")
    gate = gates.parse("realtime/30/ao < -0.01")
    assert "realtime is vot, 3 grace frames here and latency" in gates.judge([gate], compare([base, voted]))[0]
    other = at_a_rate(tmp_path / "c", 0.62, digest="other")
    assert "the data differ" in gates.judge([gate], compare([base, other]))[0]
