"""Distributes sequences one by one to workers that may die, independent of how workers are started and reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from harness.core import errors
from harness.core.errors import BackendError, HarnessError
from harness.core.interfaces import Sequence
from harness.tracking.store import Done

ATTEMPTS = 3
"""How often a sequence is sent to a worker before the job gives up: a sequence may itself kill its workers."""
START_SECONDS = 120.0
"""Seconds without any running worker after which the job gives up."""


@dataclass
class Worker:
    """The driver's view of a worker."""

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
class Sent:
    """A call in progress: a worker that opens (``sequence`` None) or tracks."""

    worker: Worker
    sequence: Sequence | None
    at: float


@dataclass
class Dispatch:
    """Distributes sequences until all results have arrived.

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
    workers: list[Worker] = field(default_factory=list)
    under_way: dict[Any, Sent] = field(default_factory=dict)
    idle: list[Worker] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)
    lost: list[dict[str, Any]] = field(default_factory=list)
    overheads: list[float] = field(default_factory=list)
    arrived: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Runs until the end. Raises the first error that a worker returns, or BackendError if workers keep dying."""
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
        worker = Worker(len(self.workers), self.cluster.start(), perf_counter())
        self.workers.append(worker)
        self.under_way[self.cluster.open(worker.handle)] = Sent(worker, None, perf_counter())

    def settle(self, sent: Sent, reference: Any) -> None:
        """Processes an answer, and gives the worker its next sequence."""
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

    def take_in(self, sent: Sent, answer: Mapping[str, Any]) -> None:
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
            self.under_way[reference] = Sent(worker, sequence, perf_counter())

    def replace(self, sent: Sent, reason: str) -> None:
        """Replaces a lost worker: its sequence waits again, another worker is started.

        Raises BackendError at the limit.
        """
        worker, sequence = sent.worker, sent.sequence
        worker.ended = perf_counter()
        self.cluster.end(worker.handle)  # it may be unreachable but alive, and must not continue
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
    """A worker or its node is gone or unreachable."""


def rebuilt(answer: Mapping[str, Any]) -> HarnessError:
    """Returns the error that a worker sent, in its own class."""
    found = getattr(errors, str(answer["error"]), BackendError)
    return found(str(answer["message"])) if issubclass(found, HarnessError) else BackendError(str(answer["message"]))
