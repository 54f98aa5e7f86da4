"""SMAT's crops, clips and decodes against the published arithmetic, to the last pixel."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from harness.imaging import crops as vision
from harness.trackers.smat.tracker import Smat, SmatTracker

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
CASES = json.loads((DATA / "smat_golden_crops.json").read_text())


def ipp() -> bool:
    return any("Intel IPP:" in line and "NO" not in line for line in cv2.getBuildInformation().splitlines())


@pytest.mark.skipif(not ipp(), reason="the golden images need an OpenCV with Intel IPP, as on x86-64")
def test_golden_crops_are_equal_to_the_last_pixel():
    environment = {**os.environ, "OPENCV_IPP": "avx2", "PYTHONPATH": str(ROOT)}
    script = ROOT / "tests" / "support" / "golden_crops.py"
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    rows = json.loads(done.stdout)
    assert len(rows) == len(CASES["crops"]) == 8
    for row in rows:
        assert row == {"factor": True, "different": 0, "sums": [0, 0, 0]}


def padded_crop(image: np.ndarray, box: np.ndarray, factor: float, size: int) -> np.ndarray:
    """The published way: pad the cut with zeros, one column and row more than is missing at the far ends."""
    x, y, w, h = box
    side = math.ceil(math.sqrt(w * h) * factor)
    x0, y0 = round(x + 0.5 * w - 0.5 * side), round(y + 0.5 * h - 0.5 * side)
    x1, y1 = x0 + side, y0 + side
    height, width = image.shape[:2]
    left, right = max(0, -x0), max(0, x1 - width + 1)
    top, bottom = max(0, -y0), max(0, y1 - height + 1)
    cut = image[y0 + top : y1 - bottom, x0 + left : x1 - right]
    padded = cv2.copyMakeBorder(cut, top, bottom, left, right, cv2.BORDER_CONSTANT)
    return cv2.resize(padded, (size, size), interpolation=cv2.INTER_LINEAR)


def test_crops_without_padding_equal_the_padded_ones():
    generator = np.random.default_rng(11)
    image = generator.integers(0, 256, (180, 320, 3), np.uint8)
    cropper = vision.Cropper(128)
    outside = 0
    for _ in range(300):
        box = np.concatenate([generator.uniform(-20, (310, 170)), generator.uniform(8, 90, 2)])
        expected = padded_crop(image, box, 3.0, 128)
        found, _ = vision.cut_square(cropper, image, box, 3.0)
        assert np.array_equal(found[0], expected), box
        outside += vision.square_region(box, vision.square_side(box, 3.0))[0] < 0
    assert outside > 20


@pytest.mark.parametrize("case", CASES["clips"], ids=lambda case: str(case["box"]))
def test_golden_clips(case):
    found = vision.clip_box(np.array(case["box"], float), case["W"], case["H"], case["margin"])
    assert found.tolist() == case["clipped"]


@pytest.mark.parametrize("case", CASES["decodes"], ids=lambda case: f"{case['W']}x{case['H']}")
def test_golden_decodes(case):
    golden = np.load(DATA / "smat_golden_network.npz")
    maps = {name: golden[f"{name}_map"] for name in ("score", "size", "offset")}
    tracker = SmatTracker(Smat(), {"template": None, "search": None})
    tracker.place(np.array(case["previous"]))
    mapped = tracker.decode(maps, case["resize_factor"])
    # published in single precision
    assert np.abs(mapped - case["mapped"]).max() < 1e-4
    assert np.abs(vision.clip_box(mapped, case["W"], case["H"]) - case["box"]).max() < 1e-4
