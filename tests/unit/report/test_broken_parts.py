"""A report whose parts break still holds everything else, and says what is missing."""

from __future__ import annotations

from pathlib import Path

import cv2
import make_runs
import pytest

from harness.report import page, plots, sections, summary


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return make_runs.make_sweep(tmp_path / "s", [{"backend": "torch"}, {"backend": "onnx", "latency_ms": 50}])


def broken(*_: object, **__: object) -> None:
    raise cv2.error("OpenCV(5): (-215:Assertion failed)\nssize in function 'resize'")


@pytest.mark.usefixtures("blank_pictures")
def test_a_picture_that_cannot_be_drawn_costs_the_others_nothing(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "fps_bar", broken)
    found = summary.summarise(sweep)
    assert (sweep / "summary.csv").is_file()
    assert (sweep / "report.html").is_file()
    assert len(list((sweep / "plots").glob("*.png"))) >= 4
    assert any("A picture could not be drawn (error: OpenCV(5)" in line for line in found.warnings)


@pytest.mark.usefixtures("blank_pictures")
def test_a_section_or_page_that_cannot_be_made_is_a_warning(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sections, "_makers", lambda found: [broken])
    monkeypatch.setattr(page, "html", broken)
    found = summary.summarise(sweep)
    assert (sweep / "summary.md").is_file()
    assert any(line.startswith("A section of the report could not be made") for line in found.warnings)
    assert any(line.startswith("The page could not be made") for line in found.warnings)
