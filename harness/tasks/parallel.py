"""Several sequences in flight over one compiled model: for accuracy and whole data sets, never for latency."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter

from harness.interfaces import Boxes, Context, Sequence
from harness.tasks.store import Done
from harness.tracking import Runner


def track_parallel(
    context: Context,
    sequences: list[Sequence],
    requests: int | None,
    feedback: Callable[[Sequence], Boxes | None],
    repetitions: int,
    keep: Callable[[Sequence, Done], None],
) -> int:
    """Tracks ``sequences``, longest first, with ``requests`` in flight; ``keep`` is called as each ends, one at a time.

    A worker decodes, crops and waits for its own infer request, so that there are as many runnable threads as
    requests, and no more than the thread budget. Returns the number of requests. Raises the first error of a worker.
    """
    backend = context.backend
    count = min(requests or backend.parallel_requests(), max(1, len(sequences)))
    backend.prepare_parallel(count)
    waiting = sorted(sequences, key=len)  # popped from the end: the longest first, so that none is left over late
    lock, stop, errors = threading.Lock(), threading.Event(), list[BaseException]()
    sessions = [backend.open(context.artifact) for _ in range(count)]
    context.progress.start("tracking", sum(len(item) for item in sequences) * repetitions)

    def take() -> Sequence | None:
        with lock:
            return waiting.pop() if waiting and not stop.is_set() else None

    def on_frame(seconds: float) -> None:
        del seconds
        if stop.is_set():
            raise _Stopped
        with lock:
            context.progress.step(1)

    def work(index: int) -> None:
        runner = Runner(context.tracker, sessions[index])
        try:
            while (sequence := take()) is not None:
                began = perf_counter()
                tracks = [
                    runner.track(sequence, feedback=feedback(sequence), repetition=number, on_frame=on_frame)
                    for number in range(1, repetitions + 1)
                ]
                with lock:
                    keep(sequence, Done(tracks, perf_counter() - began, contended=count > 1))
        except _Stopped:
            return
        except BaseException as error:
            errors.append(error)
            stop.set()

    threads = [threading.Thread(target=work, args=(index,), name=f"tracker-{index}") for index in range(count)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        stop.set()
        raise
    context.progress.close()
    if errors:
        raise errors[0]
    return count


class _Stopped(Exception):
    """Another worker failed: leave the sequence."""
