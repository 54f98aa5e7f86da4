"""ONNX Runtime over the prepared ONNX files: its settings. No runtime is imported here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, ClassVar, Literal

from harness.core.errors import SkipJob
from harness.core.interfaces import Artifact, Backend, Metrics, Session
from harness.core.preparing import Handover, Quantization

PRODUCT = "harness.backends.onnx"
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


@dataclass
class Onnx(Backend):
    """``backend=onnx``.

    ``provider`` overrides the execution provider that ``device`` implies; ``spinning`` lets idle threads poll for
    work (lower latency, but a busy processor); ``optimization`` is ONNX Runtime's graph optimisation level; ``pinning``
    keeps its threads, or each sequence in parallel mode, on separate cores; ``tf32`` lets a card round the factors of
    products to TF32, which ONNX Runtime does unless it is told not to.
    """

    name: ClassVar[str] = "onnx"
    format: ClassVar[str] = "onnx"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    packages: ClassVar[tuple[str, ...]] = ("onnxruntime", "onnxruntime-gpu")
    title: ClassVar[str] = "ONNX"
    color: ClassVar[str] = "#0072B2"
    aliases: ClassVar[tuple[str, ...]] = ("onnxruntime",)
    usual_rounding: ClassVar[bool] = True
    profiler: ClassVar[str | None] = f"{PRODUCT}.profile:layer_times"
    profiled: ClassVar[tuple[str, ...]] = ("cpu",)  # on a card its events are the launches of kernels, which take no time
    peak: ClassVar[str | None] = f"{PRODUCT}.profile:peak"

    provider: str | None = None
    spinning: bool = True
    optimization: Literal["disable", "basic", "extended", "all"] = "all"
    pinning: bool | None = None
    tf32: bool = False
    device: str = "cpu"
    hint: str = "none"
    threads: int = 1
    cache: str = ""
    _sessions: dict[str, dict[str, Any]] = field(default_factory=dict, init=False, repr=False)
    _times: Metrics = field(default_factory=dict, init=False, repr=False)
    _requests: int = field(default=1, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.hint != "none":
            raise SkipJob(f"hint={self.hint} is OpenVINO's; backend=onnx takes hint=none.")
        if self.provider is None and self.device not in PROVIDERS:
            raise SkipJob(
                f"backend=onnx has no provider for device={self.device}; accepted: {', '.join(PROVIDERS)}, "
                "or name one in backend.provider."
            )
        if self.tf32 and self.chosen_provider != PROVIDERS["cuda"]:
            raise SkipJob(f"backend.tf32=true is arithmetic of NVIDIA's cards, which {self.chosen_provider} does not use; choose device=cuda, or leave it out.")

    def prepare_parallel(self, requests: int) -> None:
        self._requests = requests

    def parallel_requests(self, artifact: Artifact) -> int:
        del artifact
        return self.threads

    def pins_callers(self) -> bool:
        return bool(self.pinning)

    @property
    def chosen_provider(self) -> str:
        """Returns the named execution provider, else the one that the device implies."""
        return self.provider or PROVIDERS[self.device]

    @property
    def provider_options(self) -> dict[str, str]:
        """Returns the options of the execution provider."""
        return provider_options(self.chosen_provider, self.tf32)

    def open(self, artifact: Artifact) -> dict[str, Session]:
        session = _heavy("session")
        if artifact.key not in self._sessions:
            begin = perf_counter()
            self._sessions[artifact.key] = {
                name: session.create(self, artifact.files[name], self._requests) for name in artifact.graphs
            }
            self._times = {"read": 0.0, "compile": perf_counter() - begin}
        # InferenceSession.run may be called from several threads at once: sessions share one compiled graph
        opened = self._sessions[artifact.key]
        return {name: session.OnnxSession(artifact.graphs[name], made) for name, made in opened.items()}

    def load_runtime(self) -> None:
        _heavy("session")

    def check_device(self) -> None:
        _heavy("session").check_device(self)

    def describe(self) -> dict[str, str]:
        first = next(iter(next(iter(self._sessions.values())).values()))
        told: dict[str, str] = _heavy("session").describe(self, first)
        return told

    def load_times(self) -> Metrics:
        return dict(self._times)

    @classmethod
    def available(cls) -> list[dict[str, str]]:
        found: list[dict[str, str]] = _heavy("session").available()
        return found

    def start_from(self, source: str) -> str:
        if source not in ("torch", "onnx"):
            return super().start_from(source)
        return "onnx"

    def quiet(self) -> Onnx:
        return replace(self, spinning=False)

    def quantization(self, name: str) -> Quantization:
        modules = (f"{PRODUCT}.quantize", "harness.backends.shared.engine", "harness.backends.shared.nncf_runs")
        return Quantization(f"{PRODUCT}.quantize:OnnxEngine", ("onnx", "onnxruntime", "nncf"), modules)

    @classmethod
    def handover(cls, section: Mapping[str, Any], hint: str, effective: Mapping[str, Any]) -> Handover:
        del hint
        provider = str(effective.get("provider") or PROVIDERS["cpu"]).split(",")[0]
        package = "onnxruntime-gpu" if provider == PROVIDERS["cuda"] else "onnxruntime"
        options = {"provider": provider, "provider_options": provider_options(provider, bool(section.get("tf32")))}
        return Handover(package, _heavy("export").SESSION, options)


def provider_options(provider: str, tf32: bool) -> dict[str, str]:
    """Returns the options that an execution provider gets: for CUDA whether it may use TF32, else none."""
    return {"use_tf32": str(int(tf32))} if provider == PROVIDERS["cuda"] else {}


def _heavy(name: str) -> Any:
    """Imports the module ``name`` of this product, which imports the runtime; planning never calls this."""
    return importlib.import_module(f"{PRODUCT}.{name}")
