"""A helper: a child process beside a command that loads what it needs, then obeys one order after the other.

Orders go to its standard input, answers come from its standard output, each a line of JSON; messages for the user go to
standard error. ``Helper`` is the parent's side, ``serve`` the child's.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from harness.core import secrets
from harness.core.config import python_path
from harness.machine import children
from harness.machine.collection import collect_seldom

ENDING_SECONDS = 1.0
Answer = dict[str, Any]


class Helper:
    """The parent's side. The start returns immediately; ``wait`` returns when the process has loaded and sleeps.

    If a helper dies, nothing is lost: ``order`` then returns None, and the caller does the work.

    Args:
        module: The module to run, whose ``main`` serves.
    """

    def __init__(self, module: str) -> None:
        self._loaded = self._suspended = False
        self._asked = 0
        self._child: subprocess.Popen[bytes] | None = children.start(
            children.module_words(module),
            env={**os.environ, "PYTHONPATH": python_path()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def wait(self) -> None:
        """Waits until the process has loaded and obeyed, so that it does not run during a measurement."""
        self.wake()
        if not self._loaded:
            self._loaded = True
            self._answered()
        while self._asked:
            self._asked -= 1
            self._answered()

    def hush(self) -> None:
        """Returns when the process does not run: it waits for one that obeys, and suspends one that still loads until ``wake``.

        One that obeys may hold locks that others need. Where processes cannot be suspended, loading is waited for too.
        """
        if sys.platform == "win32":
            self.wait()
            return
        if self._child is None or self._suspended:
            return
        if self._loaded or self._asked or self._has_answered():
            self.wait()
            return
        self._suspended = True
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Lets a suspended process continue."""
        self._resume()

    def ask(self, **order: Any) -> None:
        """Sends an order whose answer nobody needs; the process obeys when it can."""
        if self._child is not None and self._sent(order):
            self._asked += 1

    def cpu_seconds(self) -> float:
        """The processor seconds that the process has used; 0 if it has ended."""
        return children.cpu_seconds(self._child.pid) if self._child is not None else 0.0

    def order(self, **order: Any) -> Answer | None:
        """Sends an order and waits for the answer; None if the process has died."""
        self.wait()
        return self._answered() if self._child is not None and self._sent(order) else None

    def close(self) -> None:
        """Ends the process in any state."""
        self._resume()  # a suspended one would take no notice of being asked to end
        if self._child is not None:
            child, self._child = self._child, None
            children.end(child, ENDING_SECONDS)
            for pipe in (child.stdin, child.stdout):
                assert pipe is not None
                with contextlib.suppress(OSError):  # it did not read the order
                    pipe.close()

    def _sent(self, order: dict[str, Any]) -> bool:
        """Writes an order; if the process has died, it is closed."""
        assert self._child is not None
        assert self._child.stdin is not None
        order["addresses"] = os.environ.get(secrets.VARIABLE, "")
        try:
            self._child.stdin.write(json.dumps(order).encode() + b"\n")
            self._child.stdin.flush()
        except OSError:
            self.close()
            return False
        return True

    def _has_answered(self) -> bool:
        """Whether there is something to read, if nothing was read before."""
        assert self._child is not None
        assert self._child.stdout is not None
        return bool(select.select([self._child.stdout], [], [], 0)[0])

    def _resume(self) -> None:
        if self._suspended and sys.platform != "win32":
            self._suspended = False
            self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._child is not None and self._child.poll() is None:
            os.kill(self._child.pid, number)

    def _answered(self) -> Answer | None:
        """Waits for the next answer. If none comes, the process is ended."""
        if self._child is None:
            return None
        assert self._child.stdout is not None
        if line := self._child.stdout.readline():
            return dict(json.loads(line))
        self.close()
        return None


def serve(load: Callable[[], None], obey: Callable[[dict[str, Any]], Answer]) -> int:
    """The child's side: loads, then obeys orders until the parent disconnects; returns the exit code.

    Args:
        load: Loads what all orders need.
        obey: Takes an order and returns its answer.
    """
    collect_seldom()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output of libraries must not be taken for answers
    load()
    _send(answers, {})
    for line in sys.stdin:
        order = json.loads(line)
        if addresses := order.pop("addresses"):
            os.environ[secrets.VARIABLE] = addresses
        _send(answers, obey(order))
    return 0


def _send(answers: Any, answer: Answer) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
