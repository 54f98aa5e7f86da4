"""A report of many runs stays readable: the table of settings is turned, what is equal is said once, styles differ."""

from __future__ import annotations

import itertools
from pathlib import Path

import make_runs
import pytest
from pages import Page

from harness.report import facts, looks, summary
from harness.report.comparison import compare
from harness.report.plots.speed import fps_bar
from harness.report.sources import jobs_of


def sweep_of(folder: Path, count: int) -> Path:
    """A sweep of one backend over threads and hints."""
    jobs = [
        {
            "backend": "openvino", "latency_ms": 30 + number, "sequences": 3, "frames": 20,
            "config": {"hint": {"name": ("none", "throughput")[number % 2]}, "threads": 1 + number // 2},
            "name": f"hint={('none', 'throughput')[number % 2]} threads={1 + number // 2}",
            "overrides": [f"hint={('none', 'throughput')[number % 2]}", f"threads={1 + number // 2}"],
        }
        for number in range(count)
    ]  # fmt: skip
    return make_runs.make_sweep(folder / "sweep", jobs, ["hint=none,throughput", "threads=..."])


@pytest.fixture(scope="module")
def sixteen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sweep_of(tmp_path_factory.mktemp("many"), 16)


def test_settings_of_many_runs_have_a_line_a_run_and_say_once_what_is_equal(sixteen: Path) -> None:
    found = facts.settings(compare(jobs_of(sixteen)))
    assert found["turned"]
    assert {"hint", "threads"} <= set(found["keys"]) and "backend" not in found["keys"]
    same = {line["key"]: line["cells"][0] for line in found["same"]}
    assert same["backend"] == "openvino" and same["task"] == "evaluate"
    assert [line["run"] for line in found["lines"]][:2] == ["hint=none threads=1", "hint=throughput threads=1"]
    for line in found["lines"]:
        row = dict(zip(found["keys"], line["cells"], strict=True))
        assert line["run"] == f"hint={row['hint']} threads={row['threads']}"


def test_settings_of_a_few_runs_have_a_column_a_run(tmp_path: Path) -> None:
    found = facts.settings(compare(jobs_of(sweep_of(tmp_path, 5))))
    assert not found["turned"] and len(found["runs"]) == 5
    assert all(len(line["cells"]) == 5 for line in found["lines"])


@pytest.mark.usefixtures("blank_pictures")
def test_the_page_of_sixteen_runs_is_well_formed_and_has_a_row_a_run(sixteen: Path) -> None:
    summary.summarise(sixteen)
    text = (sixteen / "report.html").read_text()
    page = Page(text)
    assert page.open == []
    table = text.split('<table id="settings"')[1].split("</table>")[0]
    assert table.count("<tr>") == 17
    assert "<details><summary>The same in all runs" in text


def test_sixteen_runs_of_one_backend_have_sixteen_colours(sixteen: Path) -> None:
    found = looks.styles(jobs_of(sixteen))
    assert len({style.hex for style in found.values()}) == 16


def test_names_and_figures_of_many_bars_do_not_overlap(sixteen: Path) -> None:
    picture = fps_bar(compare(jobs_of(sixteen)).well)
    assert picture is not None
    figure = picture.figure
    figure.draw_without_rendering()
    axis = figure.axes[0]
    boxes = [label.get_window_extent() for label in axis.get_yticklabels()]
    assert len(boxes) == 16 and next(label.get_text() for label in axis.get_yticklabels()) == "hint=none threads=1"
    for one, other in itertools.combinations([*boxes, *(text.get_window_extent() for text in axis.texts)], 2):
        assert not one.overlaps(other)
