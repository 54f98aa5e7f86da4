"""A helper: a child process beside a command that loads what it needs, then obeys one order after the other.

Orders go to its standard input, answers come from its standard output, each a line of JSON; messages for the user go to
standard error. ``Helper`` is the parent's side, ``serve`` the child's.
"""

from __future__ import annotations

import contextlib
import json
import os
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
        self._loaded = False
        self._child: subprocess.Popen[bytes] | None = children.start(
            children.module_words(module),
            env={**os.environ, "PYTHONPATH": python_path()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def wait(self) -> None:
        """Waits until the process has loaded, so that it does not run during a measurement."""
        if not self._loaded:
            self._loaded = True
            self._answered()

    def order(self, **order: Any) -> Answer | None:
        """Sends an order and waits for the answer; None if the process has died."""
        self.wait()
        if self._child is None:
            return None
        assert self._child.stdin is not None
        order["addresses"] = os.environ.get(secrets.VARIABLE, "")
        try:
            self._child.stdin.write(json.dumps(order).encode() + b"\n")
            self._child.stdin.flush()
        except OSError:
            self.close()
            return None
        return self._answered()

    def close(self) -> None:
        """Ends the process in any state."""
        if self._child is not None:
            child, self._child = self._child, None
            children.end(child, ENDING_SECONDS)
            for pipe in (child.stdin, child.stdout):
                assert pipe is not None
                with contextlib.suppress(OSError):  # it did not read the order
                    pipe.close()

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
