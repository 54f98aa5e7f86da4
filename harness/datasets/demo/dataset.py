"""dataset=demo: sequences generated on first use, the same on every machine, in the GOT-10k layout."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import cv2
from filelock import FileLock

from harness.core.errors import ConfigError, DataError, StoreError, in_words
from harness.core.files import at_home, changed, contents_of, file_mode, read_json, write_json
from harness.core.interfaces import Dataset, Image, Sequence
from harness.datasets.demo import choreography, drawing, figures, maps, sprites, textures
from harness.datasets.demo.choreography import FRAMES, HEIGHT, SCRIPTS, WIDTH, Scene, Script, cover_level, random_script
from harness.datasets.layouts.got10k import LIST_FILE, META_FILE, TRUTH_FILE, FolderDataset, select_names
from harness.machine.progress import say

QUALITY = 92
CALIBRATION_SEQUENCES = 8
SPLITS = ("val", "calibration")
CONTENTS_FILE = "contents.json"
"""Size and SHA-256 of every file, as it was drawn."""

log = logging.getLogger(__name__)


@dataclass
class Demo(FolderDataset):
    """Generated into ``<cache>/demo/<version>/<split>`` (or ``<root>/<split>``) when a sequence is first asked for.

    ``val`` is what is evaluated: one sequence per challenge. ``calibration`` is for int8, from other seeds and with
    mixed challenges. The demo tracker was trained on a third seed space (see ``maps.SPACES``).
    """

    calibration_split: ClassVar[str | None] = "calibration"

    split: Literal["val", "calibration"] = "val"
    has_layout: ClassVar[bool] = False  # what it generates is in the plain folder layout
    name: str = "demo"

    @property
    def folder(self) -> Path:
        base = at_home(self.root) if self.root else at_home(self.cache) / "demo" / version()
        return base / self.split

    def load(self) -> list[Sequence]:
        if self._loaded is None:  # looked at once
            if self.root and self.folder.is_dir() and any(self.folder.iterdir()):
                self._check_own()
            generate(self.folder, self.split, self.names)
        return super().load()

    def _check_own(self) -> None:
        """Raises DataError where a folder that a user named holds something else, or is damaged: it is not replaced."""
        for name, what in _damaged(self.folder, self.names).items():
            raise DataError(
                f"{self.folder} is not the demo data set as it was drawn ({name} {what}); give dataset.root another folder, or "
                "remove this one, and it is drawn again."
            )

    def digest(self) -> str:
        """SHA-256 over the bytes of every file of the sequences used."""
        self.load()
        recorded = read_json(self.folder / CONTENTS_FILE)
        used = {name: facts["sha256"] for name, facts in recorded.items() if name.partition("/")[0] in set(self.names)}
        return hashlib.sha256(json.dumps(used, sort_keys=True).encode()).hexdigest()

    def _select_names(self) -> list[str]:
        if self.split not in SPLITS:
            raise ConfigError(f"dataset.split is {self.split!r}; the demo data set has {' and '.join(SPLITS)}.")
        return select_names(self.all_names(), self.sequences, self.limit, Path("the demo data set"), self.exclude)

    def all_names(self) -> list[str]:
        return [name for name, _, _ in contents(self.split)]

    def shared_with(self, other: Dataset) -> dict[str, str]:
        if isinstance(other, Demo):  # names hold the split and the seed: nothing needs to be drawn to compare two of them
            return Dataset.shared_with(self, other)
        return super().shared_with(other)


def version() -> str:
    """16 hex digits that change whenever the code that draws does: a stale cache is never read."""
    total = hashlib.sha256()
    for module in (maps, textures, sprites, figures, drawing, choreography):
        total.update(Path(str(module.__file__)).read_bytes())
    total.update(repr((QUALITY, CALIBRATION_SEQUENCES)).encode())
    return total.hexdigest()[:16]


def contents(split: str) -> list[tuple[str, Script, int]]:
    """A split's sequences: name, script and seed within the split's seed space."""
    if split == "val":
        return [(f"demo_{i:02d}_{script.name}", script, i) for i, script in enumerate(SCRIPTS, 1)]
    rng = maps.generator(split, 0)
    return [
        (f"demo_{split}_{i:02d}", random_script(rng, "mixed"), i) for i in range(1, CALIBRATION_SEQUENCES + 1)
    ]


def generate(folder: Path, split: str, used: Collection[str]) -> None:
    """Writes the split's sequences to ``folder`` unless the ``used`` ones are there as they were drawn; all or none, by one process at a time.

    Raises StoreError where the folder cannot be written.
    """
    if not _damaged(folder, used):
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{split}.lock"):
            faults = _damaged(folder, used)
            if faults:
                if folder.exists():
                    name, what = next(iter(faults.items()))
                    more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
                    say(f"note: the demo data set in {folder} is damaged ({name} {what}{more}); it is drawn again")
                _generate_whole(folder, split)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written, where the demo data set is generated on first use: "
            f"{in_words(error, 'set dataset.cache to a folder that can be written')}"
        ) from error


def _damaged(folder: Path, used: Collection[str]) -> dict[str, str]:
    """Files of the ``used`` sequences that are not as they were drawn, each with what is wrong with it; reading all would take a job's whole start."""
    try:
        recorded = read_json(folder / CONTENTS_FILE)
        names = {*used, LIST_FILE}
        read = {path: facts for path, facts in recorded.items() if path.partition("/")[0] in names}
        missing = names - {path.partition("/")[0] for path in read}
        return dict.fromkeys(missing, "has no record") or changed(folder, read)
    except (DataError, KeyError, TypeError, AttributeError) as error:
        return {CONTENTS_FILE: f"cannot be read ({type(error).__name__})"}


def _generate_whole(folder: Path, split: str) -> None:
    listed = contents(split)
    log.info("generating %d sequences of the demo data set in %s (once)", len(listed), folder)
    temporary = Path(tempfile.mkdtemp(prefix=f".{split}.", dir=folder.parent))
    try:
        with ThreadPoolExecutor(_workers()) as pool:
            list(pool.map(lambda entry: write_sequence(temporary / entry[0], entry[1], split, entry[2]), listed))
        (temporary / LIST_FILE).write_text("".join(f"{name}\n" for name, _, _ in listed), encoding="utf-8")
        write_json(temporary / CONTENTS_FILE, contents_of(temporary))
        temporary.chmod(file_mode(folder=True))
        if folder.exists():  # damaged, or left by a hand
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _workers() -> int:
    return max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


def write_sequence(folder: Path, script: Script, space: str, seed: int, frames: int = FRAMES) -> None:
    """Draws one sequence into ``folder``: images, truth, labels and ``meta_info.ini``."""
    folder.mkdir(parents=True)
    scene = Scene(script, space, seed, frames)
    boxes, covers = [], []
    for number, frame in enumerate(scene, 1):
        _write_image(folder / f"{number:08d}.jpg", frame.image)
        boxes.append(frame.box)
        covers.append(cover_level(frame.visible))
    cut = [int((box[:2] < 0).any() or box[0] + box[2] > WIDTH or box[1] + box[3] > HEIGHT) for box in boxes]
    absent = [int(level == 0) for level in covers]
    _write_lines(folder / TRUTH_FILE, (",".join(f"{value:.4f}" for value in box) for box in boxes))
    _write_lines(folder / "cover.label", covers)
    _write_lines(folder / "absence.label", absent)
    _write_lines(folder / "cut_by_image.label", cut)
    _write_lines(folder / META_FILE, _meta(scene, script, frames))


def _meta(scene: Scene, script: Script, frames: int) -> list[str]:
    return [
        "[METAINFO]",
        "url: generated",
        "begin: 00000001",
        f"end: {frames:08d}",
        "anno_fps: 30Hz",
        f"object_class: {scene.kind}",
        f"motion_class: {script.name}",
        f"resolution: ({WIDTH}, {HEIGHT})",
    ]


def _write_lines(path: Path, lines: Iterable[object]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _write_image(path: Path, image: Image) -> None:
    """RGB to JPEG. Raises OSError where the file cannot be written."""
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise OSError(f"{path.name} could not be encoded")
    path.write_bytes(data.tobytes())
