"""PyTorch, eager: the reference arithmetic that every other backend is compared with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

import numpy as np

from harness.core.errors import BackendError, ConfigError, DeviceError, SkipJob
from harness.core.interfaces import Array, Arrays, Artifact, Backend, GraphSpec, Metrics, Session

DEVICES = ("cpu", "cuda")


@dataclass
class Torch(Backend):
    """``backend=torch``.

    ``channels_last`` lays activations out as NHWC, which some processors prefer; ``pinning`` keeps each sequence of the
    parallel mode on cores of its own.
    """

    name: ClassVar[str] = "torch"
    format: ClassVar[str] = "torch"
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)

    channels_last: bool = False
    pinning: bool | None = None
    device: str = "cpu"
    hint: str = "none"
    threads: int = 1
    cache: str = ""
    _modules: dict[str, dict[str, Any]] = field(default_factory=dict, init=False, repr=False)
    _times: Metrics = field(default_factory=dict, init=False, repr=False)
    _requests: int = field(default=1, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.hint != "none":
            raise SkipJob(f"hint={self.hint} is OpenVINO's; backend=torch takes hint=none.")
        if self.device not in DEVICES:
            raise SkipJob(f"backend=torch cannot run on device={self.device}; accepted: {', '.join(DEVICES)}.")
        if self.threads < 1:
            raise ConfigError(f"threads is {self.threads}; accepted: 1 or more.")

    def prepare_parallel(self, requests: int) -> None:
        self._requests = requests

    def parallel_requests(self, artifact: Artifact) -> int:
        del artifact
        return self.threads

    def pins_callers(self) -> bool:
        return bool(self.pinning)

    def check_device(self) -> None:
        if self.device == "cuda":
            import torch

            if not torch.cuda.is_available():
                raise DeviceError("device=cuda: torch sees no CUDA device here; use device=cpu.")

    def open(self, artifact: Artifact) -> dict[str, Session]:
        import torch

        if artifact.key not in self._modules:
            self.check_device()
            torch.set_num_threads(max(1, self.threads // self._requests))
            begin = perf_counter()
            modules = load_modules(artifact)
            read = perf_counter()
            for module in modules.values():
                module.to(self.device)
                if self.channels_last:
                    module.to(memory_format=torch.channels_last)
            self._modules[artifact.key] = modules
            self._times = {"read": read - begin, "compile": perf_counter() - read}
        modules = self._modules[artifact.key]
        return {name: TorchSession(artifact.graphs[name], module, self.device) for name, module in modules.items()}

    def describe(self) -> dict[str, str]:
        import torch

        name = "CPU" if self.device == "cpu" else torch.cuda.get_device_name()
        return {
            "runtime": f"torch {torch.__version__}",
            "device": name,
            "threads": str(torch.get_num_threads()),
            "streams": "1",
            "precision": "fp32",
            "provider": "eager",
            "capability": torch.backends.cpu.get_cpu_capability(),
        }

    def load_times(self) -> Metrics:
        return dict(self._times)


class TorchSession:
    """One module in evaluation mode; tensors go in and come out as NumPy arrays."""

    def __init__(self, spec: GraphSpec, module: Any, device: str) -> None:
        import torch

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


def load_modules(artifact: Artifact) -> dict[str, Any]:
    """The torch modules that a ``torch`` artifact describes, in evaluation mode, by graph name."""
    source = json.loads((artifact.folder / "source.json").read_text())
    modules = call_factory(source)
    missing = artifact.graphs.keys() - modules.keys()
    if missing:
        raise BackendError(f"{source['factory']} built no graph {', '.join(sorted(missing))}, which the tracker names.")
    return {name: modules[name].eval() for name in artifact.graphs}


def call_factory(source: Mapping[str, Any]) -> dict[str, Any]:
    """Calls ``module:function`` of a source with its weights, seed and options."""
    module, _, function = source["factory"].partition(":")
    factory = getattr(import_module(module), function)
    built: dict[str, Any] = factory(
        [Path(item) for item in source["weights"]], seed=source["seed"], **source["options"]
    )
    return built


def available() -> list[dict[str, str]]:
    """What this backend can run on here: rows of device, name and precisions."""
    import torch

    rows = [{"device": "cpu", "name": torch.backends.cpu.get_cpu_capability(), "precisions": "fp32"}]
    rows += [
        {"device": "cuda", "name": torch.cuda.get_device_name(index), "precisions": "fp32"}
        for index in range(torch.cuda.device_count())
    ]
    return rows
