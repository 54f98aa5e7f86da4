from __future__ import annotations

from section_rows import compared, row

from harness.tasks.evaluate.section import sections

TARGET = {"target_fps": 30.0}


def test_each_run_with_a_target_has_one_verdict() -> None:
    good = row("good", config=TARGET, metrics={"budget/over": 0.0, "latency_ms/p99": 11.2})
    bad = row("bad", config=TARGET, metrics={"budget/over": 0.04, "latency_ms/p99": 51.0})
    [section] = sections(compared(good, bad))
    assert section.body == [["good", "30 fps", "11.2", "33.3", "0.0%"], ["bad", "30 fps", "51.0", "33.3", "4.0%"]]
    assert section.notes == [
        "good keeps up with 30 fps: p99 11.2 ms of 33.3.",
        "bad misses 30 fps on 4.0% of frames: p99 51.0 ms of 33.3.",
    ]


def test_a_parallel_run_is_not_judged() -> None:
    [section] = sections(compared(row("parallel", config=TARGET, metrics={"pipeline_fps": 90.0})))
    assert section.body == [["parallel", "30 fps", "-", "33.3", "-"]]
    assert "not judged by 30 fps" in section.notes[0]


def test_without_a_target_there_is_no_section() -> None:
    assert sections(compared(row("plain", metrics={"latency_ms/p99": 11.2}))) == []
