"""Prints SMAT's golden crops as we make them. A program of its own: OpenCV reads OPENCV_IPP once, at its start.

The golden images were scaled up with INTER_CUBIC on a processor with AVX2; with AVX-512 the same library rounds a few
pixels of that image differently, which says nothing about the crop.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np

from harness.imaging import crops as vision

DATA = Path(__file__).resolve().parent.parent / "data"


def golden_image(case: dict) -> np.ndarray:
    """The image of a golden case, made from its seed."""
    height, width = case["image"]
    shape = (height // 8 + 1, width // 8 + 1, 3)
    small = np.random.default_rng(case["image_seed"]).integers(0, 256, shape, dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def main() -> None:
    arrays = np.load(DATA / "smat_golden_crops.npz")
    rows = []
    for index, case in enumerate(json.loads((DATA / "smat_golden_crops.json").read_text())["crops"]):
        cropper = vision.Cropper(case["size"])
        crop, factor = vision.cut_square(cropper, golden_image(case), np.array(case["box"], float), case["factor"])
        sums = crop[0].reshape(-1, 3).sum(axis=0, dtype=np.int64)
        rows.append(
            {
                "factor": factor == case["resize_factor"],
                "different": int((crop[0, ::16, ::16] != arrays[f"crop{index}"]).sum()),
                "sums": np.abs(sums - arrays[f"crop{index}_sum"]).tolist(),
            }
        )
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
