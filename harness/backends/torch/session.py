"""PyTorch at work: modules in evaluation mode, and what torch reports."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np
import torch

from harness.backends.shared.modules import load_modules
from harness.backends.torch.backend import Torch
from harness.core.errors import DeviceError
from harness.core.interfaces import Array, Arrays, Artifact, GraphSpec, Metrics


def check_device(driver: Torch) -> None:
    """Raises DeviceError where torch does not see the device."""
    if driver.device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("device=cuda: torch sees no CUDA device here; use device=cpu.")


def open_modules(driver: Torch, artifact: Artifact, threads: int) -> tuple[dict[str, Any], Metrics]:
    """The modules of each graph on the device, and the seconds spent building and moving them."""
    check_device(driver)
    torch.set_num_threads(threads)
    begin = perf_counter()
    modules = load_modules(artifact)
    read = perf_counter()
    for module in modules.values():
        module.to(driver.device)
        if driver.channels_last:
            module.to(memory_format=torch.channels_last)
    return modules, {"read": read - begin, "compile": perf_counter() - read}


def describe(driver: Torch) -> dict[str, str]:
    """What torch reports."""
    return {
        "runtime": f"torch {torch.__version__}",
        "device": "CPU" if driver.device == "cpu" else torch.cuda.get_device_name(),
        "threads": str(torch.get_num_threads()),
        "streams": "1",
        "precision": "fp32",
        "provider": "eager",
        "capability": torch.backends.cpu.get_cpu_capability(),
    }


class TorchSession:
    """One module in evaluation mode; tensors go in and come out as NumPy arrays."""

    def __init__(self, spec: GraphSpec, module: Any, device: str) -> None:
        self.spec, self._module, self._device = spec, module, device
        self._from_numpy, self._inference_mode = torch.from_numpy, torch.inference_mode
        self._inputs, self._outputs = spec.input_names(), spec.output_names()

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        with self._inference_mode():
            tensors = [self._from_numpy(np.ascontiguousarray(inputs[name])) for name in self._inputs]
            if self._device != "cpu":
                tensors = [tensor.to(self._device, non_blocking=True) for tensor in tensors]
            outputs = self._module(*tensors)
            if not isinstance(outputs, (tuple, list)):
                outputs = (outputs,)
            return {name: item.cpu().numpy() for name, item in zip(self._outputs, outputs, strict=True)}


def available() -> list[dict[str, str]]:
    """What this backend can run on here: rows of device, name and precisions."""
    rows = [{"device": "cpu", "name": torch.backends.cpu.get_cpu_capability(), "precisions": "fp32"}]
    rows += [
        {"device": "cuda", "name": torch.cuda.get_device_name(index), "precisions": "fp32"}
        for index in range(torch.cuda.device_count())
    ]
    return rows
