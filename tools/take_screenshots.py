"""Makes the pictures of docs/images: a sweep's report, MLflow's comparison of its runs, and MLflow's table of all runs.

    python -m harness -m backend=torch,onnx,openvino
    python tools/take_screenshots.py outputs/DATE/TIME docs/images

Needs the extra [test] (Playwright) and chromium (``make system``). Run it in the folder with ``outputs/`` and
``mlruns/``.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PORT = 5071
PATIENCE_MS = 120_000
ASSISTANT = "mlflow.assistant.chat_panel.close"
SHARED = "mlflow.experiment_page.shared_view.dismiss"
FOLDED = "runnamecellrenderer.tsx_46"
"""MLflow's names of the buttons that close its assistant and a banner and unfold a sweep."""


@contextmanager
def ui(sweep: Path, port: int) -> Iterator[dict[str, str]]:
    """The MLflow UI while it runs; yields the addresses that it prints, by their names."""
    command = [sys.executable, "-m", "harness", "ui", str(sweep), "--no-browser", "--port", str(port)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert child.stdout is not None
        printed = child.stdout.readline() + child.stdout.readline()
        until = time.monotonic() + 120
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.3)
        yield dict(re.findall(r"^(compared|all runs): (\S+)$", printed, re.MULTILINE))
    finally:
        child.terminate()
        child.wait(30)


def shoot(
    browser: Any, address: str, size: tuple[int, int], words: list[str], to: Path, clicks: tuple[str, ...] = (), scroll: str = ""
) -> None:
    """Makes a picture of the page when it has all ``words``, after ``clicks``, with the text ``scroll`` in view."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(address, timeout=PATIENCE_MS)
    page.wait_for_function(
        "words => words.every(word => document.body.innerText.includes(word))", arg=words, timeout=PATIENCE_MS
    )
    for selector in clicks:
        page.wait_for_timeout(1500)
        if page.locator(selector).count():
            page.locator(selector).first.click()
    if scroll:
        page.get_by_text(scroll, exact=True).last.evaluate("found => found.scrollIntoView({block: 'start'})")
    page.wait_for_timeout(1500)  # charts are drawn after the text
    page.screenshot(path=to)
    page.close()
    print(to)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path, help="folder of a sweep that was logged to mlruns/")
    parser.add_argument("to", type=Path, help="folder of the pictures")
    parser.add_argument("--port", type=int, default=PORT)
    args = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        parser.error("no chromium here; `make system` installs it")
    if not (args.sweep / "report.html").is_file():
        parser.error(f"{args.sweep} has no report.html; give the folder of a sweep that ended")
    from playwright.sync_api import sync_playwright

    args.to.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=FLAGS)
        shoot(browser, (args.sweep / "report.html").resolve().as_uri(), (1200, 1150), [], args.to / "report.png")
        pictures = args.to / "report-pictures.png"
        shoot(browser, (args.sweep / "report.html").resolve().as_uri(), (1200, 1150), [], pictures, scroll="Accuracy against speed")
        with ui(args.sweep, args.port) as pages:
            aside = f'[data-component-id="{ASSISTANT}"]'
            shoot(browser, pages["compared"], (1400, 900), ["Comparing"], args.to / "mlflow-comparison.png", (aside,), "fps")
            unfold = (aside, f'[data-component-id="{SHARED}"]', f'[data-component-id$="{FOLDED}"]')
            shoot(browser, pages["all runs"], (1900, 560), ["agreement/mean_iou"], args.to / "mlflow-runs.png", unfold)
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
