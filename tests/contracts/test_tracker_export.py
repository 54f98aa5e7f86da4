"""Every tracker with graphs is exported as a script whose boxes are its own."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from fakes import FakeSession

from harness.core.config import build, conf_folder
from harness.core.interfaces import TrackerSpec
from harness.publish.export.standalone import script

IMAGE = np.random.default_rng(0).integers(0, 256, (360, 640, 3), dtype=np.uint8)
SESSION = "from fakes import FakeSession\n\nSession = None"


def specs() -> list[TrackerSpec]:
    """Every shipped tracker that runs graphs, with random weights, in each of its settings that changes them."""
    found = []
    for path in sorted((conf_folder() / "tracker").glob("*.yaml")):
        section = yaml.safe_load(path.read_text()) | {"seed": 0}
        if "weights" in section and "defaults" not in section:  # native trackers run no graphs
            found.append(build(section | {"weights": "random"}, TrackerSpec, "tracker"))
    for name, key, value in (("lighttrack", "settings", "vot2019"), ("fear", "smooth", True)):
        section = yaml.safe_load((conf_folder() / "tracker" / f"{name}.yaml").read_text())
        found.append(build(section | {"seed": 0, "weights": "random", key: value}, TrackerSpec, "tracker"))
    return found


def loaded(text: str, path: Path) -> Any:
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("exported_track", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("spec", specs(), ids=lambda spec: f"{spec.name}")
@pytest.mark.parametrize("box", [(200, 120, 60, 40), (600, 300, 9, 12), (60, 20, 560, 320)], ids=str)
def test_the_exported_script_tracks_as_the_tracker_does(
    spec: TrackerSpec, box: tuple[int, ...], tmp_path: Path
) -> None:
    fakes = {name: FakeSession(graph, index) for index, (name, graph) in enumerate(spec.graphs.items())}
    options = {"files": {name: f"{name}.onnx" for name in fakes}, "threads": 1}
    module = loaded(script(spec, SESSION, options, "A title."), tmp_path / "track.py")
    module.Session = lambda graph, path, threads: fakes[Path(path).stem]
    exported, own = module.make_tracker(tmp_path, 1), spec.start(fakes)
    for tracker in (exported, own):
        tracker.init(IMAGE, np.array(box, float))
    for _ in range(3):
        np.testing.assert_array_equal(exported.update(IMAGE), own.update(IMAGE))
        assert exported.confidence == own.confidence is not None
