"""What every tracker must keep to, over sessions that are not real: shapes, names, feedback, independence.

A tracker is found by its YAML file. One that runs as it is names no graphs, and is left out.
"""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from fakes import FakeSession

from harness.core.config import build, conf_folder
from harness.core.interfaces import TrackerSpec

FILES = sorted((conf_folder() / "tracker").glob("*.yaml"))
IMAGE = np.random.default_rng(0).integers(0, 256, (360, 640, 3), dtype=np.uint8)
BOX = np.array([200.0, 120.0, 60.0, 40.0])


def made(name: str, **settings: object) -> TrackerSpec:
    """The tracker of a YAML file; what the file takes from others of its group decides nothing here."""
    section = yaml.safe_load((conf_folder() / "tracker" / f"{name}.yaml").read_text())
    section.pop("defaults", None)
    return build({**section, "seed": 0, **settings}, TrackerSpec, "tracker")


WITH_GRAPHS = [path.stem for path in FILES if made(path.stem).graphs]


def test_the_trackers_that_name_graphs_are_found() -> None:
    assert set(WITH_GRAPHS) == {path.stem for path in FILES} - {"native"}


@pytest.fixture(params=WITH_GRAPHS)
def spec(request: pytest.FixtureRequest) -> TrackerSpec:
    return made(request.param, weights="random")


def sessions(spec: TrackerSpec) -> dict[str, FakeSession]:
    return {name: FakeSession(graph, index) for index, (name, graph) in enumerate(spec.graphs.items())}


def test_the_name_is_the_files(spec: TrackerSpec, request: pytest.FixtureRequest) -> None:
    assert spec.name == request.node.callspec.params["spec"]
    assert spec.random_weights


def test_graphs_are_static_and_feed_each_other_by_name(spec: TrackerSpec) -> None:
    made: dict[str, tuple[int, ...]] = {}
    for name, graph in spec.graphs.items():
        assert graph.name == name
        for tensor in (*graph.inputs, *graph.outputs):
            assert tensor.shape[0] == 1
            assert all(side > 0 for side in tensor.shape)
        for tensor in graph.inputs:
            if tensor.name in made:
                assert tensor.shape == made[tensor.name]
            else:
                assert (tensor.dtype, tensor.shape[-1]) == ("uint8", 3), "an input from outside is an image, NHWC"
        made |= {tensor.name: tensor.shape for tensor in graph.outputs}
    assert set(spec.per_frame) <= spec.graphs.keys()


def test_it_gives_graphs_exactly_what_they_ask_for(spec: TrackerSpec) -> None:
    fakes = sessions(spec)
    tracker = spec.start(fakes)
    tracker.init(IMAGE, BOX)
    for _ in range(3):
        box = tracker.update(IMAGE)
        assert box.shape == (4,)
        assert box.dtype == np.float64
        assert np.isfinite(box).all()
        assert (box[2:] > 0).all()
    for fake in fakes.values():
        wanted = {tensor.name: (tensor.shape, tensor.dtype) for tensor in fake.spec.inputs}
        assert fake.seen
        assert all(seen == wanted for seen in fake.seen)
    assert [len(fakes[name].seen) for name in spec.per_frame] == [3] * len(spec.per_frame)


def test_place_decides_where_the_next_crop_lies(spec: TrackerSpec) -> None:
    first, second = spec.start(sessions(spec)), spec.start(sessions(spec))
    for tracker in (first, second):
        tracker.init(IMAGE, BOX)
    first.update(IMAGE)  # its state moves away
    moved = BOX + np.array([30, -20, 5, 5])
    first.place(moved)
    second.place(moved)
    np.testing.assert_array_equal(first.update(IMAGE), second.update(IMAGE))


def test_trackers_do_not_share_state_and_do_not_keep_what_they_are_given(spec: TrackerSpec) -> None:
    alone, beside = spec.start(sessions(spec)), spec.start(sessions(spec))
    box = BOX.copy()
    alone.init(IMAGE, box)
    box += 50
    beside.init(IMAGE, box)
    other = spec.start(sessions(spec))
    other.init(IMAGE, BOX)
    found = alone.update(IMAGE)
    np.testing.assert_array_equal(found, other.update(IMAGE))
    found += 1000  # the caller owns what it got
    np.testing.assert_array_equal(alone.update(IMAGE), other.update(IMAGE))
