"""Tunes a tracker's numeric settings with Optuna: tuned on some sequences, judged on others.

All trials are kept in ``tune.json``. Each trial makes a new sampler and gives it all earlier trials, so that a search
that was killed continues as if it had not been.
"""

from __future__ import annotations

import csv
import io
import math
import shlex
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from harness.core.config import suggestion
from harness.core.errors import ConfigError, HarnessError
from harness.core.files import plain, read_record, write_json, write_text
from harness.core.results import SWEEP_FILE, Results, read_sweep
from harness.core.schema import as_type
from harness.jobs import folders, outcomes, runner
from harness.jobs.recommend.lab import Lab, Say
from harness.jobs.resume import key_of
from harness.publish.mlflow import target_of
from harness.report.comparison import compare
from harness.report.sources import load
from harness.scoring.intervals import ACCURACY, Interval, bracket

STATE_FILE, TABLE_FILE, TEXT_FILE = "tune.json", "trials.csv", "tuning.md"
STARTUP = 10
"""Number of quasi-uniform trials before the sampler (TPE) chooses."""
ROLE = "tracker."
OWN, TUNED = "0", "1"


class DataLab(Lab, Protocol):
    """A machine that can also read data sets."""

    def names(self, config: dict[str, Any]) -> list[str]:
        """The sequences that a configuration uses."""
        ...

    def shared(self, config: dict[str, Any], other: dict[str, Any]) -> dict[str, str]:
        """Sequences of the first configuration that the second uses too, by name or by content."""
        ...


@dataclass(frozen=True)
class Wish:
    """A request to tune settings.

    Attributes:
        keys: The numeric settings, such as ``tracker.penalty_k``.
        ranges: Key -> lowest and highest value; other keys get 0 to 1, if the tracker accepts that.
        settings: Overrides of all runs.
        tune_on: Names or patterns of the sequences to tune on.
        objective: ``ao``, ``sr50`` or ``sr75``.
        trials: The number of trials.
        minutes: The time limit of the trials.
        seed: The sampler's seed.
        config_dir: A further folder of YAML groups.
    """

    keys: tuple[str, ...]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    tune_on: tuple[str, ...] = ()
    objective: str = "ao"
    trials: int = 40
    minutes: float = 15.0
    seed: int = 0
    config_dir: str | None = None

    def call(self) -> str:
        """The command."""
        words = ["python -m harness tune", *self.keys, *map(shlex.quote, self.settings), "--on", *map(shlex.quote, self.tune_on)]
        words += [f"--range {key}={low:g}:{high:g}" for key, (low, high) in self.ranges.items()]
        words += [f"--objective {self.objective} --trials {self.trials} --minutes {self.minutes:g} --seed {self.seed}"]
        return " ".join([*words, *([f"--config-dir {shlex.quote(self.config_dir)}"] if self.config_dir else [])])


@dataclass(frozen=True)
class Tuned:
    """The result: ``gain`` is the paired difference on the other sequences; None if no trial was better."""

    sentence: str
    command: str
    values: dict[str, float]
    gain: Interval | None
    folder: Path

    def text(self) -> str:
        """Returns the result as text for a terminal, which is also Markdown."""
        return f"{self.sentence}\n\nWith the tuned numbers:\n    {self.command}" if self.command else self.sentence


@dataclass(frozen=True)
class Trial:
    """A trial: the values that were tried, and their result; None if the run failed."""

    values: dict[str, float]
    value: float | None


@dataclass(frozen=True)
class Kept:
    """What ``tune.json`` holds."""

    wish: dict[str, Any]
    trials: list[Trial]
    own: float | None
    spent_s: float


@dataclass
class Work:
    """A tuning in progress."""

    wish: Wish
    folder: Path
    lab: DataLab
    say: Say
    ranges: dict[str, tuple[float, float]]
    words: list[str]
    trials: list[dict[str, Any]] = field(default_factory=list)
    own: float | None = None
    spent_s: float = 0.0

    def save(self) -> None:
        """Keeps all trials."""
        record = {"schema": 1, "wish": _comparable(self.wish), "trials": self.trials, "own": self.own, "spent_s": self.spent_s}
        write_json(self.folder / STATE_FILE, record, indent=None)

    def load(self) -> bool:
        """Loads the state in the folder.

        Raises ConfigError if it belongs to another request, DataError if it is damaged.
        """
        if not (self.folder / STATE_FILE).is_file():
            return False
        path = self.folder / STATE_FILE
        found: Kept = as_type(Kept, read_record(path), path, "start a folder of its own")
        self.trials, self.own, self.spent_s = [asdict(item) for item in found.trials], found.own, found.spent_s
        if found.wish != _comparable(self.wish):
            raise ConfigError(f"{self.folder} holds a tuning with other settings; choose another folder, or give the same words.")
        return True


def _comparable(wish: Wish) -> Any:
    return plain({**asdict(wish), "trials": 0, "minutes": 0})


def tune(wish: Wish, folder: Path, lab: DataLab, say: Say) -> Tuned:
    """Tunes numeric settings of the tracker, and measures the gain on other sequences.

    Args:
        wish: The request.
        folder: The folder of the tuning; an unfinished tuning of the same request in it is continued.
        lab: The machine.
        say: Gets lines for the user.

    Raises:
        HarnessError: The request is wrong, or nothing can be run.
    """
    ranges = checked(wish, lab)
    words, evaluated = split_words(wish, lab)
    runner.make_folder(folder)
    with folders.held(folder):
        work = Work(wish, folder, lab, say, ranges, words)
        if not work.load():
            folders.check_unused(folder)
        work.save()
        search(work)
        return conclude(work, evaluated)


def checked(wish: Wish, lab: DataLab) -> dict[str, tuple[float, float]]:
    """Returns each key's range.

    Raises ConfigError for a key that is not a number of the tracker or has no known range.
    """
    if wish.objective not in ACCURACY:
        raise ConfigError(f"--objective is {wish.objective!r}{suggestion(wish.objective, ACCURACY)}; accepted: {', '.join(ACCURACY)}.")
    config = lab.compose(list(wish.settings))
    target_of(config)  # a wrong store is found before the search, not after it
    own = [f"{ROLE}{key}" for key in config["tracker"]]
    found = {}
    for key in wish.keys:
        if key not in own:
            raise ConfigError(f"{key!r} is no setting of this tracker{suggestion(key, own)}; tune changes the tracker's own numbers, recommend the rest.")
        low, high = wish.ranges.get(key, (0.0, 1.0))
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ConfigError(f"--range {key}={low:g}:{high:g} is empty; write LOW:HIGH with LOW below HIGH.")
        for value in (low, high):
            try:
                lab.check(lab.compose([*wish.settings, f"{key}={value:g}"]))
            except ConfigError as error:
                raise ConfigError(f"{key} cannot be {value:g} ({str(error).rstrip('.')}); say what may be tried by --range {key}=LOW:HIGH.") from error
        found[key] = (low, high)
    unknown = next((key for key in wish.ranges if key not in wish.keys), None)
    if unknown:
        raise ConfigError(f"--range names {unknown!r}, which is not tuned; tuned are {', '.join(wish.keys)}.")
    return found


def split_words(wish: Wish, lab: DataLab) -> tuple[list[str], list[str]]:
    """Returns the overrides of runs on the tuning sequences, and of those on the others.

    Raises:
        ConfigError: A sequence is in both, or one of the sides is empty.
    """
    if not wish.tune_on:
        raise ConfigError("no sequences to tune on are named; give them by --on NAME NAME (patterns too), the result is evaluated on the others.")
    given = {key_of(text) for text in wish.settings}
    rest = [text for text in wish.settings if key_of(text) not in ("dataset.sequences", "dataset.exclude", "dataset.limit")]
    tuning = [*rest, f"dataset.sequences={_list(wish.tune_on)}"]
    tuning += [] if "task.mode" in given else ["task.mode=parallel"]
    base = lab.compose(list(wish.settings))
    excluded = base["dataset"].get("exclude") or []
    others = [*(text for text in wish.settings if key_of(text) != "dataset.exclude")]
    names = lab.names(lab.compose(tuning))
    left_out = [*([excluded] if isinstance(excluded, str) else excluded), *([] if "dataset.sequences" in given else names)]
    others += [f"dataset.exclude={_list(left_out)}"] if left_out else []
    others += [] if "task.mode" in given else ["task.mode=parallel"]
    shared = lab.shared(lab.compose(tuning), lab.compose(others))
    if shared:
        told = ", ".join(own if own == there else f"{own} (there {there})" for own, there in sorted(shared.items()))
        raise ConfigError(f"the tracker would be tuned on what it is evaluated on: {told}; leave these out of --on or of dataset.sequences.")
    if not lab.names(lab.compose(others)):
        raise ConfigError("no sequence is left to evaluate on; tune on fewer (--on).")
    return tuning, others


def _list(names: Sequence[str]) -> str:
    bad = next((name for name in names if "'" in name or "\\" in name), None)
    if bad is not None:
        raise ConfigError(f"{bad!r} cannot be a name of a sequence here; leave out quotes and backslashes.")
    return "[" + ",".join(f"'{name}'" for name in names) + "]"


# -------------------------------------------------------------------------------------------- trials


def search(work: Work) -> None:
    """Measures the tracker's own values, then trials on the tuning sequences until there are enough or time is up."""
    lab, wish = work.lab, work.wish
    begin = lab.now() - work.spent_s
    if work.own is None:
        work.own = _value(work, {}, "own")
        if work.own is None:
            raise HarnessError("the tracker could not be measured on the tuning sequences; see trials/own/worker.log.")
        work.say(f"own numbers: {wish.objective} {work.own:.4f}")
    while len(work.trials) < wish.trials and lab.now() - begin < 60 * wish.minutes:
        values = ask(work.trials, work.ranges, wish.seed)
        value = _value(work, values, str(len(work.trials)))
        work.trials.append({"values": values, "value": value})
        work.spent_s = lab.now() - begin
        work.save()
        told = ", ".join(f"{key.rpartition('.')[2]} {number:g}" for key, number in values.items())
        work.say(f"trial {len(work.trials)} of {wish.trials}: {told}: {'failed' if value is None else f'{wish.objective} {value:.4f}'}")
    work.save()


def ask(trials: Sequence[Mapping[str, Any]], ranges: Mapping[str, tuple[float, float]], seed: int) -> dict[str, float]:
    """Returns the values to try next, given all earlier trials. Raises ConfigError if Optuna is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise ConfigError("tune needs Optuna, which is not installed: pip install 'tracker-harness[search]'.") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = {key: optuna.distributions.FloatDistribution(low, high) for key, (low, high) in ranges.items()}
    sampler = optuna.samplers.TPESampler(seed=seed * 1000 + len(trials), n_startup_trials=STARTUP)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for item in trials:
        state = optuna.trial.TrialState.FAIL if item["value"] is None else optuna.trial.TrialState.COMPLETE
        study.add_trial(optuna.trial.create_trial(params=dict(item["values"]), distributions=distributions, value=item["value"], state=state))
    chosen = study.ask(distributions).params
    return {key: min(high, max(low, float(f"{chosen[key]:.4g}"))) for key, (low, high) in ranges.items()}


def _value(work: Work, values: Mapping[str, float], name: str) -> float | None:
    """Returns the objective on the tuning sequences; None if the run failed."""
    results = _run(work, work.words, values, f"trials/{name}", name)
    return results.metrics.get(work.wish.objective) if results.status == "ok" else None


def _run(work: Work, words: Sequence[str], values: Mapping[str, float], place: str, name: str) -> Results:
    overrides = [f"{key}={value:g}" for key, value in values.items()]
    folder = work.folder / place
    config = {**work.lab.compose([*words, *overrides]), "resume": str(work.folder)}
    job = runner.Job(config, folder, [*words, *overrides], {"candidate": name}, True, 0)
    return work.lab.measure(job)


# --------------------------------------------------------------------------------------------- answer


def conclude(work: Work, words: list[str]) -> Tuned:
    """Measures original and tuned values on the other sequences, and writes the answer, the report and the record."""
    wish, told = work.wish, [item for item in work.trials if item["value"] is not None]
    best = max(told, key=lambda item: float(item["value"]), default=None)
    write_text(work.folder / TABLE_FILE, _table(work))
    assert work.own is not None
    if best is None or best["value"] <= work.own:
        said = f"None of {len(work.trials)} trials is better on the tuning sequences than the tracker's own numbers ({wish.objective} {work.own:.4f}): keep these."
        return _written(Tuned(said, "", {}, None, work.folder))
    _record(work)
    for place, values, name in ((OWN, {}, "own numbers"), (TUNED, best["values"], "tuned")):
        if _run(work, words, values, place, name).status != "ok":
            raise HarnessError(f"{name}: the run on the other sequences failed; see {work.folder / place / 'worker.log'}.")
    found = compare([load(work.folder / place, work.folder, place) for place in (OWN, TUNED)])
    row = found.rows[1]
    gain = row.difference.get(wish.objective)
    command = " ".join(["python -m harness", *map(shlex.quote, wish.settings), *(f"{key}={value:g}" for key, value in best["values"].items())])
    made = _written(Tuned(_sentence(work, best, row.job.results, gain, row.why_not_difference), command, best["values"], gain, work.folder))
    work.lab.report(found, work.folder, made.sentence, wish.call(), work.say)
    config = row.job.results.config
    work.lab.publish(work.folder, [item.job.folder for item in found.rows], config, False, work.say)
    return made


def _sentence(work: Work, best: Mapping[str, Any], results: Results, gain: Interval | None, why_not: str) -> str:
    names = ", ".join(f"{key.rpartition('.')[2]} {value:g}" for key, value in best["values"].items())
    name, count = work.wish.objective.upper(), len(results.sequences)
    begin = (
        f"Tuned in {len(work.trials)} trials: {names}. On the tuning sequences {name} {best['value']:.4f}, against {work.own:.4f} of the "
        f"tracker's own numbers; on the other{f' {count}' if count else ''} sequences "
    )
    if gain is None:
        return f"{begin}not compared: {why_not or 'they have no truth'}."
    verdict = {1: "a gain", -1: "a loss: keep the tracker's own numbers", 0: "no gain is shown there: keep the tracker's own numbers"}[gain.excludes(0.0)]
    if not gain.known:
        verdict = "too few sequences for an interval, so no gain is shown"
    return f"{begin}{name} {bracket(gain, 4, signed=True)}: {verdict}."


def _written(made: Tuned) -> Tuned:
    write_text(made.folder / TEXT_FILE, f"# Tuning\n\n{made.text()}\n")
    return made


def _table(work: Work) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["trial", *work.wish.keys, work.wish.objective])
    writer.writerow(["own", *("" for _ in work.wish.keys), work.own])
    for number, item in enumerate(work.trials):
        writer.writerow([number, *(item["values"][key] for key in work.wish.keys), "" if item["value"] is None else item["value"]])
    return out.getvalue()


def _record(work: Work) -> None:
    """Writes ``sweep.json`` with the two final runs as jobs, for the report, MLflow and ``compare``."""
    path = work.folder / SWEEP_FILE
    old = read_sweep(work.folder) if path.is_file() else {}
    record = {
        "id": old.get("id") or uuid.uuid4().hex,
        "created": old.get("created") or outcomes.now(),
        "name": "tune",
        "words": ["tune", *work.wish.keys, *work.wish.settings],
        "varied": list(work.wish.keys),
        "count": 2,
        "jobs": [OWN, TUNED],
    }
    write_json(path, plain(record))
