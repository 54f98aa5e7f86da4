"""Several sequences in flight over one compiled model: for accuracy and whole data sets, never for latency."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from queue import SimpleQueue
from time import perf_counter

from harness.core.interfaces import Sequence, Session, Track
from harness.machine.environment import allowed_cores, pin_thread
from harness.tracking.assignment import Assignment
from harness.tracking.loop import Runner
from harness.tracking.prefetch import DecodeAhead
from harness.tracking.store import Done


@dataclass(frozen=True)
class Split:
    """Shares of the thread budget: ``requests`` sequences at once with ``each`` threads, ``spare`` for decoding."""

    requests: int
    each: int
    spare: int


def split_threads(threads: int, wanted: int, sequences: int, device: str = "cpu") -> Split:
    """Shares ``threads`` among as many of ``wanted`` requests as there are sequences.

    On the CPU there are never more requests than threads, so that each has at least one thread of its own. Elsewhere
    trackers only crop and wait, so all threads decode.
    """
    requests = max(1, min(wanted, sequences))
    if device != "cpu":
        return Split(requests, 0, threads)
    requests = min(requests, threads)
    each = threads // requests
    return Split(requests, each, threads - requests * each)


@dataclass
class _Work:
    """The shared state of the tracking threads."""

    given: Assignment
    waiting: list[Sequence]
    decoders: DecodeAhead
    split: Split
    finished: SimpleQueue[tuple[Sequence, Done] | None] = field(default_factory=SimpleQueue)
    running: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)
    errors: list[BaseException] = field(default_factory=list)

    def take(self) -> Sequence | None:
        with self.lock:
            return self.waiting.pop() if self.waiting and not self.stop.is_set() else None

    def on_frame(self, seconds: float) -> None:
        del seconds
        if self.stop.is_set():
            raise _Stopped
        with self.lock:
            if not self.running:
                self.running = True
                self.given.started()
            self.given.context.progress.step(1)

    def run(self, index: int, sessions: dict[str, Session]) -> None:
        """Runs one tracking thread until no sequence is left or another thread has failed."""
        try:
            if self.given.context.backend.pins_callers():
                pin_thread(allowed_cores()[index * self.split.each : (index + 1) * self.split.each])
            runner = Runner(self.given.context.tracker, sessions)
            while (sequence := self.take()) is not None:
                began = perf_counter()
                tracks = [self.track(runner, sequence, number) for number in range(1, self.given.repetitions + 1)]
                self.finished.put((sequence, Done(tracks, perf_counter() - began, contended=True)))
        except _Stopped:
            return
        except BaseException as error:
            self.errors.append(error)
            self.stop.set()
        finally:
            self.decoders.release(self.split.each)

    def keep(self) -> None:
        """Writes finished sequences in a separate thread, so that no tracker waits for the disk."""
        try:
            while (item := self.finished.get()) is not None:
                self.given.keep(*item)
        except BaseException as error:
            self.errors.append(error)
            self.stop.set()

    def track(self, runner: Runner, sequence: Sequence, repetition: int) -> Track:
        frames = self.decoders.frames(sequence)
        try:
            return runner.track(
                sequence,
                feedback=self.given.feedback(sequence),
                repetition=repetition,
                frames=frames,
                on_frame=self.on_frame,
            )
        finally:
            frames.close()


def track_parallel(given: Assignment, requests: int | None) -> tuple[Split, float]:
    """Tracks the sequences of ``given``, longest first.

    ``requests`` sequences are in flight, by default the device's preferred number. Returns how the threads were
    shared, and the seconds of tracking (models were open before). Raises the first error of a tracking thread.
    """
    context = given.context
    backend = context.backend
    device = str(context.config["device"]["name"])
    wanted = requests or backend.parallel_requests(context.artifact)
    split = split_threads(context.threads, wanted, len(given.sequences), device)
    backend.prepare_parallel(split.requests)
    sessions = [backend.open(context.artifact) for _ in range(split.requests)]
    # the longest sequence first (popped from the end), so that none is left over when all others have ended
    waiting = sorted(given.sequences, key=len)
    decoders = DecodeAhead(context.tracker.color, split.spare, context.threads)
    work = _Work(given, waiting, decoders, split)
    context.progress.start("tracking", given.frames)
    keeper = threading.Thread(target=work.keep, name="keeper")
    keeper.start()
    began = perf_counter()
    try:
        _run_all(work, sessions)
        wall = perf_counter() - began
    finally:
        work.finished.put(None)
        keeper.join()
        decoders.close()
        context.progress.close()
    if work.errors:
        raise work.errors[0]
    return split, wall


def _run_all(work: _Work, sessions: list[dict[str, Session]]) -> None:
    threads = [
        threading.Thread(target=work.run, args=(index, own), name=f"tracker-{index}")
        for index, own in enumerate(sessions)
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        work.stop.set()
        for thread in threads:
            thread.join()
        raise


class _Stopped(Exception):
    """Raised if another thread failed, to leave the sequence."""
