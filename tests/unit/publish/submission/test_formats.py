"""Result folders of this and other tools."""

from __future__ import annotations

import os

import numpy as np
import pytest

from harness.core.errors import DataError
from harness.publish.submission import find_results

BOXES = "10\t20\t30\t40\n11\t21\t31\t41\n"
TIMES = "0.5\n0.1\n"


def flat(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.txt").write_text(BOXES)
        (folder / f"{name}_time.txt").write_text(TIMES)
    return folder


def toolkit(folder, name, repetitions=1):
    (folder / name).mkdir(parents=True)
    for number in range(1, repetitions + 1):
        (folder / name / f"{name}_{number:03d}.txt").write_text(f"1,2,3,{number}\n5,6,7,8\n")
    times = "".join(",".join(["0.25"] * repetitions) + "\n" for _ in range(2))
    (folder / name / f"{name}_time.txt").write_text(times)
    return folder


def test_flat_folders_of_tabs(tmp_path):
    found = find_results(flat(tmp_path / "mine", "b", "a"))
    assert (found.layout, found.name, list(found.sequences)) == ("flat", "mine", ["a", "b"])
    (track,) = found.tracks(["b"])
    assert track.boxes.tolist() == [[10, 20, 30, 40], [11, 21, 31, 41]]
    assert track.seconds.tolist() == [0.5, 0.1]


def test_side_files_of_pytracking_are_not_sequences(tmp_path):
    folder = flat(tmp_path, "a")
    for ending in ("all_boxes", "all_scores", "object_presence_scores"):
        (folder / f"a_{ending}.txt").write_text("1\n")
    assert list(find_results(folder).sequences) == ["a"]


@pytest.mark.parametrize("separator", [",", "\t", " ", ", "])
def test_any_separator(tmp_path, separator):
    (tmp_path / "a.txt").write_text(separator.join("1234") + "\n")
    assert find_results(tmp_path).tracks()[0].boxes.tolist() == [[1, 2, 3, 4]]


def test_the_toolkits_layout_with_repetitions(tmp_path):
    found = find_results(toolkit(tmp_path, "a", repetitions=3))
    assert found.layout == "toolkit"
    tracks = found.tracks()
    assert [track.repetition for track in tracks] == [1, 2, 3]
    assert [track.boxes[0, 3] for track in tracks] == [1, 2, 3]
    assert all(track.seconds.tolist() == [0.25, 0.25] for track in tracks)


def test_a_jobs_folder_is_its_tracks(tmp_path):
    toolkit(tmp_path / "job/tracks", "a")
    found = find_results(tmp_path / "job")
    assert found.path == tmp_path / "job/tracks"
    assert found.name == "job"


def test_without_times_there_are_none(tmp_path):
    flat(tmp_path, "a")
    (tmp_path / "a_time.txt").unlink()
    assert np.isnan(find_results(tmp_path).tracks()[0].seconds).all()


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("a.txt", "1 2 3\n", "3 numbers a line; a box is four"),
        ("a.txt", "", "0 numbers a line"),
        ("a.txt", "1 2 3 4\n1 2 3 x\n", r"a\.txt, line 2: "),
        ("a.txt", "1 2 3 4\n1 2 3\n", r"a\.txt, line 2: 3 numbers where line 1 has 4"),
        ("a_time.txt", "0.1\n", r"a_time\.txt has 1 lines, a\.txt has 2"),
    ],
)
def test_faults_name_file_and_line(tmp_path, file, text, message):
    flat(tmp_path, "a")
    (tmp_path / file).write_text(text)
    with pytest.raises(DataError, match=message):
        find_results(tmp_path).tracks()


def test_no_results(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        find_results(tmp_path / "none")
    with pytest.raises(DataError, match="holds no result files"):
        find_results(tmp_path)
    flat(tmp_path / "outer/siamfc", "a")
    with pytest.raises(DataError, match="holds no result files; these folders in it do: siamfc"):
        find_results(tmp_path / "outer")
    with pytest.raises(DataError, match="is a file; give the folder"):
        find_results(tmp_path / "outer/siamfc/a.txt")


@pytest.mark.posix
@pytest.mark.parametrize("name", ["a.json", "a_mine.mat", "a.txt"])
def test_a_pipe_in_the_place_of_results_is_refused_at_once(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError):
        list(find_results(tmp_path).tracks())
