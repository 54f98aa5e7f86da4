"""The table of frames: made, read back, and compared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.core.errors import DataError
from harness.core.interfaces import Track
from harness.scoring.frames import frames_agreement, frames_table, tracks_of


def boxes(values: dict[str, list[list[float]]]) -> pd.DataFrame:
    rows = [
        dict(zip("xywh", box, strict=True), sequence=name, frame=index, repetition=1, round=1)
        for name, items in values.items()
        for index, box in enumerate(items)
    ]
    return pd.DataFrame(rows)


def test_agreement_drops_frame_0_and_finds_where_runs_part() -> None:
    still = [0.0, 0.0, 10.0, 10.0]
    base = boxes({"a": [still] * 4, "b": [still] * 3})
    own = boxes({"a": [[9.0, 9.0, 1.0, 1.0], still, [5.0, 0.0, 10.0, 10.0], still], "b": [still] * 3})
    found = frames_agreement(own, base)
    assert found is not None
    assert found.frames == 5
    assert found.mean_iou == pytest.approx((4 + 1 / 3) / 5)
    assert found.identical == pytest.approx(4 / 5)
    assert found.metrics()["agreement/first_divergent_frame"] == 2
    worst, other = found.sequences
    assert (worst.sequence, worst.first_different, worst.first_below(0.5)) == ("a", 2, 2)
    assert other.first_different is None
    assert worst.overlaps == pytest.approx([1, 1 / 3, 1])


def test_agreement_of_nothing_is_none() -> None:
    still = [0.0, 0.0, 10.0, 10.0]
    assert frames_agreement(boxes({"a": [still] * 3}), boxes({"b": [still] * 3})) is None
    assert frames_agreement(boxes({"a": [still] * 3}), boxes({"a": [still] * 4})) is None


def test_a_table_of_frames_gives_back_its_tracks() -> None:
    rows = np.array([[0.0, 0, 10, 10], [1.0, 0, 10, 10]])
    tracks = [Track(name, rows + shift, np.array([0.5, 0.1])) for name, shift in (("a", 0), ("b", 3))]
    columns = frames_table(tracks, None, contended=["b"])
    assert columns["contended"].tolist() == [False, False, True, True]
    assert np.isnan(columns["iou"]).all()
    read = tracks_of(pd.DataFrame(columns))
    assert [track.sequence for track in read] == ["a", "b"]
    assert read[1].boxes.tolist() == (rows + 3).tolist()
    assert read[0].seconds.tolist() == [0.5, 0.1]


def test_tracks_with_a_missing_frame_are_refused() -> None:
    columns = pd.DataFrame(frames_table([Track("a", np.zeros((3, 4)), np.ones(3))], None))
    with pytest.raises(DataError, match="a: frames are missing"):
        tracks_of(columns[columns["frame"] != 1])
