"""quantization=int8 in the configuration: what is refused and in which words, and what the key depends on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import ROOT
from fakes import tiny_dataset

from harness.core.errors import ConfigError, SkipJob
from harness.jobs.experiment import Experiment, build_experiment
from harness.machine import environment
from harness.prepare.plan import make_step

INT8 = {"name": "int8", "target": "harness.prepare.int8.Int8"}
ACCURACY = {"name": "int8_accuracy", "target": "harness.prepare.int8.Int8Accuracy"}
TINY = {"width": 0.25, "template_size": 64, "search_size": 128, "head_channels": 16}


def config(folder: Path, quantization: dict[str, Any], **sections: dict[str, Any]) -> dict[str, Any]:
    """A job over three tiny sequences with a small random SMAT; ``sections`` are merged in."""
    root = folder / "data"
    if not root.exists():
        tiny_dataset(root)
    found: dict[str, Any] = {
        "backend": {"name": "openvino", "target": "harness.backends.openvino.backend.OpenVino"},
        "device": {"name": "cpu"},
        "hint": {"name": "none"},
        "tracker": {"name": "smat", "target": "harness.trackers.smat.tracker.Smat", "weights": "random", **TINY},
        "dataset": {
            "name": "folder",
            "target": "harness.datasets.folder.Folder",
            "root": str(root),
            "split": "val",
            "sequences": None,
            "exclude": None,
        },
        "task": {"name": "evaluate", "target": "harness.tasks.evaluate.task.Evaluate"},
        "quantization": quantization,
        "prepare": {"cache": str(folder / "cache")},
        "threads": 1,
        "seed": 0,
    }
    return {**found, **{key: {**found[key], **value} for key, value in sections.items()}}


def made(folder: Path, quantization: dict[str, Any], **sections: dict[str, Any]) -> Experiment:
    return build_experiment(config(folder, quantization, **sections))


APART = {"dataset": {"exclude": ["seq_1"]}}
ONE = {**INT8, "sequences": ["seq_1"]}


def test_missing_sequences_show_the_line_to_add(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        made(tmp_path, INT8)
    assert "quantization.sequences=[seq_1,seq_2,seq_3] dataset.exclude=[seq_1,seq_2,seq_3]" in str(caught.value)


def test_evaluated_sequences_are_refused_and_the_cure_is_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"seq_1 would be evaluated too.*dataset.exclude=\[seq_1\]"):
        made(tmp_path, ONE)
    with pytest.raises(ConfigError, match="seq_1, seq_2, seq_3 would be evaluated too"):
        made(tmp_path, {**INT8, "sequences": ["seq_*"]})
    assert made(tmp_path, ONE, **APART).step().precision == "int8"


def test_a_copy_of_an_evaluated_sequence_elsewhere_is_refused(tmp_path: Path) -> None:
    job = config(tmp_path, {**ONE, "root": str(tmp_path / "copy"), "split": "val"})
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    with pytest.raises(ConfigError, match="seq_1 would be evaluated too"):
        build_experiment(job)
    (tmp_path / "copy/val/seq_1").rename(tmp_path / "copy/val/renamed")
    job["quantization"]["sequences"] = ["renamed"]
    (tmp_path / "copy/val/list.txt").unlink(missing_ok=True)
    with pytest.raises(ConfigError, match=r"renamed \(the same images as seq_1\) would be .*dataset.exclude=\[seq_1\]"):
        build_experiment(job)


def test_another_sequence_of_the_same_name_is_accepted(tmp_path: Path) -> None:
    tiny_dataset(tmp_path / "other", frames=9)
    assert made(tmp_path, {**ONE, "root": str(tmp_path / "other"), "split": "val"}).step().precision == "int8"


def test_the_demo_has_sequences_of_its_own(tmp_path: Path) -> None:
    from harness.datasets.demo.dataset import Demo
    from harness.prepare.int8 import Int8, apart

    evaluated = {"name": "demo", "target": "harness.datasets.demo.dataset.Demo", "split": "val", "cache": str(tmp_path)}
    experiment = made(tmp_path, ONE, **APART)
    job = experiment.quantization_job()
    quantizer = Int8()
    section = quantizer.section(type(job)(job.tracker, job.backend, {**job.config, "dataset": evaluated}, 1, 0), None)
    assert section["split"] == "calibration"
    demo, own = Demo(cache=str(tmp_path)), Demo(split="calibration", cache=str(tmp_path))
    assert not set(demo.used_names()) & set(own.used_names())
    apart(own, demo, "sequences")
    with pytest.raises(ConfigError, match="would be evaluated too"):
        apart(own, Demo(split="calibration", cache=str(tmp_path)), "sequences")


def test_torch_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(SkipJob, match="no int8 convolution"):
        made(tmp_path, ONE, backend={"name": "torch", "target": "harness.backends.torch.backend.Torch"}, **APART)


def test_what_int8_does_not_go_with(tmp_path: Path) -> None:
    with pytest.raises(SkipJob, match=r"backend.source=file"):
        made(tmp_path, ONE, backend={"source": "file"}, **APART)
    with pytest.raises(ConfigError, match=r"backend.weights=fp16"):
        made(tmp_path, ONE, backend={"weights": "fp16"}, **APART)


def test_random_weights_have_no_accuracy_to_steer_by(tmp_path: Path) -> None:
    with pytest.raises(SkipJob, match="random weights have none"):
        made(tmp_path, {**ACCURACY, "sequences": ["seq_1"]}, **APART)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"subset_size": 0}, "subset_size is 0"),
        ({"preset": "fast"}, "accepted: performance, mixed"),
        ({"smooth_quant": 2.0}, "0 to 1"),
        ({"ignored_patterns": ["("]}, "not a regular expression"),
        ({"presset": "mixed"}, r"did you mean 'preset'"),
    ],
)
def test_wrong_settings_say_what_is_accepted(tmp_path: Path, setting: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        made(tmp_path, {**ONE, **setting}, **APART)


def test_int8_is_not_applied_twice(tmp_path: Path) -> None:
    experiment = made(tmp_path, ONE, **APART)
    with pytest.raises(ConfigError, match="int8 already"):
        experiment.quantizer.add(experiment.step(), experiment.quantization_job())


def test_the_key_follows_what_the_result_depends_on(tmp_path: Path) -> None:
    key = made(tmp_path, ONE, **APART).step().key
    assert made(tmp_path, {**ONE, "compare_seconds": 1.0}, **APART).step().key == key
    assert made(tmp_path, ONE, dataset={"exclude": ["seq_1", "seq_2"]}).step().key == key
    others = [
        made(tmp_path, {**ONE, "preset": "mixed"}, **APART),
        made(tmp_path, {**ONE, "subset_size": 10}, **APART),
        made(tmp_path, {**ONE, "ignored_types": ["MatMul"]}, **APART),
        made(tmp_path, {**INT8, "sequences": ["seq_2"]}, dataset={"exclude": ["seq_2"]}),
        made(tmp_path, ONE, tracker={"search_factor": 5.0}, **APART),
    ]
    keys = {experiment.step().key for experiment in others}
    assert len(keys) == len(others)
    assert key not in keys
    truth = tmp_path / "data/val/seq_1/groundtruth.txt"
    truth.write_text(truth.read_text().replace("8.0000,10.0000", "9.0000,10.0000", 1))
    assert made(tmp_path, ONE, **APART).step().key != key


def test_the_key_does_not_hold_the_place_of_the_data(tmp_path: Path) -> None:
    first = made(tmp_path, ONE, **APART).step().key
    shutil.move(tmp_path / "data", tmp_path / "moved")
    moved = made(tmp_path, ONE, dataset={"root": str(tmp_path / "moved"), "exclude": ["seq_1"]})
    assert moved.step().key == first


def test_a_sweep_may_name_the_sequences_for_fp32_too(tmp_path: Path) -> None:
    none = {"name": "none", "target": "harness.prepare.plan.NoQuantizer", "sequences": ["seq_1"]}
    assert made(tmp_path, none, **APART).step().precision == "fp32"


def test_planning_imports_no_runtime(tmp_path: Path) -> None:
    job = config(tmp_path, ONE, **APART)
    code = (
        "import sys; from harness.jobs.experiment import build_experiment; "
        f"build_experiment({job!r}).step(); "
        "print([name for name in ('torch', 'onnx', 'onnxruntime', 'openvino', 'nncf') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unkeyed_options_are_not_recorded() -> None:
    step = make_step("openvino", "int8", "harness.prepare.quantise:quantise", {"a": 1}, None, (), (), unkeyed={"_b": "/x"})
    assert step.options == {"a": 1, "_b": "/x"}
    assert step.key == make_step("openvino", "int8", "harness.prepare.quantise:quantise", {"a": 1}, None, (), ()).key


@pytest.mark.parametrize(("limit", "backend", "rewrites"), [
    ("AVX2", "OpenVino", "attention"), ("", "OpenVino", "all"), ("AVX2", "Onnx", "all"),
])  # fmt: skip
def test_int8_takes_the_form_of_the_graphs_that_suits_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, backend: str, rewrites: str
) -> None:
    monkeypatch.setattr(environment, "cpu_info", lambda: {"features": ["avx2", "avx512_vnni"]})
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    section = {"name": backend.lower(), "target": f"harness.backends.{backend.lower()}.{backend}"}
    int8 = made(tmp_path, ONE, **APART, backend=section)
    assert int8.step().chain()[0].options["options"]["rewrites"] == rewrites
    fp32 = made(tmp_path, {"name": "none", "target": "harness.prepare.plan.NoQuantizer"}, backend=section)
    assert fp32.step().chain()[0].options["options"]["rewrites"] == "all"
    chosen = made(tmp_path, ONE, **APART, backend=section, tracker={"rewrites": "none"})
    assert chosen.step().chain()[0].options["options"]["rewrites"] == "none"
