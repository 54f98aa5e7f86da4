"""dataset=trackingnet: TrackingNet's test set (only first boxes) and its training sets, as published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from harness.core.errors import DataError
from harness.core.files import write_bytes
from harness.core.interfaces import Track
from harness.datasets.layouts.benchmark import BenchmarkDataset, Entry
from harness.datasets.layouts.places import by_key, roots
from harness.datasets.layouts.reading import child
from harness.datasets.layouts.zips import zip_of

TEST_SEQUENCES = 511


@dataclass
class TrackingNet(BenchmarkDataset):
    """TrackingNet under ``dataset.root``, the folder of ``TEST`` and ``TRAIN_0`` to ``TRAIN_11``.

    ``split`` is test, train, or one of the training sets by its folder's name. Each has ``frames/NAME/0.jpg ...`` and
    ``anno/NAME.txt``; in the test set that file has only the first box, and results are packed for the benchmark's
    server.
    """

    split: str = "test"
    name: str = "trackingnet"

    title: ClassVar[str] = "TrackingNet"
    home: ClassVar[str] = "https://tracking-net.org"
    splits: ClassVar[tuple[str, ...]] = ("test", "train")
    shape: ClassVar[str] = "TEST and TRAIN_0 to TRAIN_11 with frames/NAME/0.jpg ... and anno/NAME.txt"
    first_pixel: ClassVar[int] = 0

    def find(self) -> list[Entry]:
        found = []
        for part in self._parts():
            truth, frames = child(part, "anno"), child(part, "frames")
            if truth is None:
                continue
            folders = {} if frames is None else by_key(frames)
            for key, annotation in by_key(truth, files=".txt").items():
                if key in folders or self.truth_only:
                    found.append(Entry(annotation.stem, annotation, folders.get(key)))
        return sorted(found, key=lambda entry: entry.name)

    def _parts(self) -> list[Path]:
        word = self.split.lower()
        wanted = ["test"] if word == "test" else [f"train_{number}" for number in range(12)] if word == "train" else [word]
        for place in roots(self.folder):
            parts = [part for name in wanted if (part := child(place, name)) is not None and part.is_dir()]
            if parts:
                return parts
        return [self.folder] if child(self.folder, "anno") is not None and child(self.folder, "frames") is not None else []

    def expects_truth(self) -> bool:
        return self.split.lower() != "test"

    def notes(self) -> list[str]:
        found = super().notes()
        if self.split.lower() == "test" and len(self.entries) != TEST_SEQUENCES:
            found.append(f"{self.folder} holds {len(self.entries)} of TrackingNet's {TEST_SEQUENCES} test sequences.")
        return found

    def pack(self, tracks: Iterable[Track], archive: Path) -> list[Path]:
        """Writes the zip for the server: ``NAME.txt`` with a line ``x,y,w,h`` per frame, for every test sequence."""
        texts = {}
        for track in tracks:
            if track.repetition == 1:
                lines = (",".join(f"{value:.2f}" for value in box) for box in track.boxes.tolist())
                texts[f"{track.sequence}.txt"] = "\n".join(lines) + "\n"
        missing = [name for name in self.entries if f"{name}.txt" not in texts]
        if missing:
            raise DataError(
                f"{len(missing)} of {len(self.entries)} sequences have no results ({', '.join(missing[:3])}); TrackingNet's server "
                "takes all of them at once."
            )
        write_bytes(archive, zip_of(texts))
        return [archive]
