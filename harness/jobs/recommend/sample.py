"""Chooses which candidates of a space too large to race are tried: Optuna's TPE learns from those that have raced.

Only the state is kept: the sampler gets all measurements each time it chooses, so that a search that was killed
continues as if it had not been. Half of each heat is drawn at random, because the sampler knows only speed, and a fast
candidate may not be accurate enough.
"""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import ConfigError
from harness.jobs.recommend.state import Entry, State
from harness.scoring import race

if TYPE_CHECKING:
    import optuna

SECONDS_EACH = 5.0
"""Approximate seconds to load a candidate and race it for the minimum number of rounds."""
LEAST_RACED = 64
"""This many candidates are raced without a sampler, whatever the time limit.

The clock then decides which are not tried.
"""
ASKS = 8
"""How often the sampler is asked again if it suggests a candidate already tried, before one is drawn at random."""


def too_many(count: int, seconds: float) -> bool:
    """Whether a space of ``count`` candidates cannot be raced within ``seconds``."""
    return count > LEAST_RACED and count * SECONDS_EACH > seconds


def needed(count: int, minutes: float) -> None:
    """Raises ConfigError if Optuna is not installed."""
    if importlib.util.find_spec("optuna") is None:
        raise ConfigError(
            f"the space has {count} candidates, too many to race in {minutes:g} minutes, and Optuna, which would choose among them, "
            "is not installed: pip install 'tracker-harness[search]'; or give more --minutes, fix some keys, or take a smaller search=."
        )


def chooser(seed: int) -> Callable[[State, int], None]:
    """Returns a function that makes spare candidates of a state waiting."""
    return lambda state, count: choose(state, count, seed)


def choose(state: State, count: int, seed: int) -> None:
    """Makes ``count`` spare candidates waiting: half chosen by the sampler, half drawn at random."""
    spare = [entry for entry in state.entries if entry.status == "spare"]
    if not spare:
        return
    draw = random.Random(f"{seed} {len(spare)}")  # noqa: S311 (no secret)
    chosen: list[Entry] = []
    if any(entry.kind for entry in state.entries):
        chosen = _asked(state, spare, count - count // 2, seed)
    rest = [entry for entry in spare if entry not in chosen]
    chosen += draw.sample(rest, min(len(rest), count - len(chosen)))
    for entry in chosen:
        entry.status = "waiting"


def _asked(state: State, spare: list[Entry], count: int, seed: int) -> list[Entry]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed + len(spare), multivariate=True, group=True, n_startup_trials=1, warn_independent_sampling=False)
    study = optuna.create_study(sampler=sampler)
    space = branches(state.entries)
    raced = [entry for entry in state.entries if entry.kind]
    means = race.means(state.race_rounds(), [str(entry.number) for entry in raced])
    for entry in raced:
        seconds = means[str(entry.number)]
        if np.isfinite(seconds):
            study.add_trial(_trial(entry, space, float(np.log(seconds))))
    by_settings = {_key(entry): entry for entry in spare}
    chosen: list[Entry] = []
    for _ in range(ASKS * count):
        settings = _suggested(study.ask(), space)
        found = by_settings.get(settings)
        if found is not None and found not in chosen:
            chosen.append(found)
        if len(chosen) == count:
            break
    return chosen


def branches(entries: list[Entry]) -> dict[tuple[str, ...], dict[str, list[str]]]:
    """Rebuilds the space from its candidates: keys of a branch -> key -> values, independent of the entries' order."""
    found: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for entry in sorted(entries, key=lambda item: item.number):
        keys = (entry.options.get("backend", ""), *entry.options)
        options = found.setdefault(keys, {key: [] for key, _ in entry.settings})
        for key, value in entry.settings:
            if value not in options[key]:
                options[key].append(value)
    return found


def _key(entry: Entry) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in entry.settings)


def _label(keys: tuple[str, ...]) -> str:
    return " ".join(keys)


def _suggested(trial: optuna.Trial, space: dict[tuple[str, ...], dict[str, list[str]]]) -> tuple[tuple[str, str], ...]:
    label = trial.suggest_categorical("branch", [_label(keys) for keys in space])
    options = next(found for keys, found in space.items() if _label(keys) == label)
    return tuple((key, str(trial.suggest_categorical(f"{label}: {key}", values))) for key, values in options.items())


def _trial(entry: Entry, space: dict[tuple[str, ...], dict[str, list[str]]], value: float) -> Any:
    import optuna

    distribution = optuna.distributions.CategoricalDistribution
    keys = next(keys for keys, options in space.items() if _fits(entry, keys, options))
    label = _label(keys)
    params: dict[str, Any] = {"branch": label}
    distributions: dict[str, Any] = {"branch": distribution([_label(item) for item in space])}
    for key, chosen in entry.settings:
        params[f"{label}: {key}"] = chosen
        distributions[f"{label}: {key}"] = distribution(space[keys][key])
    return optuna.trial.create_trial(params=params, distributions=distributions, value=value)


def _fits(entry: Entry, keys: tuple[str, ...], options: dict[str, list[str]]) -> bool:
    own = entry.options
    return keys[1:] == tuple(own) and keys[0] == own.get("backend", "") and all(own[key] in values for key, values in options.items())
