"""Files are whole or absent; what is read is what was written."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.core.errors import DataError, StoreError, exit_code_of
from harness.core.files import new_folder, write_bytes, write_json
from harness.core.interfaces import Track
from harness.core.results import (
    Results,
    boxes_text,
    read_frames,
    read_numbers,
    shipped,
    times_text,
    track_paths,
    write_frames,
    write_tracks,
)


def test_numbers_that_json_lacks_become_null(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", {"x": math.nan, "y": np.float32(2), "z": np.arange(2), "p": Path("q")})
    assert json.loads(path.read_text()) == {"x": None, "y": 2.0, "z": [0, 1], "p": "q"}


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_bytes(tmp_path / "a", b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file/a cannot be written"):
        write_bytes(tmp_path / "file" / "a", b"x")


def test_results_survive_the_way_to_disk(tmp_path: Path) -> None:
    results = Results("abc", "onnx", "ok", {"backend": {"name": "onnx"}, "seed": 1}, metrics={"fps": 3.5})
    results.save(tmp_path)
    loaded = Results.load(tmp_path)
    assert loaded == results
    assert loaded.choice("backend") == "onnx"
    assert loaded.choice("seed") == "1"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"id": 1}', '{"id": "a", "schema": 99}', '{"id": "a", "schema": 1, "name": "n"}', "\xff"]
)
def test_damaged_results_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_text(text, encoding="latin-1")
    with pytest.raises(DataError):
        Results.load(tmp_path)


def test_box_files_have_three_decimals_and_are_never_cut_to_integers() -> None:
    boxes = np.array([[1.23456, 2, 3.9996, 4.0004]])
    assert boxes_text(boxes) == "1.235,2.000,4.000,4.000\n"
    assert shipped(boxes).tolist() == [[1.235, 2.0, 4.0, 4.0]]


def test_time_files_have_a_column_per_repetition() -> None:
    assert times_text([np.array([0.1, 0.2]), np.array([0.3, 1e-9])]) == "0.10000000,0.30000000\n0.20000000,0.00000000\n"


def test_tracks_lie_in_the_toolkits_layout(tmp_path: Path) -> None:
    boxes, seconds = np.ones((2, 4)), np.array([0.5, 0.25])
    write_tracks(tmp_path, [Track("s", boxes * 2, seconds, {}, 2), Track("s", boxes, seconds, {}, 1)])
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["s_001.txt", "s_002.txt", "s_time.txt"]
    assert read_numbers(track_paths(tmp_path, "s", 2)[0]).tolist() == [[2.0] * 4] * 2
    assert read_numbers(track_paths(tmp_path, "s")[1]).shape == (2, 2)


@pytest.mark.parametrize(("text", "line"), [("1,2,3,4\n1,2,3\n", 2), ("1,2\nx,2\n", 2), ("1,2\n\n3,4\n", 2)])
def test_a_fault_in_a_number_file_is_named_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"a\.txt, line {line}:"):
        read_numbers(path)


def test_a_folder_that_is_there_is_somebody_elses(tmp_path: Path) -> None:
    made = [new_folder(tmp_path / "day/12-00-00").name for _ in range(3)]
    assert made == ["12-00-00", "12-00-00-2", "12-00-00-3"]
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/run cannot be made .*hydra\.run\.dir"):
        new_folder(tmp_path / "file/run")


def test_a_full_disk_is_nobodys_mistake() -> None:
    def failing(number: int) -> StoreError:
        try:
            try:
                raise OSError(number, os.strerror(number), "place")
            except OSError as error:
                raise StoreError("place cannot be written.") from error
        except StoreError as error:
            return error

    assert exit_code_of(failing(errno.ENOSPC)) == 1
    assert exit_code_of(failing(errno.EACCES)) == 2
    assert exit_code_of(StoreError("nothing below it")) == 2


def test_frames_are_written_without_pandas_and_read_back_as_they_were(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
import numpy as np
from harness.core.results import write_frames
columns = {{"sequence": np.array(["ünï", "b", ""]), "frame": np.arange(3), "iou": np.array([np.nan, 0.5, 1.0]), "scored": np.array([False, True, True]),
           "x": np.arange(6.0).reshape(3, 2)[:, 1]}}
write_frames(Path({str(tmp_path)!r}), columns)
sys.exit("pandas" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    found = read_frames(tmp_path)
    assert list(found.columns) == ["sequence", "frame", "iou", "scored", "x"]
    assert found["sequence"].tolist() == ["ünï", "b", ""] and found["frame"].tolist() == [0, 1, 2] and found["frame"].dtype == "int64"
    assert np.isnan(found["iou"][0]) and found["iou"].tolist()[1:] == [0.5, 1.0]
    assert found["scored"].tolist() == [False, True, True] and found["scored"].dtype == bool
    assert found["x"].tolist() == [1.0, 3.0, 5.0]


def test_frames_of_no_sequence_are_a_table_without_rows(tmp_path: Path) -> None:
    write_frames(tmp_path, {"sequence": np.array([], dtype=str), "frame": np.array([], dtype=int), "scored": np.array([], dtype=bool)})
    assert len(read_frames(tmp_path)) == 0


def test_frames_are_written_and_read_in_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    columns = {"sequence": np.array(["a", "a"]), "frame": np.array([0, 1])}
    for written in (columns, pd.DataFrame(columns)):
        write_frames(folder, written)
        assert pd.read_parquet((folder / "frames.parquet").open("rb"))["frame"].tolist() == [0, 1]
