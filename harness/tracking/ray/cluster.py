"""``task.executor=ray``: distributes sequences one by one, longest first, to workers of a Ray cluster.

The job's own process distributes sequences and keeps results; workers (``shard``) track. A result counts once, when it
has arrived here. If a worker or node dies, only its sequence has to be given to another worker.
"""

from __future__ import annotations

import importlib.util
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from harness.artifacts import delivery
from harness.core.config import python_path
from harness.core.errors import BackendError, ConfigError
from harness.core.interfaces import Context, Sequence
from harness.machine import environment
from harness.tracking.assignment import Assignment
from harness.tracking.ray.accounting import account
from harness.tracking.ray.dispatch import Dispatch, WorkerLost
from harness.tracking.ray.shard import Order, Shard
from harness.tracking.store import Done

INSTALL = "pip install 'tracker-harness[cluster]'"
START_TRIES = 3
"""How often a local cluster is started: Ray gives up after half a minute, which is too short for a busy machine."""
CONNECT_SECONDS = 3.0
RAY_VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_raylet_start_wait_time_s": "120",  # a busy machine starts Ray slowly
    "RAY_agent_register_timeout_ms": "120000",
}


def check_installed() -> None:
    """Raises ConfigError if Ray is missing; does not import it."""
    if importlib.util.find_spec("ray") is None:
        raise ConfigError(f"task.executor=ray needs Ray, which is not installed; {INSTALL}, or use task.executor=local.")


# ----------------------------------------------------------------------------------------------- Ray


class RayCluster:
    """Workers as Ray actors. Ray does not restart dead ones, because ``Dispatch`` alone assigns sequences."""

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
    """Gives Ray connected to the cluster at ``address``, or to a local one on loopback. Raises BackendError."""
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
    """Raises BackendError within seconds if no server listens at ``HOST:PORT``; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "://" in address or not port.isdigit():
        return  # auto, local, ray://...: handled by Ray
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise BackendError(
            f"task.ray_address={address}: nobody listens there ({error}); start a cluster with `ray start --head`, give its "
            "address, or leave task.ray_address null for one on this machine."
        ) from error


def join(ray: Any, begin: Callable[[], Any], address: str | None, tries: int) -> None:
    """Calls ``begin``, again if Ray did not start within its own time limit. Raises BackendError."""
    for left in reversed(range(tries)):
        try:
            begin()
            return
        except Exception as error:  # Ray raises plain Exception if its processes start too slowly
            ray.shutdown()
            if left and "timed out" in str(error):
                continue
            said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise BackendError(
                f"task.ray_address={address or 'null'}: no Ray cluster can be used there ({said}); start one with "
                "`ray start --head`, or leave task.ray_address null for one on this machine."
            ) from error


def capacity(ray: Any, threads: int, gpu: bool) -> int:
    """Returns how many workers of ``threads`` cores fit on the cluster.

    Raises ConfigError if no node has room for one.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    each = [int(node.get("CPU", 0)) // threads for node in nodes]
    if gpu:
        if not any(node.get("GPU", 0) >= 1 for node in nodes):
            raise ConfigError("device=cuda: a worker takes a GPU, and no node of the cluster has one; use device=cpu, or add a node with a card.")
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

    Every worker has ``context.threads`` cores; ``workers`` defaults to the number that the cluster has room for.
    The returned record has workers, losses, overheads, and the share of the ideal speed-up.
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
    return {**told, **account(dispatch, wall, context.backend.packages)}


def order_of(context: Context, archive: bytes) -> Order:
    """Returns the description of each worker. It contains the actual fields of the job's backend."""
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
    """Returns the sequence with absolute paths, because a worker has another current folder."""
    return replace(sequence, frames=tuple(Path(os.path.abspath(frame)) for frame in sequence.frames))
