"""Runs become series: never mixed between machines, data or settings; changes name commit and environment."""

from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make_runs import ENVIRONMENT, VERSIONS, make_job

from harness.core.errors import ConfigError, DataError
from harness.core.results import Results
from harness.report.history import reading, series as histories, show
from harness.report.history.values import interval_of
from harness.report.sources import load
from harness.scoring.compared import Job


def job(folder: Path, day: int, fps: float = 100.0, ao: float = 0.7, backend: str = "onnx", config: dict[str, Any] | None = None, **environment: Any) -> Job:
    """A run that ended on a day of January, with these figures and no samples."""
    results = Results(
        id=f"{folder.name}{day:02d}".encode().hex().ljust(32, "0")[:32],
        name=backend,
        status="ok",
        config={
            "backend": {"name": backend}, "tracker": {"name": "smat_demo"}, "dataset": {"name": "demo", "root": str(folder)},
            "task": {"name": "evaluate", "repeats": 1}, "threads": 2, "resume": "off", "mlflow": {"root": str(folder)}, **(config or {}),
        },
        metrics={"fps": fps, "ao": ao},
        environment={**ENVIRONMENT, **environment},
        artifact={"key": "a" * 64},
        dataset={"digest": "d" * 64, "truth": True},
        started=f"2026-01-{day:02d}T10:00:00.000+00:00",
        ended=f"2026-01-{day:02d}T10:05:00.000+00:00",
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    results.save(folder)
    return load(folder)


@pytest.fixture
def nightly(tmp_path: Path) -> list[Job]:
    """Ten nights; on the seventh another OpenVINO came with another commit, and the speed fell by a fifth."""
    speeds = [100, 101, 99, 100.5, 99.5, 100, 80, 80.5, 79.5, 80]
    found = []
    for day, fps in enumerate(speeds, 1):
        late = day >= 7
        more = {"commit": ("b" if late else "a") * 40, "governor": "powersave" if late else "performance", "load_1min": day}
        versions = {**VERSIONS, "openvino": "2026.5.0" if late else VERSIONS["openvino"]}
        found.append(job(tmp_path / f"run{day}", day, fps, ao=0.7 if day < 9 else 0.69, versions=versions, **more))
    return found


def test_a_change_is_named_with_time_size_commits_and_environment(nightly: list[Job]) -> None:
    (found,) = histories.series_of(nightly, "fps")
    (change,) = found.changes
    assert change.text(found.metric) == (
        "2026-01-07 10:05: fps fell from 100.0 to 80.0 (-20.0%), worse, between commits aaaaaaa and bbbbbbb: "
        "governor performance -> powersave; openvino 2026.4.1 -> 2026.5.0."
    )


def test_an_accuracy_changes_by_a_difference_that_speeds_would_not_notice(nightly: list[Job]) -> None:
    (found,) = histories.series_of(nightly, "ao")
    assert [level.first for level in found.levels] == [0, 8]
    assert "AO fell from 0.7000 to 0.6900, worse, at commit bbbbbbb: nothing else that is recorded differs." in found.changes[0].text(found.metric)


def test_the_newest_run_alone_is_to_be_confirmed(nightly: list[Job]) -> None:
    (found,) = histories.series_of(nightly[:7], "fps")
    assert "one run so far, to be confirmed" in found.changes[0].text(found.metric)


def test_machines_data_and_settings_are_never_mixed(tmp_path: Path) -> None:
    jobs = [
        job(tmp_path / "a", 1, 100),
        job(tmp_path / "b", 2, 50, machine="ffff00001111"),
        job(tmp_path / "c", 3, 70, backend="torch"),
        job(tmp_path / "d", 4, 60, config={"threads": 1}),
        job(tmp_path / "e", 5, 101, config={"task": {"name": "evaluate", "repeats": 3}}),
    ]
    other = job(tmp_path / "f", 6, 100)
    other.results.dataset["digest"] = "e" * 64
    found = histories.series_of([*jobs, other], "fps")
    assert [[point.value for point in item.points] for item in found] == [[100, 101], [50], [70], [60], [100]]
    assert len({item.title for item in found}) == 5
    assert [item.title for item in found][2] == "backend=torch" and "threads=1" in found[3].title


def test_random_weights_have_no_accuracy_in_a_history(tmp_path: Path) -> None:
    only = job(tmp_path / "a", 1)
    only.results.scoring["random_weights"] = True
    assert len(histories.series_of([only], "fps")) == 1
    with pytest.raises(ConfigError, match="no run here has the metric 'ao'"):
        histories.series_of([only], "ao")


def test_an_unknown_metric_is_told_with_what_there_is(nightly: list[Job]) -> None:
    with pytest.raises(ConfigError, match=r"'fsp' \(did you mean 'fps'\?\); metrics of these runs: ao, fps"):
        histories.series_of(nightly, "fsp")


def test_conditions_choose_runs(tmp_path: Path, nightly: list[Job]) -> None:
    jobs = [*nightly, job(tmp_path / "t", 20, backend="torch", machine="ffff00001111")]
    assert len(histories.chosen(jobs, ["backend=torch"])) == 1
    assert len(histories.chosen(jobs, ["machine=ffff"])) == 1
    assert len(histories.chosen(jobs, ["commit=bbb", "threads=2"])) == 4
    assert histories.chosen(jobs, ["threads=3"]) == []
    with pytest.raises(ConfigError, match=r"no run here has the setting 'backnd' \(did you mean 'backend'\?\)"):
        histories.chosen(jobs, ["backnd=onnx"])
    with pytest.raises(ConfigError, match="'onnx' is not a condition"):
        histories.chosen(jobs, ["onnx"])


def test_runs_are_read_once_without_following_links_and_damaged_ones_are_told(tmp_path: Path) -> None:
    inside, outside = tmp_path / "outputs", tmp_path / "elsewhere"
    first, second = job(inside / "2026/2", 2), job(inside / "2026/1", 1)
    job(outside / "x", 3)
    (inside / "link").symlink_to(outside)
    job(inside / "cache/y", 4)
    copy = tmp_path / "mlruns/artifacts/r/artifacts"
    copy.mkdir(parents=True)
    first.results.save(copy)
    (inside / "2026/3").mkdir()
    (inside / "2026/3/results.json").write_text("{")
    failed = job(inside / "2026/4", 5)
    failed.results.status = "failed"
    failed.results.save(failed.folder)
    said: list[str] = []
    found = reading.runs(reading.roots_of(inside, tmp_path / "mlruns"), said.append)
    assert [item.id for item in found] == [second.id, first.id] and found[1].folder == inside / "2026/2"
    assert len(said) == 1 and "2026/3" in said[0]
    with pytest.raises(DataError, match="do not exist"):
        reading.roots_of(tmp_path / "none", tmp_path / "nor")


def test_a_value_has_the_interval_of_its_frames_or_rounds(tmp_path: Path) -> None:
    make_job(tmp_path / "one", sequences=6, frames=60)
    found = load(tmp_path / "one")
    fps, ao = interval_of(found, "fps"), interval_of(found, "ao")
    assert fps.known and fps.low < found.metrics["fps"] < fps.high and "blocks" in fps.basis
    assert ao.known and "6 sequences" in ao.basis
    assert not interval_of(found, "rss_mb/peak").known
    found.results.details["rounds"] = [{"rss_mb/peak": value} for value in (99.0, 100.0, 101.0)]
    memory = interval_of(found, "rss_mb/peak")
    # Student's t with two degrees of freedom is 4.3027; the logarithms lie 0.01 apart
    assert np.log(memory.high / memory.low) == pytest.approx(2 * 4.3027 * 0.01 / 3**0.5, rel=1e-3)


def test_the_files_hold_every_run(tmp_path: Path, nightly: list[Job]) -> None:
    series = histories.series_of(nightly, "fps")
    warnings: list[str] = []
    made = show.sections(series, shown=4)
    page = show.write(made, series, tmp_path / "out", "History <of> fps", warnings)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out/history.csv").read_text())))
    assert [float(row["value"]) for row in rows] == [point.value for point in series[0].points]
    assert [row["level"] for row in rows] == ["1"] * 6 + ["2"] * 4
    html = page.read_text()
    assert "History &lt;of&gt; fps" in html and html.count("<figure") == 1 and "fell from 100.0 to 80.0" in html
    assert (tmp_path / "out/history_1.png").read_bytes()[:4] == b"\x89PNG" and warnings == []
    assert "The 6 runs before are left out here." in made[0].text() and made[0].text().count("2026-01-") == 4 + 1
    assert "- machine A: Made Up CPU" in (tmp_path / "out/history.md").read_text()


def test_a_row_tells_the_step_and_the_change(nightly: list[Job]) -> None:
    (section,) = show.sections(histories.series_of(nightly, "fps"), pictures=False)
    assert section.body[0][3] == "-" and section.body[6][3] == "-20.0%" and section.body[6][-1] == "<- worse"
    assert section.body[6][4] == "bbbbbbb" and section.pictures == []


def test_few_runs_are_said_to_be_few(tmp_path: Path) -> None:
    one = histories.series_of([job(tmp_path / "a", 1)], "fps")
    assert show.sections(one)[0].notes == ["One run: nothing to compare it with."] and show.sections(one)[0].pictures == []
    two = histories.series_of([job(tmp_path / "a", 1), job(tmp_path / "b", 2, 104)], "fps")
    assert "So few runs do not tell how far equal runs differ" in show.sections(two)[0].notes[0]


def test_a_change_to_the_better_of_a_lower_metric(tmp_path: Path) -> None:
    jobs = [job(tmp_path / f"r{day}", day) for day in range(1, 9)]
    for number, item in enumerate(jobs):
        item.results.metrics["latency_ms/p99"] = 30.0 if number < 4 else 20.0
    (found,) = histories.series_of([dataclasses.replace(item) for item in jobs], "latency_ms/p99")
    assert found.changes[0].better == 1 and "better" in found.changes[0].text(found.metric)


def test_damaged_samples_of_one_run_cost_its_interval_and_not_the_history(tmp_path: Path) -> None:
    found = [job(tmp_path / "a", 1), job(tmp_path / "b", 2)]
    (tmp_path / "b/frames.parquet").write_bytes(b"no parquet")
    (series,) = histories.series_of(found, "ao")
    assert [point.value for point in series.points] == [0.7, 0.7]
    assert not series.points[1].interval.known
