"""Fixtures of all tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("HARNESS_PROGRESS", "off")


def shared_folder() -> Path:
    """The shared material: HARNESS_SHARED, by default ``../shared`` from the repository's root."""
    return Path(os.environ.get("HARNESS_SHARED") or ROOT.parent / "shared")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared material's folder; the test skips where it is absent."""
    folder = shared_folder()
    if not (folder / "README.md").is_file():
        pytest.skip(f"no shared material at {folder} (set HARNESS_SHARED)")
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of prepared models for the session and all its workers, for tests whose subject is not preparing.

    Give it as ``prepare.cache``, or as a folder's own (``command_line.with_cache``). It is safe for several processes, as any
    cache of the harness is.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "prepared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """A chromium browser's path; the test skips where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no chromium here (make system installs it)")
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many tests used the shared material, and that they skipped where it was absent."""
    passed = [item for item in terminalreporter.stats.get("passed", []) if "shared" in item.keywords]
    skipped = [item for item in terminalreporter.stats.get("skipped", []) if "shared" in item.keywords]
    terminalreporter.write_line(f"tests with shared material: {len(passed)} ran, {len(skipped)} skipped")
