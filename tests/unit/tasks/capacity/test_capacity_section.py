from __future__ import annotations

from typing import Any

from section_rows import compared, row

from harness.present.picture import png
from harness.scoring.compared import Row
from harness.tasks.capacity.section import sections


def step(streams: int, passed: bool, p99_ms: float, **keys: Any) -> dict[str, Any]:
    plain = {"sure": True, "frames": 600, "late": 0.0, "dropped": 0, "p50_ms": 5.0, "p99_low_ms": None, "p99_high_ms": None}
    return {"streams": streams, "passed": passed, "p99_ms": p99_ms, "seconds": 3.0, **plain, **keys}


def job(name: str, steps: list[dict[str, Any]], **told: Any) -> Row:
    streams = max((item["streams"] for item in steps if item["passed"]), default=0)
    about = {"fps": 30.0, "deadline_ms": 33.3, "arrivals": "periodic", "workers": 2, "threads_each": 1, "service_ms": 4.2}
    details = {"capacity": {**about, "streams": streams, "low": streams, "high": streams, "bounded": False, "steps": steps, **told}}
    return row(name, details=details, metrics={"capacity/streams": float(streams), "capacity/p99_ms": 21.0})


def test_a_line_a_run_says_how_many_streams_fit_and_what_ended_the_search() -> None:
    [section] = sections(compared(job("a", [step(7, True, 21.0), step(8, False, 40.0, late=0.05)])))
    assert section.body == [["a", "7", "7 to 7", "30 fps", "33.3 ms", "21.0 ms", "2", "4.2 ms"]]
    assert "a: 7 periodic streams; with one more 5.0% of 600 frames were late." in section.notes


def test_a_dropped_frame_and_a_search_that_reached_its_end_are_reported() -> None:
    dropped = job("b", [step(7, True, 21.0), step(8, False, 40.0, dropped=1)])
    ended = job("c", [step(16, True, 21.0)], bounded=True)
    [section] = sections(compared(dropped, ended))
    assert "b: 7 periodic streams; with one more a frame was dropped." in section.notes
    assert "c: 16 periodic streams passed; none more was tried." in section.notes
    assert section.body[1][1] == "16 or more"


def test_the_curve_has_a_point_a_step_and_the_deadline() -> None:
    [section] = sections(compared(job("a", [step(7, True, 21.0, p99_low_ms=19.0, p99_high_ms=24.0), step(8, False, 40.0)])))
    [picture] = section.pictures
    curve, deadline = picture.figure.axes[0].get_lines()
    assert (list(curve.get_xdata()), list(curve.get_ydata())) == ([7, 8], [21.0, 40.0])
    assert deadline.get_ydata()[0] == 33.3
    assert png(picture.figure)[:4] == b"\x89PNG"


def test_other_jobs_have_no_section() -> None:
    assert sections(compared(row("plain"))) == []
