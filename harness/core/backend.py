"""A runtime as the harness sees it: sessions over graphs, and what a backend tells about its models.

Imported from ``harness.core.interfaces``, with the rest of what everything speaks.
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
"""Shipped backends that take graphs of a kind, for people."""


class Session(Protocol):
    """One graph, ready to run. Not shared between threads: each worker opens its own."""

    spec: GraphSpec

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        """Runs the graph once. The caller owns the arrays returned; inputs are not kept."""
        ...


class Backend(ABC):
    """A runtime. Constructors only check; ``open`` does the work.

    The class itself is the light half of its product and imports no runtime. ``format`` names the artifact format it
    opens; ``precisions`` the artifact precisions it can run; ``profiler`` its layer profiler (``module:function``, called as
    ``(backend, artifact, graph, inputs, warmup, scratch) -> LayerTimes``), None if it has none; ``peak`` likewise what measures
    the most operations a second that it reaches (``(backend, precision) -> float | None``); ``deterministic``
    whether the same inputs give the same outputs, run for run; ``packages`` those whose versions decide its outputs.
    """

    name: ClassVar[str]
    format: ClassVar[str]
    precisions: ClassVar[tuple[str, ...]]
    profiler: ClassVar[str | None] = None
    peak: ClassVar[str | None] = None
    deterministic: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ()
    title: ClassVar[str] = ""
    """The framework's name as published tables have it; empty: the backend's own name."""
    color: ClassVar[str] = ""
    """Its colour in pictures (``#rrggbb``), the same from report to report; empty: one that is to spare."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """What other tools call it: in names of results that record no backend."""
    usual_rounding: ClassVar[bool] = False
    """Whether its distance from the source's boxes is taken for what rounding does, by which ``experiment=drift`` judges others."""
    own_benchmark: ClassVar[str] = ""
    """The task that runs the runtime's own benchmark program on the same files; empty if there is none."""

    @abstractmethod
    def open(self, artifact: Artifact) -> dict[str, Session]:
        """A fresh, independent session for every graph; models are read and compiled on the first call only."""

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """What the runtime really does (effective device, threads, streams, precision, provider, version)."""

    @abstractmethod
    def load_times(self) -> Metrics:
        """Seconds spent by the first ``open``: ``read`` and ``compile``."""

    @classmethod
    def available(cls) -> list[dict[str, str]]:
        """What this backend can run on here: rows of device, name and precisions."""
        return []

    def check_device(self) -> None:
        """Raises DeviceError if this machine lacks the device; cheap, called before models are prepared."""
        return

    def warnings(self) -> list[str]:
        """Sentences on settings that the runtime did not take as they were asked for; after the first ``open``."""
        return []

    # how its models are made --------------------------------------------------------------------

    def start_from(self, source: str) -> str:
        """The format its files are made from (``torch`` or ``onnx``) where the tracker's graphs come as ``source``.

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
        """A backend on the processor without caches: what conversions are checked with."""
        return cls(threads=threads)  # type: ignore[call-arg]

    def quiet(self) -> Backend:
        """A fresh copy whose idle threads do not poll: two of them in one process do not disturb each other."""
        return replace(self)  # type: ignore[type-var]

    def quantization(self, name: str) -> Quantization:
        """How it quantises to int8 for ``quantization=name``. Raises SkipJob or ConfigError if it does not."""
        raise SkipJob(
            f"quantization={name} with backend={self.name}: this backend runs no int8 graphs; choose backend=openvino or onnx."
        )

    @classmethod
    def handover(cls, section: Mapping[str, Any], hint: str, effective: Mapping[str, Any]) -> Handover:
        """What a script needs to run this backend's files elsewhere, as a job with the configuration ``section`` did.

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
        """Whether each of several tracking threads is to stay on cores of its own, as it computes itself."""
        return False

    # processes of its own -----------------------------------------------------------------------

    def close(self) -> None:
        """Ends what ``open`` started outside this process; called once a job has measured."""
        return

    def outside_rss_mb(self) -> float:
        """Peak resident memory in MiB of the processes that ``close`` has ended."""
        return 0.0
