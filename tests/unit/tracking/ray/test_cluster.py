"""Sequences given out to workers that may die: nothing lost, nothing counted twice; models delivered by content."""

from __future__ import annotations

import io
import json
import socket
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.artifacts import delivery
from harness.artifacts.store import ARTIFACT_FILE
from harness.core.errors import BackendError, ConfigError, DataError, TrackingError
from harness.core.interfaces import Artifact, Sequence, Track
from harness.tracking.ray import cluster
from harness.tracking.ray.accounting import account, cluster_metrics
from harness.tracking.ray.dispatch import ATTEMPTS, Dispatch, WorkerLost
from harness.tracking.store import Done


def sequence(name: str, count: int) -> Sequence:
    return Sequence(name, tuple(Path(f"{index}.jpg") for index in range(count)), np.array([1.0, 2, 3, 4]))


LENGTHS = {"a": 3, "b": 9, "c": 5, "d": 7, "e": 1}


@dataclass
class FakeCluster:
    """Answers calls in the order in which they were made; ``dies`` says which call of which worker ends it."""

    dies: dict[int, int] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)
    refuses: str = ""
    poison: str = ""
    twice: str = ""
    made: int = 0
    calls: dict[int, int] = field(default_factory=dict)
    tracked: list[tuple[int, str]] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)

    def start(self) -> int:
        self.made += 1
        return self.made - 1

    def open(self, handle: int) -> tuple[int, int, Any]:
        return self._call(handle, None)

    def track(self, handle: int, item: Sequence) -> tuple[int, int, Any]:
        self.tracked.append((handle, item.name))
        return self._call(handle, item)

    def _call(self, handle: int, item: Any) -> tuple[int, int, Any]:
        self.calls[handle] = self.calls.get(handle, -1) + 1
        return (handle, self.calls[handle], item.name if item else None)

    def wait(self, references: list[Any], seconds: float) -> Any:
        return next((item for item in references if item[0] not in self.silent), None)

    def answer(self, reference: tuple[int, int, Any]) -> dict[str, Any]:
        handle, number, name = reference
        if self.dies.get(handle) == number or (name and name == self.poison):
            raise WorkerLost("node gone")
        if name is None:
            return {"cores": [handle], "open_s": 0.1, "features": ["avx2"], "versions": {}, "host": "h", "effective": {}}
        if name == self.refuses:
            return {"error": "TrackingError", "message": f"{name}, frame 3: the box is not finite."}
        return {"tracks": [Track(name, np.zeros((1, 4)), np.zeros(1))], "wall": 0.0}

    def end(self, handle: int) -> None:
        self.ended.append(handle)


def dispatched(fake: FakeCluster, workers: int = 2, **settings: Any) -> tuple[Dispatch, list[str]]:
    kept: list[str] = []

    def keep(item: Sequence, done: Done) -> None:
        assert done.contended
        kept.append(item.name)

    found = Dispatch(fake, [sequence(*item) for item in LENGTHS.items()], workers, keep, lambda: None, **settings)
    return found, kept


def test_the_longest_goes_first_to_whoever_is_free() -> None:
    fake = FakeCluster()
    found, kept = dispatched(fake)
    found.run()
    assert [name for _, name in fake.tracked] == ["b", "d", "c", "a", "e"]
    assert sorted(kept) == sorted(LENGTHS)
    assert {handle for handle, _ in fake.tracked} == {0, 1}
    assert sorted(fake.ended) == [0, 1]


@pytest.mark.parametrize("call", [0, 1, 2, 3])
def test_a_worker_that_dies_loses_nothing_and_doubles_nothing(call: int) -> None:
    fake = FakeCluster(dies={0: call})
    found, kept = dispatched(fake)
    found.run()
    assert sorted(kept) == sorted(LENGTHS)
    assert [entry["worker"] for entry in found.lost] == [0]
    assert fake.made == 3
    assert 0 in fake.ended
    given = [name for _, name in fake.tracked]
    assert len(given) == len(LENGTHS) + (1 if call else 0)  # only what it had is given out again
    assert found.lost[0]["sequence"] == (None if call == 0 else [name for handle, name in fake.tracked if handle == 0][-1])


def test_all_but_one_may_die() -> None:
    fake = FakeCluster(dies={0: 1, 1: 2, 2: 1})
    found, kept = dispatched(fake, workers=4)
    found.run()
    assert sorted(kept) == sorted(LENGTHS)
    assert len(kept) == len(set(kept))
    assert len(found.lost) == 3


def test_a_sequence_that_kills_its_workers_is_named() -> None:
    fake = FakeCluster(poison="c")
    found, kept = dispatched(fake)
    with pytest.raises(BackendError, match=rf"c was given to {ATTEMPTS} workers"):
        found.run()
    assert "c" not in kept
    assert set(fake.ended) == set(range(fake.made))


def test_workers_that_never_open_end_the_job() -> None:
    with pytest.raises(BackendError, match="die before they track"):
        dispatched(FakeCluster(dies=dict.fromkeys(range(50), 0)))[0].run()
    with pytest.raises(BackendError, match="no worker has started"):
        dispatched(FakeCluster(silent=set(range(9))), start_seconds=0.0)[0].run()


def test_an_error_of_tracking_is_not_tried_again() -> None:
    fake = FakeCluster(refuses="d")
    with pytest.raises(TrackingError, match="d, frame 3"):
        dispatched(fake)[0].run()
    assert [name for _, name in fake.tracked].count("d") == 1


def test_the_account_states_share_and_losses() -> None:
    found, _ = dispatched(FakeCluster(dies={1: 1}))
    found.run()
    for worker in found.workers:
        worker.began, worker.opened, worker.ended, worker.busy = 0.0, 2.0, 10.0, 8.0
    told = account(found, 10.0)
    opened = sum(bool(worker.facts) for worker in found.workers)
    assert told["ideal_share"] == pytest.approx(0.8)
    assert told["ideal_share_open"] == pytest.approx(1.0)
    assert told["speedup"] == pytest.approx(0.8 * len(found.workers))
    metrics = cluster_metrics(told)
    assert metrics["cluster/lost_workers"] == 1
    assert metrics["cluster/workers"] == opened
    assert metrics["cluster/shard_overhead_ms"] >= 0


def test_shared_cores_and_other_versions_are_reported() -> None:
    found, _ = dispatched(FakeCluster())
    found.run()
    assert account(found, 1.0)["warnings"] == []
    found.workers[0].facts["cores"] = []
    found.workers[1].facts |= {"features": [], "versions": {"numpy": "0.1"}}
    warnings = " ".join(account(found, 1.0)["warnings"])
    assert "shared cores" in warnings
    assert "different features" in warnings
    assert "numpy 0.1 (here " in warnings


# ------------------------------------------------------------------------------------------ delivery


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    """A torch artifact whose weights lie elsewhere."""
    folder = tmp_path / "made"
    folder.mkdir()
    (tmp_path / "net.pth").write_bytes(b"weights")
    source = {"factory": "x:y", "weights": [str(tmp_path / "net.pth")], "seed": 0, "options": {}}
    (folder / "source.json").write_text(json.dumps(source))
    record = {"key": "k" * 64, "format": "torch", "precision": "fp32", "files": {"search": "source.json"}, "graphs": [], "info": {}}
    (folder / ARTIFACT_FILE).write_text(json.dumps(record))
    return delivery.load_artifact(folder)


def test_a_model_is_sent_with_its_weights_and_unpacked_once(artifact: Artifact, tmp_path: Path) -> None:
    data = delivery.pack(artifact)
    assert data == delivery.pack(artifact)
    found = delivery.unpack(data, delivery.digest(data), artifact.key, tmp_path / "worker")
    (tmp_path / "net.pth").unlink()  # as on a machine that never had it
    [weights] = delivery.weights_of(found.folder)
    assert weights.read_bytes() == b"weights"
    assert weights.is_relative_to(tmp_path / "worker")
    stamp = weights.stat().st_mtime_ns
    delivery.unpack(data, delivery.digest(data), artifact.key, tmp_path / "worker")
    assert weights.stat().st_mtime_ns == stamp
    assert delivery.seen(artifact.folder, artifact.key) is None  # the folder is seen, its weights are not
    assert delivery.seen(found.folder, artifact.key) is not None
    assert delivery.seen(found.folder, "other") is None


def test_a_damaged_or_hostile_archive_is_refused(artifact: Artifact, tmp_path: Path) -> None:
    data = delivery.pack(artifact)
    with pytest.raises(DataError, match="damaged"):
        delivery.unpack(data[:-1] + b"x", delivery.digest(data), artifact.key, tmp_path / "worker")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../outside"), io.BytesIO())
    bad = stream.getvalue()
    with pytest.raises(DataError, match="outside"):
        delivery.unpack(bad, delivery.digest(bad), artifact.key, tmp_path / "worker")
    assert not (tmp_path / "outside").exists()


# -------------------------------------------------------------------------------------------- worker


def test_a_missing_ray_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'tracker-harness\[cluster\]'"):
        cluster.check_installed()


class SlowRay:
    """Does not start in time at first."""

    def __init__(self, times: int, message: str = "The current node timed out during startup.") -> None:
        self.left, self.message, self.shut = times, message, 0

    def shutdown(self) -> None:
        self.shut += 1

    def begin(self) -> None:
        if self.left:
            self.left -= 1
            raise Exception(self.message)


def test_a_slow_start_is_tried_again_and_an_absent_cluster_is_reported() -> None:
    slow = SlowRay(2)
    cluster.join(slow, slow.begin, None, tries=3)
    assert slow.shut == 2
    for ray in (SlowRay(3), SlowRay(1, "Could not find any running Ray instance.")):
        with pytest.raises(BackendError, match=r"ray_address=auto: no Ray cluster"):
            cluster.join(ray, ray.begin, "auto", tries=3)


def test_an_address_where_nobody_listens_is_reported_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(BackendError, match=rf"task\.ray_address={address}: nobody listens there"):
            cluster.reach(address)
    cluster.reach("auto")
    cluster.reach("ray://10.0.0.1:10001")


def test_without_a_gpu_in_the_cluster_the_message_says_so_and_with_some_each_takes_one_worker() -> None:
    def nodes(*resources: dict[str, float]) -> Any:
        return SimpleNamespace(nodes=lambda: [{"Alive": True, "Resources": item} for item in resources])

    with pytest.raises(ConfigError, match="no node of the cluster has one; use device=cpu"):
        cluster.capacity(nodes({"CPU": 64.0}), 4, True)
    assert cluster.capacity(nodes({"CPU": 64.0}, {"CPU": 16.0, "GPU": 2.0}), 4, True) == 2
    assert cluster.capacity(nodes({"CPU": 64.0}), 4, False) == 16
