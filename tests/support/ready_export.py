"""Lets torch's exporter list its operators once in a process: making that list again takes a second for each graph."""

from __future__ import annotations

import copy
import functools
from typing import Any

REGISTRATION = "torch.onnx._internal.exporter._registration"


@functools.cache
def list_once() -> None:
    """Makes the list now; for the rest of this process each export gets a copy."""
    from torch.onnx._internal.exporter import _constants, _registration

    made = functools.cache(_registration.ONNXRegistry.from_torchlib)

    def copied(cls: Any, opset_version: int = _constants.TORCHLIB_OPSET) -> Any:
        del cls
        registry = copy.copy(made(opset_version))
        registry.functions = {target: list(known) for target, known in registry.functions.items()}
        return registry

    _registration.ONNXRegistry.from_torchlib = classmethod(copied)  # type: ignore[method-assign,assignment]
    made(_constants.TORCHLIB_OPSET)
