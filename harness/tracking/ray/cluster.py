"""``task.executor=ray``: sequences handed one by one, longest first, to workers of a Ray cluster.

The job's own process gives out sequences and keeps results; workers (``shard``) track. A result counts when it has arrived
here, once: a worker or node that dies leaves nothing but a sequence to be given to another.
"""

from __future__ import annotations

import importlib.util
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from harness.artifacts import delivery
from harness.core import errors
from harness.core.config import python_path
from harness.core.errors import BackendError, ConfigError, HarnessError
from harness.core.interfaces import Context, Metrics, Sequence
from harness.machine import environment
from harness.tracking.assignment import Assignment
from harness.tracking.ray.shard import Order, Shard
from harness.tracking.store import Done

ATTEMPTS = 3
"""How often a sequence is given out before the job gives up: a sequence that kills its workers is at fault itself."""
START_SECONDS = 120.0
"""How long no worker at all may be running before the job gives up."""
INSTALL = "pip install 'tracker-harness[cluster]'"
START_TRIES = 3
"""How often a cluster of this machine's own is started: Ray gives up after half a minute, which a busy machine exceeds."""
CONNECT_SECONDS = 3.0
RAY_VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_raylet_start_wait_time_s": "120",  # a busy machine starts Ray slowly
    "RAY_agent_register_timeout_ms": "120000",
}
KEPT_VERSIONS = ("torch", "onnxruntime", "openvino", "numpy", "opencv-python")


def check_installed() -> None:
    """Raises ConfigError where Ray is missing; does not import it."""
    if importlib.util.find_spec("ray") is None:
        raise ConfigError(f"task.executor=ray needs Ray, which is not installed; {INSTALL}, or use task.executor=local.")


@dataclass
class _Worker:
    """A worker as the driver sees it."""

    number: int
    handle: Any
    began: float
    opened: float = 0.0
    ended: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    sequences: int = 0
    busy: float = 0.0

    @property
    def running(self) -> bool:
        return bool(self.facts) and self.ended is None


@dataclass(frozen=True)
class _Sent:
    """What is under way: a worker that opens (``sequence`` None) or tracks."""

    worker: _Worker
    sequence: Sequence | None
    at: float


@dataclass
class Dispatch:
    """Gives out sequences until all have arrived.

    ``cluster`` starts and ends workers and passes calls on (Ray in the harness, threads in tests): ``start() -> handle``,
    ``open(handle) -> reference``, ``track(handle, sequence) -> reference``, ``wait(references, seconds) -> reference or
    None``, ``answer(reference) -> mapping`` (raises WorkerLost), ``end(handle)``. ``keep`` gets each result once.
    """

    cluster: Any
    waiting: list[Sequence]
    count: int
    keep: Callable[[Sequence, Done], None]
    started: Callable[[], None]
    start_seconds: float = START_SECONDS
    workers: list[_Worker] = field(default_factory=list)
    under_way: dict[Any, _Sent] = field(default_factory=dict)
    idle: list[_Worker] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)
    lost: list[dict[str, Any]] = field(default_factory=list)
    overheads: list[float] = field(default_factory=list)
    arrived: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Raises the first error that a worker answers with, or BackendError where workers keep dying."""
        self.waiting = sorted(self.waiting, key=len)  # popped from the end: the longest first
        wanted = {item.name for item in self.waiting}
        for _ in range(self.count):
            self.add_worker()
        alone_since = perf_counter()
        try:
            while self.arrived != wanted:
                reference = self.cluster.wait(list(self.under_way), 1.0)
                if reference is not None:
                    self.settle(self.under_way.pop(reference), reference)
                if any(worker.running for worker in self.workers):
                    alone_since = perf_counter()
                elif perf_counter() - alone_since > self.start_seconds:
                    raise BackendError(
                        f"no worker has started within {self.start_seconds:.0f} s; see `ray status`, and give fewer "
                        "threads or task.workers."
                    )
        finally:
            now = perf_counter()
            for worker in self.workers:
                if worker.ended is None:
                    worker.ended = now
                    self.cluster.end(worker.handle)

    def add_worker(self) -> None:
        worker = _Worker(len(self.workers), self.cluster.start(), perf_counter())
        self.workers.append(worker)
        self.under_way[self.cluster.open(worker.handle)] = _Sent(worker, None, perf_counter())

    def settle(self, sent: _Sent, reference: Any) -> None:
        """Takes an answer in, and gives the worker its next sequence."""
        try:
            answer = self.cluster.answer(reference)
        except WorkerLost as error:
            self.replace(sent, str(error))
            return
        if "error" in answer:
            raise rebuilt(answer)
        worker = sent.worker
        if sent.sequence is None:
            worker.facts, worker.opened = answer, perf_counter()
            if not self.arrived and not self.overheads and not self.idle:
                self.started()
        else:
            self.take_in(sent, answer)
        self.idle.append(worker)
        self.give_out()

    def take_in(self, sent: _Sent, answer: Mapping[str, Any]) -> None:
        sequence, worker = sent.sequence, sent.worker
        assert sequence is not None
        worker.sequences += 1
        worker.busy += answer["wall"]
        self.overheads.append(perf_counter() - sent.at - answer["wall"])
        if sequence.name not in self.arrived:
            self.arrived.add(sequence.name)
            self.keep(sequence, Done(answer["tracks"], answer["wall"], contended=True))

    def give_out(self) -> None:
        while self.idle and self.waiting:
            worker, sequence = self.idle.pop(0), self.waiting.pop()
            self.attempts[sequence.name] = self.attempts.get(sequence.name, 0) + 1
            reference = self.cluster.track(worker.handle, sequence)
            self.under_way[reference] = _Sent(worker, sequence, perf_counter())

    def replace(self, sent: _Sent, reason: str) -> None:
        """A worker is gone: its sequence waits again, another worker is asked for. Raises BackendError at the limit."""
        worker, sequence = sent.worker, sent.sequence
        worker.ended = perf_counter()
        self.cluster.end(worker.handle)  # unreachable is not dead: it must not work on
        self.lost.append({"worker": worker.number, "sequence": sequence.name if sequence else None, "reason": reason})
        if sequence is not None:
            if self.attempts[sequence.name] >= ATTEMPTS:
                raise BackendError(
                    f"{sequence.name} was given to {ATTEMPTS} workers and each died with it ({reason}); is memory short?"
                )
            self.waiting = sorted([*self.waiting, sequence], key=len)
        elif sum(entry["sequence"] is None for entry in self.lost) >= ATTEMPTS * self.count:
            raise BackendError(f"workers die before they track anything ({reason}); is the harness installed on all nodes?")
        self.add_worker()
        self.give_out()


class WorkerLost(Exception):
    """A worker or its node is gone, or out of reach."""


def rebuilt(answer: Mapping[str, Any]) -> HarnessError:
    """The error that a worker answered with, in its own class."""
    found = getattr(errors, str(answer["error"]), BackendError)
    return found(str(answer["message"])) if issubclass(found, HarnessError) else BackendError(str(answer["message"]))


# ----------------------------------------------------------------------------------------------- Ray


class RayCluster:
    """Workers as Ray actors. One that dies is not restarted by Ray: who tracks what is decided in one place."""

    def __init__(self, ray: Any, order: Order, archive: bytes, call: Callable[[Any, Sequence], Any], gpu: bool) -> None:
        self._ray, self._order, self._call = ray, order, call
        self._archive = ray.put(archive)
        self._actor = ray.remote(Shard).options(
            num_cpus=order.threads,
            num_gpus=1 if gpu else 0,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )

    def start(self) -> Any:
        return self._actor.remote(self._order)

    def open(self, handle: Any) -> Any:
        # a reference within a list is not fetched unless the worker asks for it
        return handle.open.remote([self._archive])

    def track(self, handle: Any, sequence: Sequence) -> Any:
        return self._call(handle, sequence)

    def wait(self, references: list[Any], seconds: float) -> Any:
        ready, _ = self._ray.wait(references, num_returns=1, timeout=seconds)
        return ready[0] if ready else None

    def answer(self, reference: Any) -> Mapping[str, Any]:
        exceptions = self._ray.exceptions
        try:
            found: Mapping[str, Any] = self._ray.get(reference)
        except exceptions.RayTaskError as error:
            raise BackendError(f"a worker failed: {str(error).strip().splitlines()[-1][:300]}") from error
        except exceptions.RayError as error:
            raise WorkerLost(str(error).strip().splitlines()[0][:200]) from error
        return found

    def end(self, handle: Any) -> None:
        self._ray.kill(handle, no_restart=True)


@contextmanager
def connected(address: str | None, threads: int) -> Iterator[Any]:
    """Ray, connected to the cluster at ``address``, or to one of this machine's own, bound to loopback. Raises BackendError."""
    for name, value in RAY_VARIABLES.items():
        os.environ.setdefault(name, value)
    if address:
        reach(address)
    import ray

    variables = environment.limit_threads({"PYTHONPATH": python_path()}, threads)
    if delivery.CACHE_VARIABLE in os.environ:
        variables[delivery.CACHE_VARIABLE] = os.environ[delivery.CACHE_VARIABLE]
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "runtime_env": {"env_vars": variables}}
    if address:
        join(ray, lambda: ray.init(address, **quiet), address, tries=1)
    else:
        # 127.0.0.2 is loopback too; Ray takes 127.0.0.1 for this machine's address in the network, and would listen there
        own = {"num_cpus": environment.thread_budget(), "include_dashboard": False, "_node_ip_address": "127.0.0.2"}
        join(ray, lambda: ray.init("local", **own, **quiet), None, tries=START_TRIES)
    try:
        yield ray
    finally:
        ray.shutdown()


def reach(address: str) -> None:
    """Raises BackendError within seconds where nobody listens at ``HOST:PORT``; Ray itself would go on trying for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "://" in address or not port.isdigit():
        return  # auto, local, ray://...: Ray's to understand
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise BackendError(
            f"task.ray_address={address}: nobody listens there ({error}); start a cluster with `ray start --head`, give its "
            "address, or leave task.ray_address null for one on this machine."
        ) from error


def join(ray: Any, begin: Callable[[], Any], address: str | None, tries: int) -> None:
    """Calls ``begin``; again where Ray did not start in the time that it gives itself. Raises BackendError."""
    for left in reversed(range(tries)):
        try:
            begin()
            return
        except Exception as error:  # Ray raises plain Exception where its processes start too slowly
            ray.shutdown()
            if left and "timed out" in str(error):
                continue
            said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise BackendError(
                f"task.ray_address={address or 'null'}: no Ray cluster can be used there ({said}); start one with "
                "`ray start --head`, or leave task.ray_address null for one on this machine."
            ) from error


def capacity(ray: Any, threads: int, gpu: bool) -> int:
    """Workers of ``threads`` cores that the cluster holds. Raises ConfigError where no node holds one."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    each = [int(node.get("CPU", 0)) // threads for node in nodes]
    if gpu:
        each = [min(count, int(node.get("GPU", 0))) for count, node in zip(each, nodes, strict=True)]
    if not sum(each):
        most = max((int(node.get("CPU", 0)) for node in nodes), default=0)
        raise ConfigError(
            f"a worker takes threads={threads} cores{' and a GPU' if gpu else ''}, and no node of the cluster has that; "
            f"the largest has {most} cores: give threads of at most {most}."
        )
    return sum(each)


# --------------------------------------------------------------------------------------------- a job


def track_cluster(given: Assignment, address: str | None, workers: int | None) -> dict[str, Any]:
    """Tracks the sequences of ``given`` on the cluster, which has started when the first worker is open.

    Every worker has ``context.threads`` cores; ``workers`` defaults to as many as the cluster holds. Returns
    what there is to tell: workers, losses, overheads, share of the ideal speed-up.
    """
    context = given.context
    gpu = context.config["device"]["name"] == "cuda"
    begin = perf_counter()
    with connected(address, context.threads) as ray:
        joined = perf_counter() - begin
        archive = delivery.pack(context.artifact)

        def call(handle: Any, sequence: Sequence) -> Any:
            return handle.track.remote(absolute(sequence), given.feedback(sequence), given.repetitions)

        cluster = RayCluster(ray, order_of(context, archive), archive, call, gpu)
        count = min(workers or capacity(ray, context.threads, gpu), len(given.sequences))
        nodes = sum(bool(node["Alive"]) for node in ray.nodes())
        context.progress.start(f"tracking on {count} workers", given.frames)

        def arrived(sequence: Sequence, done: Done) -> None:
            given.keep(sequence, done)
            context.progress.step(len(sequence) * given.repetitions, sequence.name)

        dispatch = Dispatch(cluster, list(given.sequences), count, arrived, given.started)
        tracking = perf_counter()
        try:
            dispatch.run()
        finally:
            context.progress.close()
        wall = perf_counter() - tracking
        told = {"ray": ray.__version__, "nodes": nodes, "connect_s": joined, "artifact_mb": len(archive) / 2**20}
    return {**told, **account(dispatch, wall)}


def order_of(context: Context, archive: bytes) -> Order:
    """What each worker is to be. The backend's own fields are sent, which is what the job's backend really has."""
    backend: Any = context.backend
    target = {"target": f"{type(backend).__module__}.{type(backend).__qualname__}"}
    section = target | {item.name: getattr(backend, item.name) for item in fields(backend) if item.init}
    return Order(
        context.config["tracker"],
        section,
        context.threads,
        context.artifact.key,
        str(context.artifact.folder.resolve()),
        delivery.digest(archive),
    )


def absolute(sequence: Sequence) -> Sequence:
    """A worker's current folder is another."""
    return replace(sequence, frames=tuple(Path(os.path.abspath(frame)) for frame in sequence.frames))


def account(dispatch: Dispatch, wall: float) -> dict[str, Any]:
    """Workers, losses and times.

    ``speedup`` is the seconds of tracking that all workers did, over the wall's. ``ideal_share`` is the tracked part of
    the time that workers were held, from asking for them to the end; ``ideal_share_open`` counts from when each was open.
    """
    busy = sum(worker.busy for worker in dispatch.workers)
    opened = [worker for worker in dispatch.workers if worker.facts]
    ends = [worker.ended or perf_counter() for worker in opened]
    held = sum(end - worker.began for end, worker in zip(ends, opened, strict=True))
    ready = sum(end - worker.opened for end, worker in zip(ends, opened, strict=True))
    overheads = np.array(dispatch.overheads) * 1e3
    return {
        "workers": [
            {
                "number": worker.number,
                "sequences": worker.sequences,
                "busy_s": worker.busy,
                **{key: value for key, value in worker.facts.items() if key not in ("versions", "features")},
            }
            for worker in opened
        ],
        "lost": dispatch.lost,
        "wall_s": wall,
        "busy_s": busy,
        "speedup": busy / wall if wall > 0 else 0.0,
        "ideal_share": busy / held if held > 0 else 0.0,
        "ideal_share_open": busy / ready if ready > 0 else 0.0,
        "open_s": max((worker.facts["open_s"] for worker in opened), default=0.0),
        "shard_overhead_ms": {"p50": float(np.median(overheads)), "max": float(overheads.max())} if len(overheads) else {},
        "warnings": doubts(opened),
    }


def doubts(workers: list[_Worker]) -> list[str]:
    """What a reader of the results has to know."""
    found = []
    if any(not worker.facts["cores"] for worker in workers):
        found.append(
            "Workers shared cores, since there were more workers than free cores: the share of the ideal speed-up is "
            "of no use here."
        )
    if len({tuple(worker.facts["features"]) for worker in workers}) > 1:
        found.append("The cluster's processors have different features: boxes may differ in the last bits between them.")
    here = environment.versions()
    for worker in workers:
        other = {
            name: (here[name], version)
            for name, version in worker.facts["versions"].items()
            if name in KEPT_VERSIONS and name in here and here[name] != version
        }
        if other:
            words = ", ".join(f"{name} {theirs} (here {ours})" for name, (ours, theirs) in other.items())
            found.append(f"{worker.facts['host']} runs {words}: boxes may differ from a local run's.")
    return list(dict.fromkeys(found))


def cluster_metrics(told: Mapping[str, Any]) -> Metrics:
    """``cluster/*`` of what ``track_cluster`` told."""
    found = {
        "cluster/workers": float(len(told["workers"])),
        "cluster/lost_workers": float(len(told["lost"])),
        "cluster/speedup": float(told["speedup"]),
        "cluster/ideal_share": float(told["ideal_share"]),
        "cluster/ideal_share_open": float(told["ideal_share_open"]),
        "cluster/open_s": float(told["open_s"]),
    }
    if told["shard_overhead_ms"]:
        found["cluster/shard_overhead_ms"] = float(told["shard_overhead_ms"]["p50"])
    return found
