"""The task over a stand-in whose box depends on every image it saw: schedule, boxes, scores, the three clocks, resuming."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from stub_jobs import DriftingSpec, numbered_sequences, stub_context

from harness.core.errors import ConfigError, DataError, TrackingError
from harness.core.interfaces import Dataset
from harness.tasks.evaluate import Evaluate
from harness.tasks.realtime import Realtime
from harness.tasks.realtime.store import TABLE


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return numbered_sequences(tmp_path / "data")


def rows(folder: Path, fps: float, sequence: str = "seq_1") -> pd.DataFrame:
    table = pd.read_parquet(folder / TABLE)
    return table[(table["fps"] == fps) & (table["sequence"] == sequence)].sort_values("frame")


def fixed(latency_ms: float, *fps: float, **keys: Any) -> Realtime:
    return Realtime(fps=fps or (10.0,), clock="fixed", latency_ms=latency_ms, **keys)


@pytest.mark.parametrize("convention", ["latency", "vot"])
def test_zero_latency_gives_the_boxes_and_scores_of_evaluate_to_the_last_digit(
    tmp_path: Path, dataset: Dataset, convention: Any
) -> None:
    plain = Evaluate(warmup=1).run(stub_context(tmp_path / "plain", dataset))
    task = fixed(0.0, 30.0, convention=convention)
    live = task.run(stub_context(tmp_path / "live", dataset))
    for key in ("ao", "sr50", "sr75"):
        assert live.metrics[f"realtime/30/{key}"] == plain.metrics[key]
    assert 0 < plain.metrics["ao"] < 1
    frames = pd.read_parquet(tmp_path / "plain" / "frames.parquet")
    for name in ("seq_1", "seq_2"):
        own = rows(tmp_path / "live", 30.0, name)[list("xywh")].to_numpy()
        np.testing.assert_array_equal(own.round(3), frames[frames["sequence"] == name][list("xywh")].to_numpy().round(3))


def test_the_tracker_sees_the_frames_of_the_schedule_and_no_others(tmp_path: Path, dataset: Dataset) -> None:
    spec = DriftingSpec()
    fixed(150.0).run(stub_context(tmp_path / "job", dataset, spec))
    assert spec.trackers[-1] == [5 * frame for frame in (0, 1, 3, 4, 6, 7)]
    own = rows(tmp_path / "job", 10.0)
    assert own["source"].tolist() == [0, 0, 0, 1, 1, 3, 4, 4]
    assert own["processed"].tolist() == [True, True, False, True, True, False, True, True]


def test_a_frame_is_scored_with_the_box_made_from_its_source(tmp_path: Path, dataset: Dataset) -> None:
    fixed(150.0).run(stub_context(tmp_path / "job", dataset))
    own = rows(tmp_path / "job", 10.0)
    # brightness 5 on frame 1 and 15 on frame 3: x moves from 8 by 5 / 97, then by 15 / 97
    expected = [8, 8, 8, 8 + 5 / 97, 8 + 5 / 97, 8 + 20 / 97, 8 + 40 / 97, 8 + 40 / 97]
    np.testing.assert_allclose(own["x"], expected, atol=1e-12)


def test_dropped_late_and_age_are_those_of_the_schedule_over_all_sequences(tmp_path: Path, dataset: Dataset) -> None:
    found = fixed(150.0).run(stub_context(tmp_path / "job", dataset)).metrics
    assert found["realtime/10/dropped"] == 2 / 7
    assert found["realtime/10/late"] == 1.0
    assert found["realtime/10/age_ms_p50"] == 200.0  # of 100, 200, 200, 300, 200, 200, 300
    assert found["realtime/10/age_ms_p99"] == pytest.approx(300.0)


def test_vots_convention_with_grace_reaches_the_camera(tmp_path: Path, dataset: Dataset) -> None:
    fixed(250.0, convention="vot", grace=3).run(stub_context(tmp_path / "job", dataset))
    assert rows(tmp_path / "job", 10.0)["source"].tolist() == [0, 1, 2, 3, 3, 5, 5, 7]


def test_initialisation_may_have_a_latency_of_its_own(tmp_path: Path, dataset: Dataset) -> None:
    fixed(150.0, init_ms=0.0).run(stub_context(tmp_path / "job", dataset))
    assert rows(tmp_path / "job", 10.0)["source"].tolist() == [0, 0, 0, 1, 2, 2, 4, 5]


def test_each_rate_is_a_run_of_its_own_with_its_own_metrics(tmp_path: Path, dataset: Dataset) -> None:
    found = fixed(40.0, 10.0, 25.0, 29.97).run(stub_context(tmp_path / "job", dataset)).metrics
    assert {name.split("/")[1] for name in found if name.startswith("realtime/")} == {"10", "25", "29.97"}
    assert found["realtime/25/dropped"] == 0.0 and found["realtime/25/late"] == 0.0  # exactly the frame time
    assert found["realtime/29.97/dropped"] > 0


def test_without_a_fixed_clock_time_passes_as_measured(tmp_path: Path, dataset: Dataset) -> None:
    found = Realtime(fps=(0.001,)).run(stub_context(tmp_path / "job", dataset))
    own = rows(tmp_path / "job", 0.001)
    updates = own["seconds"].to_numpy()[1:]
    assert (updates > 0).all()
    np.testing.assert_allclose((own["finished"] - own["taken"]).to_numpy()[1:], updates, atol=1e-11)
    assert found.metrics["realtime/0.001/dropped"] == 0.0
    assert "fps" in found.metrics and "latency_ms/p99" in found.metrics


def test_decoding_is_counted_where_it_is_asked_for(tmp_path: Path, dataset: Dataset) -> None:
    Realtime(fps=(0.001,), count_decoding=True).run(stub_context(tmp_path / "job", dataset))
    own = rows(tmp_path / "job", 0.001)
    spent = (own["seconds"] + own["decode"]).to_numpy()[1:]
    np.testing.assert_allclose((own["finished"] - own["taken"]).to_numpy()[1:], spent, atol=1e-11)


# ------------------------------------------------------------------------------------ a recorded clock


def record(folder: Path, seconds: list[float]) -> Path:
    """An evaluate job's samples: two sequences of as many frames as ``seconds``."""
    folder.mkdir(parents=True)
    frames = [
        {"sequence": name, "repetition": 1, "round": 1, "frame": frame, "seconds": value, "decode": 0.05, "contended": False}
        for name in ("seq_1", "seq_2")
        for frame, value in enumerate(seconds)
    ]
    pd.DataFrame(frames).to_parquet(folder / "frames.parquet")
    return folder


def test_the_times_of_an_earlier_job_drive_the_clock_and_two_runs_give_the_same_boxes(tmp_path: Path, dataset: Dataset) -> None:
    earlier = record(tmp_path / "earlier", [0.01, 0.02, 0.02, 0.25, 0.02, 0.02, 0.02, 0.02])
    task = Realtime(fps=(10.0,), clock="recorded", recording=str(earlier))
    for name in ("first", "second"):
        task.run(stub_context(tmp_path / name, dataset))
    first, second = (rows(tmp_path / name, 10.0) for name in ("first", "second"))
    assert first["source"].tolist() == [0, 0, 1, 2, 2, 2, 5, 6]
    columns = ["source", "processed", "taken", "finished", *"xywh"]
    pd.testing.assert_frame_equal(first[columns], second[columns])


def test_a_recorded_duration_includes_decoding_where_it_is_counted(tmp_path: Path, dataset: Dataset) -> None:
    earlier = record(tmp_path / "earlier", [0.05] * 8)
    Realtime(fps=(10.0,), clock="recorded", recording=str(earlier), count_decoding=True).run(
        stub_context(tmp_path / "job", dataset)
    )
    assert rows(tmp_path / "job", 10.0)["finished"].iloc[1] == 0.2  # taken at 0.1, 50 ms and 50 ms


def test_a_realtime_job_replays_itself(tmp_path: Path, dataset: Dataset) -> None:
    Realtime(fps=(500.0, 1000.0)).run(stub_context(tmp_path / "first", dataset))
    again = Realtime(fps=(1000.0,), clock="recorded", recording=str(tmp_path / "first"))
    again.run(stub_context(tmp_path / "second", dataset))
    columns = ["source", "processed", *"xywh"]
    pd.testing.assert_frame_equal(
        rows(tmp_path / "first", 1000.0)[columns].reset_index(drop=True),
        rows(tmp_path / "second", 1000.0)[columns].reset_index(drop=True),
    )


def test_a_rate_or_frame_that_was_not_recorded_is_reported(tmp_path: Path, dataset: Dataset) -> None:
    Realtime(fps=(500.0,)).run(stub_context(tmp_path / "first", dataset))
    with pytest.raises(DataError, match="no frames at 20 fps; it has 500"):
        Realtime(fps=(20.0,), clock="recorded", recording=str(tmp_path / "first")).run(stub_context(tmp_path / "job", dataset))
    short = record(tmp_path / "short", [0.01] * 3)
    with pytest.raises(DataError, match="no duration of frame 3 of seq_1"):
        Realtime(fps=(10.0,), clock="recorded", recording=str(short)).run(stub_context(tmp_path / "job", dataset))


def test_a_folder_without_samples_is_not_a_recording(tmp_path: Path, dataset: Dataset) -> None:
    task = Realtime(clock="recorded", recording=str(tmp_path))
    with pytest.raises(ConfigError, match=r"holds neither frames\.parquet nor realtime\.parquet"):
        task.check({}, DriftingSpec(), dataset)  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------- resuming, mistakes


def test_a_job_that_was_cut_tracks_only_what_is_missing(tmp_path: Path, dataset: Dataset) -> None:
    whole = fixed(150.0, 10.0, 20.0).run(stub_context(tmp_path / "job", dataset))
    (tmp_path / "job" / "sequences" / "20" / "seq_2.json").unlink()
    spec = DriftingSpec()
    again = fixed(150.0, 10.0, 20.0).run(stub_context(tmp_path / "job", dataset, spec))
    assert len(spec.trackers) == 2  # the warm-up's and one run's
    assert again.metrics == whole.metrics
    assert again.details["resumed_runs"] == 3


def test_a_run_made_with_other_settings_is_not_reused(tmp_path: Path, dataset: Dataset) -> None:
    fixed(150.0).run(stub_context(tmp_path / "job", dataset))
    found = fixed(50.0).run(stub_context(tmp_path / "job", dataset))
    assert found.details["resumed_runs"] == 0
    assert found.metrics["realtime/10/dropped"] == 0.0


def test_random_weights_have_a_schedule_and_no_accuracy(tmp_path: Path, dataset: Dataset) -> None:
    spec = DriftingSpec()
    spec.random_weights = True
    found = fixed(150.0).run(stub_context(tmp_path / "job", dataset, spec))
    assert "realtime/10/dropped" in found.metrics
    assert not any("ao" in name.split("/") for name in found.metrics)
    assert found.details["scoring"]["feedback"] == "truth"
    # put at the truth of the frame processed last: frame 3 starts from the truth of frame 1, x = 9
    assert rows(tmp_path / "job", 10.0)["x"].iloc[5] == pytest.approx(9 + 15 / 97)


def test_a_box_that_is_not_a_number_ends_the_run_with_its_frame(tmp_path: Path, dataset: Dataset) -> None:
    class Broken(DriftingSpec):
        def start(self, sessions: Any) -> Any:
            tracker = super().start(sessions)
            if len(self.trackers) > 1:  # the first is the warm-up's
                tracker.update = lambda image: np.full(4, np.nan)  # type: ignore[method-assign]
            return tracker

    task = fixed(150.0, warmup=1)
    with pytest.raises(TrackingError, match="seq_1, frame 2: the tracker's box is not finite"):
        task.run(stub_context(tmp_path / "job", dataset, Broken()))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"fps": ()}, "task.fps"),
        ({"fps": (0.0,)}, "rates above 0"),
        ({"fps": (30.0, 30.0)}, "different rates"),
        ({"clock": "fixed"}, "needs task.latency_ms"),
        ({"clock": "fixed", "latency_ms": -1.0}, "0 or more"),
        ({"latency_ms": 5.0}, "task.clock=fixed"),
        ({"clock": "recorded"}, "needs task.recording"),
        ({"recording": "somewhere"}, "task.clock=recorded"),
        ({"grace": -1}, "task.grace"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_what_is_accepted(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Realtime(**keys)


def test_durations_are_read_back_exactly(tmp_path: Path, dataset: Dataset) -> None:
    Realtime(fps=(500.0,)).run(stub_context(tmp_path / "job", dataset))
    record = json.loads((tmp_path / "job" / "sequences" / "500" / "seq_1.json").read_text())
    last = Fraction(record["finished"][-1]) - Fraction(record["taken"][-1])
    assert last == Fraction(repr(record["seconds"][-1]))
