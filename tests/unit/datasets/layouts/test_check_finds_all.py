"""What a job refuses in a data set's folder, its check finds: the check says no "no fault" of a folder that no job can use."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fakes import tiny_dataset
from hostile.damages import DAMAGES

from harness.core.errors import DataError
from harness.datasets.auto.dataset import candidates
from harness.datasets.folder import Folder
from harness.datasets.layouts.checking import check_split
from harness.imaging.decoding import read_image
from harness.tracking.assignment import check_first_boxes


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dataset(tmp_path_factory.mktemp("sound"), sequences=2, frames=4)


def refusal(root: Path) -> str:
    """What a job that uses the folder says against it; empty if it can be used."""
    try:
        sequences = list(Folder(root=str(root), split="val"))
        check_first_boxes(sequences)
        for sequence in sequences:
            for path in sequence.frames:
                read_image(path, "rgb")
    except DataError as error:
        return str(error)
    return ""


def complaints(root: Path) -> list[str]:
    """What the check says against it."""
    try:
        return check_split(root / "val").faults
    except DataError as error:
        return [str(error)]


def test_a_sound_folder_is_refused_by_neither(sound: Path) -> None:
    assert refusal(sound) == ""
    assert complaints(sound) == []


@pytest.mark.parametrize("name", DAMAGES)
def test_what_a_job_refuses_the_check_finds(sound: Path, tmp_path: Path, name: str) -> None:
    root = tmp_path / "data"
    shutil.copytree(sound, root)
    DAMAGES[name](root / "val")
    if refused := refusal(root):
        assert complaints(root), refused


@pytest.mark.parametrize("text", ["", "\n\n", "\x00", "a b\n"])
def test_no_layout_trips_over_an_annotation_that_is_none(sound: Path, tmp_path: Path, text: str) -> None:
    root = tmp_path / "data"
    shutil.copytree(sound, root)
    for path in root.rglob("groundtruth.txt"):
        path.write_text(text)
    candidates(root)
    candidates(root / "val")
