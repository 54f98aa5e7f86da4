"""An input that a graph cannot take is told with its name, shape and type, in no words of the runtime's."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from harness.backends.onnx.session import OnnxSession
from harness.core.errors import BackendError
from harness.core.interfaces import GraphSpec, TensorSpec

SPEC = GraphSpec("search", (TensorSpec("patch", (1, 3)),), (TensorSpec("twice", (1, 3)),))


@pytest.fixture
def session() -> OnnxSession:
    import onnxruntime

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in ("patch", "twice")]
    graph = helper.make_graph([helper.make_node("Add", ["patch", "patch"], ["twice"])], "search", [value[0]], [value[1]])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    return OnnxSession(SPEC, onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]))


def test_a_fitting_input_is_run(session: OnnxSession) -> None:
    assert session.run({"patch": np.ones((1, 3), np.float32)})["twice"].tolist() == [[2, 2, 2]]


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.ones((1, 4), np.float32), r"input patch of graph search is float32\[1, 4\]; it must be float32\[1, 3\]"),
        (np.ones((1, 3), np.uint8), r"input patch of graph search is uint8\[1, 3\]; it must be float32\[1, 3\]"),
        (None, "graph search was run without its input 'patch'"),
    ],
)
def test_an_input_that_does_not_fit_is_named(session: OnnxSession, array: np.ndarray | None, says: str) -> None:
    with pytest.raises(BackendError, match=says):
        session.run({} if array is None else {"patch": array})
