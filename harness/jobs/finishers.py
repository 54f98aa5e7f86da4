"""The end of a sweep in child processes side by side, so that the parent keeps its size and all cores draw.

They start when everything has been measured: nothing draws while a job measures.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from harness.jobs.helper import Answer, Helper
from harness.machine.environment import thread_budget

MOST = 4
"""The most processes, each of which takes about 200 MB: MLflow takes the jobs one after the other anyway."""


class Finishers:
    """Child processes that summarise a sweep and draw the pictures of its jobs. To be closed; closing ends them in any state.

    Args:
        jobs: The number of jobs to draw.
    """

    def __init__(self, jobs: int) -> None:
        count = max(1, min(jobs, thread_budget(), MOST))
        self._helpers = [Helper("harness.jobs.finishing") for _ in range(count)]
        self._living, self._lock = count, threading.Lock()
        self._idle: queue.SimpleQueue[Helper | None] = queue.SimpleQueue()
        for helper in self._helpers:
            self._idle.put(helper)
        self._threads = ThreadPoolExecutor(count)

    def summarise(self, sweep: Path, jobs: Sequence[Path]) -> tuple[Future[Answer | None], Future[Answer | None]]:
        """Orders the verdicts on a sweep's jobs, and its report.

        Returns:
            What has an answer as soon as the verdicts are written, and what has the report's ``table`` and ``warnings``. An answer
            is None if the process died; the report's is empty if it could not be made.
        """
        judged: Future[Answer | None] = Future()
        return judged, self._threads.submit(self._summarised, sweep, jobs, judged)

    def draw(self, job: Path) -> Future[Answer | None]:
        """Orders the pictures of a job; the answer is None if the process died."""
        return self._threads.submit(self._obeyed, lambda helper: helper.order(kind="draw", folder=str(job)))

    def close(self) -> None:
        """Ends the processes."""
        for helper in self._helpers:
            helper.close()
        self._threads.shutdown(cancel_futures=True)

    def _summarised(self, sweep: Path, jobs: Sequence[Path], judged: Future[Answer | None]) -> Answer | None:
        """Both orders to one process, which keeps the comparison between them."""

        def orders(helper: Helper) -> Answer | None:
            judged.set_result(helper.order(kind="judge", folder=str(sweep), jobs=[str(job) for job in jobs]))
            return helper.order(kind="report", folder=str(sweep))

        try:
            return self._obeyed(orders)
        finally:
            if not judged.done():
                judged.set_result(None)

    def _obeyed(self, orders: Callable[[Helper], Answer | None]) -> Answer | None:
        """Gives orders to the next helper that is idle. One that dies by it gets no more; None in the queue says that none lives."""
        helper = self._idle.get()
        if helper is None:
            self._idle.put(None)
            return None
        answer = orders(helper)
        if answer is not None:
            self._idle.put(helper)
            return answer
        with self._lock:
            self._living -= 1
            if not self._living:
                self._idle.put(None)
        return None
