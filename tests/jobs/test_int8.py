"""int8 through the command line: a small random SMAT for speed alone, and NanoTrack v3 on real video."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import harness, with_cache
from fakes import tiny_dataset
from small_jobs import SMALL

FAST = ["quantization.subset_size=6"]
COMPARED, NOT_COMPARED = "quantization.compare_seconds=2", "quantization.compare_seconds=0"


def results(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "results.json").read_text())
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Path:
    folder = tmp_path_factory.mktemp("int8")
    tiny_dataset(folder / "data", sequences=3, frames=12)
    return with_cache(folder, prepared)


def words(place: Path) -> list[str]:
    usual = "prepare.exporter=dynamo"  # of the other exporter's ONNX file fewer layers become int8
    return [*SMALL, usual, "dataset=folder", f"dataset.root={place / 'data'}", "dataset.split=val", "mlflow=off"]


@pytest.fixture(scope="module")
def sweep(place: Path) -> Path:
    """experiment=int8 over random weights: fp32 and int8 are measured, int8_accuracy is skipped."""
    done = harness(
        "experiment=int8", *words(place), "quantization.sequences=[seq_1]", "dataset.exclude=[seq_1]",
        "hydra.sweep.dir=outputs/sweep", cwd=place, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "int8 against its own fp32" in done.stdout
    return place / "outputs/sweep"


@pytest.mark.slow
def test_int8_is_smaller_and_reported(sweep: Path) -> None:
    fp32, int8 = results(sweep / "0"), results(sweep / "1")
    assert (fp32["status"], int8["status"]) == ("ok", "ok")
    assert int8["artifact"]["precision"] == "int8"
    files = {run["artifact"]["precision"]: Path(run["artifact"]["files"]["search"]) for run in (fp32, int8)}
    sizes = {key: (sweep.parents[1] / path).with_suffix(".bin").stat().st_size for key, path in files.items()}
    assert sizes["int8"] <= 0.45 * sizes["fp32"]
    metrics, told = int8["metrics"], int8["details"]["int8"]
    assert metrics["int8/weights_ratio"] == pytest.approx(sizes["int8"] / sizes["fp32"])
    assert metrics["int8/layers_share"] > 0.8
    # random weights and one calibration sequence: how large it is says nothing, that it is measured does
    assert 0 < metrics["int8/max_output_diff_share"] < 1
    assert metrics["int8/fps_ratio"] > 0
    assert told["quantisation"]["calibration"]["sequences"] == ["seq_1"]
    assert told["compared"]["sequences"] == 2
    assert told["layers"]["costly"][0]["ms"] > 0
    assert not any(key.startswith(("ao", "int8/ao", "int8/free", "int8/forced")) for key in metrics)


@pytest.mark.slow
def test_accuracy_control_is_skipped_for_random_weights(sweep: Path) -> None:
    found = results(sweep / "2")
    assert found["status"] == "skipped"
    assert "random weights have none" in found["error"]["message"]


@pytest.mark.slow
def test_an_int8_onnx_file_runs_and_is_cached(place: Path, sweep: Path) -> None:
    line = ["backend=onnx", "quantization=int8", *FAST, *words(place), "quantization.sequences=[seq_1]",
            "dataset.exclude=[seq_1]"]  # fmt: skip
    first = harness(*line, COMPARED, "hydra.run.dir=outputs/onnx1", cwd=place, HARNESS_PROGRESS="lines")
    assert first.returncode == 0, first.stderr
    assert "preparing: quantise (onnx, int8)" in first.stderr
    assert results(place / "outputs/onnx1")["metrics"]["int8/weights_ratio"] < 0.45
    again = harness(*line, NOT_COMPARED, "hydra.run.dir=outputs/onnx2", cwd=place, HARNESS_PROGRESS="lines")
    assert again.returncode == 0
    assert "preparing" not in again.stderr
    keys = {results(place / f"outputs/onnx{number}")["artifact"]["key"] for number in (1, 2)}
    assert len(keys) == 1


@pytest.mark.slow
def test_all_graphs_and_ignored_types(place: Path, sweep: Path) -> None:
    done = harness(
        "quantization=int8", *FAST, NOT_COMPARED, *words(place), "quantization.sequences=[seq_1]", "dataset.exclude=[seq_1]",
        "quantization.graphs=all", "quantization.ignored_types=[GroupConvolution]", "hydra.run.dir=outputs/all", cwd=place,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = results(place / "outputs/all")["details"]["int8"]
    assert set(found["quantisation"]["layers"]) == {"template", "search"}
    layers = found["quantisation"]["layers"]["search"]
    assert layers["int8"] < results(sweep / "1")["details"]["int8"]["quantisation"]["layers"]["search"]["int8"]


@pytest.mark.slow
def test_an_unknown_layer_is_named(place: Path, sweep: Path) -> None:
    done = harness(
        "quantization=int8", *FAST, *words(place), "quantization.sequences=[seq_1]", "dataset.exclude=[seq_1]",
        "quantization.ignored_types=[GroupConvolutio]", cwd=place,
    )  # fmt: skip
    assert done.returncode == 2
    assert "did you mean 'GroupConvolution'?" in done.stderr


def test_refusals_are_sentences_with_code_2(place: Path) -> None:
    missing = harness("quantization=int8", *words(place), cwd=place)
    assert missing.returncode == 2
    assert "quantization.sequences=[seq_1,seq_2,seq_3] dataset.exclude=" in missing.stderr
    evaluated = harness("quantization=int8", *words(place), "quantization.sequences=[seq_2]", cwd=place)
    assert evaluated.returncode == 2
    assert "seq_2 would be evaluated too" in evaluated.stderr
    torch = harness("quantization=int8", "backend=torch", *words(place), "quantization.sequences=[seq_2]", cwd=place)
    assert torch.returncode == 2
    assert "no int8 convolution" in torch.stderr
    assert "Traceback" not in missing.stderr + evaluated.stderr + torch.stderr


@pytest.mark.shared
@pytest.mark.slow
def test_nanotrack_on_real_video(shared: Path, tmp_path: Path, prepared: Path) -> None:
    """Calibrated on three real sequences, with accuracy control on one of them; evaluated on two others."""
    own = "[otb_Trans,vot_bag,vottir_horse]"
    done = harness(
        "quantization=int8_accuracy", "tracker=nanotrack", "tracker.version=v3",
        f"tracker.weights={shared / 'nanotrack/v3/nanotrackv3.pth'}", "dataset=folder", f"dataset.root={shared / 'real'}",
        "dataset.split=val", f"quantization.sequences={own}", "quantization.validation=[vot_bag]", "quantization.subset_size=60",
        "quantization.validation_frames=60", "dataset.sequences=[vot_car1,vot_ball1]", "mlflow=off",
        "hydra.run.dir=outputs/real", cwd=with_cache(tmp_path, prepared), timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = results(tmp_path / "outputs/real")
    control = found["details"]["int8"]["quantisation"]["accuracy_control"]
    assert control["drop_after"] <= control["max_drop"] == 0.01
    assert found["metrics"]["int8/weights_ratio"] <= 0.45
    assert found["metrics"]["int8/free/mean_iou"] > 0.6
    assert found["metrics"]["int8/ao_difference_low"] <= found["metrics"]["int8/ao_difference"]
