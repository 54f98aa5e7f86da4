"""NanoTrack's module and joined graphs against its authors' ONNX files, and its boxes against the reference's."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from harness.core.errors import WeightsError
from harness.trackers.nanotrack import network as nanotrack, onnx_files as nanotrack_onnx
from harness.trackers.nanotrack.tracker import NanoTrack

pytestmark = pytest.mark.shared
VERSIONS = ("v1", "v2", "v3")
FRAMES = 20


def onnx_files(shared: Path, version: str) -> list[Path]:
    return [next((shared / "nanotrack" / version).glob(f"*{part}*.onnx")) for part in ("backbone", "head")]


class OrtSession:
    """A graph in ONNX Runtime."""

    def __init__(self, model: onnx.ModelProto) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a worker has one core, on which a second thread would wait by turning round
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self.names = [output.name for output in self.session.get_outputs()]

    def run(self, inputs):
        return dict(zip(self.names, self.session.run(self.names, dict(inputs)), strict=True))


@pytest.fixture(scope="module", params=VERSIONS)
def version(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    template, search = (generator.integers(0, 256, (1, side, side, 3), np.uint8) for side in (127, 255))
    return template, search


def test_module_equals_the_onnx_files(shared, version, images):
    template, search = images
    files = onnx_files(shared, version)
    backbone, head = (onnxruntime.InferenceSession(str(path)) for path in files)
    modules = nanotrack.graphs([shared / "nanotrack" / version / f"nanotrack{version}.pth"], version=version)
    features = modules["template"](torch.from_numpy(template))
    cls, loc = modules["search"](features, torch.from_numpy(search))

    large = np.ascontiguousarray(search.transpose(0, 3, 1, 2).astype(np.float32))
    search_features = backbone.run(None, {"input": large})[0]
    expected = head.run(None, {"input1": features.numpy(), "input2": search_features})
    assert np.abs(cls.numpy() - expected[0]).max() < 1e-4
    # distances reach 60 px, where float32 itself is good for some 1e-5 of the value after so many layers
    np.testing.assert_allclose(loc.numpy(), expected[1], rtol=1e-5, atol=1e-4)


def test_joined_graphs_equal_the_module(shared, version, images):
    template, search = images
    sessions = {
        name: OrtSession(model)
        for name, model in nanotrack_onnx.graphs(onnx_files(shared, version), version=version).items()
    }
    modules = nanotrack.graphs([shared / "nanotrack" / version / f"nanotrack{version}.pth"], version=version)
    features = sessions["template"].run({"template": template})["template_features"]
    expected = modules["template"](torch.from_numpy(template))
    assert np.abs(features - expected.numpy()).max() < 1e-4
    found = sessions["search"].run({"template_features": features, "search": search})
    for name, value in zip(("cls", "loc"), modules["search"](expected, torch.from_numpy(search)), strict=True):
        # the features' own rounding passes through exponentials
        assert np.abs(found[name] - value.numpy()).max() < 3e-4


def test_graphs_are_as_announced(shared, version):
    spec = NanoTrack(version=version, weights=[str(path) for path in onnx_files(shared, version)])
    assert spec.source().kind == "onnx"
    models = nanotrack_onnx.graphs(list(spec.source().weights), **spec.source().options)
    for name, graph in spec.graphs.items():
        for values, tensors in ((models[name].graph.input, graph.inputs), (models[name].graph.output, graph.outputs)):
            shapes = [(v.name, tuple(d.dim_value for d in v.type.tensor_type.shape.dim)) for v in values]
            assert shapes == [(tensor.name, tensor.shape) for tensor in tensors]


def test_files_of_another_version_or_order_are_named(shared):
    backbone, head = onnx_files(shared, "v3")
    with pytest.raises(WeightsError, match=r"not NanoTrack v3's backbone.*\[backbone, head\]"):
        nanotrack_onnx.graphs([head, backbone], version="v3")
    with pytest.raises(WeightsError, match=r"not NanoTrack v2's backbone.*tracker\.version"):
        nanotrack_onnx.graphs([backbone, head], version="v2")
    with pytest.raises(WeightsError, match="is not an ONNX model"):
        nanotrack_onnx.graphs([shared / "nanotrack" / "v3" / "nanotrackv3.pth", head], version="v3")


@pytest.mark.parametrize(
    ("backbone_of", "head_of", "asked", "named"),
    [
        ("v1", "v1", "v2", "backbone of NanoTrack v1"),
        ("v2", "v2", "v1", "backbone of NanoTrack v2"),
        ("v2", "v1", "v2", "head of NanoTrack v1"),
        ("v2", "v1", "v1", "backbone of NanoTrack v2"),
        ("v1", "v2", "v1", "head of NanoTrack v2"),
    ],
)
def test_files_of_v1_and_v2_which_have_the_same_shapes_are_told_from_each_other(shared, tmp_path, backbone_of, head_of, asked, named):
    files = [tmp_path / "a.onnx", tmp_path / "b.onnx"]  # names say nothing
    for path, source in zip(files, (onnx_files(shared, backbone_of)[0], onnx_files(shared, head_of)[1]), strict=True):
        path.write_bytes(source.read_bytes())
    with pytest.raises(WeightsError, match=rf"is the {named}, and tracker\.version is {asked}; set tracker\.version="):
        nanotrack_onnx.graphs(files, version=asked)


def test_a_backbone_that_was_trained_further_is_of_any_version(shared, tmp_path):
    model = onnx.load(str(onnx_files(shared, "v1")[0]))
    for item in model.graph.initializer:
        values = numpy_helper.to_array(item)
        if values.dtype == np.float32:
            item.CopyFrom(numpy_helper.from_array(values * np.float32(1.01), item.name))
    onnx.save(model, str(tmp_path / "own.onnx"))
    assert set(nanotrack_onnx.graphs([tmp_path / "own.onnx", onnx_files(shared, "v2")[1]], version="v2")) == {"template", "search"}


def test_a_checkpoint_of_another_version_is_named(shared):
    with pytest.raises(WeightsError, match="does not fit NanoTrack"):
        nanotrack.graphs([shared / "nanotrack" / "v2" / "nanotrackv2.pth"], version="v3")


@pytest.mark.slow
def test_first_boxes_agree_with_the_reference(shared, version):
    spec = NanoTrack(version=version, weights=[str(path) for path in onnx_files(shared, version)])
    models = nanotrack_onnx.graphs(list(spec.source().weights), version=version)
    sessions = {name: OrtSession(model) for name, model in models.items()}
    folders = sorted(path for path in (shared / "real" / "val").iterdir() if path.is_dir())
    assert len(folders) == 12
    for folder in folders:
        frames = sorted(folder.glob("*.jpg"))[:FRAMES]
        reference_file = next((shared / "nanotrack" / "reference" / version / folder.name).glob("*_001.txt"))
        reference = np.loadtxt(reference_file, delimiter=",")[: len(frames)]
        first = np.loadtxt(folder / "groundtruth.txt", delimiter=",")[0]
        tracker = spec.start(sessions)
        tracker.init(cv2.imread(str(frames[0])), first)
        boxes = [first] + [tracker.update(cv2.imread(str(frame))) for frame in frames[1:]]
        assert np.abs(np.array(boxes) - reference).max() < 0.05, folder.name
