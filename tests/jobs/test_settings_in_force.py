"""``device=auto|multi|hetero`` keeps threads and precision as ``device=cpu`` does: the same boxes, and what is in force is recorded."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from command_line import harness, with_cache
from patch_sequences import patch_split

from harness.core.results import Results


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Path:
    folder = tmp_path_factory.mktemp("in_force")
    patch_split(folder / "base", ["one", "two"])
    return with_cache(folder, prepared)


def test_all_devices_of_the_processor_give_the_same_boxes_with_the_same_threads(place: Path) -> None:
    done = harness(
        "-m", "dataset=folder", "dataset.root=base", "mlflow=off", "threads=1", "device=cpu,auto,multi,hetero",
        "hydra.sweep.dir=sw", cwd=place,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(place / "sw/summary.csv")
    assert list(table["agreement/identical_boxes"][1:]) == [1.0, 1.0, 1.0]
    assert table["ao"].nunique() == 1
    for number in range(4):
        found = Results.load(place / f"sw/{number}")
        assert found.config["backend"]["precision"] == found.artifact["precision"] == "fp32"
        assert (found.effective["precision"], str(found.effective["threads"])) == ("float32", "1")


@pytest.mark.parametrize("device", ["auto", "multi"])
def test_benchmark_app_keeps_the_precision_too(place: Path, device: str) -> None:
    done = harness(
        "dataset=folder", "dataset.root=base", "mlflow=off", "task=benchmark_app", "task.iterations=5",
        "task.percentiles=[]", f"device={device}",
        f"hydra.run.dir=app-{device}", cwd=place,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = Results.load(place / f"app-{device}")
    assert found.effective["precision"] == "float32"
