"""Whole jobs through the command line: a sweep, its records in MLflow, failing jobs, a broken data set."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from command_line import PATH, ROOT, harness, with_cache
from fakes import standing_conf, tiny_dataset
from ready_children import Ready


def words(folder: Path, cache: Path | None = None) -> list[str]:
    """A job of the standing tracker on tiny frames in ``folder``; its models in ``cache``, by default ``folder``'s own."""
    root = tiny_dataset(folder / "data")
    conf = standing_conf(folder / "conf")
    models = [f"prepare.cache={cache}"] if cache else []
    return ["--config-dir", str(conf), "tracker=standing", "dataset=folder", f"dataset.root={root}", "dataset.split=val", *models]


def rows(store: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(store) as database:
        return database.execute(query).fetchall()


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, imports: Ready) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    done = imports.run(*words(folder), "-m", "backend=torch,onnx,openvino", "hydra.sweep.dir=outputs/it", cwd=folder, pictures=True)
    assert done.returncode == 0, done.stderr
    assert "speed-up" in done.stdout and "openvino" in done.stdout
    return folder


def test_a_sweep_leaves_its_files(sweep: Path) -> None:
    place = sweep / "outputs/it"
    for name in ("summary.csv", "summary.md", "report.html", "sweep.json"):
        assert (place / name).stat().st_size > 100, name
    table = pd.read_csv(place / "summary.csv")
    assert len(table) == 3
    for index in range(3):
        results = json.loads((place / str(index) / "results.json").read_text())
        assert results["status"] == "ok"
        assert {"fps", "ao", "sr50", "sr75", "pipeline_fps", "latency_ms/p50", "latency_ms/first", "rss_mb/peak"} <= set(
            results["metrics"]
        )
        assert {"stage_ms/decode", "stage_ms/inference", "load_ms/compile", "model_mb"} <= set(results["metrics"])
        assert results["effective"]["runtime"] and results["effective"]["threads"]
        assert results["config"]["backend"]["name"] == ("torch", "onnx", "openvino")[index]
        frames = pd.read_parquet(place / str(index) / "frames.parquet")
        assert len(frames) == 24 and frames["seconds"].gt(0).all()
        text = (place / str(index) / "tracks/seq_1/seq_1_001.txt").read_text().splitlines()
        assert len(text) == 8 and text[0] == "8.000,10.000,20.000,16.000"


def test_a_sweep_is_a_parent_run_with_three_finished_children(sweep: Path) -> None:
    store = sweep / "mlruns/mlflow.db"
    runs = rows(store, "select run_uuid, status from runs")
    assert len(runs) == 4 and {status for _, status in runs} == {"FINISHED"}
    children = rows(store, "select run_uuid, value from tags where key = 'mlflow.parentRunId'")
    assert len(children) == 3 and len({parent for _, parent in children}) == 1
    speeds = rows(store, "select run_uuid from metrics where key = 'fps'")
    assert {child for child, _ in children} <= {run for (run,) in speeds}
    assert len(rows(store, "select * from inputs")) >= 3
    agreement = rows(store, "select value from metrics where key = 'agreement/mean_iou'")
    assert agreement and all(value == 1.0 for (value,) in agreement)


def test_parity_is_measured_on_the_way(sweep: Path) -> None:
    for index in (1, 2):
        results = json.loads((sweep / f"outputs/it/{index}/results.json").read_text())
        assert 0 <= results["metrics"]["parity/max_abs_diff"] < 1e-2
        assert results["artifact"]["exporter"].startswith("torch.onnx")


def test_a_second_sweep_prepares_nothing(sweep: Path) -> None:
    done = harness(
        "--config-dir", sweep / "conf", "tracker=standing", "dataset=folder", f"dataset.root={sweep / 'data'}",
        "dataset.split=val", "-m", "backend=onnx,openvino", "mlflow=off", cwd=sweep, HARNESS_PROGRESS="lines",
    )
    assert done.returncode == 0, done.stderr
    assert "preparing" not in done.stderr


def test_a_job_that_makes_no_sense_is_skipped_and_does_not_fail_the_sweep(tmp_path: Path, prepared: Path) -> None:
    done = harness(
        *words(tmp_path, prepared), "-m", "backend=onnx,openvino", "hint=none,throughput", "hydra.sweep.dir=outputs/it", cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    statuses = [json.loads((tmp_path / f"outputs/it/{index}/results.json").read_text()) for index in range(4)]
    assert [item["status"] for item in statuses] == ["ok", "skipped", "ok", "ok"]
    assert "hint=throughput" in statuses[1]["error"]["message"]


def test_a_failing_job_is_recorded_and_the_others_go_on(tmp_path: Path, prepared: Path) -> None:
    done = harness(
        *words(tmp_path, prepared), "-m", "backend=torch,openvino", "device=cpu,gpu", "hydra.sweep.dir=outputs/it", cwd=tmp_path,
    )
    assert done.returncode == 1
    statuses = [json.loads((tmp_path / f"outputs/it/{index}/results.json").read_text()) for index in range(4)]
    assert [item["status"] for item in statuses] == ["ok", "skipped", "ok", "failed"]
    assert "OpenVINO sees no GPU here" in statuses[3]["error"]["message"]
    states = dict(rows(tmp_path / "mlruns/mlflow.db", "select name, status from runs"))  # type: ignore[arg-type]
    assert sorted(states.values()).count("FAILED") == 2  # the job and the sweep


def test_a_child_that_dies_is_a_failed_job_with_its_last_words(tmp_path: Path, prepared: Path) -> None:
    (tmp_path / "dying.py").write_text(
        "import os, signal, sys\nfrom standing_tracker import Standing, StandingTracker\n"
        "class Dying(Standing):\n"
        "    def start(self, sessions):\n"
        "        print('about to die', file=sys.stderr, flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    arguments = words(tmp_path, prepared)
    (tmp_path / "conf/tracker/standing.yaml").write_text("# Dies.\nname: standing\ntarget: dying.Dying\n")
    done = harness(*arguments, "backend=onnx", "hydra.run.dir=outputs/it", cwd=tmp_path, PYTHONPATH=f"{PATH}:{tmp_path}")
    assert done.returncode == 1
    results = json.loads((tmp_path / "outputs/it/results.json").read_text())
    assert results["status"] == "failed"
    assert "SIGSEGV" in results["error"]["message"]
    assert any("about to die" in line for line in results["error"]["tail"])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("missing frame", "00000004.jpg"),
        ("corrupt frame", "00000005.jpg"),
        ("cut frame", "00000005.jpg"),
        ("short truth", "groundtruth.txt"),
        ("nonsense truth", "groundtruth.txt"),
    ],
)
def test_a_broken_sequence_is_named(tmp_path: Path, prepared: Path, damage: str, said: str) -> None:
    arguments = words(tmp_path, prepared)
    sequence = tmp_path / "data/val/seq_2"
    if damage == "missing frame":
        (sequence / "00000004.jpg").unlink()
    elif damage == "corrupt frame":
        (sequence / "00000005.jpg").write_bytes(b"\xff\xd8 no image \xff\xd9")
    elif damage == "cut frame":
        data = (sequence / "00000005.jpg").read_bytes()
        (sequence / "00000005.jpg").write_bytes(data[: len(data) // 2])
    elif damage == "short truth":
        text = (sequence / "groundtruth.txt").read_text().splitlines()
        (sequence / "groundtruth.txt").write_text("\n".join(text[:5]) + "\n")
    else:
        (sequence / "groundtruth.txt").write_text("1,2,x,4\n" * 8)
    done = harness(*arguments, "backend=onnx", "mlflow=off", cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr and "seq_2" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_cannot_be_written_is_reported_before_the_work(tmp_path: Path, imports: Ready) -> None:
    (tmp_path / "mlruns").write_text("a file")
    done = imports.run(*words(tmp_path), "backend=onnx", cwd=tmp_path)
    assert done.returncode == 2
    assert "mlruns cannot be written" in done.stderr
    assert not list(tmp_path.glob("outputs/*/*/results.json"))


def test_the_page_on_trackers_of_ones_own_works_word_for_word(tmp_path: Path, prepared: Path) -> None:
    with_cache(tmp_path, prepared)
    text = (ROOT / "docs/add-a-tracker.md").read_text()
    files = re.findall(r"```\w+\n# file: (\S+)\n(.*?)```", text, re.DOTALL)
    conf = ["myconf/tracker/mine.yaml", "myconf/tracker/onestream.yaml", "myconf/tracker/follow.yaml"]
    assert [name for name, _ in files] == ["follow.py", "mytracker.py", conf[0], "onestream.py", *conf[1:]]
    for name, content in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    root = tiny_dataset(tmp_path / "data", 2, size=(160, 120))
    data = ["dataset=folder", f"dataset.root={root}", "dataset.split=val"]
    commands = [line for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    tables = []
    for number, command in enumerate(commands):
        if command == "python mytracker.py":
            path = os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))
            subprocess.run([sys.executable, "mytracker.py"], cwd=tmp_path, check=True, env={**os.environ, "PYTHONPATH": path})
            continue
        words = shlex.split(command.removeprefix("python -m harness "))
        place = f"hydra.{'sweep' if '-m' in words else 'run'}.dir=outputs/{number}"
        done = harness(*words, *data, place, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        if "-m" in words:
            tables.append(pd.read_csv(tmp_path / f"outputs/{number}/summary.csv"))
        else:
            found = json.loads((tmp_path / f"outputs/{number}/results.json").read_text())
            assert found["effective"]["tracker"] == "follow.Follow" and found["metrics"]["ao"] > 0.9
    backends, trackers = tables
    assert len(backends) == 3 and set(backends["backend"]) == {"torch", "onnx", "openvino"}
    assert list(trackers["tracker"]) == ["mine", "onestream", "follow"]
    assert trackers["agreement/mean_iou"][1] > 0.999  # one stream or two: the same boxes
    assert (trackers["ao"] > 0.8).all()

