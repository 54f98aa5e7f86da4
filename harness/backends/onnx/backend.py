"""ONNX Runtime over the prepared ONNX files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, ClassVar

from harness.core.errors import BackendError, ConfigError, DeviceError, SkipJob
from harness.core.interfaces import Array, Arrays, Artifact, Backend, GraphSpec, Metrics, Session
from harness.machine.environment import allowed_cores

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


@dataclass
class Onnx(Backend):
    """``backend=onnx``.

    ``provider`` overrides the execution provider that ``device`` implies; ``spinning`` lets idle threads poll for
    work (lower latency, a busy processor); ``optimization`` is ONNX Runtime's graph optimisation level; ``pinning``
    keeps its threads, or each sequence of the parallel mode, on cores of their own.
    """

    name: ClassVar[str] = "onnx"
    format: ClassVar[str] = "onnx"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")

    provider: str | None = None
    spinning: bool = True
    optimization: str = "all"
    pinning: bool | None = None
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
        if self.optimization not in ("disable", "basic", "extended", "all"):
            raise ConfigError(
                f"backend.optimization is {self.optimization!r}; accepted: disable, basic, extended, all."
            )

    def prepare_parallel(self, requests: int) -> None:
        self._requests = requests

    def parallel_requests(self, artifact: Artifact) -> int:
        del artifact
        return self.threads

    def pins_callers(self) -> bool:
        return bool(self.pinning)

    def open(self, artifact: Artifact) -> dict[str, Session]:
        if artifact.key not in self._sessions:
            begin = perf_counter()
            self._sessions[artifact.key] = {name: self._create(str(artifact.files[name])) for name in artifact.graphs}
            self._times = {"read": 0.0, "compile": perf_counter() - begin}
        # InferenceSession.run may be called from several threads at once: sessions share one compiled graph
        return {
            name: OnnxSession(artifact.graphs[name], session) for name, session in self._sessions[artifact.key].items()
        }

    def check_device(self) -> None:
        import onnxruntime as ort

        provider = self.provider or PROVIDERS[self.device]
        if provider not in ort.get_available_providers():
            raise DeviceError(
                f"ONNX Runtime here has no {provider}; it has {', '.join(ort.get_available_providers())}. "
                "Choose another device, or install the onnxruntime build for that device."
            )

    def _create(self, path: str) -> Any:
        import onnxruntime as ort

        self.check_device()
        provider = self.provider or PROVIDERS[self.device]
        options = ort.SessionOptions()
        options.intra_op_num_threads = max(1, self.threads // self._requests)
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_{_level(self.optimization)}")
        spin = self.spinning and self._requests == 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
        if self.pinning and options.intra_op_num_threads > 1 and self._requests == 1:
            options.add_session_config_entry("session.intra_op_thread_affinities", pool_affinities(self.threads))
        try:
            session = ort.InferenceSession(path, options, providers=[provider])
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise BackendError(f"ONNX Runtime cannot open {path}: {_first_line(error)}") from error
        if session.get_providers()[0] != provider:
            raise DeviceError(
                f"ONNX Runtime fell back from {provider} to {session.get_providers()[0]}; its driver or libraries "
                "are missing. Use device=cpu, or install them."
            )
        return session

    def describe(self) -> dict[str, str]:
        import onnxruntime as ort

        first = next(iter(next(iter(self._sessions.values())).values()))
        options = first.get_session_options()
        return {
            "runtime": f"onnxruntime {ort.__version__}",
            "device": ort.get_device(),
            "threads": str(options.intra_op_num_threads),
            "streams": "1",
            "precision": "as the model",
            "provider": ", ".join(first.get_providers()),
            "spinning": options.get_session_config_entry("session.intra_op.allow_spinning"),
            "optimization": self.optimization,
        }

    def load_times(self) -> Metrics:
        return dict(self._times)


class OnnxSession:
    """One graph of ONNX Runtime."""

    def __init__(self, spec: GraphSpec, session: Any) -> None:
        self.spec, self._session = spec, session
        self._outputs = list(spec.output_names())

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        return dict(zip(self._outputs, self._session.run(self._outputs, inputs), strict=True))


def pool_affinities(threads: int) -> str:
    """Cores of ONNX Runtime's own threads, as it wants them (from 1, a group a thread); the caller's core is the first."""
    return ";".join(str(core + 1) for core in allowed_cores()[1:threads])


def _level(word: str) -> str:
    return {"disable": "DISABLE_ALL", "all": "ENABLE_ALL"}.get(word, f"ENABLE_{word.upper()}")


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:300]


def available() -> list[dict[str, str]]:
    """What this backend can run on here: rows of device, name and precisions."""
    import onnxruntime as ort

    names = {provider: device for device, provider in PROVIDERS.items()}
    return [
        {"device": names.get(provider, f"backend.provider={provider}"), "name": provider, "precisions": "fp32, int8"}
        for provider in ort.get_available_providers()
    ]
