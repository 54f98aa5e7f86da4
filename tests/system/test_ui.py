"""In a real browser: MLflow's comparison of three runs, the experiment's table, and the report without network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import harness
from ready_children import Ready
from scored_jobs import scored_sweep
from servers import free_port, wait_for

from harness.core.files import write_json
from harness.core.results import Results

pytestmark = [pytest.mark.ui, pytest.mark.slow]
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE_MS = 180_000
"""The pages are large scripts; a busy machine takes its time over them."""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here (pip install -e .[test])")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=chromium, args=FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose last sweep is logged, with its report."""
    folder = tmp_path_factory.mktemp("looked_at")
    sweep = scored_sweep(folder)
    write_json(folder / "outputs/last.json", {"folder": str(sweep)})
    done = harness("compare", sweep, "--out", sweep, cwd=folder, pictures=True)
    assert done.returncode == 0, done.stderr
    assert harness("sync", sweep, cwd=folder).returncode == 0
    return folder


@pytest.fixture(scope="module")
def pages(logged: Path, imports: Ready) -> Iterator[dict[str, str]]:
    """The addresses that ``ui`` prints, by their names, while it runs."""
    port = free_port()
    log = logged / "ui.log"
    with log.open("wb") as output:
        child = imports.begin("ui", "--no-browser", "--port", port, cwd=logged, stdout=output, stderr=output)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", child, log)
        yield dict(re.findall(r"^(compared|all runs): (\S+)$", log.read_text(), re.MULTILINE))
    finally:
        child.terminate()
        child.wait(30)


def speeds(folder: Path) -> dict[str, str]:
    """Name -> frames per second as MLflow writes it (four digits), of the sweep's three jobs."""
    jobs = [Results.load(folder / f"sweep/{number}") for number in range(3)]
    return {job.name: f"{job.metrics['fps']:.4g}" for job in jobs}


def text_with(page: Any, address: str, wanted: list[str]) -> str:
    """The page's text once all of ``wanted`` stand in it."""
    page.goto(address, timeout=PATIENCE_MS)
    return wait_for_text(page, wanted)


def wait_for_text(page: Any, wanted: list[str]) -> str:
    """The text of a page that is open, once all of ``wanted`` stand in it."""
    condition = "words => words.every(word => document.body.innerText.includes(word))"
    page.wait_for_function(condition, arg=wanted, timeout=PATIENCE_MS)
    return str(page.inner_text("body"))


def test_the_comparison_shows_names_and_speeds(browser: Any, pages: dict[str, str], logged: Path) -> None:
    page = browser.new_page(viewport={"width": 1600, "height": 1600})
    rows = speeds(logged)
    assert len(set(rows.values())) == 3
    text = text_with(page, pages["compared"], [*rows, *rows.values()])
    assert "Comparing 3 Runs" in text
    page.close()


@pytest.fixture(scope="module")
def experiment(browser: Any, pages: dict[str, str]) -> Iterator[Any]:
    """The page of the experiment, once its runs are there."""
    page = browser.new_page(viewport={"width": 2600, "height": 1200})
    text_with(page, pages["all runs"], ["drawn runs", "fps", "ao"])
    yield page
    page.close()


def test_the_experiment_shows_the_columns_that_matter(experiment: Any) -> None:
    wait_for_text(experiment, ["drawn runs", "fps", "ao", "latency_ms/p50", "agreement/mean_iou"])


def test_the_settings_of_runs_come_before_their_metrics(experiment: Any) -> None:
    page = experiment
    heads = "[...document.querySelectorAll('.ag-header-cell')].map(cell => [cell.innerText.trim(), cell.getBoundingClientRect().x])"
    shown = [text for text, _ in sorted(page.evaluate(heads), key=lambda item: item[1])]
    settings = ["backend", "device", "hint", "quantization", "threads", "task", "tracker"]
    assert [text for text in shown if text in settings] == settings
    assert shown.index("tracker") < min(shown.index(name) for name in ("ao", "fps"))


def test_the_report_needs_no_network(browser: Any, logged: Path) -> None:
    asked: list[str] = []
    context = browser.new_context(offline=True, viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    address = (logged / "sweep/report.html").as_uri()
    page.goto(address)
    assert [url for url in asked if url != address and not url.startswith("data:")] == []
    tables = page.locator("table")
    assert tables.count() >= 1
    shown = " ".join(tables.nth(index).inner_text() for index in range(tables.count()))
    for name, speed in speeds(logged).items():
        assert name in shown
        assert speed[:3] in shown
    sizes = page.evaluate("[...document.images].map(image => [image.complete, image.naturalWidth, image.clientWidth])")
    drawings = page.locator("svg").count()
    assert len(sizes) + drawings >= 3
    assert all(done and natural > 100 and shown > 100 for done, natural, shown in sizes)
    context.close()
