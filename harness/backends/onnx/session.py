"""ONNX Runtime's inference sessions and their reports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime as ort

from harness.backends.onnx.backend import PROVIDERS, Onnx
from harness.core.errors import BackendError, DeviceError
from harness.core.interfaces import Array, Arrays, GraphSpec, misfit, missing_input
from harness.machine import cards
from harness.machine.environment import allowed_cores


def check_device(driver: Onnx) -> None:
    """Raises DeviceError if this build of ONNX Runtime lacks the provider."""
    if driver.chosen_provider not in ort.get_available_providers():
        build = "onnxruntime-gpu in place of onnxruntime" if driver.chosen_provider == PROVIDERS["cuda"] else "the onnxruntime build for that device"
        raise DeviceError(
            f"ONNX Runtime here has no {driver.chosen_provider}; it has {', '.join(ort.get_available_providers())}. "
            f"Choose another device, or install {build}."
        )


def session_options(driver: Onnx, threads: int) -> Any:
    """Returns options with the driver's graph optimisation and ``threads`` threads."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_{_level(driver.optimization)}")
    return options


def create(driver: Onnx, path: Path, requests: int) -> Any:
    """Makes an InferenceSession of a file for ``requests`` sequences at once. Raises BackendError, DeviceError."""
    check_device(driver)
    provider = driver.chosen_provider
    options = session_options(driver, max(1, driver.threads // requests))
    spin = driver.spinning and requests == 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
    if driver.pinning and options.intra_op_num_threads > 1 and requests == 1:
        options.add_session_config_entry("session.intra_op_thread_affinities", pool_affinities(driver.threads))
    if provider == PROVIDERS["cuda"] and hasattr(ort, "preload_dlls"):
        ort.preload_dlls()  # CUDA's and cuDNN's libraries where pip puts them; else the provider is dropped without a word
    try:
        session = ort.InferenceSession(str(path), options, providers=[(provider, driver.provider_options)])
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise BackendError(f"ONNX Runtime cannot open {path}: {_first_line(error)}") from error
    if session.get_providers()[0] != provider:
        raise DeviceError(
            f"ONNX Runtime fell back from {provider} to {session.get_providers()[0]}; its driver or libraries "
            "are missing. Use device=cpu, or install them."
        )
    return session


def describe(driver: Onnx, session: Any) -> dict[str, str]:
    """Returns a session's report."""
    options = session.get_session_options()
    used = session.get_provider_options().get(driver.chosen_provider, {})
    return {
        "runtime": f"onnxruntime {ort.__version__}",
        "device": device_of(session.get_providers()[0]),
        "threads": str(options.intra_op_num_threads),
        "streams": "1",
        "precision": "as the model",
        "provider": ", ".join(session.get_providers()),
        "spinning": options.get_session_config_entry("session.intra_op.allow_spinning"),
        "optimization": driver.optimization,
        **({"tf32": str(used["use_tf32"])} if "use_tf32" in used else {}),
    }


def device_of(provider: str) -> str:
    """Returns the name of the device that a provider runs on (``onnxruntime.get_device`` names what the build can use)."""
    if provider == PROVIDERS["cuda"]:
        return next(iter(cards.names()), "CUDA")
    return provider.removesuffix("ExecutionProvider")


class OnnxSession:
    """One graph of ONNX Runtime."""

    def __init__(self, spec: GraphSpec, session: Any) -> None:
        self.spec, self._session = spec, session
        self._outputs = list(spec.output_names())

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        try:
            return dict(zip(self._outputs, self._session.run(self._outputs, inputs), strict=True))
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            for name in self.spec.input_names():
                if name not in inputs:
                    raise missing_input(self.spec, KeyError(name)) from error
            for tensor in self.spec.inputs:
                array = inputs[tensor.name]
                if array.shape != tensor.shape or array.dtype != tensor.dtype:
                    raise misfit(self.spec, tensor, array) from error
            raise BackendError(f"ONNX Runtime cannot run graph {self.spec.name}: {_first_line(error)}") from error


def pool_affinities(threads: int) -> str:
    """Returns cores for ONNX Runtime's threads in its form (from 1, one group per thread).

    The first is the caller's.
    """
    return ";".join(str(core + 1) for core in allowed_cores()[1:threads])


def _level(word: str) -> str:
    return {"disable": "DISABLE_ALL", "all": "ENABLE_ALL"}.get(word, f"ENABLE_{word.upper()}")


def _first_line(error: BaseException) -> str:
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", str(error).strip().splitlines()[0])[:300]


def available() -> list[dict[str, str]]:
    """Returns the devices that this backend can use here: rows of device, name and precisions."""
    names = {provider: device for device, provider in PROVIDERS.items()}
    return [
        {"device": names.get(provider, f"backend.provider={provider}"), "name": provider, "precisions": "fp32, int8"}
        for provider in ort.get_available_providers()
    ]
