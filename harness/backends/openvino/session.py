"""OpenVINO's Core, compiled models, sessions, and their reports."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import openvino as ov
from filelock import FileLock

from harness.backends.openvino.backend import OpenVino
from harness.backends.openvino.blobs import Blobs, job_key
from harness.core.errors import BackendError, DeviceError, StoreError, telling_line
from harness.core.interfaces import Array, Arrays, Artifact, GraphSpec, Metrics, misfit, missing_input


def make_core(driver: OpenVino) -> Any:
    """Makes OpenVINO's Core. Raises DeviceError if a device of the job is missing."""
    core = ov.Core()
    wanted = driver.priorities or ([] if driver.device in ("auto", "hetero", "multi") else [driver.device.upper()])
    for device in wanted:
        if not any(found.split(".")[0] == device.split(".")[0].upper() for found in core.available_devices):
            raise DeviceError(
                f"OpenVINO sees no {device} here; it sees {', '.join(core.available_devices)}. Choose one of "
                "them, or install the device's driver."
            )
    return core


def compile_graphs(
    driver: OpenVino, artifact: Artifact, settings: Mapping[str, Any]
) -> tuple[dict[str, Any], Metrics, list[str]]:
    """Returns the compiled model of each graph, the seconds spent reading and compiling, and warnings."""
    folder = settings.get("CACHE_DIR")
    if folder is None:
        return *_compile(driver, artifact, settings), []
    with cache_to_itself(folder):
        job = job_key(artifact.key, driver.device_string(), settings, ov.__version__)
        blobs, notices = Blobs.of(Path(folder)), []
        try:
            damaged = blobs.remove_damaged(job)
            if damaged:
                notices.append(f"{len(damaged)} compiled models in {folder} were changed since they were written; they were compiled again.")
        except OSError as error:
            own = {name: value for name, value in settings.items() if name != "CACHE_DIR"}
            notice = f"a damaged compiled model in {folder} cannot be removed ({error.strerror}); models were compiled without that cache."
            return *_compile(driver, artifact, own), [notice]
        compiled, times = _compile(driver, artifact, settings)
        with contextlib.suppress(OSError, StoreError):  # a cache that cannot be written has no new files
            blobs.record(job, any(property_of(model, "LOADED_FROM_CACHE") == "True" for model in compiled.values()))
        return compiled, times, notices


@contextlib.contextmanager
def cache_to_itself(folder: str | None) -> Iterator[None]:
    """Lets one process at a time compile with a cache folder.

    OpenVINO maps a cached network into memory and writes a new one under its final name: a process that reads while another
    writes dies by a bus error (seen with openvino 2026.4 and three workers that opened at once).
    """
    if folder is None:
        yield
        return
    try:
        lock = FileLock(Path(folder) / ".compiling.lock")
        lock.acquire()
    except OSError:  # no other process can write such a cache either
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _compile(
    driver: OpenVino, artifact: Artifact, settings: Mapping[str, Any]
) -> tuple[dict[str, Any], Metrics]:
    core = driver.core()
    times = {"read": 0.0, "compile": 0.0}
    compiled = {}
    for name in artifact.graphs:
        begin = perf_counter()
        try:
            model = core.read_model(str(artifact.files[name]))
            read = perf_counter()
            compiled[name] = core.compile_model(model, driver.device_string(), dict(settings))
        except RuntimeError as error:
            raise BackendError(f"OpenVINO cannot open {artifact.files[name]}: {telling_line(error)}") from error
        times["read"] += read - begin
        times["compile"] += perf_counter() - read
    return compiled, times


def describe(driver: OpenVino, model: Any) -> dict[str, str]:
    """Returns a compiled model's report."""
    devices = ", ".join(str(item).strip("()") for item in model.get_property("EXECUTION_DEVICES"))
    first = devices.split(",")[0] or "CPU"
    try:
        full_name = str(driver.core().get_property(first.split(".")[0], "FULL_DEVICE_NAME"))
    except RuntimeError:
        full_name = first
    told = properties_of(model)
    return {
        "runtime": f"openvino {ov.__version__}",
        "device": f"{devices} {full_name}".strip(),
        "threads": told.get("INFERENCE_NUM_THREADS", ""),
        "streams": told.get("NUM_STREAMS", ""),
        "precision": told.get("INFERENCE_PRECISION_HINT", ""),
        "provider": driver.device_string(),
        "hint": told.get("PERFORMANCE_HINT", ""),
        "requests": told.get("OPTIMAL_NUMBER_OF_INFER_REQUESTS", ""),
        "pinning": told.get("ENABLE_CPU_PINNING", ""),
        "from_cache": property_of(model, "LOADED_FROM_CACHE"),
    }


def properties_of(model: Any) -> dict[str, str]:
    """Returns all properties of a compiled model as text.

    AUTO, MULTI and HETERO report the properties of their devices separately, in DEVICE_PROPERTIES. These are returned
    as the model's own, with the device's name if several devices differ.
    """
    found = {name: text for name in model.get_property("SUPPORTED_PROPERTIES") if (text := property_of(model, name))}
    if found.pop("DEVICE_PROPERTIES", None) is None:
        return found
    apart: dict[str, dict[str, str]] = {}
    for device, own in dict(model.get_property("DEVICE_PROPERTIES")).items():
        for name, value in dict(own).items():
            apart.setdefault(name, {})[device] = _text(value)
    for name, values in apart.items():
        alike = set(values.values())
        text = alike.pop() if len(alike) == 1 else ", ".join(f"{device} {value}" for device, value in values.items())
        found[name] = found.get(name) or text
    return found


class OpenVinoSession:
    """One infer request, which is run for every frame. It reads the caller's array in place.

    A tracker fills the same buffers for every frame, so an array is passed to the request once, and nothing is copied
    while the same array is used.
    """

    def __init__(self, spec: GraphSpec, compiled: Any) -> None:
        self.spec = spec
        self.request = compiled.create_infer_request()
        self._tensor = ov.Tensor
        self._inputs = {tensor.name: tensor for tensor in spec.inputs}
        self._bound: dict[str, Array] = {}
        self._outputs = [(tensor.name, self.request.get_tensor(tensor.name).data) for tensor in spec.outputs]
        self._start, self._wait = self.request.start_async, self.request.wait

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        bound = self._bound
        try:
            for name in self._inputs:
                array = inputs[name]
                if bound.get(name) is not array:
                    self._bind(name, array)
        except KeyError as error:
            raise missing_input(self.spec, error) from error
        self._start()
        self._wait()
        return {name: data.copy() for name, data in self._outputs}

    def _bind(self, name: str, array: Array) -> None:
        """Lets the request read ``array``. Raises BackendError if shape or type differ from the graph's."""
        tensor = self._inputs[name]
        if array.shape != tensor.shape or array.dtype != tensor.dtype:
            raise misfit(self.spec, tensor, array)
        kept = np.ascontiguousarray(array)
        self.request.set_tensor(name, self._tensor(kept, shared_memory=True))
        # if an array had to be copied, its copy is remembered, so that it is copied again the next time
        self._bound[name] = kept


def property_of(model: Any, name: str) -> str:
    """Returns a property of a compiled model as text; empty if the device does not have it."""
    try:
        value = model.get_property(name)
    except RuntimeError:
        return ""
    return _text(value)


def _text(value: Any) -> str:
    text = str(getattr(value, "name", value))
    return text.removeprefix("<Type: '").removesuffix("'>").removeprefix("PerformanceMode.")


def available() -> list[dict[str, str]]:
    """Returns the devices that this backend can use here: rows of device, name and precisions."""
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
