# mypy: disallow-subclassing-any=False
"""A module in float64: the arithmetic that every conversion, and torch's own float32, is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from harness.core.interfaces import Array, Arrays, GraphSpec


class _InDouble(TorchFunctionMode):
    """While it is on, what a module asks for in float32 is float64: ``x.float()``, ``x.to(torch.float32)``, ``dtype=``."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.float:
            return args[0].double()
        widened = {key: _wide(value) for key, value in (kwargs or {}).items()}
        return func(*(_wide(value) for value in args), **widened)


def _wide(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value


class ExactSession:
    """A graph's module in float64. The module is changed: give it one that nothing else uses.

    Inputs are those of the graph (float32 where it says so) and are widened without loss; outputs are float64.
    """

    def __init__(self, spec: GraphSpec, module: Any) -> None:
        self.spec, self._module = spec, module.eval().double()

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        """Outputs by name, float64."""
        tensors = [torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in self.spec.input_names()]
        tensors = [item.double() if item.dtype == torch.float32 else item for item in tensors]
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)  # constants that a module makes as it runs
        try:
            with torch.inference_mode(), _InDouble():
                outputs = self._module(*tensors)
        finally:
            torch.set_default_dtype(before)
        if isinstance(outputs, Mapping):
            outputs = [outputs[name] for name in self.spec.output_names()]
        elif not isinstance(outputs, (tuple, list)):
            outputs = (outputs,)
        return {name: item.double().numpy() for name, item in zip(self.spec.output_names(), outputs, strict=True)}
