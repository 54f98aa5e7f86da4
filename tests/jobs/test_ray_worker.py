"""A worker of a cluster, without Ray: it tracks what a local run tracks."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_jobs import context_of, small_experiment

from harness.artifacts import delivery
from harness.core.errors import ConfigError
from harness.core.interfaces import Track
from harness.tasks.evaluate.task import Evaluate
from harness.tracking.ray import cluster, shard


def test_a_worker_tracks_what_a_local_run_tracks(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that does not see the cache, without Ray."""
    experiment, artifact = small_experiment(prepared, "backend=onnx")
    context = context_of(experiment, artifact, tmp_path / "job", 1)
    Evaluate(mode="serial", warmup=1).run(context)
    monkeypatch.setenv(delivery.CACHE_VARIABLE, str(tmp_path / "worker"))
    archive = delivery.pack(artifact)
    order = cluster.order_of(context, archive)
    worker = shard.Shard(shard.Order(**{**vars(order), "folder": "/nowhere"}))
    facts = worker.open([archive])
    try:
        assert facts["model"] == "sent"
        assert facts["effective"]["threads"] == "1"
        for item in experiment.dataset:
            answer = worker.track(cluster.absolute(item), item.truth, 1)
            text = (tmp_path / "job" / "tracks" / item.name / f"{item.name}_001.txt").read_text()
            assert cluster_text(answer["tracks"][0]) == text
        lost = cluster.replace(item, frames=(tmp_path / "gone.jpg",))
        assert worker.track(lost, None, 1)["error"] == "DataError"
    finally:
        worker._held.close()


def cluster_text(track: Track) -> str:
    from harness.core.results import boxes_text

    return boxes_text(track.boxes)


def test_latency_is_not_asked_of_a_cluster(prepared: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (extra [cluster])")
    with pytest.raises(ConfigError, match=r"task\.mode=both"):
        small_experiment(prepared, "task.executor=ray", "task.mode=both")
