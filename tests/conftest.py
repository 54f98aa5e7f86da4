"""Fixtures of all tests, and how they are shared out to pytest-xdist's workers (``make test``).

Each worker keeps to cores of its own, and so do the processes that it starts: nothing that measures shares a core with another
test. The tests of a file stay together (``--dist loadfile``), since they share its fixtures; tiers whose files take long begin first.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TIERS = ("system", "jobs", "parity", "contracts", "unit")
"""Folders of tests in the order in which they start when workers share them: the long ones first, small ones fill the gaps."""


def take_own_cores() -> None:
    """Confines an xdist worker to its share of the cores; does nothing if there are fewer cores than workers."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker or not hasattr(os, "sched_setaffinity"):
        return
    allowed, count = sorted(os.sched_getaffinity(0)), int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    if len(allowed) >= count:
        os.sched_setaffinity(0, allowed[int(worker.removeprefix("gw")) :: count])


if os.environ.get("HARNESS_WITHOUT_POSIX") == "1":  # before anything of the harness is imported
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    import without_posix

    without_posix.hide()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests started in the background: what they start inherits it, and is interrupted by some
take_own_cores()  # before anything that counts cores is imported
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("HARNESS_PROGRESS", "off")
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # what is small is slower with threads; jobs set their own in their processes


from harness.machine import reports  # noqa: E402

reports.keep_quiet()  # as children of the harness do; before OpenVINO is imported

import command_line  # noqa: E402
import once_parsed  # noqa: E402
import ready_children  # noqa: E402
import ready_store  # noqa: E402


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
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the session and all its workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "common"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def unhurried() -> Iterator[None]:
    """What tests write need not outlive a power cut: this process leaves the disk its time. What was frozen below stays so, and YAML that was read."""
    with pytest.MonkeyPatch.context() as patch, once_parsed.read_once():
        patch.setattr(os, "fsync", lambda file: None)
        patch.setattr(gc, "unfreeze", lambda: None)
        yield


@pytest.fixture(scope="session")
def prepared(common: Path) -> Path:
    """One cache of prepared models for the session and all its workers, for tests whose subject is not preparing.

    Give it as ``prepare.cache``, or as a folder's own (``command_line.with_cache``). It is safe for several processes, as any
    cache of the harness is.
    """
    folder = common / "prepared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def imports(common: Path) -> Iterator[ready_children.Ready]:
    """A worker's process that keeps the imports of commands and children ready; it starts with the first module of ``ready``."""
    ready = ready_children.Ready(stores=common)
    yield ready
    ready.stop()


@pytest.fixture(scope="session")
def ready_path(imports: ready_children.Ready, tmp_path_factory: pytest.TempPathFactory) -> str:
    """PYTHONPATH of a process that starts as a person's does, and whose children begin ready."""
    return f"{imports.passed_on(tmp_path_factory.mktemp('start'))}{os.pathsep}{command_line.PATH}"


@pytest.fixture(scope="module")
def ready(imports: ready_children.Ready, common: Path) -> Iterator[None]:
    """Within a module that uses it, children begin with their imports made, and MLflow's stores with their tables.

    It is for what ``command_line.harness`` and the Python interface do in this process; what ``command_line.process`` starts is as a person's.
    """
    with imports.given(), ready_store.ready_stores(common):
        yield


@pytest.fixture
def without_pictures() -> Iterator[None]:
    """Runs and comparisons that a test makes in this process have no pictures: drawing is most of what they cost."""
    with command_line.undrawn():
        yield


@pytest.fixture
def blank_pictures() -> Iterator[None]:
    """Pictures are made, with their captions, but what is written of them is blank: turning them into pixels is most of what a report costs."""
    with command_line.blank():
        yield


@pytest.fixture(scope="session")
def chromium() -> str:
    """A chromium browser's path; the test skips where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no chromium here (make system installs it)")
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs a POSIX system where there is none; in a worker, starts the long tiers first."""
    if os.name == "nt" or os.environ.get("HARNESS_WITHOUT_POSIX") == "1":
        for item in items:
            if item.get_closest_marker("posix") is not None:
                item.add_marker(pytest.mark.skip(reason="needs what Windows lacks"))
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: _rank(item.path))  # stable: within a tier the order stays


def pytest_collection_finish() -> None:
    """What was imported stays: collecting garbage, which tests and tasks do again and again, need not go through it each time."""
    gc.collect()
    gc.freeze()


def _rank(path: Path) -> int:
    words = path.relative_to(ROOT / "tests").parts if path.is_relative_to(ROOT / "tests") else ()
    return TIERS.index(words[0]) if words and words[0] in TIERS else len(TIERS)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many tests used the shared material, and that they skipped where it was absent."""
    passed = [item for item in terminalreporter.stats.get("passed", []) if "shared" in item.keywords]
    skipped = [item for item in terminalreporter.stats.get("skipped", []) if "shared" in item.keywords]
    terminalreporter.write_line(f"tests with shared material: {len(passed)} ran, {len(skipped)} skipped")
