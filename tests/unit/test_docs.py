"""The documentation: every command says whether a test runs it, every link leads somewhere, made pages are up to date."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import reference_pages
from command_line import ROOT
from doc_blocks import MARK, SHELL, Block, blocks, pages

DOCS = ROOT / "docs"
START = DOCS / "index.md"
ALL = [block for page in pages() for block in blocks(page)]


def places(found: list[Block]) -> list[str]:
    return [f"{block.page}:{block.line}" for block in found]


def test_every_block_of_commands_says_whether_it_is_run() -> None:
    shells = [block for block in ALL if block.language == "bash"]
    assert len(shells) > 30
    assert places([block for block in shells if block.mark is None]) == []


def test_what_is_not_run_says_why() -> None:
    marks = [block.mark for block in ALL if block.language == "bash"]
    assert [mark[0] for mark in marks if mark and mark[1] == "not run" and not mark["why"]] == []


def test_commands_stand_in_blocks_of_a_shell() -> None:
    shells = ("bash", "powershell", "yaml", "python", "json")
    assert places([block for block in ALL if block.language not in shells and SHELL.search(block.text)]) == []


def test_a_test_that_is_named_beside_a_block_is_there_and_names_the_page() -> None:
    for block in ALL:
        test = block.mark["test"] if block.mark else None
        if test is not None:
            assert Path(block.page).name in (ROOT / test).read_text(encoding="utf-8"), f"{block.page}:{block.line}"


def test_tests_that_a_reason_mentions_are_there() -> None:
    named = {name for page in pages() for name in re.findall(r"\btests/[\w/]+\.py", page.read_text(encoding="utf-8"))}
    assert [name for name in named if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("mark", ["<!-- run -->", "<!-- run, exit code 1 -->", "<!-- run by tests/x.py -->", "<!-- not run: why -->"])
def test_marks_are_understood(mark: str) -> None:
    assert MARK.fullmatch(mark)


@pytest.mark.parametrize("text", ["<!-- runs -->", "<!-- run by -->", "run"])
def test_other_words_are_no_mark(text: str) -> None:
    assert not MARK.fullmatch(text)


# ------------------------------------------------------------------------------------------ links


def links_of(page: Path) -> list[tuple[Path, str]]:
    """(file, anchor) of each link of a page to another file of the repository, or to itself."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = re.sub(r"`[^`\n]*`", "code", text)
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            file, _, anchor = target.partition("#")
            found.append(((page.parent / file).resolve() if file else page, anchor))
    return found


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as Markdown's tables of contents make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    wrong = []
    for page in pages():
        for file, anchor in links_of(page):
            if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors_of(file)):
                wrong.append(f"{page.relative_to(ROOT)} -> {file.name}#{anchor}")
    assert wrong == []


def test_pages_of_the_site_link_to_nothing_outside_it() -> None:
    outside = [f"{page} -> {file}" for page in DOCS.rglob("*.md") for file, _ in links_of(page) if not file.is_relative_to(DOCS)]
    assert outside == []


def test_every_page_is_at_most_two_clicks_from_the_start_page() -> None:
    reached, edge = {START}, {START}
    for _ in range(2):
        edge = {file for page in edge for file, _ in links_of(page) if file.suffix == ".md"} - reached
        reached |= edge
    assert sorted(str(page.relative_to(DOCS)) for page in set(DOCS.rglob("*.md")) - reached) == []


def test_each_row_of_the_readmes_table_is_on_the_start_page() -> None:
    def rows(page: Path) -> list[str]:
        table = page.read_text(encoding="utf-8").partition("| I want to know")[2].partition("\n\n")[0]
        return [line.split("|")[1].strip() for line in table.splitlines()[2:]]

    wanted = rows(ROOT / "README.md")
    assert len(wanted) > 8 and [row for row in wanted if row not in rows(START)] == []


# ------------------------------------------------------------------------------------ pages that are made


@pytest.mark.parametrize(("name", "make"), [("configuration", reference_pages.configuration), ("commands", reference_pages.commands)])
def test_made_pages_are_as_the_tool_makes_them(name, make) -> None:
    assert (DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8") == make(), "run python tools/reference_pages.py"


def test_the_page_on_configuration_has_every_key() -> None:
    from harness.core.config import conf_folder
    from harness.core.options import known_keys

    text = reference_pages.configuration()
    assert conf_folder() == ROOT / "conf"
    missing = [key for key in known_keys() if f"`{key}`" not in text and f"## {key}\n" not in text]
    assert [key for key in missing if not key.startswith(("experiment.", "search."))] == []
