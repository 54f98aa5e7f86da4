"""Sizes of images, read from their headers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.core.errors import DataError
from harness.core.files import open_regular
from harness.core.interfaces import Sequence

IMAGE_MARKS = (b"\xff\xd8", b"\x89PNG\r\n\x1a\n")
"""The first bytes of a JPEG and of a PNG."""


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) of a JPEG or PNG from its header, without decoding or turning it. Raises DataError."""
    import imagesize  # it loads Python's HTTP client; few jobs need sizes

    try:
        with open_regular(path) as file:
            start = file.read(8)
            file.seek(0)
            found = imagesize.get(file, exif_rotation=False) if start.startswith(IMAGE_MARKS) else (-1, -1)
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    except Exception as error:  # a damaged header makes the library raise errors of many classes
        raise DataError(f"{path} has a damaged header ({error}); restore it from the data set.") from error
    if min(found) < 1:
        raise DataError(f"{path} is neither a JPEG nor a PNG; restore it from the data set.")
    return int(found[0]), int(found[1])


def odd_sizes(sequences: Iterable[Sequence]) -> list[str]:
    """Returns a note for each sequence whose frames differ in size, by their headers: boxes are clipped to one size."""
    notes = []
    for sequence in sequences:
        if sequence.size is None:
            continue
        sizes = {number: _size_or_none(path) for number, path in enumerate(sequence.frames, 1)}
        other = {number: found for number, found in sizes.items() if found not in (None, sequence.size)}
        for number, found in list(other.items())[:1]:
            width, height = sequence.size
            assert found is not None
            notes.append(
                f"{sequence.name}: {len(other)} of {len(sizes)} frames are not {width}x{height} (frame {number} is {found[0]}x{found[1]}); "
                f"boxes are clipped to {width}x{height}. Correct the frames or meta_info.ini."
            )
    return notes


def _size_or_none(path: Path) -> tuple[int, int] | None:
    try:
        return image_size(path)
    except DataError:  # a format that only the decoder can read
        return None
