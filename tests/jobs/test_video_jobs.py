"""``dataset=video``: any tracker on a person's own clip, by the command line."""

from __future__ import annotations

import cv2
import numpy as np
from command_line import SUPPORT, harness

from harness.core.results import Results, read_frames

SETTINGS = ("--config-dir", SUPPORT / "own", "tracker=standing", "backend=torch", "dataset=video", "mlflow=off")


def run(tmp_path, prepared, *words):
    writer = cv2.VideoWriter(str(tmp_path / "clip.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
    for value in range(0, 120, 10):
        writer.write(np.full((48, 64, 3), value, np.uint8))
    writer.release()
    return harness(*SETTINGS, f"prepare.cache={prepared}", "hydra.run.dir=run", *words, cwd=tmp_path, pictures=True)


def test_a_clip_is_tracked(tmp_path, prepared):
    done = run(tmp_path, prepared, "dataset.path=clip.avi", "dataset.init_box=[10,12,20,16]")
    assert done.returncode == 0, done.stderr
    found = Results.load(tmp_path / "run")
    assert found.metrics["fps"] > 0
    assert "ao" not in found.metrics
    assert found.dataset["frames"] == 12
    frames = read_frames(tmp_path / "run")
    assert (frames[["x", "y", "w", "h"]].to_numpy() == [10, 12, 20, 16]).all()
    assert [path.name for path in (tmp_path / "run/plots").glob("boxes_*")] == ["boxes_clip.jpg"]  # drawn without a truth
    assert len(list((tmp_path / "outputs/cache/video").glob("*/*.png"))) == 12


def test_a_box_outside_the_image_is_the_users_mistake(tmp_path, prepared):
    done = run(tmp_path, prepared, "dataset.path=clip.avi", "dataset.init_box=[60,12,20,16]")
    assert done.returncode == 2
    assert "dataset.init_box is [60.0, 12.0, 20.0, 16.0], which is not inside the image: the image is 64x48" in done.stderr
    assert "Traceback" not in done.stderr
