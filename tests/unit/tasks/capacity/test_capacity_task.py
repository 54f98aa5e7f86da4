"""The task with real threads over a stand-in: what it opens, records, resumes and refuses. Nothing here depends on speed."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stub_jobs import DriftingSpec, numbered_sequences, stub_context

from harness.core.errors import ConfigError
from harness.core.interfaces import Arrays, Dataset, GraphSpec
from harness.tasks.capacity import Capacity
from harness.tasks.capacity.streams import Streams, load_clips
from harness.tasks.capacity.task import FILE


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.tasks.capacity.task.SETTLE_S", 0.0)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return numbered_sequences(tmp_path / "data", sequences=2, frames=4)


def quick(**keys: Any) -> Capacity:
    return Capacity(**{"fps": 50.0, "deadline_ms": 5000.0, "most": 3, "least_s": 0.1, "most_s": 0.2, **keys})


def test_a_job_records_each_step_and_the_largest_number_that_passed(tmp_path: Path, dataset: Dataset) -> None:
    found = quick().run(stub_context(tmp_path / "job", dataset))
    steps = json.loads((tmp_path / "job" / FILE).read_text())["steps"]
    told = found.details["capacity"]
    assert [step["streams"] for step in steps] == [step["streams"] for step in told["steps"]]
    assert found.metrics["capacity/streams"] == max((step["streams"] for step in steps if step["passed"]), default=0)
    assert told["workers"] == 2 and told["threads_each"] == 1
    assert all(step["frames"] > 0 and step["p99_ms"] >= step["p50_ms"] for step in steps if not step["dropped"])


def test_a_job_that_was_cut_makes_no_step_twice(tmp_path: Path, dataset: Dataset) -> None:
    first = quick().run(stub_context(tmp_path / "job", dataset))
    record = json.loads((tmp_path / "job" / FILE).read_text())
    record["steps"] = [{**step, "p50_ms": 0.125} for step in record["steps"]]
    (tmp_path / "job" / FILE).write_text(json.dumps(record))
    again = quick().run(stub_context(tmp_path / "job", dataset))
    assert {step["p50_ms"] for step in again.details["capacity"]["steps"]} == {0.125}
    assert again.metrics["capacity/streams"] == first.metrics["capacity/streams"]
    other = quick(fps=40.0).run(stub_context(tmp_path / "job", dataset))
    assert 0.125 not in {step["p50_ms"] for step in other.details["capacity"]["steps"]}


def test_a_resumed_search_begins_where_the_first_start_did_however_fast_the_machine_is_now(tmp_path: Path, dataset: Dataset) -> None:
    pause = threading.Event()
    slow = DriftingSpec(on_update=lambda: pause.wait(0.03) and None)
    keys = {"fps": 10.0, "most": 16, "least_s": 0.1, "most_s": 0.15}
    quick(**keys).run(stub_context(tmp_path / "job", dataset, slow))
    record = json.loads((tmp_path / "job" / FILE).read_text())
    record["steps"] = [{**step, "p50_ms": 0.125} for step in record["steps"]]
    (tmp_path / "job" / FILE).write_text(json.dumps(record))
    again = quick(**keys).run(stub_context(tmp_path / "job", dataset))  # an update takes next to nothing now
    assert {step["p50_ms"] for step in again.details["capacity"]["steps"]} == {0.125}
    assert again.details["capacity"]["service_ms"] == pytest.approx(1e3 * record["service_s"])


def test_a_service_longer_than_the_deadline_leaves_no_stream(tmp_path: Path, dataset: Dataset) -> None:
    pause = threading.Event()
    spec = DriftingSpec(on_update=lambda: pause.wait(0.02) and None)
    found = quick(deadline_ms=1.0, fps=20.0).run(stub_context(tmp_path / "job", dataset, spec))
    assert found.metrics["capacity/streams"] == 0.0
    assert not any(step["passed"] for step in found.details["capacity"]["steps"])


# -------------------------------------------------------------------------------------------- parts


def test_clips_share_the_memory_and_have_two_frames_at_least(dataset: Dataset) -> None:
    frame = 48 * 64 * 3
    clips = load_clips(list(dataset), "rgb", 6 * frame / 2**20)
    assert [clip.frames for clip in clips] == [3, 3]
    assert [clip.frames for clip in load_clips(list(dataset), "rgb", 1e-6)] == [2, 2]
    assert [clip.images for clip in load_clips(list(dataset), "rgb", None)] == [None, None]


class Marked:
    """A session that knows whose it is."""

    spec = GraphSpec("search", (), ())

    def __init__(self, worker: int) -> None:
        self.worker, self.threads = worker, set[int]()

    def run(self, inputs: Any) -> Arrays:
        self.threads.add(threading.get_ident())
        return {"worker": np.array(self.worker)}


class AskingSpec(DriftingSpec):
    """Its tracker's box is the number of the session that ran, and the frame's brightness."""

    def start(self, sessions: Any) -> Any:
        tracker = super().start(sessions)
        tracker.update = lambda image: np.array([sessions["search"].run({})["worker"], image[0, 0, 0], 1, 1], float)  # type: ignore[method-assign]
        return tracker


def test_a_trackers_frame_runs_on_the_sessions_of_the_worker_that_takes_it(dataset: Dataset) -> None:
    marked = [Marked(0), Marked(1)]
    streams = Streams(AskingSpec(), [{"search": item} for item in marked], load_clips(list(dataset), "rgb", 1.0), False)  # type: ignore[arg-type]
    streams.prepare(1)
    threads = [threading.Thread(target=streams.serve, args=(0, worker)) for worker in (0, 1)]
    for thread in threads:
        thread.start()
        thread.join()
    assert len(marked[0].threads) == len(marked[1].threads) == 1


def test_a_camera_begins_again_at_its_clips_end_with_the_first_box(dataset: Dataset) -> None:
    spec = DriftingSpec()
    streams = Streams(spec, [{}], load_clips(list(dataset), "rgb", 1.0), False)  # type: ignore[arg-type]
    streams.prepare(3)
    assert len(spec.trackers) == 3
    for _ in range(5):
        streams.step(2, 0)
    assert spec.trackers[2] == [0, 5, 10, 15, 5, 10]  # frame 0 is not shown again: it belongs to initialisation


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"fps": 0.0}, "task.fps"),
        ({"deadline_ms": -1.0}, "task.deadline_ms"),
        ({"least_s": 5.0, "most_s": 1.0}, "task.most_s"),
        ({"workers": 0}, "task.workers"),
        ({"most": 0}, "task.most"),
    ],
)
def test_settings_that_make_no_sense_are_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Capacity(**keys)

