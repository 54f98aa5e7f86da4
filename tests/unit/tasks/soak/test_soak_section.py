from __future__ import annotations

from pathlib import Path
from typing import Any

from section_rows import compared, row

from harness.present.picture import png
from harness.scoring.compared import Row
from harness.tasks.soak.sampler import Sample
from harness.tasks.soak.section import sections
from harness.tasks.soak.store import SAMPLES, as_csv

CHANGE = {"second": 300.0, "before": 50.0, "after": 40.0, "share": -0.2, "with": [], "sentence": "Speed fell after 300 s."}


def job(folder: Path, flagged: bool = False, changes: Any = (), **metrics: float) -> Row:
    memory = {"mb_per_minute": 6.0, "total_mb": 48.0, "flagged": flagged}
    told = {"minutes": 10.0, "changes": list(changes), "memory": memory, "energy": "no energy counter here: none"}
    told["throttled"] = {"thermal": None, "quota_s": 12.0 if flagged else 0.0}
    own = {"soak/fps_first": 50.0, "soak/fps_last": 40.0, "soak/slowdown": 0.2, **metrics}
    return row("run", folder, details={"soak": told}, metrics=own)


def test_a_line_a_run_has_both_ends_memory_and_energy(tmp_path: Path) -> None:
    [section] = sections(compared(job(tmp_path)))
    assert section.body == [["run", "50.0", "40.0", "20.0%", "0", "steady", "-", "-"]]
    assert "run: no change of speed in 10 minutes." in section.notes
    assert "run: energy: no energy counter here: none." in section.notes


def test_changes_throttling_growth_and_joules_are_reported(tmp_path: Path) -> None:
    counted = {"energy/joules_per_frame": 0.61, "energy/watts": 30.5}
    [section] = sections(compared(job(tmp_path, True, [CHANGE], **counted)))
    assert section.body[0][4:] == ["1", "+6.0 MB/min", "0.610", "30.5 W"]
    assert "run: Speed fell after 300 s." in section.notes
    assert "run: the quota held threads back for 12.0 s in all." in section.notes
    assert "run: memory grew by 48 MB after the first fifth of the run." in section.notes


def test_the_picture_has_a_panel_for_what_the_machine_told_and_marks_the_changes(tmp_path: Path) -> None:
    samples = [Sample(float(at), 50, 50.0, None, 60.0, None, None, 0.0, 500.0, 30.0) for at in range(1, 11)]
    (tmp_path / SAMPLES).write_text(as_csv(samples))
    [section] = sections(compared(job(tmp_path, changes=[CHANGE])))
    [picture] = section.pictures
    assert [axis.get_ylabel() for axis in picture.figure.axes] == ["fps", "temperature, °C", "memory, MB", "power, W"]
    values, change = picture.figure.axes[0].get_lines()
    assert list(values.get_ydata()) == [50.0] * 10
    assert change.get_xdata()[0] == 5.0  # minutes
    assert png(picture.figure)[:4] == b"\x89PNG"


def test_an_interruption_is_told_and_drawn_and_no_line_leads_over_it(tmp_path: Path) -> None:
    samples = [Sample(float(at), 50, 50.0, None, None, None, None, 0.0, 500.0, None, 1 if at <= 6 else 2) for at in range(1, 11)]
    (tmp_path / SAMPLES).write_text(as_csv(samples))
    own = job(tmp_path)
    own.job.results.details["soak"]["interruptions"] = [{"second": 6.0, "away_s": 300.0, "sentence": "It was interrupted."}]
    [section] = sections(compared(own))
    assert section.notes[0] == "run: It was interrupted."
    [picture] = section.pictures
    values, cut = picture.figure.axes[0].get_lines()
    assert [value != value for value in values.get_ydata()] == [False] * 6 + [True] + [False] * 4
    assert cut.get_xdata()[0] == 0.1  # minutes
    assert "interruptions" in picture.caption


def test_samples_of_an_older_run_without_parts_are_drawn(tmp_path: Path) -> None:
    (tmp_path / SAMPLES).write_text("seconds,fps,rss_mb\n1.0,50.0,500\n2.0,51.0,500\n")
    [section] = sections(compared(job(tmp_path)))
    assert list(section.pictures[0].figure.axes[0].get_lines()[0].get_ydata()) == [50.0, 51.0]


def test_other_jobs_have_no_section() -> None:
    assert sections(compared(row("plain"))) == []
