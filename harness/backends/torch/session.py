# mypy: disallow-subclassing-any=False
"""PyTorch's modules in evaluation mode, and torch's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import torch

from harness.backends.shared.modules import load_modules
from harness.backends.torch import card
from harness.backends.torch.backend import Torch
from harness.core.errors import ConfigError
from harness.core.interfaces import Array, Arrays, Artifact, GraphSpec, Metrics, missing_input


def check_device(driver: Torch) -> None:
    """Raises DeviceError if torch does not see the device."""
    if driver.device == "cuda":
        card.check()


def open_modules(driver: Torch, artifact: Artifact, threads: int) -> tuple[dict[str, Any], Metrics]:
    """Returns the modules of each graph on the device, and the seconds spent building and moving them."""
    check_device(driver)
    torch.set_num_threads(threads)
    if driver.device == "cuda":
        card.allow_tf32(driver.tf32)
    begin = perf_counter()
    modules = load_modules(artifact)
    read = perf_counter()
    for module in modules.values():
        module.to(driver.device)
        if driver.channels_last:
            module.to(memory_format=torch.channels_last)
    if driver.device == "cuda":
        torch.cuda.synchronize()
    return modules, {"read": read - begin, "compile": perf_counter() - read}


def describe(driver: Torch) -> dict[str, str]:
    """Returns torch's report."""
    told = {
        "runtime": f"torch {torch.__version__}",
        "device": "CPU",
        "threads": str(torch.get_num_threads()),
        "streams": "1",
        "precision": "fp32",
        "provider": "eager",
        "capability": torch.backends.cpu.get_cpu_capability(),
    }
    return told | (card.describe() if driver.device == "cuda" else {})


class TorchSession:
    """One module in evaluation mode; inputs and outputs are NumPy arrays.

    The module returns a tensor, several in the order of the graph's outputs, or a dict with the outputs' names. On a card
    ``run`` copies the inputs there and the outputs back, which waits until they are computed: its time is the whole.
    """

    def __init__(self, spec: GraphSpec, module: Any, device: str) -> None:
        self.spec, self._module, self._device = spec, module, device
        self._from_numpy, self._inference_mode = torch.from_numpy, torch.inference_mode
        self._inputs, self._outputs = spec.input_names(), spec.output_names()

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        with self._inference_mode():
            try:
                tensors = [self._from_numpy(np.ascontiguousarray(inputs[name])) for name in self._inputs]
            except KeyError as error:
                raise missing_input(self.spec, error) from error
            if self._device != "cpu":
                tensors = [tensor.to(self._device, non_blocking=True) for tensor in tensors]
            outputs = in_order(self._module(*tensors), self.spec)
            return {name: item.cpu().numpy() for name, item in zip(self._outputs, outputs, strict=True)}


def in_order(outputs: Any, spec: GraphSpec) -> Sequence[Any]:
    """Returns a module's outputs in the order of ``spec``, a dict's by name. Raises ConfigError if they do not fit."""
    names = spec.output_names()
    if isinstance(outputs, Mapping):
        missing = [name for name in names if name not in outputs]
        if missing:
            raise ConfigError(
                f"the module of graph {spec.name} returns a dict without {', '.join(missing)}; it has "
                f"{', '.join(map(str, outputs)) or 'nothing'}. Name the graph's outputs as the module does."
            )
        outputs = [outputs[name] for name in names]
    elif not isinstance(outputs, (tuple, list)):
        outputs = (outputs,)
    wrong = [type(item).__name__ for item in outputs if not isinstance(item, torch.Tensor)]
    if wrong:
        raise ConfigError(
            f"the module of graph {spec.name} returns a {wrong[0]} among its outputs; accepted: a tensor, a tuple of tensors, "
            f"or a dict with {', '.join(names)}."
        )
    if len(outputs) != len(names):
        raise ConfigError(
            f"the module of graph {spec.name} returns {len(outputs)} tensors, and the tracker's graph names {len(names)} outputs "
            f"({', '.join(names)}); name each, in the module's order, or return a dict with these names."
        )
    return tuple(outputs)


class Ordered(torch.nn.Module):
    """Wraps a module that returns a dict to return a tuple in the graph's order, as exporters require."""

    def __init__(self, module: Any, spec: GraphSpec) -> None:
        super().__init__()
        self.module, self.names = module, spec.output_names()

    def forward(self, *inputs: Any) -> tuple[Any, ...]:
        outputs = self.module(*inputs)
        return tuple(outputs[name] for name in self.names)


def available() -> list[dict[str, str]]:
    """Returns the devices that this backend can use here: rows of device, name and precisions."""
    rows = [{"device": "cpu", "name": torch.backends.cpu.get_cpu_capability(), "precisions": "fp32"}]
    rows += [
        {"device": "cuda", "name": torch.cuda.get_device_name(index), "precisions": "fp32"}
        for index in range(torch.cuda.device_count())
    ]
    return rows
