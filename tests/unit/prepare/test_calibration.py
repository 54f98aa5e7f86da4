"""Calibration data: what is drawn from which frames, and what a wrong item is told."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeSession, tiny_dataset
from standing_tracker import Standing

from harness.core.errors import PrepareError
from harness.core.interfaces import GraphSpec, Sequence, TensorSpec
from harness.datasets.folder import Folder
from harness.machine.progress import Silent
from harness.prepare import calibration

GRAPH = GraphSpec(
    "search",
    (TensorSpec("template_features", (1, 4, 8, 8)), TensorSpec("search", (1, 16, 16, 3), "uint8")),
    (TensorSpec("score", (1, 1, 4, 4)),),
)


def item() -> dict[str, np.ndarray]:
    return {"template_features": np.zeros((1, 4, 8, 8), np.float32), "search": np.zeros((1, 16, 16, 3), np.uint8)}


def sequence(frames: int, visible: np.ndarray | None = None) -> Sequence:
    truth = np.column_stack([np.arange(frames), np.arange(frames), np.full(frames, 20), np.full(frames, 10)]).astype(float)
    paths = tuple(Path(f"{number:08d}.jpg") for number in range(frames))
    return Sequence("s", paths, truth[0], (100, 100), truth, visible)


# ---------------------------------------------------------------------------------------------- checks


def test_fitting_items_pass() -> None:
    calibration.check(GRAPH, [item(), item()])


def test_a_missing_input_is_named() -> None:
    bad = item()
    del bad["search"]
    with pytest.raises(PrepareError, match=r"item 1 of graph search lacks search; its inputs are template_features, search"):
        calibration.check(GRAPH, [item(), bad])


def test_an_unknown_name_is_named() -> None:
    bad = item()
    bad["image"] = bad.pop("search")
    with pytest.raises(PrepareError, match=r"lacks search and has image, which the graph does not take"):
        calibration.check(GRAPH, [bad])


def test_swapped_inputs_are_named() -> None:
    good = item()
    bad = {"search": good["template_features"], "template_features": good["search"]}
    with pytest.raises(PrepareError, match=r"are template_features and search swapped\?") as caught:
        calibration.check(GRAPH, [bad])
    assert "search is float32 [1, 4, 8, 8] where uint8 [1, 16, 16, 3] is expected" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((1, 16, 16, 3), np.float32), "search is float32"),
        (np.zeros((1, 8, 8, 3), np.uint8), r"\[1, 8, 8, 3\] where uint8 \[1, 16, 16, 3\]"),
    ],
)
def test_a_wrong_type_or_shape_is_named(value: np.ndarray, words: str) -> None:
    with pytest.raises(PrepareError, match=words) as caught:
        calibration.check(GRAPH, [{**item(), "search": value}])
    assert "swapped" not in str(caught.value)


def test_no_data_is_an_error() -> None:
    with pytest.raises(PrepareError, match="no calibration data"):
        calibration.check(GRAPH, [])


# ---------------------------------------------------------------------------------------------- drawing


@pytest.mark.parametrize(("count", "wanted"), [(10, 3), (100, 33), (7, 7), (5, 50), (301, 300), (1, 1)])
def test_chosen_are_spread_and_as_many_as_wanted(count: int, wanted: int) -> None:
    found = sorted(calibration.chosen(count, wanted, 0))
    assert len(found) == min(count, wanted)
    assert found[0] >= 0
    assert found[-1] < count
    longest = count / min(count, wanted)
    assert all(later - earlier <= 2 * longest + 1 for earlier, later in itertools.pairwise(found))


def test_chosen_depend_on_the_seed_alone() -> None:
    assert calibration.chosen(100, 10, 1) == calibration.chosen(100, 10, 1)
    assert calibration.chosen(100, 10, 1) != calibration.chosen(100, 10, 2)


def test_a_long_sequence_gives_several_templates_at_the_truth() -> None:
    pieces = calibration.segments([sequence(80)], truthful=False)
    assert [len(piece) for piece in pieces] == [20, 20, 20, 20]
    assert [piece.init_box[0] for piece in pieces] == [0, 20, 40, 60]
    assert pieces[2].truth is not None
    assert (pieces[2].truth[0] == pieces[2].init_box).all()


def test_a_template_is_not_taken_from_a_covered_target() -> None:
    visible = np.ones(40, bool)
    visible[10:13] = False
    pieces = calibration.segments([sequence(40, visible)], truthful=False)
    assert [piece.init_box[0] for piece in pieces] == [0, 13, 20, 30]


def test_without_truth_the_sequence_stays_whole_and_random_weights_are_refused() -> None:
    bare = Sequence("bare", tuple(Path(str(number)) for number in range(30)), np.array([1.0, 1, 5, 5]))
    assert calibration.segments([bare], truthful=False) == [bare]
    with pytest.raises(PrepareError, match="bare has no ground truth"):
        calibration.segments([bare], truthful=True)


def test_recording_keeps_what_the_graph_was_given(tmp_path: Path) -> None:
    data = Folder(root=str(tiny_dataset(tmp_path, sequences=2, frames=12)), split="val")
    tracker = Standing()
    sessions = {"search": FakeSession(tracker.graphs["search"])}
    found = calibration.record(tracker, sessions, data, 9, 0, Silent())["search"]
    assert len(found) == 9
    assert {frozenset(one) for one in found} == {frozenset({"patch"})}
    assert all(one["patch"].shape == (1, 4, 4, 3) and one["patch"].dtype == np.uint8 for one in found)
    again = calibration.record(tracker, sessions, data, 9, 0, Silent())["search"]
    assert all((one["patch"] == other["patch"]).all() for one, other in zip(found, again, strict=True))


def test_recorded_inputs_are_copies(tmp_path: Path) -> None:
    recorder = calibration.Recorder(FakeSession(GRAPH), frozenset({0, 1}))
    inputs = item()
    recorder.run(inputs)
    inputs["search"][:] = 9
    recorder.run(inputs)
    assert recorder.items[0]["search"].max() == 0
    assert recorder.items[1]["search"].max() == 9
