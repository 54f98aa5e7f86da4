"""After the race: accuracy of the leaders, full measurements of the finalists, and a final between close ones."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.core.catalog import catalog
from harness.core.errors import ConfigError, HarnessError
from harness.core.files import plain, write_json
from harness.core.results import SWEEP_FILE, TURNS_FILE, Results, read_sweep
from harness.jobs import outcomes, runner, turns
from harness.jobs.recommend.search import REFERENCE, Search
from harness.jobs.recommend.state import Entry
from harness.jobs.resume import key_of
from harness.jobs.turns import Ended, Entrant
from harness.report import choice
from harness.report.gates import Gate
from harness.scoring import race as racing, turns as deciding
from harness.scoring.compared import Row

TORCH = ("backend=torch", "device=cpu", "hint=none", "quantization=none")
MOST_FINALISTS = 4
CLEARLY_SLOWER = 1.08
"""Candidates whose times in the race differ by this much are not compared again in the final."""
LOADING_ROUNDS = 4
"""Rounds of the final before its processes are reloaded in reverse order: processes of one configuration differ."""
LEAST_LOADINGS, MOST_LOADINGS = 2, 4


# ------------------------------------------------------------------------------------------- reference


def reference(search: Search) -> None:
    """Measures the baseline: torch in fp32, or the first candidate if the tracker has no torch module."""
    folder = search.folder / REFERENCE
    write_record(search)
    reasons: list[str] = []
    for overrides in (list(TORCH), *(entry.overrides for entry in search.state.entries)):
        try:
            config = search.whole(overrides)
            search.lab.check(config)
        except HarnessError as error:
            reasons.append(str(error).rstrip("."))
            continue
        run(search, config, folder, overrides, "reference", 0)
        results = Results.load(folder)
        if results.status != "ok":
            raise HarnessError(f"the reference could not be measured: {(results.error or {}).get('message')}")
        if any(gate.kind != "value" for gate in search.requirements):
            further_metrics(search, overrides, "reference", folder)
        return
    raise ConfigError(f"no candidate can be run here: {'; '.join(dict.fromkeys(reasons))}.")


# ------------------------------------------------------------------------------------------- finalists


def measure_finalists(search: Search) -> None:
    """Measures the survivors of the race in full, the fastest first, until the remaining ones cannot win any more."""
    state = search.state
    names = [str(entry.number) for entry in state.alive()]
    means = racing.means(state.race_rounds(), names)
    waiting = sorted((entry for entry in state.alive() if entry.status == "racing"), key=lambda entry: (means[str(entry.number)], entry.number))
    for entry in waiting:
        taken = [other for other in state.entries if other.status == "finalist"]
        if reason := _cannot_win(search, entry, taken, means):
            entry.drop(reason)
        elif reason := _inaccurate(search, entry):
            entry.drop(reason)
            state.inaccurate.append(entry.number)
        else:
            _measure(search, entry)
        search.save()
    _measure_nearest(search)


def _measure_nearest(search: Search) -> None:
    """If no candidate fits, measures the fastest of those dropped for their accuracy too: it may be the closest."""
    state = search.state
    fitting = [row for row in search.eligible(search.compared()) if not choice.unmet(row, search.requirements)]
    if fitting or not state.inaccurate:
        return
    entry = state.entry(state.inaccurate[0])
    if entry.status == "dropped":
        entry.status, entry.reason = "racing", ""
        _measure(search, entry)
        search.save()


def _measure(search: Search, entry: Entry) -> None:
    """Measures a finalist in full; the baseline is not measured twice."""
    config = search.whole(entry.overrides)
    if not entry.place:
        taken = {other.place for other in search.state.entries} - {"", REFERENCE}
        entry.place = REFERENCE if _is_reference(search, config) else str(len(taken) + 1)
        search.save()
    write_record(search)
    search.say(f"finalist {entry.place}: {entry.name}")
    folder = search.folder / entry.place
    if entry.place != REFERENCE:
        run(search, config, folder, entry.overrides, entry.name, int(entry.place))
    further_metrics(search, entry.overrides, entry.name, folder)
    results = Results.load(folder)
    if results.status == "ok":
        entry.status = "finalist"
    else:
        entry.drop(f"failed: {str((results.error or {}).get('message', '')).rstrip('.')}")


def _is_reference(search: Search, config: Mapping[str, Any]) -> bool:
    def same(settings: Mapping[str, Any]) -> Any:
        return plain({**settings, "resume": "off", "threads": settings.get("threads") or search.lab.threads()})

    return bool(same(Results.load(search.folder / REFERENCE).config) == same(config))


def _cannot_win(search: Search, entry: Entry, taken: list[Entry], means: Mapping[str, float]) -> str:
    """Returns why a survivor of the race need not be measured in full; empty if it must be."""
    if search.lab.now() > search.deadline and taken:
        return "the time was up; give more minutes"
    if [item.metric for item in search.objectives] != ["fps"]:
        return ""  # speed in the race predicts little about another objective
    found = search.compared()
    fits = {row.job.folder.name for row in search.eligible(found) if not choice.unmet(row, search.requirements)}
    for other in taken:
        ratio = means[str(entry.number)] / means[str(other.number)]
        if other.place in fits and ratio > CLEARLY_SLOWER:
            return f"{ratio:.2f} times the time of {other.name}, which fulfils all requirements"
    if len(taken) >= MOST_FINALISTS and fits:
        return f"slower in the race than {MOST_FINALISTS} others"
    return ""


def _inaccurate(search: Search, entry: Entry) -> str:
    """Returns why a candidate's accuracy is not enough; empty if it is.

    Measures it by a run in parallel mode of one candidate of those that compute the same. Candidates count as computing
    the same if their boxes were equal, to the last bit, on the video clips of the race.
    """
    asked = [gate for gate in search.requirements if catalog().needing("truth", [gate.metric]) and not gate.metric.startswith("realtime/")]
    if not asked or not entry.kind or any(text.startswith("task.mode=") for text in search.request.fixed):
        return ""
    known = search.state.accuracy.get(entry.kind, "")
    place = known or f"accuracy/{entry.number}"
    folder = search.folder / place
    if not known:
        search.say(f"accuracy of {entry.name}")
        config = search.whole([*entry.overrides, "task.mode=parallel"])
        run(search, config, folder, entry.overrides, entry.name, entry.number)
        search.state.accuracy[entry.kind] = place
        search.save()
    if Results.load(folder).status != "ok":
        return ""  # the full measurement shows what is wrong
    row = next(row for row in search.compared(folder).rows if row.job.folder == folder)
    lacking = choice.unmet(row, _on(asked, row))
    own = int(place.rpartition("/")[2])
    same = "" if own == entry.number else f"computes the same as {search.state.entry(own).name}, which "
    return f"{same}does not fulfil {', '.join(lacking)}" if lacking else ""


def _on(asked: list[Gate], row: Row) -> list[Gate]:
    """Returns the conditions that a run in parallel mode can check: those on metrics that it has."""
    return [gate for gate in asked if gate.metric in row.job.metrics]


def run(
    search: Search, config: Mapping[str, Any], folder: Path, overrides: list[str], name: str, number: int
) -> Results:
    """Measures one job in full; finished results in its folder are kept."""
    config = {**config, "resume": str(search.folder)}
    job = runner.Job(config, folder, [*search.request.fixed, *overrides], {"candidate": name}, True, number)
    results = search.lab.measure(job)
    if results.status != "ok" and results.error:
        search.say(f"{results.status}: {results.error['message']}")
    return results


def further_metrics(search: Search, overrides: list[str], name: str, folder: Path) -> None:
    """Measures metrics of other tasks (realtime, capacity) if objectives or requirements use them."""
    wanted = {item.metric for item in search.objectives} | {gate.metric for gate in search.requirements}
    for task, words in tasks_of(wanted).items():
        if any(metric.startswith(f"{task}/") for metric in Results.load(folder).metrics):
            continue
        own = folder / task
        run(search, search.whole([*overrides, f"task={task}", *words]), own, overrides, f"{name} {task}", 0)
        with suppress(HarnessError):
            further, results = Results.load(own), Results.load(folder)
            results.metrics |= {key: value for key, value in further.metrics.items() if key.startswith(f"{task}/")}
            results.save(folder)


def tasks_of(metrics: set[str]) -> dict[str, list[str]]:
    """Returns task -> its overrides, for the metrics that ``evaluate`` does not measure."""
    found: dict[str, list[str]] = {}
    rates = sorted({name.split("/")[1] for name in metrics if name.startswith("realtime/")}, key=float)
    if rates:
        found["realtime"] = [f"task.fps=[{','.join(rates)}]"]
    for task in ("capacity", "soak"):
        if any(name.startswith(f"{task}/") for name in metrics):
            found[task] = []
    return found


# ----------------------------------------------------------------------------------------------- final


def final(search: Search) -> None:
    """Measures the fitting candidates and the baseline in turns, until their order is clear or the time is up."""
    if (search.folder / TURNS_FILE).is_file():
        return
    found = search.compared()
    fitting = [row for row in search.eligible(found) if not choice.unmet(row, search.requirements)]
    fitting.sort(key=lambda row: -row.job.metrics.get("fps", 0.0))
    first = [row for row in found.well if row.job.folder.name == REFERENCE]
    rows = [*first, *(row for row in fitting if row not in first)][: turns.MOST_SIDE_BY_SIDE]
    if len(rows) < 2:
        return
    search.say(f"final: {len(rows)} in turns")
    contenders = [row.job.id for row in rows if row in fitting]
    entrants, lost = [_entrant(search, row) for row in rows], dict[str, str]()
    while len(entrants) > 1 and _undecided(search, [name for name in contenders if name not in lost]):
        _loading(search, entrants, len(search.state.final) // LOADING_ROUNDS, lost)
        entrants = [item for item in entrants if item.name not in lost]
    names = [row.job.id for row in rows if row.job.id not in lost]
    write_json(search.folder / TURNS_FILE, {"schema": 1, "jobs": names, "dropped": lost, "rounds": search.state.final, "keys": {}})
    search.save()


def _loading(search: Search, entrants: list[Entrant], number: int, lost: dict[str, str]) -> None:
    """Runs the missing rounds of one loading; every second loading is in reverse order."""
    with search.lab.standing(entrants if number % 2 == 0 else entrants[::-1], lost) as ways:
        while len(ways) > 1 and len(search.state.final) < LOADING_ROUNDS * (number + 1):
            try:
                made = search.lab.round(ways, len(search.state.final), turns.TURN_SECONDS)
            except Ended as error:
                lost[error.name] = str(error)
                ways = [way for way in ways if way.name != error.name]
                continue
            search.state.final.append({**made.records[0], "number": len(search.state.final), "loading": number})
            search.save()


def _undecided(search: Search, names: list[str]) -> bool:
    """Whether the final needs another loading, which tells more than further rounds of the same processes."""
    loadings = len(search.state.final) // LOADING_ROUNDS
    if loadings < LEAST_LOADINGS:
        return True
    told = len(names) < 2 or deciding.decide(deciding.rounds_of({"rounds": search.state.final}), names).kind == "fastest"
    return not told and loadings < MOST_LOADINGS and search.lab.now() < search.deadline


def _entrant(search: Search, row: Row) -> Entrant:
    config = {**row.job.results.config, "task": {**row.job.results.config["task"], "mode": "serial"}}
    folder = search.folder / "final" / row.job.folder.name
    return search.lab.entrant(row.job.id, config, list(row.job.results.overrides), folder)


# ---------------------------------------------------------------------------------------------- record


def write_record(search: Search) -> None:
    """Writes ``sweep.json``, with the finalists as jobs of a sweep, for the report, MLflow and ``compare``."""
    path = search.folder / SWEEP_FILE
    old = read_sweep(search.folder) if path.is_file() else {}
    places = sorted({REFERENCE, *(entry.place for entry in search.state.entries if entry.place)}, key=int)
    record = {
        "id": old.get("id") or uuid.uuid4().hex,
        "created": old.get("created") or outcomes.now(),
        "name": "recommend",
        "words": ["recommend", *search.request.fixed],
        "varied": list(dict.fromkeys(key for words in (TORCH, *(entry.overrides for entry in search.state.entries)) for key in map(key_of, words))),
        "count": len(places),
        "jobs": places,
    }
    write_json(path, plain(record))
