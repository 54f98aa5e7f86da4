"""Digests of a sequence's files, and its copies under any name, found by their images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.core.files import open_regular
from harness.core.interfaces import Sequence


def copies_of(own: Iterable[Sequence], other: Iterable[Sequence], known: Mapping[str, str]) -> dict[str, str]:
    """Returns ``known`` (own name to the other's) plus the sequences of ``own`` with the images of one of ``other``.

    Images are read only if number of frames and size of the first image are equal.
    """
    found = dict(known)
    others: dict[tuple[int, int], list[Sequence]] = {}
    for item in other:
        others.setdefault(_weight(item), []).append(item)
    for item in own:
        alike = others.get(_weight(item), []) if item.name not in found else []
        digest = image_digest(item) if alike else ""
        copy = next((one for one in alike if image_digest(one) == digest), None)
        if copy is not None:
            found[item.name] = copy.name
    return found


def _weight(sequence: Sequence) -> tuple[int, int]:
    """Returns the number of frames and the bytes of the first image, which copies share and which need no reading."""
    return len(sequence.frames), sequence.frames[0].stat().st_size


def image_digest(sequence: Sequence) -> str:
    """SHA-256 over the images of a sequence in order: the same for a copy under other names and with other annotations.

    For long sequences it covers the first, middle and last eight images and the number of images.
    """
    count = len(sequence.frames)
    chosen = sorted({*range(min(8, count)), *range(max(0, count // 2 - 4), min(count, count // 2 + 4)), *range(max(0, count - 8), count)})
    total = hashlib.sha256(f"{count}\0".encode())
    for index in chosen:
        with open_regular(sequence.frames[index]) as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def sequence_digest(folder: Path, sequence: Sequence, annotations: Iterable[str]) -> str:
    """SHA-256 over one sequence: name, frame names and sizes in bytes, annotation files."""
    total = hashlib.sha256(sequence.name.encode() + b"\0")
    for path in sequence.frames:
        total.update(f"{path.name}:{path.stat().st_size}\n".encode())
    for name in annotations:
        path = folder / name
        total.update(f"{name}:".encode() + (path.read_bytes() if path.is_file() else b"-"))
    return total.hexdigest()
