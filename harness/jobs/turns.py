"""A measurement in turns: the jobs of a sweep are loaded side by side.

Each waits and tracks briefly when it is its turn.

Jobs that run minutes apart meet the machine in different conditions; here slow changes affect all jobs equally. The
result (``turns.json`` in the sweep's folder) is used to compare speeds; each job's own fps does not change.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, Listener, wait
from pathlib import Path
from typing import Any

import psutil

from harness.core.config import MOST, build
from harness.core.errors import ConfigError, DataError, HarnessError
from harness.core.files import read_record, write_json
from harness.core.interfaces import Task
from harness.core.results import TURNS_FILE, Results
from harness.core.words import shown
from harness.jobs.children import check_log
from harness.jobs.stand import KEY, send
from harness.machine import children, environment
from harness.machine.load import FamilyWatch
from harness.scoring.turns import Round, decide, mean_seconds

TURN_SECONDS = 0.3
"""Least seconds of a turn: long compared to a scheduler's time slices, short compared to drift."""
SETTLE_SECONDS = 0.02
"""Seconds between two turns, so that a runtime whose threads spin has gone to sleep when the next turn begins."""
LOAD_SECONDS = 300.0
ANSWER_SECONDS = 120.0
LEAST_FREE_MB = 1024
MOST_SIDE_BY_SIDE = 12
"""The most processes that are loaded at the same time."""
LOADINGS = 2
"""How often the processes are started, the second time in reverse order: the first one loaded is often slower."""
MOST_DISTURBED = 2.0
"""Rounds are repeated until enough were undisturbed, for at most this many times the requested length."""
Say = Callable[[str], None]


class Ended(HarnessError):
    """The process of a job died, failed or does not answer; ``name`` is the job's name."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True)
class Entrant:
    """A job that takes part: the folder with its ``job.json``, and its number of threads."""

    name: str
    folder: Path
    threads: int


@dataclass
class Turns:
    """The result of a measurement in turns: rounds with seconds per frame of each job, and jobs that dropped out."""

    names: list[str]
    rounds: list[Round] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)

    def add(self, part: Turns) -> None:
        """Adds the rounds of a group, or of another loading of the same group."""
        loadings = 1 + max((item.loading for item in self.rounds), default=-1)
        self.rounds += [replace(item, loading=item.loading + loadings) for item in part.rounds]
        self.records += [{**item, "loading": item["loading"] + loadings} for item in part.records]
        self.dropped |= part.dropped
        self.names = [name for name in self.names if name not in self.dropped]

    def plain(self) -> dict[str, Any]:
        """Returns the result as JSON values; raw samples are kept."""
        return {"schema": 1, "jobs": self.names, "dropped": self.dropped, "rounds": self.records}


class Standing:
    """A job's process that waits for its turn."""

    def __init__(self, entrant: Entrant, child: Any, connection: Connection, facts: Mapping[str, Any]) -> None:
        self.name, self._child, self._connection = entrant.name, child, connection
        self.artifact = str(facts.get("artifact", ""))
        self.effective: dict[str, str] = dict(facts.get("effective") or {})

    def turn(self, number: int, seconds: float) -> list[float]:
        """Lets it track for ``seconds``; returns the seconds of each update. Raises HarnessError if it died."""
        send_order(self._connection, "turn", number, seconds, self.name)
        answer = receive(self._connection, ANSWER_SECONDS + seconds, self.name)
        return [float(value) for value in answer["seconds"]]

    def boxes(self, number: int) -> list[list[float]]:
        """Returns the boxes of a video clip. Raises HarnessError if its process died."""
        send_order(self._connection, "boxes", number, 0.0, self.name)
        return list(receive(self._connection, ANSWER_SECONDS, self.name)["boxes"])

    def close(self) -> None:
        """Ends the process."""
        self._connection.close()
        children.end(self._child, patience=1.0)


def send_order(connection: Connection, kind: str, number: int, seconds: float, name: str) -> None:
    """Orders a job to run a turn or to send its boxes. Raises Ended if its process is gone."""
    try:
        send(connection, kind, {"turn": number, "seconds": seconds})
    except OSError as error:
        raise Ended(name, f"the process of {name} ended ({error}).") from error


def receive(connection: Connection, seconds: float, name: str) -> dict[str, Any]:
    """Returns the next message of a job's process.

    Raises Ended if it failed, died or sends nothing within ``seconds``.
    """
    if not wait([connection], seconds):
        raise Ended(name, f"{name} gave no answer within {seconds:.0f} s.")
    try:
        message = json.loads(connection.recv_bytes())
    except (EOFError, OSError) as error:
        raise Ended(name, f"the process of {name} died.") from error
    if message["kind"] == "failed":
        raise Ended(name, str(message["message"]))
    return dict(message)


@contextlib.contextmanager
def standing(entrants: Sequence[Entrant], dropped: dict[str, str]) -> Iterator[list[Standing]]:
    """The entrants' processes, one for each core loaded at once; those that cannot be are put into ``dropped`` with the reason.

    They start in the order of ``entrants``, and the list has that order.
    """
    at_once = environment.thread_budget()
    started: list[Standing] = []
    loading: deque[Loading] = deque()
    try:
        for entrant in entrants:
            if psutil.virtual_memory().available < LEAST_FREE_MB * 2**20 * (len(loading) + 1):
                dropped[entrant.name] = "too little memory is free for one more process"
                continue
            loading.append(Loading(entrant))
            if len(loading) >= at_once:
                _finish(loading, started, dropped)
        while loading:
            _finish(loading, started, dropped)
        yield started
    finally:
        for way in started:
            way.close()
        for item in loading:
            item.close()


def _finish(loading: deque[Loading], started: list[Standing], dropped: dict[str, str]) -> None:
    """Waits for the process that was started first."""
    first = loading[0]
    try:
        started.append(first.ready())
    except HarnessError as error:
        dropped[first.entrant.name] = str(error)
    loading.popleft()


class Loading:
    """A job's process that has been started and loads."""

    def __init__(self, entrant: Entrant) -> None:
        key = secrets.token_bytes(32)
        self.entrant = entrant
        self._listener = Listener(authkey=key)
        self._found: list[Connection] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        check_log(entrant.folder / "turns.log")
        with open(entrant.folder / "turns.log", "ab") as log:
            words = children.module_words("harness.jobs.stand", str(entrant.folder), json.dumps(self._listener.address))
            variables = children.variables(entrant.threads, **{KEY: key.hex(), "HARNESS_PROGRESS": "off"})
            self._child = children.start(words, env=variables, stdout=log, stderr=log)

    def ready(self) -> Standing:
        """Waits until the process is loaded and warm. Raises HarnessError if it cannot be, and ends it."""
        try:
            connection = self._connected()
            return Standing(self.entrant, self._child, connection, receive(connection, LOAD_SECONDS, self.entrant.name))
        except BaseException:
            self.close()
            raise
        finally:
            self._listener.close()

    def close(self) -> None:
        """Ends the process."""
        children.end(self._child, patience=1.0)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            one: Any = self._listener.accept()  # on Windows a pipe's connection, with the same methods
            self._found.append(one)

    def _connected(self) -> Connection:
        """Accepts the child's connection; does not wait for a child that has died."""
        end = time.monotonic() + LOAD_SECONDS
        while self._thread.is_alive() and self._child.poll() is None and time.monotonic() < end:
            self._thread.join(0.05)
        self._thread.join(0.05)
        if not self._found:
            raise HarnessError("its process did not start; turns.log in its folder has its last words.")
        return self._found[0]


def measure(entrants: Sequence[Entrant], seconds: float, say: Say = lambda text: None) -> Turns:
    """Measures the entrants in turns; their processes are started twice, the second time in reverse order.

    Args:
        entrants: At least two jobs of this machine whose models are prepared.
        seconds: Length of the whole measurement for each job, without loading; up to twice as much if it is disturbed.
        say: Gets lines for the user from time to time.

    Returns:
        The rounds, disturbed ones included, and the entrants that could not take part.
    """
    found = Turns([item.name for item in entrants])
    for loading in range(LOADINGS):
        part = Turns(found.names)
        order = [item for item in entrants if item.name in found.names]
        _measure_loaded(part, order if loading % 2 == 0 else order[::-1], seconds / LOADINGS, say)
        found.add(part)
        if len(found.names) < 2:
            break
    return found


def _measure_loaded(found: Turns, entrants: Sequence[Entrant], seconds: float, say: Say) -> None:
    """Fills ``found`` with the rounds of one loading; none if fewer than two entrants can be loaded."""
    with standing(entrants, found.dropped) as ways:
        if len(ways) < 2:
            return
        wish = max(1, round(seconds / (2 * TURN_SECONDS)))
        end = time.monotonic() + seconds * len(ways) * MOST_DISTURBED
        while sum(item.quiet for item in found.rounds) < wish and (time.monotonic() < end or not found.rounds):
            try:
                add_round(found, ways)
            except HarnessError as error:
                say(f"the measurement in turns ended early: {error}")
                break


def add_round(found: Turns, ways: Sequence[Standing], seconds: float = TURN_SECONDS, number: int | None = None) -> None:
    """Runs one round: every entrant once, in an order that changes with the round, then once more in reverse order.

    Args:
        found: Gets the round.
        ways: The entrants that take part.
        seconds: Least length of a turn.
        number: The round's number, which decides the order and the video clip; by default the next one of ``found``.

    Raises:
        Ended: The process of an entrant ended.
    """
    number = len(found.rounds) if number is None else number
    shift = number % len(ways)
    order = [*ways[shift:], *ways[:shift]]
    watch = FamilyWatch()
    samples: dict[str, list[list[float]]] = {way.name: [] for way in ways}
    for way in (*order, *reversed(order)):
        time.sleep(SETTLE_SECONDS)
        samples[way.name].append(way.turn(number, seconds))
    load = watch.other()
    found.rounds.append(Round({name: mean_seconds(turns) for name, turns in samples.items()}, load.quiet))
    found.records.append(
        {"number": number, "loading": 0, "order": [way.name for way in order], "quiet": load.quiet, "load": load.plain(), "samples": samples}
    )


def measure_sweep(entrants: Sequence[Entrant], seconds: float, say: Say) -> Turns:
    """Measures any number of entrants.

    If they are too many, in groups that share the first one, then the best of each.
    """
    if len(entrants) <= MOST_SIDE_BY_SIDE:
        return measure(entrants, seconds, say)
    first, rest = entrants[0], list(entrants[1:])
    groups = [rest[start : start + MOST_SIDE_BY_SIDE - 1] for start in range(0, len(rest), MOST_SIDE_BY_SIDE - 1)]
    found = Turns([item.name for item in entrants])
    best = [first]
    for group in groups:
        part = measure([first, *group], seconds, say)
        found.add(part)
        decision = decide(part.rounds, part.names)
        best += [item for item in group if item.name in decision.leaders]
    if 2 <= len(best) <= MOST_SIDE_BY_SIDE:
        found.add(measure(best, seconds, say))
    return found


def check(settings: Mapping[str, Any]) -> None:
    """Raises ConfigError if the section ``turns`` is invalid."""
    given = {key: value for key, value in settings.items() if value is not None}
    seconds, again = given.get("seconds", 0.0), given.get("again", False)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= MOST:
        raise ConfigError(f"turns.seconds is {shown(seconds)}; accepted: a number of seconds from 0 to {MOST}.")
    if not isinstance(again, bool):
        raise ConfigError(f"turns.again is {shown(again)}; accepted: true or false.")


def of_sweep(sweep: Path, jobs: Sequence[Path], settings: Mapping[str, Any], say: Say) -> Path | None:
    """Measures a finished sweep's jobs in turns, unless that was done; returns ``turns.json`` if there is one.

    Jobs that failed, that were measured on another machine, or whose task has no turns are left out; their speeds are
    compared without an interval.
    """
    here = environment.describe()["machine"]
    entrants, keys = [], {}
    for folder in jobs:
        results = Results.load(folder)
        if results.status != "ok" or results.environment.get("machine") != here:
            continue
        if build(results.config["task"], Task, "task").takes_turns():  # type: ignore[type-abstract]
            threads = int(results.config.get("threads") or environment.thread_budget())
            entrants.append(Entrant(results.id, folder, threads))
            keys[results.id] = str(results.artifact.get("key", ""))
    seconds = float(settings.get("seconds") or 0.0)
    if len(entrants) < 2 or seconds <= 0:
        return None
    path = sweep / TURNS_FILE
    if _is_of(path, keys) and not settings.get("again"):
        return path
    say(f"measuring {len(entrants)} jobs in turns, {seconds:g} s each (turns.seconds=0 leaves it out)")
    found = measure_sweep(entrants, seconds, say)
    for name, reason in found.dropped.items():
        say(f"warning: job {name[:6]} is not measured in turns: {reason}")
    return write_json(path, {**found.plain(), "keys": keys})


def _is_of(path: Path, keys: Mapping[str, str]) -> bool:
    """Whether a measurement in turns belongs to exactly these jobs and models."""
    with contextlib.suppress(DataError, AttributeError):
        record = read_record(path)
        return record.get("keys") == dict(keys) and bool(record.get("rounds"))
    return False
