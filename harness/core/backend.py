"""The interface of a runtime: sessions over graphs, and how a backend prepares its models.

Import these types from ``harness.core.interfaces``, together with the other shared types.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Protocol

from harness.core.arrays import Array, Arrays, Metrics
from harness.core.errors import ConfigError, SkipJob
from harness.core.models import SOURCES, Artifact, GraphSpec
from harness.core.preparing import Conversion, Handover, Quantization

RUN_BY = {"onnx": "onnx or openvino"}
"""The shipped backends that take each kind of graph, for messages."""


class Session(Protocol):
    """One graph, ready to run. Not shared between threads: each worker opens its own."""

    spec: GraphSpec

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        """Runs the graph once. The caller owns the returned arrays; the session does not keep the inputs."""
        ...


class Backend(ABC):
    """A runtime. The constructor only checks its arguments; ``open`` does the work.

    The class itself is the light half of its product and imports no runtime. ``format`` names the artifact format it
    opens; ``precisions`` the artifact precisions it can run; ``profiler`` its layer profiler (``module:function``, called as
    ``(backend, artifact, graph, inputs, warmup, scratch) -> LayerTimes``), None if it has none; ``peak`` names, in the
    same form, the function that measures the most operations a second that the runtime reaches
    (``(backend, precision) -> float | None``), and ``copies`` the one that measures how fast its device moves data
    (``(backend) -> [(bytes in use, bytes per second)]``), for a device other than the processor; ``profiled`` names the
    devices whose layers the profiler times, all if it is empty; ``deterministic`` is True if the same inputs give the same outputs in
    every run; ``packages`` names the packages whose versions decide its outputs.
    """

    name: ClassVar[str]
    format: ClassVar[str]
    precisions: ClassVar[tuple[str, ...]]
    profiler: ClassVar[str | None] = None
    peak: ClassVar[str | None] = None
    copies: ClassVar[str | None] = None
    profiled: ClassVar[tuple[str, ...]] = ()
    deterministic: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ()
    title: ClassVar[str] = ""
    """The framework's name in published tables; if empty, the backend's own name is used."""
    color: ClassVar[str] = ""
    """Its colour in pictures (``#rrggbb``), the same in every report; if empty, an unused colour is chosen."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """Other names of the framework, by which results that record no backend are recognised."""
    usual_rounding: ClassVar[bool] = False
    """Whether ``experiment=drift`` uses its distance from the source's boxes as the usual effect of rounding."""
    own_benchmark: ClassVar[str] = ""
    """The task that runs the runtime's own benchmark program on the same files; empty if there is none."""

    @abstractmethod
    def open(self, artifact: Artifact) -> dict[str, Session]:
        """Returns a new, independent session for every graph; models are read and compiled on the first call only."""

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """Returns what the runtime actually uses (effective device, threads, streams, precision, provider, version)."""

    @abstractmethod
    def load_times(self) -> Metrics:
        """Returns the seconds that the first ``open`` took: ``read`` and ``compile``."""

    @classmethod
    def available(cls) -> list[dict[str, str]]:
        """Returns the devices of this machine that the backend can use: rows of device, name and precisions."""
        return []

    def check_device(self) -> None:
        """Raises DeviceError if this machine lacks the device; cheap, called before models are prepared."""
        return

    def load_runtime(self) -> None:
        """Imports what ``open`` needs, so that it is there when a job begins; opens nothing and touches no device."""
        return

    def warnings(self) -> list[str]:
        """Returns sentences on settings that the runtime did not apply as requested.

        Call it after the first ``open``.
        """
        return []

    # a card of its own --------------------------------------------------------------------------

    def card(self) -> str:
        """Returns the UUID of the NVIDIA card that its sessions run on; empty if it does not know, or runs on none.

        Call it after the first ``open``.
        """
        return ""

    def card_mb(self) -> float | None:
        """Returns the most memory in MiB that it has taken on a card; None if it does not know, or runs on none."""
        return None

    # how its models are made --------------------------------------------------------------------

    def start_from(self, source: str) -> str:
        """The format that its files are made from (``torch`` or ``onnx``) if the tracker's graphs come as ``source``.

        Raises SkipJob if they cannot be.
        """
        if source != self.format:
            other = "" if source == "native" else ", or give tracker.weights a checkpoint if the tracker takes one"
            raise SkipJob(
                f"the tracker is loaded from {SOURCES.get(source, source)}, which backend={self.name} cannot run; choose "
                f"backend={RUN_BY.get(source, source)}{other}."
            )
        return source

    def conversion(self, start: str) -> Conversion | None:
        """How its files are made from graphs of format ``start``; None if it opens these as they are."""
        del start
        return None

    @classmethod
    def plain(cls, threads: int) -> Backend:
        """Returns a backend on the CPU without caches, with which conversions are checked."""
        return cls(threads=threads)  # type: ignore[call-arg]

    def quiet(self) -> Backend:
        """Returns a new copy whose idle threads do not poll: two copies in one process do not disturb each other."""
        return replace(self)  # type: ignore[type-var]

    def quantization(self, name: str) -> Quantization:
        """Returns how it quantises to int8 for ``quantization=name``. Raises SkipJob or ConfigError if it does not."""
        raise SkipJob(
            f"quantization={name} with backend={self.name}: this backend runs no int8 graphs; choose backend=openvino or onnx."
        )

    @classmethod
    def handover(cls, section: Mapping[str, Any], hint: str, effective: Mapping[str, Any]) -> Handover:
        """Returns what a script needs to run this backend's files elsewhere as the job configured by ``section`` did.

        Raises ConfigError if its files need the harness's own modules.
        """
        del section, hint, effective
        raise ConfigError(
            f"backend={cls.name} runs its models with the harness's own modules; export a run of backend onnx or openvino."
        )

    # several sequences at once ------------------------------------------------------------------

    def parallel_requests(self, artifact: Artifact) -> int:
        """How many sequences are best kept in flight over ``artifact``; may open it to ask the device."""
        del artifact
        return 1

    def prepare_parallel(self, requests: int) -> None:
        """Called before the first ``open`` when ``requests`` sequences will be tracked at once."""
        del requests

    def pins_callers(self) -> bool:
        """Whether each of several tracking threads must stay on its own cores, because it computes itself."""
        return False

    # its own processes --------------------------------------------------------------------------

    def close(self) -> None:
        """Ends what ``open`` started outside this process; called once a job has measured."""
        return

    def outside_rss_mb(self) -> float:
        """Returns the peak resident memory in MiB of the processes that ``close`` has ended."""
        return 0.0
