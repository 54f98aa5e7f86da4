"""The whole search: candidates, race, finalists measured whole, a final between those that lead, the answer."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError, HarnessError, SkipJob, tolerated
from harness.core.files import new_folder, plain, write_json
from harness.core.results import SWEEP_FILE, TURNS_FILE, Results, read_sweep
from harness.jobs import compose, folders, outcomes, resume, runner, turns
from harness.jobs.children import ensure_prepared
from harness.jobs.experiment import Experiment, build_experiment
from harness.jobs.recommend import answer, race, space
from harness.jobs.recommend.state import Entry, Request, State
from harness.jobs.sweep import log_parent
from harness.jobs.task import log_job
from harness.jobs.turns import Entrant
from harness.jobs.worker import JOB_FILE
from harness.machine.environment import thread_budget
from harness.publish import mlflow as mlflow_log
from harness.report import choice, gates
from harness.report.choice import Choice, Objective
from harness.report.comparison import compare
from harness.report.gates import Gate
from harness.report.sources import load
from harness.scoring import race as racing
from harness.scoring.compared import Comparison

REFERENCE = ("backend=torch", "device=cpu", "hint=none", "quantization=none")
RACE_SHARE = 0.45
"""Of the time: the rest is for measuring the finalists whole, and for the final."""
FINAL_SHARE = 0.15
MOST_FINALISTS = 8
FINAL_LEAST_ROUNDS = 8
Say = Callable[[str], None]
Devices = Callable[[], list[str]]


@dataclass
class Search:
    """A search under way: its request, folder, state and what was built of it."""

    request: Request
    folder: Path
    state: State
    say: Say
    objectives: list[Objective]
    requirements: list[Gate]
    started: float = field(default_factory=time.monotonic)
    experiments: dict[int, Experiment] = field(default_factory=dict)
    configs: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def deadline(self) -> float:
        """When the time is up, by the monotonic clock."""
        return self.started + max(0.0, self.request.minutes * 60 - self.state.spent_s)

    def save(self) -> None:
        """Keeps the state."""
        now = time.monotonic()
        self.state.spent_s += now - self.started
        self.started = now
        self.state.save(self.folder)

    def compose(self, overrides: list[str]) -> dict[str, Any]:
        """The configuration of a job of the search."""
        words = [*self.request.fixed, *overrides]
        return compose.make_plan(words, False, self.request.config_dir, []).jobs[0][1]


def recommend(request: Request, folder: Path | None, devices: Devices, say: Say) -> answer.Answer:
    """Finds the configuration to deploy.

    Args:
        request: What is asked for.
        folder: A folder for the search; one that holds an unfinished search of the same request is gone on with. None: a new
            one under ``outputs/``.
        devices: Gives the names of the devices that are here, when it is called.
        say: Gets lines for people.

    Returns:
        The answer; ``kind`` is ``none`` where nothing fits.

    Raises:
        HarnessError: The request is wrong, or no candidate can be run.
    """
    wanted = choice.objectives(list(request.maximize), list(request.minimize))
    requirements = [gates.parse(text) for text in request.require]
    section = compose.make_plan([*request.fixed, f"+search={request.search}"], False, request.config_dir, []).jobs[0][1]["search"]
    place = folder or new_folder(Path("outputs") / time.strftime("%Y-%m-%d") / f"{time.strftime('%H-%M-%S')}-recommend")
    runner.make_folder(place)
    with folders.held(place):
        state = State.load(place, request)
        if state is None:
            folders.check_unused(place)
            fixed = {resume.key_of(text): text.partition("=")[2] for text in request.fixed}
            threads = int(fixed["threads"]) if fixed.get("threads", "").isdigit() else thread_budget()
            found = space.candidates(section, fixed, threads, devices())
            state = State(request.plain(), [Entry(item.number, [list(pair) for pair in item.settings]) for item in found])
        search = Search(request, place, state, say, wanted, requirements)
        search.save()
        return _go(search)


def _go(search: Search) -> answer.Answer:
    state = search.state
    say = search.say
    say(f"{len(state.alive())} of {len(state.entries)} candidates in {search.folder}")
    reference = _reference(search)
    if not state.raced:
        entrants = _prepared(search)
        if not entrants and not any(entry.status == "finalist" for entry in state.entries):
            reasons = "; ".join(dict.fromkeys(entry.reason for entry in state.entries if entry.reason))
            raise ConfigError(f"no candidate can be run here: {reasons}.")
        end = time.monotonic() + (search.deadline - time.monotonic()) * RACE_SHARE
        tails = any("latency_ms/" in item for item in (*search.request.require, *search.request.minimize))
        race.run(state, entrants, end, tails, search.save, say)
        state.raced = True
        search.save()
    _measure_finalists(search, reference)
    _final(search, reference)
    found = _compared(search, reference)
    chosen = choice.choose(found, search.objectives, search.requirements, _eligible(search, found))
    return _end(search, found, chosen)


# ------------------------------------------------------------------------------------------ candidates


def _reference(search: Search) -> Path:
    """Measures what differences are against: torch in fp32, or, where the tracker has no torch module, the first candidate."""
    folder = search.folder / "0"
    _write_record(search, {"0": "reference"})
    for overrides in (list(REFERENCE), *([*entry.overrides] for entry in search.state.entries)):
        try:
            config = search.compose([*overrides, "task.mode=parallel"])
            build_experiment(config)
        except HarnessError:
            continue
        _run(search, config, folder, overrides, "reference", 0)
        if Results.load(folder).status == "ok":
            return folder
        raise HarnessError(f"the reference could not be measured: {(Results.load(folder).error or {}).get('message')}")
    raise ConfigError("no reference can be run: neither torch nor any candidate fits this tracker and data set.")


def _prepared(search: Search) -> dict[int, Entrant]:
    """The candidates whose parts fit and whose model is there; the others are dropped with the reason."""
    found = {}
    for entry in search.state.alive():
        folder = race.folder_of(search.folder, entry.number)
        try:
            config = search.compose(entry.overrides)
            experiment = build_experiment(config)
            if not experiment.task.takes_turns():
                raise SkipJob("its task is not measured in turns")
            write_json(folder / JOB_FILE, {"config": config, "overrides": entry.overrides, "name": entry.name, "varied": {}})
            ensure_prepared(experiment, folder)
        except HarnessError as error:
            entry.drop(str(error).rstrip("."))
            continue
        found[entry.number] = Entrant(str(entry.number), folder, experiment.threads)
    search.save()
    return found


# ------------------------------------------------------------------------------------------- finalists


def _measure_finalists(search: Search, reference: Path) -> None:
    """Measures the survivors whole, the fastest first, until those that are left cannot win any more."""
    state = search.state
    rounds = state.race_rounds()
    waiting = [entry for entry in state.alive() if not entry.place]
    means = racing.means(rounds, [str(entry.number) for entry in state.alive()])
    waiting.sort(key=lambda entry: means[str(entry.number)])
    for entry in waiting:
        taken = [other for other in state.entries if other.place]
        reason = _cannot_win(search, reference, entry, taken, means)
        if reason:
            entry.drop(reason)
            search.save()
            continue
        entry.place = str(len(taken) + 1)
        _write_record(search, {other.place: other.name for other in [*taken, entry]} | {"0": "reference"})
        search.say(f"finalist {entry.place}: {entry.name}")
        folder = search.folder / entry.place
        _run(search, search.compose(entry.overrides), folder, entry.overrides, entry.name, int(entry.place))
        _further_metrics(search, entry, folder)
        results = Results.load(folder)
        if results.status != "ok":
            entry.drop(f"failed: {(results.error or {}).get('message', '')}")
        else:
            entry.status = "finalist"
        search.save()


def _cannot_win(search: Search, reference: Path, entry: Entry, taken: list[Entry], means: Mapping[str, float]) -> str:
    """Why a survivor of the race need not be measured whole; empty if it must be."""
    if time.monotonic() > search.deadline and taken:
        return "the time was up; give more minutes"
    if len(taken) >= MOST_FINALISTS:
        return f"slower in the race than {MOST_FINALISTS} others"
    if [item.metric for item in search.objectives] != ["fps"]:
        return ""  # speed in the race says little of another objective
    found = _compared(search, reference)
    fits = {row.job.folder.name for row in _eligible(search, found) if not choice.unmet(row, search.requirements)}
    for other in taken:
        ratio = means[str(entry.number)] / means[str(other.number)]
        if other.place in fits and ratio > 1.1:
            return f"{ratio:.2f} times the time of {other.name}, which fulfils all requirements"
    return ""


def _run(search: Search, config: dict[str, Any], folder: Path, overrides: list[str], name: str, number: int) -> None:
    """Measures one job whole and logs it; what is finished there already stays."""
    config = {**config, "resume": str(search.folder)}
    job = runner.Job(config, folder, [*search.request.fixed, *overrides], {"candidate": name}, True, number)
    results = runner.run_job(job)
    if results.status != "ok" and results.error:
        search.say(f"{results.status}: {results.error['message']}")
    if not job.resumed:
        log_job(folder, search.folder)


def _further_metrics(search: Search, entry: Entry, folder: Path) -> None:
    """Metrics that another task measures (realtime, capacity), for objectives and requirements that speak of them."""
    wanted = {item.metric for item in search.objectives} | {gate.metric for gate in search.requirements}
    for task, words in _tasks(wanted).items():
        own = folder / task
        _run(search, search.compose([*entry.overrides, f"task={task}", *words]), own, entry.overrides, f"{entry.name} {task}", 0)
        with suppress(HarnessError):
            further = Results.load(own)
            results = Results.load(folder)
            results.metrics |= {name: value for name, value in further.metrics.items() if name.startswith(f"{task}/")}
            results.save(folder)


def _tasks(metrics: set[str]) -> dict[str, list[str]]:
    """Task -> its words, for the metrics that ``evaluate`` does not measure."""
    found: dict[str, list[str]] = {}
    rates = sorted({name.split("/")[1] for name in metrics if name.startswith("realtime/")}, key=float)
    if rates:
        found["realtime"] = [f"task.fps=[{','.join(rates)}]"]
    for task in ("capacity", "soak"):
        if any(name.startswith(f"{task}/") for name in metrics):
            found[task] = []
    return found


# ----------------------------------------------------------------------------------------------- final


def _final(search: Search, reference: Path) -> None:
    """Measures those that fit, and the reference, in turns, until they are told apart or the time is up."""
    if (search.folder / TURNS_FILE).is_file():
        return
    found = _compared(search, reference)
    fitting = [row for row in _eligible(search, found) if not choice.unmet(row, search.requirements)]
    rows = [*(row for row in found.rows if row.job.folder == reference), *(row for row in fitting if row.job.folder != reference)]
    if len(rows) < 2:
        return
    search.say(f"final: {len(rows)} in turns")
    entrants = []
    for row in rows[: turns.MOST_SIDE_BY_SIDE]:
        config = {**row.job.results.config, "task": {**row.job.results.config["task"], "mode": "serial"}}
        own = search.folder / "final" / row.job.folder.name
        write_json(own / JOB_FILE, {"config": config, "overrides": [], "name": row.job.results.name, "varied": {}})
        entrants.append(Entrant(row.job.id, own, int(config.get("threads") or thread_budget())))
    seconds = max(FINAL_LEAST_ROUNDS * 2 * turns.TURN_SECONDS, (search.deadline - time.monotonic()) / len(entrants) * FINAL_SHARE)
    measured = turns.measure(entrants, min(seconds, 20.0), search.say)
    write_json(search.folder / TURNS_FILE, {**measured.plain(), "keys": {}})
    search.save()


def _compared(search: Search, reference: Path) -> Comparison:
    """The reference and the finalists so far, compared."""
    jobs = [load(reference, search.folder, "0")]
    for entry in search.state.entries:
        if entry.place and (search.folder / entry.place / "results.json").is_file():
            jobs.append(load(search.folder / entry.place, search.folder, entry.place))
    return compare(jobs)


def _eligible(search: Search, found: Comparison) -> list[Any]:
    """The finalists: the reference itself was measured in parallel mode, and is there to compare with."""
    places = {entry.place for entry in search.state.entries if entry.status == "finalist"}
    return [row for row in found.well if row.job.folder.name in places]


# ------------------------------------------------------------------------------------------------- end


def _write_record(search: Search, places: Mapping[str, str]) -> None:
    """``sweep.json``: the finalists are the jobs of a sweep, for the report, MLflow and ``compare``."""
    old = read_sweep(search.folder) if (search.folder / SWEEP_FILE).is_file() else {}
    record = {
        "id": old.get("id") or uuid.uuid4().hex,
        "created": old.get("created") or outcomes.now(),
        "name": "recommend",
        "words": ["recommend", *search.request.fixed],
        "varied": ["candidate"],
        "count": len(places),
        "jobs": sorted(places, key=int),
    }
    write_json(search.folder / SWEEP_FILE, plain(record))


def _end(search: Search, found: Comparison, chosen: Choice) -> answer.Answer:
    """Writes the answer, the report and the record; what fails there is a warning, since the answer is known."""
    made = answer.make(search.request, search.folder, search.state, found, chosen, search.objectives, search.requirements)
    search.state.answer = made.plain()
    search.save()
    with tolerated("warning: the report could not be made", search.say):
        from harness.report.summary import write_comparison

        write_comparison(found, search.folder, f"Recommendation: {made.sentence}", made.call)
    for row in found.rows:
        log_job(row.job.folder, search.folder)
    with tolerated("warning: the search is not logged to MLflow", search.say):
        log_parent(search.folder, mlflow_log.target_of(found.rows[0].job.results.config), chosen.kind == "none")
    return made
