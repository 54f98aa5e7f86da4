"""A person's own clip as a data set."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from harness.core.errors import ConfigError, DataError
from harness.datasets.video import Video

SIZE = (160, 120)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """Twelve frames of a bright square that moves right by 3 px a frame."""
    path = tmp_path_factory.mktemp("clip") / "my clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, SIZE)
    assert writer.isOpened()
    for number in range(12):
        image = np.full((SIZE[1], SIZE[0], 3), 40, np.uint8)
        image[40:70, 20 + 3 * number : 50 + 3 * number] = (30, 200, 250)
        writer.write(image)
    writer.release()
    return path


def video(clip: Path, cache: Path, **more: object) -> Video:
    return Video(path=str(clip), init_box=[20, 40, 30, 30], cache=str(cache), **more)  # type: ignore[arg-type]


def test_a_clip_is_one_sequence_without_truth(clip, tmp_path):
    dataset = video(clip, tmp_path)
    (sequence,) = dataset
    assert sequence.name == "my_clip"
    assert len(sequence) == 12
    assert len(dataset) == 1
    assert not dataset.has_truth
    assert sequence.truth is None
    assert sequence.size == SIZE
    assert sequence.init_box.tolist() == [20, 40, 30, 30]


def test_frames_are_the_clips(clip, tmp_path):
    (sequence,) = video(clip, tmp_path)
    for number in (0, 11):
        image = cv2.imread(str(sequence.frames[number]))
        inside = image[45:65, 25 + 3 * number : 45 + 3 * number].reshape(-1, 3).mean(axis=0)
        assert inside == pytest.approx([30, 200, 250], abs=6)
        assert image[5:30].mean() == pytest.approx(40, abs=4)


def test_a_clip_is_decoded_once(clip, tmp_path):
    (first,) = video(clip, tmp_path)
    stamps = [path.stat().st_mtime_ns for path in first.frames]
    (second,) = video(clip, tmp_path)
    assert second.frames == first.frames
    assert [path.stat().st_mtime_ns for path in second.frames] == stamps
    assert [path.name for path in (tmp_path / "video").iterdir()] == [first.frames[0].parent.name]  # nothing half done


def test_fewer_frames(clip, tmp_path):
    (sequence,) = video(clip, tmp_path, frames=5)
    assert len(sequence) == 5
    (whole,) = video(clip, tmp_path)
    assert len(whole) == 12


def test_digest_follows_clip_box_and_frames(clip, tmp_path):
    digest = video(clip, tmp_path).digest()
    assert digest == video(clip, tmp_path / "elsewhere").digest()
    assert digest != video(clip, tmp_path, frames=5).digest()
    assert digest != Video(path=str(clip), init_box=[21, 40, 30, 30], cache=str(tmp_path)).digest()


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([], "four numbers"),
        ([1, 2, 3], "four numbers"),
        ([1, 2, float("nan"), 4], "four numbers"),
        ([1, 2, 0, 4], "must be positive"),
        ([150, 40, 30, 30], r"not inside the image: the image is 160x120"),
        ([-1, 40, 30, 30], "not inside the image"),
        ([10, 100, 30, 30], "not inside the image"),
    ],
)
def test_boxes_that_cannot_be(clip, tmp_path, box, message):
    with pytest.raises(ConfigError, match=rf"dataset\.init_box is .*{message}"):
        Video(path=str(clip), init_box=box, cache=str(tmp_path))


def test_clips_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"dataset\.path is not set"):
        Video()
    with pytest.raises(DataError, match=r"none\.mp4 does not exist"):
        Video(path="none.mp4", init_box=[1, 1, 5, 5])
    (tmp_path / "broken.mp4").write_bytes(b"not a video" * 50)
    with pytest.raises(DataError, match=r"broken\.mp4 cannot be decoded as a video"):
        Video(path=str(tmp_path / "broken.mp4"), init_box=[1, 1, 5, 5], cache=str(tmp_path))
    with pytest.raises(ConfigError, match=r"dataset\.frames is 0"):
        Video(path=str(tmp_path / "broken.mp4"), init_box=[1, 1, 5, 5], frames=0)


@pytest.mark.parametrize("share", [0.6, 0.75, 0.9])
def test_a_cut_clip_is_reported_with_both_numbers(clip, tmp_path, share):
    cut = tmp_path / "cut.avi"
    cut.write_bytes(clip.read_bytes()[: int(clip.stat().st_size * share)])
    dataset = video(cut, tmp_path / "cache")
    (sequence,) = dataset
    assert 0 < len(sequence) < 12
    (note,) = dataset.notes()
    assert f"{len(sequence)} frames were decoded of the 12" in note
    assert video(cut, tmp_path / "cache").notes() == [note]  # also when the frames come from the cache


def test_a_whole_clip_and_one_that_is_shortened_by_wish_have_no_note(clip, tmp_path):
    assert video(clip, tmp_path).notes() == []
    assert video(clip, tmp_path, frames=5).notes() == []


def lose_two(folder: Path) -> None:
    (folder / "00000003.png").unlink()
    (folder / "00000012.png").unlink()


def lose_the_record(folder: Path) -> None:
    (folder / "clip.json").unlink()


def alter(folder: Path) -> None:
    path = folder / "00000007.png"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [lose_two, lose_the_record, alter])
def test_damaged_cached_frames_are_decoded_anew_with_a_notice(clip, tmp_path, capsys, damage):
    (first,) = video(clip, tmp_path)
    before = [path.read_bytes() for path in first.frames]
    damage(first.frames[0].parent)
    (second,) = video(clip, tmp_path)
    assert [path.read_bytes() for path in second.frames] == before
    assert "decoded again" in capsys.readouterr().err
