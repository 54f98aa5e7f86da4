"""OpenVINO over the prepared IR."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Literal

import numpy as np
from filelock import FileLock

from harness.core.config import at_least
from harness.core.errors import BackendError, DeviceError, SkipJob
from harness.core.interfaces import Array, Arrays, Artifact, Backend, GraphSpec, Metrics, Session

DEVICES = ("cpu", "gpu", "npu", "auto", "hetero", "multi")
HINTS = ("none", "latency", "throughput", "cumulative_throughput")
PRECISIONS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}


@dataclass
class OpenVino(Backend):
    """``backend=openvino``.

    ``source`` says what the IR is made from: the ONNX file (``onnx``), the torch module (``torch``), or ``file``: no IR,
    OpenVINO reads the ONNX file itself. ``precision`` is the arithmetic asked of the device; ``weights`` how the IR stores
    its weights (``fp16`` halves the file and loses accuracy). ``streams`` and ``requests`` default to what
    the hint implies; ``pinning`` to OpenVINO's choice. ``model_cache`` keeps compiled models between runs.
    """

    name: ClassVar[str] = "openvino"
    format: ClassVar[str] = "openvino"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "fp16", "int8")

    source: Literal["onnx", "torch", "file"] = "onnx"
    precision: Literal["fp32", "fp16", "bf16", "device"] = "fp32"
    weights: Literal["fp32", "fp16"] = "fp32"
    streams: int | None = None
    requests: int | None = None
    pinning: bool | None = None
    model_cache: bool = True
    priorities: list[str] = field(default_factory=list)
    properties: dict[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    hint: str = "none"
    threads: int = 1
    cache: str = ""
    _compiled: dict[str, dict[str, Any]] = field(default_factory=dict, init=False, repr=False)
    _times: Metrics = field(default_factory=dict, init=False, repr=False)
    _parallel: int = field(default=1, init=False, repr=False)
    _core: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise SkipJob(f"backend=openvino cannot run on device={self.device}; accepted: {', '.join(DEVICES)}.")
        if self.hint not in HINTS:
            raise SkipJob(f"backend=openvino knows no hint={self.hint}; accepted: {', '.join(HINTS)}.")
        at_least(self.streams, 1, "backend.streams")
        at_least(self.requests, 1, "backend.requests")

    # ------------------------------------------------------------------------------------ opening

    def check_device(self) -> None:
        self.core()

    def prepare_parallel(self, requests: int) -> None:
        self._parallel = requests

    def open(self, artifact: Artifact) -> dict[str, Session]:
        if artifact.key not in self._compiled:
            with self._cache_to_itself():
                self._compiled[artifact.key] = self._compile(artifact)
        compiled = self._compiled[artifact.key]
        return {name: OpenVinoSession(artifact.graphs[name], model) for name, model in compiled.items()}

    @contextlib.contextmanager
    def _cache_to_itself(self) -> Iterator[None]:
        """One process at a time compiles with a cache folder.

        OpenVINO maps a cached network into memory and writes a new one under its final name: a process that reads while another
        writes dies by a bus error (seen with openvino 2026.4 and three workers that opened at once).
        """
        folder = self.settings().get("CACHE_DIR")
        if folder is None:
            yield
            return
        try:
            lock = FileLock(Path(folder) / ".compiling.lock")
            lock.acquire()
        except OSError:  # a cache that cannot be written is not written by anyone else either
            yield
            return
        try:
            yield
        finally:
            lock.release()

    def _compile(self, artifact: Artifact) -> dict[str, Any]:
        core = self.core()
        times = {"read": 0.0, "compile": 0.0}
        compiled = {}
        for name in artifact.graphs:
            begin = perf_counter()
            try:
                model = core.read_model(str(artifact.files[name]))
                read = perf_counter()
                compiled[name] = core.compile_model(model, self.device_string(), self.settings())
            except RuntimeError as error:
                raise BackendError(f"OpenVINO cannot open {artifact.files[name]}: {first_line(error)}") from error
            times["read"] += read - begin
            times["compile"] += perf_counter() - read
        self._times = times
        return compiled

    def core(self) -> Any:
        """OpenVINO's Core, created once; checks that the device exists."""
        if self._core is None:
            import openvino as ov

            self._core = ov.Core()
            wanted = self.priorities or ([] if self.device in ("auto", "hetero", "multi") else [self.device.upper()])
            for device in wanted:
                if not any(
                    found.split(".")[0] == device.split(".")[0].upper() for found in self._core.available_devices
                ):
                    raise DeviceError(
                        f"OpenVINO sees no {device} here; it sees {', '.join(self._core.available_devices)}. Choose one of "
                        "them, or install the device's driver."
                    )
        return self._core

    def device_string(self) -> str:
        """OpenVINO's name for the device: ``CPU``, ``AUTO``, ``MULTI:GPU,CPU``."""
        name = self.device.upper()
        if self.device in ("hetero", "multi") and not self.priorities:
            return f"{name}:{','.join(sorted(self.core().available_devices, key=lambda item: item == 'CPU'))}"
        return f"{name}:{','.join(self.priorities)}" if self.priorities else name

    def settings(self) -> dict[str, Any]:
        """The properties given to ``compile_model``."""
        chosen: dict[str, Any] = {}
        if self.hint != "none":
            chosen["PERFORMANCE_HINT"] = self.hint.upper()
        if self.device == "cpu":
            chosen["INFERENCE_NUM_THREADS"] = self.threads
            if self.precision != "device":
                chosen["INFERENCE_PRECISION_HINT"] = PRECISIONS[self.precision]
            if self.pinning is not None:
                chosen["ENABLE_CPU_PINNING"] = self.pinning
        elif self.device == "gpu" and self.precision != "device":
            chosen["INFERENCE_PRECISION_HINT"] = PRECISIONS[self.precision]
        streams = self.streams
        if streams is None and self._parallel > 1 and self.hint == "none":
            streams = self._parallel
        if streams is not None:
            chosen["NUM_STREAMS"] = str(streams)
        if self.requests is not None:
            chosen["PERFORMANCE_HINT_NUM_REQUESTS"] = str(self.requests)
        if self.model_cache and self.cache:
            folder = Path(self.cache) / "openvino"
            folder.mkdir(parents=True, exist_ok=True)
            chosen["CACHE_DIR"] = str(folder)
        return chosen | dict(self.properties)

    # --------------------------------------------------------------------------------- what it does

    def parallel_requests(self, artifact: Artifact) -> int:
        if self.requests is not None:
            return self.requests
        if self.streams is not None:
            return self.streams
        if self.device == "cpu" and self.hint == "none":
            return self.threads  # a stream of one thread each: no thread ever waits for another
        self.open(artifact)
        models = self._compiled[artifact.key].values()
        return max(int(model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) for model in models)

    def describe(self) -> dict[str, str]:
        import openvino as ov

        model = list(next(iter(self._compiled.values())).values())[-1]
        devices = ", ".join(str(item).strip("()") for item in model.get_property("EXECUTION_DEVICES"))
        first = devices.split(",")[0] or "CPU"
        try:
            full_name = str(self.core().get_property(first.split(".")[0], "FULL_DEVICE_NAME"))
        except RuntimeError:
            full_name = first
        return {
            "runtime": f"openvino {ov.__version__}",
            "device": f"{devices} {full_name}".strip(),
            "threads": property_of(model, "INFERENCE_NUM_THREADS"),
            "streams": property_of(model, "NUM_STREAMS"),
            "precision": property_of(model, "INFERENCE_PRECISION_HINT"),
            "provider": self.device_string(),
            "hint": property_of(model, "PERFORMANCE_HINT"),
            "requests": property_of(model, "OPTIMAL_NUMBER_OF_INFER_REQUESTS"),
            "pinning": property_of(model, "ENABLE_CPU_PINNING"),
            "from_cache": property_of(model, "LOADED_FROM_CACHE"),
        }

    def load_times(self) -> Metrics:
        return dict(self._times)


class OpenVinoSession:
    """One infer request, run again for every frame. It reads a caller's array where that lies.

    A tracker fills the same buffers for every frame, so an array is handed to the request once, and nothing is copied
    as long as the same one comes again.
    """

    def __init__(self, spec: GraphSpec, compiled: Any) -> None:
        from openvino import Tensor

        self.spec = spec
        self.request = compiled.create_infer_request()
        self._tensor = Tensor
        self._inputs = {tensor.name: tensor for tensor in spec.inputs}
        self._bound: dict[str, Array] = {}
        self._outputs = [(tensor.name, self.request.get_tensor(tensor.name).data) for tensor in spec.outputs]
        self._start, self._wait = self.request.start_async, self.request.wait

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        bound = self._bound
        for name in self._inputs:
            array = inputs[name]
            if bound.get(name) is not array:
                self._bind(name, array)
        self._start()
        self._wait()
        return {name: data.copy() for name, data in self._outputs}

    def _bind(self, name: str, array: Array) -> None:
        """Lets the request read ``array``. Raises BackendError where shape or type differ from the graph's."""
        tensor = self._inputs[name]
        if array.shape != tensor.shape or array.dtype != tensor.dtype:
            raise BackendError(
                f"input {name} of graph {self.spec.name} is {array.dtype}{list(array.shape)}; it must be "
                f"{tensor.dtype}{list(tensor.shape)}."
            )
        kept = np.ascontiguousarray(array)
        self.request.set_tensor(name, self._tensor(kept, shared_memory=True))
        # an array that had to be copied is bound under its copy, so that it is copied again the next time
        self._bound[name] = kept


def property_of(model: Any, name: str) -> str:
    """A property of a compiled model as text; empty where the device has no such property."""
    try:
        value = model.get_property(name)
    except RuntimeError:
        return ""
    text = str(getattr(value, "name", value))
    return text.removeprefix("<Type: '").removesuffix("'>").removeprefix("PerformanceMode.")


def first_line(error: BaseException) -> str:
    """The line of an OpenVINO error that tells, without the source position before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (telling or lines or ["unknown error"])[-1][:300]


def available() -> list[dict[str, str]]:
    """What this backend can run on here: rows of device, name and precisions."""
    import openvino as ov

    core = ov.Core()
    rows = []
    for device in core.available_devices:
        precisions = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
        rows.append(
            {
                "device": device.lower(),
                "name": str(core.get_property(device, "FULL_DEVICE_NAME")).strip() or platform.processor(),
                "precisions": ", ".join(str(item).lower() for item in precisions),
            }
        )
    return rows
