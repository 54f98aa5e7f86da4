"""Decoding: the fast decoder's pixels are OpenCV's, the order of channels is the tracker's, damage is named."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest

from harness.core.errors import DataError
from harness.imaging import decoding

SAMPLINGS = {
    "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "422": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    "440": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440,
    "411": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411,
}


def picture(height: int, width: int) -> np.ndarray:
    """A smooth picture with strong colours, whose chroma upsampling shows."""
    coarse = np.random.default_rng(height * width).integers(
        0, 256, (height // 6 + 2, width // 6 + 2, 3), dtype=np.uint8
    )
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def jpeg(image: np.ndarray, quality: int = 90, sampling: str = "420", progressive: bool = False) -> bytes:
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLINGS[sampling]]
    settings += [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    return cv2.imencode(".jpg", image, settings)[1].tobytes()


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("size", [(360, 640), (361, 639), (37, 53), (1, 1)])
def test_the_fast_decoder_has_opencvs_pixels(
    monkeypatch: pytest.MonkeyPatch, sampling: str, size: tuple[int, int]
) -> None:
    assert decoding.simplejpeg is not None
    for quality, progressive in product((30, 75, 100), (False, True)):
        data = jpeg(picture(*size), quality, sampling, progressive)
        fast = {color: decoding.decode(data, color) for color in ("rgb", "bgr")}
        with monkeypatch.context() as patch:
            patch.setattr(decoding, "simplejpeg", None)
            for color, image in fast.items():
                np.testing.assert_array_equal(image, decoding.decode(data, color))


@pytest.mark.shared
def test_the_fast_decoder_has_opencvs_pixels_on_real_video(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = sorted((shared / "real/val").glob("*/*.jpg"))[::100]
    assert paths
    for path in paths:
        fast = decoding.read_image(path, "bgr")
        with monkeypatch.context() as patch:
            patch.setattr(decoding, "simplejpeg", None)
            np.testing.assert_array_equal(fast, decoding.read_image(path, "bgr"))


@pytest.mark.parametrize("fast", [True, False])
def test_channel_order_is_what_was_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fast: bool) -> None:
    if not fast:
        monkeypatch.setattr(decoding, "simplejpeg", None)
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 2] = 250  # OpenCV writes from BGR
    path = tmp_path / "red.jpg"
    path.write_bytes(jpeg(red, 100, "444"))
    rgb, bgr = decoding.read_image(path, "rgb"), decoding.read_image(path, "bgr")
    assert rgb[8, 8, 0] > 240
    assert rgb[8, 8, 2] < 10
    np.testing.assert_array_equal(rgb, bgr[..., ::-1])
    assert rgb.flags.c_contiguous
    assert bgr.flags.c_contiguous


@pytest.mark.parametrize("fast", [True, False])
def test_grey_and_png_images_have_three_channels(monkeypatch: pytest.MonkeyPatch, fast: bool) -> None:
    if not fast:
        monkeypatch.setattr(decoding, "simplejpeg", None)
    grey = picture(20, 30)[..., 0]
    image = decoding.decode(cv2.imencode(".jpg", grey)[1].tobytes(), "rgb")
    assert image is not None
    assert image.shape == (20, 30, 3)
    colour = picture(20, 30)
    np.testing.assert_array_equal(decoding.decode(cv2.imencode(".png", colour)[1].tobytes(), "bgr"), colour)


@pytest.mark.parametrize("fast", [True, False])
def test_a_camera_that_was_turned_is_not_turned_back(monkeypatch: pytest.MonkeyPatch, fast: bool) -> None:
    if not fast:
        monkeypatch.setattr(decoding, "simplejpeg", None)
    plain = jpeg(picture(24, 40))
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"  # orientation 6
    turned = plain[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + plain[2:]
    np.testing.assert_array_equal(decoding.decode(turned, "rgb"), decoding.decode(plain, "rgb"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jpg cannot be read"):
        decoding.read_image(tmp_path / "gone.jpg", "rgb")


@pytest.mark.parametrize("keep", [0, 2, 200, 2500, -3])
def test_a_cut_file_is_named_and_not_filled_with_grey(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "cut.jpg"
    path.write_bytes(jpeg(picture(120, 160))[:keep])
    with pytest.raises(DataError, match=r"cut\.jpg is not an image"):
        decoding.read_image(path, "rgb")


def zeroed(data: bytes, share: float, count: int) -> bytes:
    """``data`` with ``count`` zero bytes in it, from ``share`` of its length on."""
    at = int(len(data) * share)
    return data[:at] + bytes(count) + data[at + count :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: zeroed(data, 0.5, 600),
        lambda data: zeroed(data, 0.7, 300),
        lambda data: data[: len(data) // 2] + b"\xff\xd9",
        lambda data: data[: len(data) // 2] + b"\xff\xd9" + bytes(6000),
        lambda data: data[: len(data) // 2],
    ],
    ids=["hole", "late hole", "cut before its end marker", "cut, with a tail", "cut"],
)
def test_a_damaged_jpeg_is_refused_with_its_name(tmp_path: Path, damage) -> None:
    path = tmp_path / "damaged.jpg"
    path.write_bytes(damage(jpeg(picture(120, 160))))
    with pytest.raises(DataError, match=r"damaged\.jpg is not an image that can be decoded whole"):
        decoding.read_image(path, "bgr")


@pytest.mark.parametrize("tail", [bytes(1), bytes(6000), b"\xff\xfe" * 5000])
def test_a_sound_jpeg_with_bytes_after_its_end_is_read(tmp_path: Path, tail: bytes) -> None:
    data, path = jpeg(picture(120, 160)), tmp_path / "tail.jpg"
    path.write_bytes(data + tail)
    np.testing.assert_array_equal(decoding.read_image(path, "bgr"), decoding.decode(data, "bgr"))


@pytest.mark.posix
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(DataError, match=r"pipe\.jpg is not a regular file"):
        decoding.read_image(tmp_path / "pipe.jpg", "rgb")


def test_a_link_to_a_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"zero\.jpg is not a regular file"):
        decoding.read_image(tmp_path / "zero.jpg", "rgb")


def test_a_file_over_the_limit_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.truncate(300 << 20)
    with pytest.raises(DataError, match=r"large\.jpg has 300 MiB, over the limit of 256"):
        decoding.read_image(path, "rgb")
    monkeypatch.setenv(decoding.LARGEST_MB, "many")
    with pytest.raises(DataError, match="HARNESS_IMAGE_MB is 'many'"):
        decoding.read_image(path, "rgb")


def test_a_header_of_too_many_pixels_is_refused_before_decoding(tmp_path: Path) -> None:
    data = bytearray(cv2.imencode(".png", picture(20, 30))[1].tobytes())
    data[16:24] = (60000).to_bytes(4, "big") * 2
    path = tmp_path / "vast.png"
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"vast\.png .* 60000x60000 pixels"):
        decoding.read_image(path, "rgb")


def test_reading_ahead_never_fails(tmp_path: Path) -> None:
    decoding.read_ahead(tmp_path / "gone.jpg")
    (tmp_path / "here.jpg").write_bytes(b"1")
    decoding.read_ahead(tmp_path / "here.jpg")


@pytest.mark.posix
def test_read_ahead_of_a_pipe_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "frame.jpg")
    decoding.read_ahead(tmp_path / "frame.jpg")
