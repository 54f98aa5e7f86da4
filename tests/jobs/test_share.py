"""From one machine's store to another's: the same table to the digit, the same records; and a model that runs by itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import harness, with_cache
from fakes import tiny_dataset
from patch_sequences import patch_clip
from scored_jobs import give_model, scored_sweep
from small_jobs import SMALL
from store_records import records

from harness.core.results import Results, read_numbers
from harness.publish.mlflow import Target


def test_shared_and_imported_runs_give_the_same_table(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "on another path"
    sweep = scored_sweep(here)
    there.mkdir()
    give_model(sweep / "1", here / "cache")
    assert harness("sync", sweep, cwd=here).returncode == 0
    made = harness("share", sweep, "-o", tmp_path / "bundle.zip", "--models", "--tracks", cwd=here)
    assert made.returncode == 0, made.stderr
    shutil.rmtree(here / "data")  # whoever imports has no data set

    done = harness("import", tmp_path / "bundle.zip", cwd=there)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("recomputed from the boxes: the same") == 3
    folder = next((there / "outputs/imported").iterdir())
    original, imported = Target(root=str(here / "mlruns")), Target(root=str(there / "mlruns"))
    assert records(imported) == records(original)

    again = harness("import", tmp_path / "bundle.zip", cwd=there)
    assert again.returncode == 0
    assert records(imported) == records(original)

    tables = [harness("compare", runs, "--out", tmp_path / f"c{index}", cwd=there).stdout.split("Report:")[0]
              for index, runs in enumerate((sweep, folder, tmp_path / "bundle.zip"))]  # fmt: skip
    assert "made_2" in tables[0]
    assert tables[0] == tables[1] == tables[2]
    rows = [(tmp_path / f"c{index}/summary.csv").read_text() for index in range(3)]
    assert rows[0] == rows[1] == rows[2]


def test_refusals_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(b"PK nonsense")
    done = harness("import", "b.zip", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: b.zip is not a whole zip archive")
    assert "Traceback" not in done.stderr
    assert harness("import", "none.zip", cwd=tmp_path).returncode == 2
    assert harness("share", "nothing", "-o", "x.zip", cwd=tmp_path).returncode == 2
    assert harness("repair", cwd=tmp_path).returncode == 2


# -------------------------------------------------------------------------------------------- export


def run_alone(script: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """The script in a Python that has no path to the harness, in another folder."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    guard = (
        "import runpy, sys; sys.modules['harness'] = None; sys.modules['torch'] = None; "
        f"sys.argv = {[str(script), *map(str, words)]!r}; runpy.run_path({str(script)!r}, run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-P", "-c", guard], cwd="/", env=environment, capture_output=True, text=True, check=False
    )


def same_boxes(exported: Path, job: Path, sequence: Path, to: Path) -> None:
    truth = (sequence / "groundtruth.txt").read_text().splitlines()[0]
    done = run_alone(exported / "track.py", sequence, "--init", truth, "-o", to)
    assert done.returncode == 0, done.stderr
    name = sequence.name
    expected = read_numbers(job / "tracks" / name / f"{name}_001.txt")
    found = read_numbers(to)
    assert found.shape == expected.shape
    # ONNX Runtime and OpenVINO repeat themselves; the third decimal may still round the other way
    assert np.abs(found - expected).max() <= 0.0011
    assert np.ptp(expected[:, 0]) > 0, "boxes that never move prove nothing"
    assert "ms a frame: median" in done.stderr
    sure = read_numbers(to.with_name(f"{to.stem}_confidence.value"))
    told = read_numbers(job / "tracks" / name / f"{name}_001_confidence.value")
    np.testing.assert_allclose(sure, told, atol=1e-5)


def draws_a_film_and_says_what_is_wrong(exported: Path, sequence: Path, to: Path) -> None:
    """A film has every frame; a clip that is cut and a camera that is not there are told."""
    truth = (sequence / "groundtruth.txt").read_text().splitlines()
    film = to.with_name("film.mp4")
    drawn = run_alone(exported / "track.py", sequence, "--init", truth[0], "-o", to, "--out", film)
    assert drawn.returncode == 0, drawn.stderr
    assert int(cv2.VideoCapture(str(film)).get(cv2.CAP_PROP_FRAME_COUNT)) == len(truth)
    clip = patch_clip(to.with_name("cut.avi"), "MJPG", 20)
    whole = clip.read_bytes()
    clip.write_bytes(whole[: int(len(whole) * 0.6)])
    cut = run_alone(exported / "track.py", clip, "--init", truth[0])
    assert cut.returncode == 0, cut.stderr
    assert f"frames were decoded of the 20 that {clip} announces; it is cut or damaged" in cut.stderr
    camera = run_alone(exported / "track.py", "77", "--init", truth[0])
    assert camera.returncode == 1
    assert "nor the number of a camera" in camera.stderr


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_an_exported_model_gives_the_same_boxes(tmp_path: Path, prepared: Path, backend: str) -> None:
    root = tiny_dataset(tmp_path / "data", sequences=2, frames=12, size=(320, 240))
    done = harness(
        *SMALL, f"backend={backend}", "dataset=folder", f"dataset.root={root}", "dataset.split=val", "task.feedback=self",
        "mlflow=off", "hydra.run.dir=outputs/it", cwd=with_cache(tmp_path, prepared),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = harness("export", "outputs/it", "-o", "winner", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert {"track.py", "model.json", "README.md"} <= {path.name for path in (tmp_path / "winner").iterdir()}
    for sequence in ("seq_1", "seq_2"):
        same_boxes(tmp_path / "winner", tmp_path / "outputs/it", root / "val" / sequence, tmp_path / "boxes.txt")
    draws_a_film_and_says_what_is_wrong(tmp_path / "winner", root / "val/seq_1", tmp_path / "boxes.txt")
    assert harness("export", "outputs/it", "-o", "winner", cwd=tmp_path).returncode == 2


@pytest.mark.shared
@pytest.mark.slow
def test_the_winner_of_a_real_sweep(tmp_path: Path, shared: Path, prepared: Path) -> None:
    done = harness(
        "-m", "tracker=nanotrack", f"tracker.weights={shared}/nanotrack/v3/nanotrackv3.pth", "backend=onnx,openvino",
        "dataset=folder", f"dataset.root={shared}/real", "dataset.split=val", "dataset.limit=1", "mlflow=off",
        "hydra.sweep.dir=outputs/it", cwd=with_cache(tmp_path, prepared), timeout=550,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = harness("export", "outputs/it", "-o", "winner", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    jobs = [Results.load(tmp_path / f"outputs/it/{number}") for number in (0, 1)]
    best = max((0, 1), key=lambda number: jobs[number].metrics["fps"])
    assert jobs[best].name in made.stdout
    sequence = shared / "real/val" / next(iter(jobs[best].sequences))
    same_boxes(tmp_path / "winner", tmp_path / f"outputs/it/{best}", sequence, tmp_path / "boxes.txt")


def test_a_torch_run_is_not_exported(tmp_path: Path) -> None:
    sweep = scored_sweep(tmp_path, jobs=1, sequences=1, frames=5)
    results = Results.load(sweep / "0")
    results.artifact = {"format": "torch", "precision": "fp32", "key": "c" * 64}
    results.save(sweep / "0")
    done = harness("export", sweep / "0", "-o", "x", cwd=tmp_path)
    assert done.returncode == 2
    assert "backend onnx or openvino" in done.stderr
