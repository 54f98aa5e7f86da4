"""task.executor=ray on a cluster of three nodes (Ray's own, on one machine): boxes as locally, also when a node is killed."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import harness, with_cache
from ready_children import Ready
from small_jobs import context_of, small_experiment

from harness.artifacts import delivery
from harness.tasks.evaluate.task import Evaluate
from harness.tracking.ray import cluster

pytestmark = pytest.mark.slow
NODES, NODE_TRIES = 3, 4
SEQUENCES, FRAMES = 10, 45
LONGEST = ("vot_bag", "vottir_horse")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Ray's multi-node test cluster: three nodes of one core each, with ``add()`` for another."""
    pytest.importorskip("ray", reason="Ray is not installed (extra [cluster])")
    for name, value in cluster.RAY_VARIABLES.items():
        os.environ.setdefault(name, value)
    before = os.environ.get(delivery.CACHE_VARIABLE)
    # nodes hand their environment to the workers: a cache that no earlier run has filled
    os.environ[delivery.CACHE_VARIABLE] = str(tmp_path_factory.mktemp("workers"))
    import ray
    from ray.cluster_utils import Cluster

    # what a cluster shows and writes of itself is not looked at: no dashboard, no autoscaler, no log of all workers, no worker in reserve
    os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
    made = Cluster()
    bare = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}

    def add() -> Any:
        for left in reversed(range(NODE_TRIES)):
            try:
                return made.add_node(num_cpus=1, node_ip_address="127.0.0.2", object_store_memory=80 * 2**20, **bare)
            except Exception as error:
                if not left or "timed out" not in str(error):  # on a busy machine a node starts too slowly for Ray
                    raise
        raise AssertionError

    made.add = add
    for _ in range(NODES):
        add()
    yield made
    ray.shutdown()
    made.shutdown()
    os.environ.pop(delivery.CACHE_VARIABLE)
    if before is not None:
        os.environ[delivery.CACHE_VARIABLE] = before


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Path:
    return with_cache(tmp_path_factory.mktemp("cluster"), prepared)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Path:
    """The first frames of the real sequences but the two longest: enough that each worker gets several, and that a node can be killed half way."""
    root = tmp_path_factory.mktemp("videos")
    names = [name for name in (shared / "real/val/list.txt").read_text().split() if name not in LONGEST]
    for name in names:
        source, folder = shared / "real/val" / name, root / "val" / name
        folder.mkdir(parents=True)
        for frame in sorted(source.glob("*.jpg"))[:FRAMES]:
            (folder / frame.name).symlink_to(frame)
        for text in (source / "groundtruth.txt", *source.glob("*.label")):
            (folder / text.name).write_text("".join(text.read_text().splitlines(keepends=True)[:FRAMES]))
        (folder / "meta_info.ini").symlink_to(source / "meta_info.ini")
    (root / "val/list.txt").write_text("".join(f"{name}\n" for name in names))
    return root


def words(videos: Path, shared: Path, out: str) -> list[str]:
    """NanoTrack v3 over real sequences, one thread a session on both sides."""
    return [
        "tracker=nanotrack", f"tracker.weights={shared / 'nanotrack/v3/nanotrackv3.pth'}", "dataset=folder",
        f"dataset.root={videos}", "dataset.split=val", "mlflow=off", "threads=1", f"hydra.run.dir={out}",
    ]


def boxes(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.glob("tracks/*/*_001.txt"))}


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text())


@pytest.fixture(scope="module")
def local(place: Path, videos: Path, shared: Path) -> Path:
    done = harness(*words(videos, shared, "outputs/local"), cwd=place, timeout=550)
    assert done.returncode == 0, done.stderr
    return place / "outputs/local"


def started(python: Ready, place: Path, nodes: Any, *more: str) -> subprocess.Popen[str]:
    words = [*more, "task.executor=ray", f"task.ray_address={nodes.address}"]
    return python.begin(*words, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.mark.shared
def test_three_nodes_give_the_boxes_of_a_local_run(
    nodes: Any, place: Path, videos: Path, shared: Path, local: Path, imports: Ready
) -> None:
    child = started(imports, place, nodes, *words(videos, shared, "outputs/three"))
    _, said = child.communicate(timeout=550)
    assert child.returncode == 0, said
    out = place / "outputs/three"
    assert boxes(out) == boxes(local)
    found = results(out)
    told = found["details"]["cluster"]
    assert 2 <= len(told["workers"]) <= NODES  # the last one may be ready when everything is done
    assert told["nodes"] == NODES
    assert told["lost"] == []
    assert sum(worker["sequences"] for worker in told["workers"]) == SEQUENCES
    assert found["details"]["contended"] is True
    assert not [name for name in found["metrics"] if name.startswith(("latency_ms", "stage_ms")) or name == "fps"]
    for name in ("ao", "sr50", "sr75"):
        assert found["metrics"][name] == results(local)["metrics"][name]
    assert 0 < found["metrics"]["cluster/ideal_share"] <= 1
    print({name: value for name, value in found["metrics"].items() if name.startswith(("cluster", "pipeline"))})


@pytest.mark.shared
def test_a_node_killed_half_way_changes_nothing(
    nodes: Any, place: Path, videos: Path, shared: Path, local: Path, imports: Ready
) -> None:
    out = place / "outputs/killed"
    child = started(imports, place, nodes, *words(videos, shared, str(out)))
    deadline = time.monotonic() + 300
    while len(list(out.glob("sequences/*.json"))) < 4 and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert child.poll() is None, "the run ended before a node could be killed"
    early = {path.name: path.stat().st_mtime_ns for path in out.glob("sequences/*.json")}
    nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
    _, said = child.communicate(timeout=400)
    try:
        assert child.returncode == 0, said
        assert boxes(out) == boxes(local)
        told = results(out)["details"]["cluster"]
        again = [entry["sequence"] for entry in told["lost"] if entry["sequence"] is not None]
        assert len(again) == 1  # it was tracking when it was killed; its replacement may have been sent there and died too
        assert sum(worker["sequences"] for worker in told["workers"]) == SEQUENCES
        assert results(out)["metrics"]["ao"] == results(local)["metrics"]["ao"]
        for name, changed in early.items():
            assert (out / "sequences" / name).stat().st_mtime_ns == changed  # what had arrived was not done again
    finally:
        nodes.add()


def test_a_model_reaches_nodes_that_do_not_see_the_cache(
    nodes: Any, tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through Ray's object store, into the worker's own cache."""
    experiment, artifact = small_experiment(prepared, "backend=onnx")
    Evaluate(mode="serial", warmup=1).run(context_of(experiment, artifact, tmp_path / "local", 1))
    whole = cluster.order_of
    monkeypatch.setattr(cluster, "order_of", lambda *given: replace(whole(*given), folder="/nowhere"))
    # one worker: of two, the one that was sent the model may be ready when the other has tracked everything
    task = Evaluate(executor="ray", ray_address=nodes.address, workers=1)
    result = task.run(context_of(experiment, artifact, tmp_path / "ray", 1))
    assert [worker["model"] for worker in result.details["cluster"]["workers"]] == ["sent"]
    assert boxes(tmp_path / "ray") == boxes(tmp_path / "local")
