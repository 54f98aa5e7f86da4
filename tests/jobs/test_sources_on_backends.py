"""A person's graphs, exported and converted for each backend: outputs by name, files of the person's own, missing inputs."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_graphs import PATCH, check_numbers, prepared, run, words
from own_tracker import Own

from harness.backends.onnx.backend import Onnx
from harness.backends.openvino.backend import OpenVino
from harness.backends.torch.backend import Torch
from harness.core.errors import BackendError, SkipJob
from harness.core.interfaces import Backend
from harness.prepare.plan import Settings, plan


@pytest.mark.parametrize(
    "backend", [Torch(), Onnx(), OpenVino(model_cache=False), OpenVino(source="torch", model_cache=False)], ids=words
)
def test_a_dict_of_outputs_is_matched_by_name_on_every_backend(backend: Backend, tmp_path: Path) -> None:
    spec = Own(factory="own_tracker:named")
    check_numbers(run(backend, prepared(spec, backend, tmp_path)))


def test_onnx_files_may_be_given_as_paths(tmp_path: Path) -> None:
    exported = prepared(Own(), Onnx(), tmp_path).files["search"]
    spec = Own("onnx", "own_tracker:paths", [str(exported)])
    for backend in (Onnx(), OpenVino(model_cache=False)):
        check_numbers(run(backend, prepared(spec, backend, tmp_path)))
    with pytest.raises(SkipJob, match="loaded from ONNX files, which backend=torch cannot run; choose backend=onnx"):
        plan(spec, Torch(), Settings(), 0)


@pytest.mark.parametrize("backend", [Torch(), Onnx(), OpenVino(model_cache=False)], ids=lambda backend: backend.name)
def test_an_input_that_was_not_given_is_named(backend: Backend, tmp_path: Path) -> None:
    session = backend.open(prepared(Own(), backend, tmp_path))["search"]
    with pytest.raises(BackendError, match=r"graph search was run without its input 'patch'; it takes patch"):
        session.run({"path": PATCH})
