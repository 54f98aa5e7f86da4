"""The harness from Python, as scripts use it: runs, sweeps, errors, interrupts, and what is left behind in the process."""

from __future__ import annotations

import doctest
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import psutil
import pytest
from command_line import PATH, with_cache
from fakes import standing_conf, tiny_dataset

import harness
from harness.core.errors import DataError, SkipJob

pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture
def place(tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own folder with data and the tracker's YAML; prepared models are shared."""
    tiny_dataset(tmp_path / "data", sequences=2, frames=5)
    standing_conf(tmp_path / "conf")
    with_cache(tmp_path, prepared)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tiny(**more: object) -> dict[str, object]:
    """Settings of a small job."""
    dataset = {"name": "folder", "root": Path("data"), "split": "val"}
    return {"config_dir": "conf", "tracker": "standing", "backend": "torch", "dataset": dataset, "task__warmup": 1, "mlflow": "off", **more}


def test_a_run_is_as_its_files_say(place: Path) -> None:
    run = harness.run("seed=3", **tiny())
    assert (run.status, run.config["seed"], run.config["dataset"]["root"]) == ("ok", 3, "data")
    assert run.metrics["fps"] > 0 and len(run.frames) == 10
    boxes = run.frames[run.frames["sequence"] == "seq_1"][["x", "y", "w", "h"]].to_numpy()
    assert sorted(run.tracks) == ["seq_1", "seq_2"] and np.array_equal(run.tracks["seq_1"], boxes)
    assert run.artifact.format == "torch" and run.artifact.folder.is_dir()
    assert harness.load(run.id[:10]).folder.resolve() == run.folder.resolve()


def test_a_sweep_is_compared_with_its_first_job(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = harness.sweep(**tiny(seed=[1, 2], turns__seconds=0, quiet=True))
    assert [run.config["seed"] for run in found] == [1, 2] and found.report.is_file()
    assert found.table["agreement/mean_iou"].iloc[1] == 1.0
    assert harness.load(found.folder).table.equals(found.table)
    said = capfd.readouterr()
    assert said.out == "" and said.err == ""


def test_what_is_wrong_is_an_exception_of_ours(place: Path) -> None:
    with pytest.raises(harness.ConfigError, match="backend=onx is unknown"):
        harness.run(backend="onx")
    with pytest.raises(harness.ConfigError, match=r"from Python: harness\.sweep"):
        harness.run("backend=torch,onnx")
    with pytest.raises(DataError, match="does not exist"):
        harness.run(dataset={"name": "folder", "root": "/no/such"})
    with pytest.raises(SkipJob, match="hint=throughput"):
        harness.run(**tiny(hint="throughput"))
    with pytest.raises(harness.RunFailed, match="OpenVINO sees no GPU here") as caught:
        harness.run(**tiny(backend="openvino", device="gpu"))
    assert caught.value.run.status == "failed" and caught.value.exit_code == 2
    with pytest.raises(harness.RunFailed):
        harness.sweep(**tiny(backend="openvino", device="gpu", seed=[1, 2], turns__seconds=0))


def process_state() -> dict[str, object]:
    """All that a call may not change."""
    import mlflow
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.core.plugins import Plugins
    from hydra.version import VersionBase
    from omegaconf.basecontainer import BaseContainer

    loggers = {name: item for name, item in logging.root.manager.loggerDict.items() if isinstance(item, logging.Logger)}
    return {
        "environment": dict(os.environ),
        "folder": Path.cwd(),
        "words": list(sys.argv),
        "path": list(sys.path),
        "root handlers": list(logging.root.handlers),
        "levels": {name: item.level for name, item in loggers.items()},
        "handlers": {name: list(item.handlers) for name, item in loggers.items()},
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
        "warnings": list(warnings.filters),
        "hydra": GlobalHydra.instance().hydra,
        "hydra config": HydraConfig.instance().cfg,
        "hydra version": VersionBase.instance().version_base,
        "hydra plug-ins": {key: list(found) for key, found in Plugins.instance().plugin_type_to_subclass_list.items()},
        "resolvers": dict(BaseContainer._resolvers),
        "mlflow address": mlflow.get_tracking_uri(),
        "hooks": (sys.excepthook, sys.unraisablehook, sys.displayhook),
        "children": len(psutil.Process().children()),
    }


def test_nothing_of_the_process_is_changed(place: Path) -> None:
    import hydra
    import mlflow

    mlflow.set_tracking_uri("sqlite:///mine.db")
    with hydra.initialize(version_base="1.2", config_path=None):  # a caller who uses Hydra, too
        hydra.compose()
        before = process_state()
        harness.run(**tiny(mlflow="local"))
        harness.sweep(**tiny(mlflow="local", seed=[1, 2], turns__seconds=0))
        with pytest.raises(harness.RunFailed):
            harness.run(**tiny(backend="openvino", device="gpu"))
        after = process_state()
        for name, value in before.items():
            found = after[name]
            if isinstance(value, dict) and name in ("levels", "handlers"):  # libraries that were loaded meanwhile have loggers of their own
                found = {key: found[key] for key in value}
            assert found == value, name
        assert hydra.compose() == {}  # the caller's Hydra still works
    assert not (place / "mine.db").exists()
    mlflow.set_tracking_uri(None)


SCRIPT = """
import harness
run = harness.run(tracker="standing", config_dir="conf", backend="torch", dataset={"name": "folder", "root": "data", "split": "val"}, mlflow="off")
print(run.status, len(run.frames))
"""


def script(folder: Path, text: str, path: str = PATH) -> subprocess.Popen[str]:
    (folder / "script.py").write_text(text)
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(
        [sys.executable, "script.py"], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_script_needs_no_guard(place: Path, ready_path: str) -> None:
    out, err = script(place, SCRIPT, ready_path).communicate(timeout=300)
    assert out == "ok 10\n", err


def test_an_interrupt_ends_a_call_and_its_children_and_the_run_can_be_resumed(place: Path) -> None:
    tiny_dataset(place / "data", sequences=2, frames=3000)
    text = SCRIPT.replace("run =", "try:\n    run =").replace("print(", "    print(") + "except KeyboardInterrupt:\n    print('interrupted')\n"
    child = script(place, text)
    end = time.monotonic() + 120
    while time.monotonic() < end and not list(place.glob("outputs/*/*/worker.log")):
        time.sleep(0.1)
    below: list[psutil.Process] = []
    while time.monotonic() < end and not below:  # a fast machine tracks all frames in two seconds: no time is given away here
        below = psutil.Process(child.pid).children(recursive=True)
    os.kill(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert out == "interrupted\n" and "Traceback" not in err and child.returncode == 0
    assert below and not any(item.is_running() and item.status() != psutil.STATUS_ZOMBIE for item in below)


def test_the_examples_in_the_text_hold(tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.api import calls

    with_cache(tmp_path, prepared)
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(calls, optionflags=doctest.ELLIPSIS)
    assert found.attempted >= 10 and found.failed == 0
