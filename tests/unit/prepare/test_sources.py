"""Where a person's graphs come from: IR alone, and every mistake as one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import own_tracker
import pytest
from own_graphs import check_numbers, prepared, run, words
from own_tracker import GRAPH, Own, save_ir

from harness.artifacts.store import REFERENCE_FILE
from harness.backends.onnx.backend import Onnx
from harness.backends.openvino.backend import OpenVino
from harness.backends.torch.backend import Torch
from harness.core.errors import ConfigError, DataError, HarnessError, SkipJob, WeightsError
from harness.core.interfaces import Backend, GraphSpec, Source, TensorSpec
from harness.prepare import specification
from harness.prepare.plan import Settings, plan

# ------------------------------------------------------------------------------------------------ IR


def test_ir_runs_on_openvino_as_it_is(tmp_path: Path) -> None:
    spec = Own("openvino", "own_tracker:paths", [str(save_ir(tmp_path / "g.xml"))])
    backend = OpenVino(model_cache=False)
    artifact = prepared(spec, backend, tmp_path)
    assert (artifact.format, artifact.precision) == ("openvino", "fp32")
    assert (artifact.folder / REFERENCE_FILE).is_file()
    check_numbers(run(backend, artifact))


def test_ir_is_stored_in_16_bits_where_asked(tmp_path: Path) -> None:
    spec = Own("openvino", "own_tracker:paths", [str(save_ir(tmp_path / "g.xml"))])
    backend = OpenVino(weights="fp16", model_cache=False)
    artifact = prepared(spec, backend, tmp_path)
    assert artifact.precision == "fp16"
    assert "parity" in artifact.info
    check_numbers(run(backend, artifact))


@pytest.mark.parametrize(
    ("backend", "says"),
    [
        (Torch(), "loaded from OpenVINO's IR, which backend=torch cannot run; choose backend=openvino"),
        (Onnx(), "loaded from OpenVINO's IR, which backend=onnx cannot run; choose backend=openvino"),
        (OpenVino(source="file"), "backend.source=file reads another format; leave backend.source out"),
        (OpenVino(source="torch"), "backend.source=torch reads another format; leave backend.source out"),
    ],
    ids=words,
)
def test_ir_is_skipped_elsewhere_with_the_reason(backend: Backend, says: str, tmp_path: Path) -> None:
    spec = Own("openvino", "own_tracker:paths", [str(save_ir(tmp_path / "g.xml"))])
    with pytest.raises(SkipJob, match=says.replace(".", r"\.")):
        plan(spec, backend, Settings(), 0)


def test_the_bin_beside_an_ir_enters_the_key(tmp_path: Path) -> None:
    path = save_ir(tmp_path / "g.xml")
    spec = Own("openvino", "own_tracker:paths", [str(path)])
    before = plan(spec, OpenVino(), Settings(), 0).key
    weights = path.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes() + b"x")
    assert plan(spec, OpenVino(), Settings(), 0).key != before


@pytest.mark.parametrize(
    ("outputs", "dtype", "says"),
    [
        (
            ("mean", "highest"),
            np.uint8,
            r"graph search has outputs mean, highest, and the tracker's graphs name mean, most",
        ),
        (
            ("mean", "most"),
            np.float32,
            r"input patch of graph search is float32 in the IR and uint8 in the tracker's graphs",
        ),
    ],
)
def test_ir_that_is_another_graph_is_named(outputs: tuple[str, str], dtype: type, says: str, tmp_path: Path) -> None:
    spec = Own("openvino", "own_tracker:paths", [str(save_ir(tmp_path / "g.xml", outputs, dtype))])
    with pytest.raises(ConfigError, match=says):
        prepared(spec, OpenVino(), tmp_path)


def test_a_file_that_is_not_an_ir_is_named(tmp_path: Path) -> None:
    path = tmp_path / "g.xml"
    path.write_text("nothing")
    with pytest.raises(WeightsError, match=r"g\.xml cannot be read for graph search"):
        prepared(Own("openvino", "own_tracker:paths", [str(path)]), OpenVino(), tmp_path)


# --------------------------------------------------------------------------------- mistakes, one sentence each


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        ("misnamed", "returns a dict without mean; it has most, average"),
        ("one_output", r"returns 1 tensors, and the tracker's graph names 2 outputs \(mean, most\)"),
        ("no_tensor", "returns a NoneType among its outputs"),
        ("other_graph", "built no graph search, which the tracker's graphs name; it built track"),
        ("no_dict", "returned a Graph; accepted: a dict of models by graph name"),
        ("no_module", r"gave a int for graph search; accepted: a torch\.nn\.Module"),
        (
            "fails",
            r"called as fails\(weights, seed=0\), failed: TypeError: list indices .* \(own_tracker\.py, line \d+\)",
        ),
        ("moduels", r"has no function 'moduels' \(did you mean 'modules'\?\)"),
    ],
)
def test_what_is_wrong_with_a_factory_is_reported(factory: str, says: str, tmp_path: Path) -> None:
    spec = Own(factory=f"own_tracker:{factory}")
    with pytest.raises(ConfigError, match=says) as caught:
        prepared(spec, Torch(), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"kind": "tensorflow"}, r"Source\.kind is 'tensorflow'; accepted: torch, onnx, openvino"),
        ({"factory": "own_tracker"}, r"Source\.factory is 'own_tracker'; accepted: 'package\.module:function'"),
        ({"factory": "own_trakcer:modules"}, "module 'own_trakcer' is not on the Python path"),
        ({"weights": 3}, r"Source\.weights is 3; accepted: files"),
        ({"fault": "graphs"}, r"own_tracker\.Own\.graphs failed: KeyError: 'nothing' \(own_tracker\.py, line \d+\)"),
    ],
)
def test_what_is_wrong_with_a_specification_is_reported(fields: dict, says: str) -> None:
    def checked(spec: Own) -> None:
        specification.check(spec)
        plan(spec, Torch(), Settings(), 0)

    with pytest.raises(ConfigError, match=says):
        checked(Own(**fields))


def test_weights_that_are_not_there_are_named() -> None:
    with pytest.raises(DataError, match=r"nowhere\.pth cannot be read"):
        plan(Own(weights=["nowhere.pth"]), Torch(), Settings(), 0)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: TensorSpec("x", (1, 0, 3)), r"shape of tensor x is \(1, 0, 3\)"),
        (lambda: TensorSpec("x", (1, "H")), r"shape of tensor x is \(1, 'H'\)"),  # type: ignore[arg-type]
        (lambda: TensorSpec("x", (1, 3), "floaty"), "dtype of tensor x is 'floaty'"),
        (lambda: GraphSpec("g", ("x",), ()), r"inputs of graph g are \('x',\); accepted: TensorSpecs"),  # type: ignore[arg-type]
        (
            lambda: GraphSpec("g", (TensorSpec("x", (1,)), TensorSpec("x", (1,))), ()),
            "named x, x; give each a name of its own",
        ),
    ],
)
def test_what_is_wrong_with_a_tensor_is_reported(made, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        made()


def test_specifications_may_be_lists() -> None:
    graph = GraphSpec("g", [TensorSpec("x", [1, 2], "f4")], TensorSpec("y", [1]))  # type: ignore[arg-type]
    assert graph.inputs == (TensorSpec("x", (1, 2), "float32"),)
    assert graph.output_names() == ("y",)


def test_weights_of_a_source_may_be_strings() -> None:
    assert Source("torch", "a:b", "x.pth").weights == (Path("x.pth"),)  # type: ignore[arg-type]
    assert Source("torch", "a:b", ["x.pth", Path("y.pth")]).weights == (Path("x.pth"), Path("y.pth"))  # type: ignore[arg-type, list-item]


def _fed(shape: tuple[int, ...]) -> dict[str, GraphSpec]:
    features, image = TensorSpec("f", (1, 4)), TensorSpec("image", (1, 8, 8, 3), "uint8")
    return {
        "template": GraphSpec("template", (image,), (features,)),
        "search": GraphSpec("search", (TensorSpec("f", shape), image), (TensorSpec("y", (1,)),)),
    }


@pytest.mark.parametrize(
    ("graphs", "says"),
    [
        ({}, r"graphs is \{\}; accepted: a dict of GraphSpecs by name"),
        ({"track": GRAPH}, r"graphs\['track'\] holds the graph named 'search'"),
        ({"search": 3}, r"graphs\['search'\] is a int; accepted: a GraphSpec"),
        ({"search": GraphSpec("search", (), GRAPH.outputs)}, "has no inputs"),
        (_fed((1, 5)), r"input f of graph search has the shape \[1, 5\], and the output that feeds it \[1, 4\]"),
        ({"other": GraphSpec("other", GRAPH.inputs, GRAPH.outputs)}, "per_frame names search; graphs: other"),
    ],
)
def test_graphs_that_do_not_fit_are_named(graphs, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Own, "graphs", graphs)
    with pytest.raises(ConfigError, match=says):
        specification.check(Own())


@pytest.mark.parametrize("value", ["search", ()])
def test_graphs_of_every_frame_are_named_in_a_tuple(value, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Own, "per_frame", value)
    with pytest.raises(ConfigError, match=r"own_tracker\.Own\.per_frame is .*; accepted: the names of graphs, in a tuple"):
        specification.check(Own())


def test_good_specifications_pass() -> None:
    specification.check(Own())


def test_errors_of_the_harness_pass_through(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def factory(weights, *, seed):
        raise WeightsError("these are not the weights.")

    monkeypatch.setattr(own_tracker, "modules", factory)
    with pytest.raises(HarnessError, match=r"^these are not the weights\.$"):
        prepared(Own(), Torch(), tmp_path)
