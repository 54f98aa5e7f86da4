"""What every data set must keep to."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from benchmark_folders import MAKERS
from fakes import tiny_dataset

from harness.core.config import build, conf_folder
from harness.core.interfaces import Dataset
from harness.imaging.decoding import read_image


def _clip(folder: Path) -> Path:
    path = folder / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for index in range(6):
        writer.write(np.full((48, 64, 3), 40 * index, np.uint8))
    writer.release()
    return path


def make(name: str, folder: Path, cache: Path) -> Dataset:
    section = yaml.safe_load((conf_folder() / "dataset" / f"{name}.yaml").read_text())
    section["cache"] = str(cache)
    if name == "video":
        section |= {"path": str(_clip(folder)), "init_box": [5, 5, 20, 20]}
    elif name == "demo":
        section |= {"limit": 2}
    elif name in MAKERS:
        section |= {"root": str(MAKERS[name](folder / "data") if not (folder / "data").exists() else folder / "data")}
    else:
        section |= {"root": str(tiny_dataset(folder / "data", 2)), "split": "val"}
    return build(section, Dataset, "dataset")


@pytest.mark.parametrize("name", [path.stem for path in sorted((conf_folder() / "dataset").glob("*.yaml"))])
def test_the_contract(name: str, tmp_path: Path, prepared: Path) -> None:
    dataset = make(name, tmp_path, prepared)
    sequences = list(dataset)
    assert dataset.name == ("folder" if name == "auto" else name), "auto bears the name of what it found"
    assert len(dataset) == len(sequences) > 0
    assert [item.name for item in dataset] == [item.name for item in sequences], "iterating twice gives the same"
    assert len({item.name for item in sequences}) == len(sequences)
    for item in sequences:
        image = read_image(item.frames[0], "rgb")
        assert item.size == (image.shape[1], image.shape[0])
        assert image.dtype == np.uint8
        assert item.init_box.shape == (4,)
        assert item.init_box.dtype == np.float64
        assert (item.truth is not None) == dataset.has_truth
        if item.truth is not None:
            assert item.truth.shape == (len(item), 4)
            np.testing.assert_array_equal(item.truth[0], item.init_box)
            assert item.visible is not None
            assert item.visible.shape == (len(item),)
    digest = dataset.digest()
    assert len(digest) == 64
    assert digest == dataset.digest() == make(name, tmp_path, prepared).digest()
