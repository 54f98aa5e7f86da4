"""The race: candidates loaded side by side in heats; what is clearly slower than one that computes the same is dropped."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from harness.core.errors import HarnessError
from harness.jobs import turns
from harness.jobs.recommend.state import Entry, State
from harness.jobs.turns import Entrant, Standing, Turns
from harness.report.contest import settings
from harness.scoring import race

PIECES = (0, 1, 2)
"""Pieces of video on which two candidates must give the same boxes to count as computing the same."""
TURN_SECONDS = 0.12
MOST_ROUNDS = 14
"""Of a heat: those that are not told apart by then go on together."""
Save = Callable[[], None]
Say = Callable[[str], None]


def run(state: State, entrants: dict[int, Entrant], deadline: float, tail_matters: bool, save: Save, say: Say) -> None:
    """Races all waiting candidates, heat by heat; the survivors of each go into the next one.

    Args:
        state: Gets rounds, kinds and what is dropped.
        entrants: The candidates that could be prepared, by number.
        deadline: When the race has to end, by the monotonic clock.
        tail_matters: Whether a requirement or objective is about a tail latency.
        save: Called after every round.
        say: Gets lines for people.
    """
    waiting = [entry for entry in state.alive() if entry.number in entrants]
    survivors: list[Entry] = []
    while waiting and time.monotonic() < deadline:
        room = turns.MOST_SIDE_BY_SIDE - min(len(survivors), turns.MOST_SIDE_BY_SIDE // 2)
        heat, waiting = [*survivors[: turns.MOST_SIDE_BY_SIDE - room], *waiting[:room]], waiting[room:]
        rest = survivors[turns.MOST_SIDE_BY_SIDE - room :]
        say(f"heat of {len(heat)} candidates, {len(waiting)} waiting")
        share = deadline if not waiting else time.monotonic() + (deadline - time.monotonic()) * len(heat) / (len(heat) + len(waiting))
        run_heat(state, heat, entrants, share, tail_matters, save)
        survivors = [*rest, *(entry for entry in heat if entry.status != "dropped")]
        survivors.sort(key=lambda entry: race.means(state.race_rounds(), [str(entry.number)])[str(entry.number)])
    for entry in waiting:
        entry.drop("the time was up before its turn came; give more minutes")
    save()


def run_heat(
    state: State, heat: Sequence[Entry], entrants: dict[int, Entrant], deadline: float, tail_matters: bool, save: Save
) -> None:
    """One heat: loads its candidates, marks those that are the same in force or compute the same, and races the rest."""
    lost: dict[str, str] = {}
    with turns.standing([entrants[entry.number] for entry in heat], lost) as ways:
        by_name = {way.name: way for way in ways}
        for entry in heat:
            if str(entry.number) in lost:
                entry.drop(f"could not be loaded: {lost[str(entry.number)]}")
        running = [entry for entry in heat if str(entry.number) in by_name]
        for entry in running:
            identify(entry, by_name[str(entry.number)], entrants[entry.number].threads)
            entry.status = "racing"
        drop_equals(state, running)
        running = [entry for entry in running if entry.status != "dropped"]
        rounds = 0
        while len(running) > len({entry.kind for entry in running}) and rounds < MOST_ROUNDS and time.monotonic() < deadline:
            add_round(state, [by_name[str(entry.number)] for entry in running])
            rounds += 1
            drop_beaten(state, running, tail_matters)
            running = [entry for entry in running if entry.status != "dropped"]
            save()
        while running and rounds < race.LEAST_ROUNDS:  # every survivor has a speed, also one that is alone in its kind
            add_round(state, [by_name[str(entry.number)] for entry in running])
            rounds += 1
            save()


def identify(entry: Entry, way: Standing, threads: int) -> None:
    """Asks a candidate what it computes and which settings are in force."""
    boxes = [way.boxes(number) for number in PIECES]
    entry.kind = hashlib.sha256(json.dumps(boxes).encode()).hexdigest()[:16]
    force = {"artifact": way.artifact, "effective": settings(way.effective), "threads": threads}
    entry.in_force = hashlib.sha256(json.dumps(force, sort_keys=True).encode()).hexdigest()[:16]


def drop_equals(state: State, running: Sequence[Entry]) -> None:
    """Of candidates that are the same in force the one with the fewest settings stays: no measurement is needed."""
    for entry in running:
        same = [other for other in state.alive() if other.in_force == entry.in_force and other is not entry]
        if any((len(other.settings), other.number) < (len(entry.settings), entry.number) for other in same):
            first = min(same, key=lambda other: (len(other.settings), other.number))
            entry.drop(f"the same in force as {first.name}")


def add_round(state: State, ways: Sequence[Standing]) -> None:
    """One round of the race, with the tail of each candidate's frames."""
    found = Turns([way.name for way in ways])
    try:
        turns.add_round(found, ways, TURN_SECONDS)
    except HarnessError as error:
        for entry in state.alive():
            if str(entry.number) in {way.name for way in ways} and str(entry.number) in str(error):
                entry.drop(f"ended while it was measured: {error}")
        return
    samples = found.records[0]["samples"]
    tail = {name: float(np.percentile(np.concatenate([np.asarray(turn) for turn in own]), 99)) for name, own in samples.items()}
    state.rounds.append({"seconds": dict(found.rounds[0].seconds), "tail": tail, "quiet": found.rounds[0].quiet})


def drop_beaten(state: State, running: Sequence[Entry], tail_matters: bool) -> None:
    """Drops what is clearly slower than a candidate that computes the same."""
    names = [str(entry.number) for entry in running]
    kinds = {str(entry.number): entry.kind for entry in running}
    recent = [item for item in state.race_rounds() if all(name in item.seconds for name in names)]
    if len(recent) < race.LEAST_ROUNDS:
        return
    if not any(item.quiet for item in recent[-race.LEAST_ROUNDS :]):
        recent = [type(item)(item.seconds, True) for item in recent]  # never quiet: pairs still share what disturbs them
    spared = state.tails() if tail_matters else None
    by_name = {str(entry.number): entry for entry in running}
    for name, leader in race.beaten(recent, names, kinds, spared).items():
        means = race.means(recent, [name, leader])
        by_name[name].drop(f"{means[name] / means[leader]:.2f} times the time of {by_name[leader].name}, which computes the same")


def folder_of(folder: Path, number: int) -> Path:
    """Where a candidate's job lies while it races."""
    return folder / "candidates" / str(number)
