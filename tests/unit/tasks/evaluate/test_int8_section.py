"""The int8 section of a report."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from harness.tasks.evaluate import section

CONTROL = {
    "validation": {"sequences": ["v1", "v2"], "frames": 90},
    "ao_fp32": 0.7,
    "ao_int8": 0.65,
    "ao_after": 0.695,
    "drop_before": 0.05,
    "drop_after": 0.005,
    "max_drop": 0.01,
    "evaluations": 7,
    "seconds": 42.0,
    "graphs": {"search": {"reverted": ["conv_1", "conv_2"], "how": "block 1 of 4", "int8_layers": 6, "layers": 8}},
}
METRICS = {
    "int8/size_ratio": 0.68,
    "int8/weights_ratio": 0.31,
    "int8/fps_ratio": 1.4,
    "int8/latency_ratio": 1.5,
    "int8/max_output_diff_share": 0.184,
    "int8/free/mean_iou": 0.92,
    "int8/free/first_divergent_frame": 67.0,
    "int8/forced/mean_iou": 0.94,
    "int8/ao_difference": -0.0055,
    "int8/ao_difference_low": -0.0183,
    "int8/ao_difference_high": 0.0043,
    "int8/layers_share": 0.93,
}
DETAILS = {
    "compared": {"frames": 80, "of_frames": 100, "sequences": 3, "of_sequences": 9, "seconds": 12.0},
    "quantisation": {"calibration": {"sequences": ["a", "b"], "samples": {"search": 300}}, "accuracy_control": CONTROL},
    "processor": {"model": "x", "AVX2": True, "VNNI": False},
    "layers": {
        "int8_layers": 83,
        "layers": 89,
        "int8_time_share": 0.72,
        "costly": [{"name": "conv_9", "type": "Convolution", "precision": "f32", "ms": 3.0}],
    },
}


def comparison(metrics: dict[str, float], details: dict[str, Any] | None) -> Any:
    results = SimpleNamespace(details={"int8": details} if details else {}, config={})
    job = SimpleNamespace(results=results, metrics=metrics, folder="job", tracked=None)
    return SimpleNamespace(well=[SimpleNamespace(job=job, shown="int8")], base=None)


def test_without_int8_there_is_no_section() -> None:
    assert section.sections(comparison({}, None)) == []


def test_every_figure_is_in_the_line() -> None:
    (found,) = section.sections(comparison(METRICS, DETAILS))
    assert found.body == [
        ["int8", "0.68x", "0.31x", "1.40x", "1.50x", "18.4%", "0.9200", "frame 67", "0.9400", "never",
         "-0.0055 [-0.0183, +0.0043]", "93%"]
    ]  # fmt: skip
    text = found.text()
    assert "compared on 80 of 100 frames of 3 of 9 sequences" in text
    assert "calibrated on 300 samples of 2 other sequences; the processor offers AVX2." in text
    assert "0.7000 in fp32, 0.6500 in int8 throughout (drop +0.0500), 0.6950 kept (drop +0.0050, at most 0.01)" in text
    assert "6 of 8 layers in int8, reverted: conv_1, conv_2" in text
    assert "cost most" not in text
    assert found.title == "int8 against its own fp32"


def test_slow_int8_shows_its_costly_layers() -> None:
    (found,) = section.sections(comparison({**METRICS, "int8/latency_ratio": 0.9}, DETAILS))
    assert "int8 is not faster here, and these cost most: conv_9 (Convolution f32, 3.00 ms)" in found.text()


def test_random_weights_leave_accuracy_out() -> None:
    speed = {key: value for key, value in METRICS.items() if "iou" not in key and "ao" not in key and "frame" not in key}
    (found,) = section.sections(comparison(speed, DETAILS))
    assert found.body[0][6:11] == ["-", "-", "-", "-", "-"]
