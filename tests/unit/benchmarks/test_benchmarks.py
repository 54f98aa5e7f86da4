"""The benchmarks' own honesty: the baseline does the same work, verdicts follow from the samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from benchmarks import published_way
from benchmarks.bars import Bar, is_quiet, least_ratios, quartiles, ratios, verdict
from benchmarks.published_way import PublishedTracker, network
from benchmarks.run import MARKS, ROOT, bars_table, row
from harness.core.interfaces import TensorSpec
from harness.trackers.smat.graphs import graphs
from harness.trackers.smat.tracker import Smat


class TorchSession:
    """A torch module as a session."""

    def __init__(self, spec: object, module: torch.nn.Module) -> None:
        self.spec, self.module = spec, module

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        names: list[TensorSpec] = self.spec.inputs  # type: ignore[attr-defined]
        with torch.no_grad():
            found = self.module(*[torch.from_numpy(inputs[item.name]) for item in names])
        outputs = found if isinstance(found, tuple) else (found,)
        return {item.name: value.numpy() for item, value in zip(self.spec.outputs, outputs, strict=True)}  # type: ignore[attr-defined]


@pytest.mark.slow
def test_the_published_way_finds_the_boxes_that_the_harness_finds(tmp_path: object) -> None:
    spec = Smat(weights="random")
    modules = graphs([], seed=0)
    ours = spec.start({name: TorchSession(item, modules[name].eval()) for name, item in spec.graphs.items()})  # type: ignore[misc]
    theirs = PublishedTracker(network("torch", ROOT))
    generator = np.random.default_rng(1)
    images = [
        cv2.resize(generator.integers(0, 256, (30, 40, 3), dtype=np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)
        for _ in range(4)
    ]
    boxes = np.array([[120.0, 90, 50, 40], [2, 3, 60, 50], [260.5, 190.25, 55, 45]])  # inside; over two corners
    ours.init(images[0], boxes[0])
    theirs.init(images[0], boxes[0])
    for image, box in zip(images[1:], boxes, strict=True):
        ours.place(box)
        theirs.box = list(box)
        np.testing.assert_allclose(theirs.update(image), ours.update(image), atol=2e-3)


def test_quartiles_and_ratios_are_of_the_same_round() -> None:
    rounds = [{"a": {"fps": 2.0 * n}, "b": {"fps": float(n)}} for n in (1, 2, 3)] + [{"a": {"fps": 5.0}}]
    assert ratios(rounds, "a/fps", "b/fps") == [2.0, 2.0, 2.0]
    assert quartiles([1, 2, 3, 4, 5]) == (2, 3, 4)
    assert quartiles([7.0]) == (7.0, 7.0, 7.0)


@pytest.mark.parametrize(
    ("values", "quiet", "expected"),
    [
        ([1.3, 1.31, 1.32, 1.3, 1.29], True, "met"),
        ([1.1, 1.12, 1.13, 1.1, 1.09], True, "missed"),
        ([1.2, 1.24, 1.26, 1.27, 1.3], True, "inconclusive"),  # the bar lies between the quartiles
        ([1.3, 1.31, 1.32, 1.3], True, "inconclusive"),  # too few rounds
        ([1.3, 1.31, 1.32, 1.3, 1.29], False, "inconclusive"),  # other load may have hit one side
        ([], True, "inconclusive"),
    ],
)
def test_verdicts_on_what_should_be_large(values: list[float], quiet: bool, expected: str) -> None:
    assert verdict(Bar("speed", least=1.25), values, quiet) == expected


def test_verdicts_on_what_should_be_small() -> None:
    bar = Bar("cost", most=1.0, hurt_by_load=True)
    assert verdict(bar, [0.5, 0.6, 0.7, 0.6, 0.5], quiet=False) == "met"  # load can only have made it worse
    assert verdict(bar, [1.5, 1.6, 1.7, 1.6, 1.5], quiet=False) == "inconclusive"
    assert verdict(bar, [1.5, 1.6, 1.7, 1.6, 1.5], quiet=True) == "missed"


def test_under_load_a_ratio_counts_where_the_load_cannot_have_made_it() -> None:
    rounds = [{"a": {"fps": 3.0, "lost": 0.2}, "b": {"fps": 1.0, "lost": 0.1}} for _ in range(5)]
    assert least_ratios(rounds, "a/fps", "b/fps") == pytest.approx([2.7] * 5)
    assert least_ratios([{"a": {"fps": 3.0}, "b": {"fps": 1.0}}], "a/fps", "b/fps") == [0.0]  # nothing is known
    assert verdict(Bar("speed", least=2.5), [3.0] * 5, False, [2.7] * 5) == "met"
    assert verdict(Bar("speed", least=2.8), [3.0] * 5, False, [2.7] * 5) == "inconclusive"
    assert verdict(Bar("speed", least=3.2), [3.0] * 5, False, [2.7] * 5) == "inconclusive"


def test_a_round_counts_where_others_took_nothing_from_it() -> None:
    assert is_quiet({"cores": 0.05, "waited": 0.5})
    assert not is_quiet({"cores": 0.5, "waited": 0.1})
    assert is_quiet({"cores": 0.5, "waited": 0.01})  # others had what was idle
    assert not is_quiet({"cores": 0.7, "waited": 0.01})


def test_a_bar_is_one_line_of_the_table() -> None:
    rows = [row(Bar("speed", least=1.25, aim=1.5), [1.3] * 5, True), row(Bar("nothing", most=6.0, unit="s"), [], True)]
    lines = bars_table(rows).splitlines()
    assert lines[2] == "| speed | at least 1.25 (aim 1.5) | 1.3 [1.3, 1.3] | 5 | **met** |"
    assert lines[3] == "| nothing | at most 6 s | not measured | 0 | **inconclusive** |"


def test_the_readme_has_a_place_for_the_tables() -> None:
    text = (ROOT / "benchmarks" / "README.md").read_text()
    assert text.count(MARKS[0]) == text.count(MARKS[1]) == 1
    assert text.index(MARKS[0]) < text.index(MARKS[1])


def test_the_published_way_infers_once_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    class Core:
        def compile_model(self, model: str, device: str, hint: dict[str, str]) -> Any:
            del model, device, hint
            return lambda inputs: calls.append(inputs) or dict.fromkeys(published_way.NAMES, 0)

    monkeypatch.setattr("openvino.Core", Core)
    assert published_way.network("openvino", Path("whole.onnx"))(1, 2) == [0, 0, 0]
    assert calls == [{"template": 1, "search": 2}]
