"""Trackers as they are, through the command line: in one table with a tracker of graphs, and dying without taking it along."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from command_line import PATH, harness, with_cache
from fakes import standing_conf, tiny_dataset
from foreign_trackers import FOREIGN, PROGRAM, REPO

TRAX = importlib.util.find_spec("trax") is not None
YAML = {
    "matching": f"factory: matching:Matching\npath: [{FOREIGN}]\n",
    "ostrackish": (
        "factory: lib.test.evaluation.tracker:Tracker\n"
        "options: {name: follow, parameter_name: small, dataset_name: got10k}\n"
        f"path: [{REPO}]\ncwd: {REPO}\n"
    ),
    "mil": "factory: cv2:TrackerMIL\n",
    "dying": f"factory: matching:Failing\npath: [{FOREIGN}]\noptions: {{how: kill, at: 10}}\n",
    "slow": f"factory: matching:Failing\npath: [{FOREIGN}]\noptions: {{how: hang, at: 10}}\n",
    "program": f"command: [{sys.executable}, {PROGRAM}]\n",
}


def words(folder: Path) -> list[str]:
    """Command line words of a tiny data set, and of a configuration folder that names all trackers of these tests."""
    root = tiny_dataset(folder / "data", 2, size=(160, 120))
    conf = standing_conf(folder / "conf")
    for name, text in YAML.items():
        (conf / "tracker" / f"{name}.yaml").write_text(f"defaults: [native]\nname: {name}\n{text}")
    return ["--config-dir", str(conf), "dataset=folder", f"dataset.root={root}", "dataset.split=val", "mlflow=off"]


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> tuple[Path, list[str], str]:
    """A sweep's folder, its trackers, and what it printed; one of the trackers dies in mid-sequence."""
    folder = with_cache(tmp_path_factory.mktemp("native"), prepared)
    names = ["standing", "dying", "matching", "ostrackish", "mil", *(["program"] if TRAX else [])]
    done = harness(
        *words(folder), "-m", f"tracker={','.join(names)}", "backend=onnx,native", "task.repetitions=1",
        "hydra.sweep.dir=outputs/it", cwd=folder,
    )  # fmt: skip
    assert done.returncode == 1  # a job failed
    return folder / "outputs/it", names, done.stdout


def test_all_styles_share_one_table_and_pairs_that_make_no_sense_are_skipped(sweep: tuple[Path, list[str], str]) -> None:
    folder, names, printed = sweep
    table = pd.read_csv(folder / "summary.csv")
    status = {(row.tracker, row.backend): row.status for row in table.itertuples()}
    assert {pair for pair, word in status.items() if word == "skipped"} == {
        ("standing", "native"), *((name, "onnx") for name in names[1:])
    }  # fmt: skip
    assert {pair for pair, word in status.items() if word == "ok"} == {
        ("standing", "onnx"), *((name, "native") for name in names[2:])
    }  # fmt: skip
    assert "this one is graphs, loaded from a checkpoint of torch" in printed
    assert "its own code, to run as it is, which backend=onnx cannot run; choose backend=native" in printed
    assert table.set_index(["tracker", "backend"]).loc[("matching", "native"), "ao"] > 0.9


def test_a_tracker_that_is_killed_in_mid_sequence_is_a_failed_job_with_its_last_words(
    sweep: tuple[Path, list[str], str],
) -> None:
    folder, _, printed = sweep
    found = results(folder / "3")
    assert found["status"] == "failed"
    assert found["error"]["message"].startswith(
        "seq_1, frame 6: update: the tracker's process was ended by SIGKILL (out of memory?); its last words: "
        "the last words of a tracker"
    )  # five warm-up updates and four of the sequence went well
    assert found["error"]["tail"][-1] == "tracker: the last words of a tracker"
    assert "the last words of a tracker" in printed


def test_the_record_of_a_tracker_as_it_is(sweep: tuple[Path, list[str], str]) -> None:
    folder, _, _ = sweep
    found = results(folder / "5")
    assert (found["artifact"]["format"], found["artifact"]["precision"]) == ("native", "native")
    assert found["effective"]["runtime"] == "native" and found["effective"]["tracker"] == "matching.Matching"
    stages = {name for name in found["metrics"] if name.startswith("stage_ms/")}
    assert stages == {"stage_ms/decode", "stage_ms/tracker"}
    assert "model_mb" not in found["metrics"] and found["metrics"]["load_ms/compile"] > 0
    frames = pd.read_parquet(folder / "5" / "frames.parquet")
    assert (frames["tracker"] == frames["seconds"]).all() and frames["inference"].isna().all()
    own = results(folder / "7")
    assert own["effective"]["tracker"] == "lib.test.tracker.follow.Follow"


def test_sequences_in_flight_have_a_process_each_and_the_same_boxes(sweep: tuple[Path, list[str], str], tmp_path: Path) -> None:
    done = harness(*words(tmp_path), "tracker=matching", "task.mode=parallel", "hydra.run.dir=it", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("seq_1", "seq_2"):
        track = f"tracks/{name}/{name}_001.txt"
        assert (tmp_path / "it" / track).read_text() == (sweep[0] / "5" / track).read_text()


def runs_a_tracker(process: psutil.Process) -> bool:
    """Whether it is the process of a foreign tracker; one that has just ended is not."""
    try:
        return any(word.endswith("native/child.py") for word in process.cmdline())
    except psutil.Error:
        return False


def test_nothing_of_a_tracker_is_left_when_its_job_is_interrupted(tmp_path: Path) -> None:
    arguments = [*words(tmp_path), "tracker=slow", "hydra.run.dir=it"]
    command = [sys.executable, "-m", "harness", *arguments]
    started = subprocess.Popen(
        command, cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": PATH}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    until, foreign = time.monotonic() + 120, None
    while foreign is None and time.monotonic() < until and started.poll() is None:
        below = psutil.Process(started.pid).children(recursive=True)
        foreign = next((item for item in below if runs_a_tracker(item)), None)
        time.sleep(0.1)
    assert foreign is not None, started.communicate(timeout=10)[0]
    started.send_signal(signal.SIGINT)
    started.communicate(timeout=60)
    assert started.returncode == 130
    psutil.wait_procs([foreign], timeout=10)
    assert not foreign.is_running()


@pytest.mark.shared
def test_foreign_trackers_run_beside_nanotrack(shared: Path, tmp_path: Path, prepared: Path) -> None:
    conf = words(with_cache(tmp_path, prepared))
    (tmp_path / "conf/tracker/nano.yaml").write_text(
        f"defaults: [nanotrack]\nname: nano\nweights: {shared / 'nanotrack/v3/nanotrackv3.pth'}\n"
    )
    done = harness(*conf, "-m", "tracker=nano,matching", "hydra.sweep.dir=it", cwd=tmp_path)  # each on its usual backend
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "it/summary.csv")
    assert list(zip(table["tracker"], table["backend"], table["status"], strict=True)) == [
        ("nano", "openvino", "ok"),
        ("matching", "native", "ok"),
    ]
    assert table["ao"].gt(0.5).all()
