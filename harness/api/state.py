"""Restores the process's state after a call: environment, working folder, logging, signals, warnings."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from harness.core.errors import ConfigError

_BUSY = threading.Lock()
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextlib.contextmanager
def untouched(quiet: bool = False) -> Iterator[None]:
    """Restores the process's state after the block, also if the harness or a library in it changed the state.

    It restores environment variables, the working folder, ``sys.argv``, handlers and levels of all loggers, signal
    handlers and the filters of warnings. ``jobs.hydra_state`` does the same for Hydra.

    Args:
        quiet: Whether output on stderr during the block is suppressed.

    Raises:
        ConfigError: Another call is running in this process.
    """
    if not _BUSY.acquire(blocking=False):
        raise ConfigError("another call of the harness is running in this process; wait for its end, or start a second process.")
    try:
        with contextlib.ExitStack() as stack:
            for keeper in (_environment, _place, _loggers, _signals, warnings.catch_warnings):
                stack.enter_context(keeper())
            if quiet:
                stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
            yield
    finally:
        _BUSY.release()


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        for name, value in before.items():
            if os.environ.get(name) != value:
                os.environ[name] = value


@contextlib.contextmanager
def _place() -> Iterator[None]:
    folder, words = os.getcwd(), list(sys.argv)
    try:
        yield
    finally:
        sys.argv[:] = words
        with contextlib.suppress(OSError):  # the folder may have been removed
            os.chdir(folder)


def _all_loggers() -> list[logging.Logger]:
    found = [item for item in logging.root.manager.loggerDict.values() if isinstance(item, logging.Logger)]
    return [logging.root, *found]


@contextlib.contextmanager
def _loggers() -> Iterator[None]:
    before = [(item, item.level, list(item.handlers), item.propagate, item.disabled) for item in _all_loggers()]
    try:
        yield
    finally:
        for item, level, handlers, propagate, disabled in before:
            item.setLevel(level)
            item.handlers[:] = handlers
            item.propagate, item.disabled = propagate, disabled


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set them
        return
    before: dict[Any, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) != handler:
                signal.signal(number, handler)
