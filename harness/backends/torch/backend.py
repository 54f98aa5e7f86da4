"""PyTorch, eager: the reference with which every other backend is compared. No runtime is imported here."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any, ClassVar

from harness.core.errors import ConfigError, SkipJob
from harness.core.interfaces import Artifact, Backend, Metrics, Session
from harness.core.preparing import Quantization

PRODUCT = "harness.backends.torch"
DEVICES = ("cpu", "cuda")


@dataclass
class Torch(Backend):
    """``backend=torch``.

    ``channels_last`` stores activations as NHWC, which is faster on some processors; ``pinning`` keeps each sequence of
    the parallel mode on separate cores; ``tf32`` lets a card round the factors of products to TF32 (10 bits of mantissa
    instead of 23), which torch does for convolutions unless it is told not to.
    """

    name: ClassVar[str] = "torch"
    format: ClassVar[str] = "torch"
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    packages: ClassVar[tuple[str, ...]] = ("torch",)
    title: ClassVar[str] = "PyTorch"
    color: ClassVar[str] = "#D55E00"
    aliases: ClassVar[tuple[str, ...]] = ("pytorch",)
    profiler: ClassVar[str | None] = f"{PRODUCT}.profile:layer_times"
    peak: ClassVar[str | None] = f"{PRODUCT}.profile:peak"
    copies: ClassVar[str | None] = f"{PRODUCT}.profile:copies"

    channels_last: bool = False
    pinning: bool | None = None
    tf32: bool = False
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
        if self.tf32 and self.device != "cuda":
            raise SkipJob(f"backend.tf32=true is arithmetic of NVIDIA's cards, which device={self.device} does not use; choose device=cuda, or leave it out.")
        if self.threads < 1:
            raise ConfigError(f"threads is {self.threads}; accepted: 1 or more.")

    def prepare_parallel(self, requests: int) -> None:
        self._requests = requests

    def parallel_requests(self, artifact: Artifact) -> int:
        del artifact
        return self.threads

    def pins_callers(self) -> bool:
        return bool(self.pinning)

    def load_runtime(self) -> None:
        _heavy("session")

    def check_device(self) -> None:
        if self.device != "cpu":
            _heavy("session").check_device(self)

    def open(self, artifact: Artifact) -> dict[str, Session]:
        session = _heavy("session")
        if artifact.key not in self._modules:
            threads = max(1, self.threads // self._requests)
            self._modules[artifact.key], self._times = session.open_modules(self, artifact, threads)
        modules = self._modules[artifact.key]
        return {name: session.TorchSession(artifact.graphs[name], module, self.device) for name, module in modules.items()}

    def describe(self) -> dict[str, str]:
        told: dict[str, str] = _heavy("session").describe(self)
        return told

    def load_times(self) -> Metrics:
        return dict(self._times)

    def card(self) -> str:
        return "" if self.device == "cpu" else str(_heavy("card").uuid())

    def card_mb(self) -> float | None:
        return None if self.device == "cpu" else float(_heavy("card").peak_mb())

    @classmethod
    def available(cls) -> list[dict[str, str]]:
        found: list[dict[str, str]] = _heavy("session").available()
        return found

    def quantization(self, name: str) -> Quantization:
        raise SkipJob(
            f"quantization={name} with backend={self.name}: int8 is a graph for OpenVINO or ONNX Runtime; "
            "torch's eager CPU kernels have no int8 convolution for such a graph. Choose backend=openvino or onnx."
        )


def _heavy(name: str) -> Any:
    """Imports the module ``name`` of this product, which imports the runtime; planning never calls this."""
    return importlib.import_module(f"{PRODUCT}.{name}")
