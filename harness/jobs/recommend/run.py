"""The whole search: candidates, race, full measurements of the finalists, a final between the leaders, the answer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from harness.core.catalog import catalog
from harness.core.errors import ConfigError, HarnessError
from harness.core.files import new_folder
from harness.jobs import folders, resume, runner
from harness.jobs.recommend import answer, finals, race, sample, space
from harness.jobs.recommend.lab import Lab, Say
from harness.jobs.recommend.race import Course, Rules
from harness.jobs.recommend.search import Search
from harness.jobs.recommend.state import Entry, Request, State
from harness.jobs.turns import Entrant
from harness.publish.mlflow import target_of
from harness.report import choice
from harness.report.choice import Objective
from harness.report.gates import Gate

RACE_SHARE = 0.55
"""The race's share of the time; the rest is for measuring the finalists in full, and for the final."""
BY_SPEED = ("fps", "latency_ms/*", "realtime/*/*")
"""Metrics in which the faster of two candidates that compute the same is not worse (apart from tails)."""
TAILS = ("latency_ms/p90", "latency_ms/p99", "latency_ms/max")
"""Metrics in which a candidate that is slower on average may be better."""


def recommend(request: Request, place: Path, lab: Lab, say: Say) -> answer.Answer:
    """Finds the configuration to deploy.

    Args:
        request: The objectives and requirements.
        place: A folder for the search; an unfinished search for the same request in it is continued.
        lab: The machine.
        say: Gets lines for the user.

    Returns:
        The answer; ``kind`` is ``none`` if no candidate fits.

    Raises:
        HarnessError: The request is wrong, or no candidate can be run.
    """
    wanted = choice.objectives(list(request.maximize), list(request.minimize))
    requirements = choice.requirements(list(request.require))
    target_of(lab.compose(list(request.fixed)))  # a wrong store is found before the search, not after it
    state = State.load(place, request)
    entries = [] if state is not None else candidates(request, lab)
    runner.make_folder(place)
    with folders.held(place):
        if state is None:
            folders.check_unused(place)
            state = State(request.plain(), entries)
        search = Search(request, place, state, lab, say, wanted, requirements)
        search.save()
        return _go(search)


def new_place() -> Path:
    """Makes a new folder for a search, named after the time. Raises StoreError."""
    return new_folder(Path("outputs") / time.strftime("%Y-%m-%d") / f"{time.strftime('%H-%M-%S')}-recommend")


def candidates(request: Request, lab: Lab) -> list[Entry]:
    """Returns the space's candidates in a random order.

    If they are too many to race, all but a first heat are spare.
    """
    section = lab.compose([*request.fixed, f"+search={request.search}"])["search"]
    fixed = {resume.key_of(text): text.partition("=")[2] for text in request.fixed}
    threads = int(fixed["threads"]) if fixed.get("threads", "").isdigit() else lab.threads()
    found = space.candidates(section, fixed, threads, lab.devices())
    entries = [Entry(item.number, [list(pair) for pair in item.settings]) for item in found]
    random.Random(request.seed).shuffle(entries)  # noqa: S311 (no secret)
    if sample.too_many(len(entries), request.minutes * 60 * RACE_SHARE):
        sample.needed(len(entries), request.minutes)
        for entry in entries:
            entry.status = "spare"
    return entries


def rules_of(wanted: list[Objective], requirements: list[Gate]) -> Rules:
    """Returns which candidates a race may drop for their speed, given objectives and requirements."""
    metrics = [*(item.metric for item in wanted), *(gate.metric for gate in requirements)]
    accuracy = [name for name in metrics if catalog().needing("truth", [name]) or name.startswith(("agreement/", "confidence/"))]
    drops = all(name in accuracy or _matches(name, BY_SPEED) for name in metrics)
    alike = drops and not accuracy and not any(name.startswith("realtime/") for name in metrics)
    tails = [gate for gate in requirements if gate.metric in TAILS]
    limits = [gate.limit / 1000 for gate in tails if gate.kind == "value"]
    free = any(item.metric in TAILS for item in wanted) or len(limits) < len(tails)
    return Rules(drops, alike, 0.0 if free else min(limits, default=None))  # type: ignore[type-var]


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    parts = name.split("/")
    return any(
        len(parts) == len(own := pattern.split("/")) and all(b in ("*", a) for a, b in zip(parts, own, strict=True))
        for pattern in patterns
    )


def _go(search: Search) -> answer.Answer:
    search.say(f"{len(search.state.alive())} of {len(search.state.entries)} candidates in {search.folder}")
    finals.reference(search)
    run_race(search)
    finals.measure_finalists(search)
    finals.final(search)
    return answer.conclude(search)


def run_race(search: Search) -> None:
    """Races the candidates, unless they have raced. Raises ConfigError if none can be run."""
    state = search.state
    if state.raced:
        return
    rules = rules_of(search.objectives, search.requirements)
    course = Course(search.lab, _preparer(search), rules, search.save, search.say, sample.chooser(search.request.seed))
    race.run(state, course, search.lab.now() + max(0.0, search.deadline - search.lab.now()) * RACE_SHARE)
    if not any(entry.status in ("racing", "finalist") for entry in state.entries):
        reasons = "; ".join(dict.fromkeys(entry.reason for entry in state.entries if entry.reason))
        raise ConfigError(f"no candidate can be run here: {reasons}.")
    state.raced = True
    search.save()


def _preparer(search: Search) -> Callable[[Entry], Entrant | None]:
    """Returns a function that prepares each candidate once and drops, with the reason, those that cannot be run."""
    found: dict[int, Entrant | None] = {}

    def prepare(entry: Entry) -> Entrant | None:
        if entry.number not in found:
            try:
                folder = race.folder_of(search.folder, entry.number)
                found[entry.number] = search.lab.entrant(str(entry.number), search.compose(entry.overrides), entry.overrides, folder)
            except HarnessError as error:
                entry.drop(str(error).rstrip("."))
                found[entry.number] = None
            search.save()
        return found[entry.number]

    return prepare
