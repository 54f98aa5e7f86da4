# mypy: disallow-subclassing-any=False
"""A module in float64, by which every conversion and torch's own float32 are judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from harness.core.interfaces import Array, Arrays, GraphSpec


class _InDouble(TorchFunctionMode):
    """Replaces float32 by float64 in a module's calls: ``x.float()``, ``x.to(torch.float32)``, ``dtype=``."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.float:
            return args[0].double()
        widened = {key: _wide(value) for key, value in (kwargs or {}).items()}
        return func(*(_wide(value) for value in args), **widened)


def _wide(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value


class ExactSession:
    """A graph's module in float64. It changes the module, which must not be used elsewhere.

    Inputs are those of the graph (float32 if it declares them so) and are converted without loss; outputs are float64.
    """

    def __init__(self, spec: GraphSpec, module: Any) -> None:
        self.spec, self._module = spec, module.eval().double()

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        """Outputs by name, float64."""
        tensors = [torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in self.spec.input_names()]
        tensors = [item.double() if item.dtype == torch.float32 else item for item in tensors]
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)  # for constants that a module makes when it runs
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
