"""Progress of a job: a bar on a terminal, occasional lines in a log file, or nothing."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

_LOG_EVERY_S = 15.0


class Bar:
    """A bar that redraws in place; only for terminals."""

    def __init__(self) -> None:
        self._bar: Any = None

    def start(self, title: str, total: int) -> None:
        self.close()
        self._bar = _quiet_bar(total=total, desc=title, unit="frame", file=sys.stderr, mininterval=0.25, leave=False)

    def step(self, amount: int = 1, note: str = "") -> None:
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(amount)

    def say(self, text: str) -> None:
        from tqdm import tqdm

        tqdm.write(text, file=sys.stderr)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _quiet_bar(**settings: Any) -> Any:
    """Returns a tqdm bar without tqdm's thread, which would wake up while frames are timed. Other code's bars keep theirs."""
    from tqdm import tqdm  # only here: most jobs have no terminal

    class Quiet(tqdm):  # type: ignore[type-arg]
        monitor_interval = 0

    return Quiet(**settings)


class Lines:
    """Whole lines for a log file, at most one every fifteen seconds."""

    def __init__(self) -> None:
        self._title, self._total, self._done = "", 0, 0
        self._began = self._last = 0.0

    def start(self, title: str, total: int) -> None:
        self._title, self._total, self._done = title, total, 0
        self._began = self._last = time.monotonic()

    def step(self, amount: int = 1, note: str = "") -> None:
        self._done += amount
        now = time.monotonic()
        if now - self._last >= _LOG_EVERY_S or self._done == self._total:
            self._last = now
            self.say(f"{self._title}: {self._done}/{self._total} in {now - self._began:.0f} s {note}".rstrip())

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        self._title = ""


class Silent:
    """Shows nothing."""

    def start(self, title: str, total: int) -> None:
        del title, total

    def step(self, amount: int = 1, note: str = "") -> None:
        del amount, note

    def say(self, text: str) -> None:
        del text

    def close(self) -> None:
        return


def make(mode: str | None = None) -> Bar | Lines | Silent:
    """Makes ``bar``, ``lines`` or ``off``; by default from HARNESS_PROGRESS, else a bar if stderr is a terminal."""
    mode = mode or os.environ.get("HARNESS_PROGRESS") or ("bar" if sys.stderr.isatty() else "lines")
    if mode == "bar":
        return Bar()
    return Lines() if mode == "lines" else Silent()


def say(text: str) -> None:
    """Prints a line for the user on stderr."""
    print(text, file=sys.stderr, flush=True)
