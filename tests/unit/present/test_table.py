"""Tables and sections as text and Markdown."""

from __future__ import annotations

from harness.present.section import Section
from harness.present.table import Table


def test_columns_are_aligned_and_a_short_line_runs_over_the_others():
    table = Table(["run", "fps", "ms"], [["a", "9.5", "1"], ["long name", "10.25", "12"], ["b", "failed: no device"]])
    assert table.lines() == [
        "run          fps  ms",
        "---------  -----  --",
        "a            9.5   1",
        "long name  10.25  12",
        "b          failed: no device",
    ]


def test_a_table_without_lines_is_its_head():
    assert Table(["run"], []).lines(rule=False) == ["run"]


def test_markdown_keeps_marks_as_text():
    assert Table(["a|b", "c"], [["<x>", "`y`"]]).markdown() == [
        "| a\\|b | c |",
        "| --- | ---: |",
        "| \\<x\\> | \\`y\\` |",
    ]


def test_a_section_is_title_table_and_notes():
    found = Section("key", "Title", ["h"], [["x"]], ["A note."])
    assert found.text() == "Title\nh\n-\nx\nA note.\n"
    assert found.markdown() == "## Title\n\n| h |\n| --- |\n| x |\n\nA note.\n"
