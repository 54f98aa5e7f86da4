"""The race: candidates run side by side in heats; those clearly slower than one that computes the same are dropped.

The next heat and its progress depend only on the state, so that a race that was killed continues as if it had not been.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import HarnessError
from harness.jobs import turns
from harness.jobs.recommend.lab import Lab
from harness.jobs.recommend.state import Entry, State
from harness.jobs.turns import Ended, Entrant, Standing
from harness.report.contest import settings
from harness.scoring import race

PIECES = (0, 1, 2)
"""Number of video clips on which two candidates must give the same boxes to count as computing the same."""
TURN_SECONDS = 0.1
MOST_ROUNDS = 6
"""Most rounds of a heat: candidates still too close then go on together.

More rounds of the same processes tell little.
"""
MOST_LEADERS = 3
"""Number of survivors that also run in the next heat, to link its speeds with those of earlier heats."""
NEAR_LIMIT = 0.8
"""The share of a limit above which a tail latency matters too, not only the speed."""
Save = Callable[[], None]
Say = Callable[[str], None]
Prepare = Callable[[Entry], Entrant | None]
"""Prepares a candidate; if it cannot be run, drops the entry and returns None."""
Choose = Callable[[State, int], None]
"""Makes a number of spare candidates waiting, in a space too large to race as a whole."""


@dataclass(frozen=True)
class Rules:
    """Which candidates may be dropped for their speed.

    Attributes:
        drops: Whether speed alone may decide; False if an objective does not depend on speed, such as memory.
        alike: Whether all candidates count as computing the same, because only speed is asked for.
        tail: The limit of a tail latency in seconds; 0 if tails should be short without a limit; None if they do not
            matter.
    """

    drops: bool = True
    alike: bool = False
    tail: float | None = None


@dataclass(frozen=True)
class Course:
    """The environment of a race.

    Attributes:
        lab: The machine.
        prepare: Prepares a candidate.
        rules: What may be dropped.
        save: Keeps the state; called after every round.
        say: Gets lines for the user.
        choose: Chooses among spare candidates.
    """

    lab: Lab
    prepare: Prepare
    rules: Rules
    save: Save
    say: Say = lambda text: None
    choose: Choose = lambda state, count: None


def run(state: State, course: Course, deadline: float) -> None:
    """Races all waiting candidates, heat by heat; survivors of each heat take part in the next one.

    Args:
        state: Gets rounds, heats, kinds and dropped candidates.
        course: The environment of the race.
        deadline: When the race has to end, by the lab's clock.
    """
    with ExitStack() as processes:
        loaded: dict[int, Standing] = {}
        while course.lab.now() < deadline or not any(heat["done"] for heat in state.heats):  # the first one is always run
            heat = next_heat(state, course)
            course.save()
            if not heat:
                break
            waiting = [entry for entry in state.alive() if entry.status == "waiting" and entry not in heat]
            course.say(f"heat {len(state.heats)}: {len(heat)} candidates, {len(waiting)} waiting")
            begin = course.lab.now()
            loaded = load(heat, loaded, course, processes)
            run_heat(state, heat, loaded, course, begin + (deadline - begin) * len(heat) / (len(heat) + len(waiting)))
    for entry in state.alive():
        if entry.status == "waiting":
            entry.drop("the time was up before its turn came; give more minutes")
        if entry.status == "spare":
            entry.drop("not tried: the space is too large to race, and the sampler chose others")
    course.save()


def next_heat(state: State, course: Course) -> list[Entry]:
    """Returns the candidates of the current heat, or of a new one; none if all have raced."""
    if state.heats and not state.heats[-1]["done"]:
        entries = [state.entry(number) for number in state.heats[-1]["numbers"]]
        return [entry for entry in entries if entry.status != "dropped" and course.prepare(entry) is not None]
    survivors = [entry for entry in state.alive() if entry.status == "racing"]
    means = race.means(state.race_rounds(), [str(entry.number) for entry in survivors])
    survivors.sort(key=lambda entry: (means[str(entry.number)], entry.number))
    room = turns.MOST_SIDE_BY_SIDE - min(len(survivors), MOST_LEADERS)
    if not any(entry.status == "waiting" for entry in state.entries):
        course.choose(state, room)
    new: list[Entry] = []
    for entry in state.entries:
        if entry.status == "waiting" and len(new) < room and course.prepare(entry) is not None:
            new.append(entry)
    if not new:
        return []
    heat = [*(entry for entry in survivors[:MOST_LEADERS] if course.prepare(entry) is not None), *new]
    state.heats.append({"numbers": [entry.number for entry in heat], "done": False})
    return heat


def load(heat: Sequence[Entry], loaded: Mapping[int, Standing], course: Course, processes: ExitStack) -> dict[int, Standing]:
    """Returns the processes of a heat by candidate; the leaders' go on from the heat before, all others of it end.

    Args:
        heat: The candidates; those that cannot be loaded are dropped.
        loaded: The processes of the heat before.
        course: The environment of the race.
        processes: Ends all processes when the race ends.
    """
    kept = {entry.number: loaded[entry.number] for entry in heat if entry.number in loaded}
    for number, way in loaded.items():
        if number not in kept:
            way.close()
    lost: dict[str, str] = {}
    entrants = [entrant for entry in heat if entry.number not in kept and (entrant := course.prepare(entry)) is not None]
    new = processes.enter_context(course.lab.standing(entrants, lost))
    for entry in heat:
        if str(entry.number) in lost:
            entry.drop(f"could not be loaded: {lost[str(entry.number)].rstrip('.')}")
    return kept | {int(way.name): way for way in new}


def run_heat(state: State, heat: Sequence[Entry], ways: Mapping[int, Standing], course: Course, deadline: float) -> None:
    """Runs one heat: marks candidates with the same effective settings or boxes, races the rest."""
    number = len(state.heats) - 1
    rules, lab = course.rules, course.lab
    entrants = {entry.number: entrant for entry in heat if (entrant := course.prepare(entry)) is not None}
    running = identified(state, [entry for entry in heat if entry.number in ways], ways, entrants, lab.threads())
    running = still_running(running, len(state.race_rounds(number)), rules)
    course.save()
    while running and (len(state.race_rounds(number)) < race.LEAST_ROUNDS or lab.now() < deadline):
        add_round(state, number, [ways[entry.number] for entry in running], lab)
        running = [entry for entry in running if entry.status != "dropped"]
        if rules.drops:
            drop_beaten(state, number, running, rules)
        running = still_running(running, len(state.race_rounds(number)), rules)
        course.save()
    state.heats[number]["done"] = True
    course.save()


def still_running(running: Sequence[Entry], done: int, rules: Rules) -> list[Entry]:
    """Returns the candidates that need another round of a heat.

    Each survivor gets the least number of rounds, even one alone in its kind; then only those run that may still be dropped
    for another one that runs, for at most ``MOST_ROUNDS``.
    """
    alive = [entry for entry in running if entry.status != "dropped"]
    if done < race.LEAST_ROUNDS:
        return alive
    if done >= MOST_ROUNDS or not rules.drops:
        return []
    sizes = Counter(_class(entry, rules) for entry in alive)
    return [entry for entry in alive if sizes[_class(entry, rules)] > 1]


def identified(
    state: State, running: list[Entry], ways: Mapping[int, Standing], entrants: Mapping[int, Entrant], at_once: int
) -> list[Entry]:
    """Reads candidates' effective settings, keeps one of those that have the same, and asks it for its boxes."""
    for entry in running:
        way = ways[entry.number]
        force = {"artifact": way.artifact, "effective": settings(way.effective), "threads": entrants[entry.number].threads}
        entry.in_force = hashlib.sha256(json.dumps(force, sort_keys=True).encode()).hexdigest()[:16]
        entry.status = "racing"
    drop_equals(state, running)
    asked = [entry for entry in running if entry.status != "dropped" and not entry.kind]
    small = [entry for entry in asked if entrants[entry.number].threads == 1]  # others would wait for each other's threads
    with ThreadPoolExecutor(max(1, at_once)) as pool:
        list(pool.map(lambda entry: identify(entry, ways[entry.number]), small))
    for entry in asked:
        if entry not in small:
            identify(entry, ways[entry.number])
    for entry in running:
        entry.kind = entry.kind or next((other.kind for other in state.entries if other.in_force == entry.in_force and other.kind), "")
    return [entry for entry in running if entry.status != "dropped"]


def identify(entry: Entry, way: Standing) -> None:
    """Asks a candidate for its boxes; drops it if its process ended."""
    try:
        boxes = [way.boxes(number) for number in PIECES]
    except HarnessError as error:
        entry.drop(f"ended while it was loaded: {str(error).rstrip('.')}")
        return
    entry.kind = hashlib.sha256(json.dumps(boxes).encode()).hexdigest()[:16]


def drop_equals(state: State, running: Sequence[Entry]) -> None:
    """Keeps, of candidates with the same effective settings, the one that sets fewest keys, without a measurement."""
    for entry in running:
        alike = [other for other in state.entries if other.in_force == entry.in_force and other is not entry]
        beaten = next((other for other in alike if other.beaten), None)
        if beaten is not None:
            entry.drop(f"the same in force as {beaten.name}, which is slower than others")
            continue
        same = [other for other in alike if other.status != "dropped"]
        if any((len(other.settings), other.number) < (len(entry.settings), entry.number) for other in same):
            first = min(same, key=lambda other: (len(other.settings), other.number))
            entry.drop(f"the same in force as {first.name}")


def add_round(state: State, heat: int, ways: Sequence[Standing], lab: Lab) -> None:
    """Runs one round of the race and keeps tail latencies; a candidate whose process ends is dropped."""
    try:
        found = lab.round(ways, len(state.race_rounds(heat)), TURN_SECONDS)
    except Ended as error:
        state.entry(int(error.name)).drop(f"ended while it was measured: {str(error).rstrip('.')}")
        return
    state.rounds.append({"heat": heat, "seconds": dict(found.rounds[0].seconds), "tail": tails(found.records[0]), "quiet": found.rounds[0].quiet})


def tails(record: Mapping[str, Any]) -> dict[str, float]:
    """Returns the 99th percentile of each candidate's frame times in a round, in seconds."""
    samples = record["samples"]
    return {name: float(np.percentile(np.concatenate([np.asarray(turn) for turn in own]), 99)) for name, own in samples.items()}


def drop_beaten(state: State, heat: int, running: Sequence[Entry], rules: Rules) -> None:
    """Drops candidates that are clearly slower than one that computes the same."""
    names = [str(entry.number) for entry in running]
    rounds = [item for item in state.race_rounds(heat) if all(name in item.seconds for name in names)]
    if len(rounds) < race.LEAST_ROUNDS:
        return
    if not any(item.quiet for item in rounds[-race.LEAST_ROUNDS :]):
        rounds = [type(item)(item.seconds, True) for item in rounds]  # pairs still share the disturbance
    by_name = {str(entry.number): entry for entry in running}
    kinds = {name: _class(entry, rules) for name, entry in by_name.items()}
    for name, leader in race.beaten(rounds, names, kinds, _spared(state, names, rules)).items():
        means = race.means(rounds, [name, leader])
        same = "" if rules.alike else ", which computes the same"
        by_name[name].beaten = True
        by_name[name].drop(f"{means[name] / means[leader]:.2f} times the time of {by_name[leader].name}{same}")


def _class(entry: Entry, rules: Rules) -> str:
    return "" if rules.alike else entry.kind


def _spared(state: State, names: Sequence[str], rules: Rules) -> dict[str, float] | None:
    """Returns tail latencies if a limit on them matters, else None; those far below the limit count as equal."""
    if rules.tail is None:
        return None
    floor = NEAR_LIMIT * rules.tail
    return {name: max(tail, floor) for name, tail in state.tails(names).items()}


def folder_of(folder: Path, number: int) -> Path:
    """Returns the folder of a candidate's job while it races."""
    return folder / "candidates" / str(number)
