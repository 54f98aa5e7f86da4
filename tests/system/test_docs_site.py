"""``make docs``: the site is built, a warning is an error, and its pages lead to each other on the disk."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT

pytest.importorskip("mkdocs", reason="the extra [docs] is not installed")
pytest.importorskip("material", reason="the extra [docs] is not installed")
pytest.importorskip("mkdocstrings", reason="the extra [docs] is not installed")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    words = ["build", "--strict", "--config-file", str(ROOT / "tools" / "mkdocs.yml"), "--site-dir", str(folder)]
    done = subprocess.run([sys.executable, "-m", "mkdocs", *words], capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr, done.stderr
    return folder


def test_every_page_of_the_documentation_is_in_the_site(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert [page for page in pages if not (site / page).is_file()] == []


def test_links_between_pages_lead_to_files(site: Path) -> None:
    wrong = []
    for page in site.rglob("*.html"):
        for target in re.findall(r'(?:href|src)="([^"#?]+)', page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:|//|/", target) and not (page.parent / target).exists():
                wrong.append(f"{page.relative_to(site)} -> {target}")
    assert wrong == []


def test_the_reference_has_the_docstrings(site: Path) -> None:
    text = (site / "reference" / "python.html").read_text(encoding="utf-8")
    for name in ("harness.core.interfaces.Tracker", "harness.core.errors.ConfigError", "harness.jobs.calls.sweep"):
        assert f'id="{name}"' in text
