"""Prepared models that were changed, cut or lost behind the harness's back are prepared again, with a notice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_jobs import small_experiment

from harness.artifacts.store import ARTIFACT_FILE, artifact_folder, damage
from harness.core.files import changed, contents_of
from harness.core.interfaces import Arrays, Artifact
from harness.jobs.experiment import Experiment
from harness.machine.progress import Silent
from harness.prepare.parity import seeded_inputs
from harness.prepare.plan import lookup
from harness.prepare.steps import realise


class Heard(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def zeroed(path: Path) -> None:
    """A part of the file zeroed, its size kept."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    path.write_bytes(data)


def flipped(path: Path) -> None:
    """One bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def small(cache: Path, *words: str) -> tuple[Experiment, Artifact]:
    """``small_experiment`` by torch's quicker exporter: the files are made anew many times here."""
    return small_experiment(cache, *words, "prepare.exporter=torchscript")


DAMAGES: list[Callable[[Path], None]] = [zeroed, flipped, cut, Path.unlink]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the torch source, the ONNX files and the IR of one small tracker."""
    cache = tmp_path_factory.mktemp("cache")
    small(cache, "backend=openvino", "backend.model_cache=false")
    return cache


@pytest.fixture
def cache(whole: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "cache"
    shutil.copytree(whole, copy)
    return copy


def outputs(experiment: Experiment, artifact: Artifact) -> Arrays:
    graph = artifact.graphs["search"]
    return experiment.backend.open(artifact)["search"].run(seeded_inputs(graph, {}, 3))


@pytest.mark.parametrize("harm", DAMAGES)
@pytest.mark.parametrize(("backend", "file"), [("openvino", "search.bin"), ("openvino", "search.xml"), ("onnx", "search.onnx")])
def test_a_damaged_file_is_made_anew_and_reported(cache: Path, backend: str, file: str, harm: Callable[[Path], None]) -> None:
    experiment, artifact = small(cache, f"backend={backend}", *MODEL_CACHE.get(backend, ()))
    expected = {name: np.array(value) for name, value in outputs(experiment, artifact).items()}
    harm(artifact.folder / file)
    assert lookup(experiment.step(), cache) is None
    heard = Heard()
    again = realise(experiment.step(), cache, heard, 1)
    assert any("damaged" in line and file in line and "prepared again" in line for line in heard.lines)
    assert damage(again.folder) == ""
    fresh, _ = small(cache, f"backend={backend}", *MODEL_CACHE.get(backend, ()))
    for name, value in outputs(fresh, again).items():
        np.testing.assert_array_equal(value, expected[name])


MODEL_CACHE = {"openvino": ["backend.model_cache=false"]}


def test_sound_files_are_taken_as_they_are_without_a_word(cache: Path) -> None:
    experiment, artifact = small(cache, "backend=openvino", "backend.model_cache=false")
    before = (artifact.folder / "search.bin").stat().st_mtime_ns
    heard = Heard()
    realise(experiment.step(), cache, heard, 1)
    assert heard.lines == []
    assert (artifact.folder / "search.bin").stat().st_mtime_ns == before


@pytest.mark.parametrize("lost", ["parity.npz", ""])
def test_a_lost_ancestor_is_rebuilt_where_it_is_needed(cache: Path, lost: str) -> None:
    """The torch source judges the IR that is built anew; its folder, or its reference outputs, are gone."""
    experiment, artifact = small(cache, "backend=openvino", "backend.model_cache=false")
    root = artifact_folder(cache, experiment.step().chain()[0].key)
    shutil.rmtree(artifact.folder)
    if lost:
        (root / lost).unlink()
    else:
        shutil.rmtree(root)
    again = realise(experiment.step(), cache, Silent(), 1)
    assert again.info["parity"]["search"]
    assert (root / "parity.npz").is_file()


def test_a_lost_parent_that_jobs_read_is_rebuilt_and_what_came_of_it_kept(cache: Path) -> None:
    """An int8 job compares itself with its fp32 parent: that folder alone was lost."""
    experiment, artifact = small(cache, "backend=openvino", "backend.model_cache=false")
    step = replace(experiment.step(), keeps_parent=True)
    assert step.parent is not None
    lost = artifact_folder(cache, step.parent.key)
    before = (artifact.folder / "search.bin").stat().st_mtime_ns
    shutil.rmtree(lost)
    assert lookup(step, cache) is None
    realise(step, cache, Silent(), 1)
    assert (lost / "search.onnx").is_file()
    assert (artifact.folder / "search.bin").stat().st_mtime_ns == before


def test_a_torch_source_whose_weights_were_overwritten_is_pointed_to_the_same_weights_elsewhere(cache: Path) -> None:
    """The key is the content's: with the same bytes elsewhere it is the same model, which must not read the old place."""
    from harness.trackers.smat.graphs import graphs

    def saved(path: Path, seed: int) -> Path:
        network = graphs([], seed=seed, width=0.25, template=64, search=128, head=16, rewrites="none")["search"].network
        torch.save(network.state_dict(), path)
        return path

    first, other = saved(cache / "first.pth", 1), cache / "other.pth"
    shutil.copy(first, other)
    small(cache, "backend=torch", f"tracker.weights={first}")
    saved(first, 2)
    _, again = small(cache, "backend=torch", f"tracker.weights={other}")
    assert json.loads((again.folder / "source.json").read_text())["weights"] == [str(other)]


def test_an_artifact_without_a_record_of_its_files_is_made_anew(cache: Path) -> None:
    experiment, artifact = small(cache, "backend=onnx")
    (artifact.folder / ARTIFACT_FILE).write_text("{}")
    assert damage(artifact.folder)
    realise(experiment.step(), cache, Silent(), 1)
    assert damage(artifact.folder) == ""


def test_changed_files_are_named_with_what_is_wrong(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).write_text("text")
    recorded = contents_of(tmp_path, ("d",))
    assert set(recorded) == {"a", "b", "c"}
    (tmp_path / "a").write_text("tent")
    (tmp_path / "b").write_text("longer")
    (tmp_path / "c").unlink()
    assert changed(tmp_path, recorded) == {
        "a": "holds other bytes than were written",
        "b": "has 6 bytes instead of 4",
        "c": "is missing",
    }
