"""What a comparison compares, and what else differs between its runs, which is reported as a warning."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core.catalog import COMPARED_GROUPS
from harness.core.results import read_sweep
from harness.report.sources import SWEEP_FILE
from harness.scoring.compared import Job

# The place of results and their logging do not change any number.
_SILENT = re.compile(
    r"^(mlflow|hydra|resume|name|verbose|progress|tags?|notes?|outputs?)(\.|$)|"
    r"(^|\.)(target|folder|cache|cache_dir|cache_folder|path_out)$|^dataset\."
)
# Values that change from minute to minute and do not describe the set-up.
_PASSING = re.compile(
    r"(^|\.|_)(load|loadavg|load_average|pid|time|date|now|uptime|started|ended|temperature|free|available|"
    r"used|argv|command|cwd|current)(_|\.|$)|(^|\.)(other_load|busy|frequency\w*|mhz)(\.|$)",
    re.IGNORECASE,
)
_MACHINE = re.compile(r"^(machine|host|hostname|node)$")


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Flattens nested mappings: ``{"a": {"b": 1}}`` becomes ``{"a.b": 1}``; lists stay values."""
    if not isinstance(value, Mapping):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat.update(flatten(item, f"{prefix}.{key}" if prefix else str(key)))
    return flat


def varied(jobs: list[Job]) -> list[str]:
    """Returns the configuration keys that the jobs compare.

    Within one sweep, these are the keys that its jobs record as varied, or else those whose overrides differ.
    Otherwise, or
    if the overrides do not differ: the groups tracker, backend, device, hint and quantization that differ.
    """
    sweeps = {job.sweep for job in jobs}
    if len(sweeps) == 1 and None not in sweeps and (keys := _said(jobs[0].sweep) or _words_that_differ(jobs)):
        return keys
    return [group for group in COMPARED_GROUPS if len({_choice(job, group) for job in jobs if job.results.config}) > 1]


def _choice(job: Job, group: str) -> str:
    return repr(job.results.config.get(group))


def _said(sweep: Path | None) -> list[str]:
    """Returns the varied keys in the sweep's own record."""
    if sweep is None or not (sweep / SWEEP_FILE).is_file():
        return []
    return list(read_sweep(sweep).get("varied", []))


def _words_that_differ(jobs: list[Job]) -> list[str]:
    tables = [_words(job.results.overrides) for job in jobs if job.results.id]
    keys = list(dict.fromkeys(key for table in tables for key in table))
    return [key for key in keys if len({table.get(key) for table in tables}) > 1]


def _words(overrides: list[str]) -> dict[str, str]:
    """``["backend=onnx", "+a.b=1"]`` as ``{"backend": "onnx", "a.b": "1"}``."""
    table = {}
    for word in overrides:
        key, equals, value = str(word).partition("=")
        if equals:
            table[key.lstrip("+~")] = value
    return table


def covered(key: str, wanted: list[str]) -> bool:
    """Whether ``key`` is one of the compared keys, or lies under one."""
    return any(key == name or key.startswith(f"{name}.") for name in wanted)


def unwanted(own: Job, base: Job, wanted: list[str]) -> list[str]:
    """Returns sentences on differences of ``own`` and ``base`` other than the compared keys."""
    found = []
    mine, other = flatten(own.results.config), flatten(base.results.config)
    for key in sorted(mine.keys() | other.keys()):
        if not covered(key, wanted) and not _SILENT.search(key) and mine.get(key) != other.get(key):
            found.append(_sentence(key, mine.get(key), other.get(key)))
    if own.machine and own.machine == base.machine:
        found += _environment(own, base)
    else:
        # On another machine nearly everything differs: only what could have been the same gets a line.
        found += [line for line in _environment(own, base) if line.startswith(("versions.", "commit", "governor", "python"))]
    return found + _effective(own, base, wanted)


def environment_changes(before: Job, after: Job) -> list[tuple[str, Any, Any]]:
    """Returns (key, value before, value after) of the recorded environment values that differ between two runs.

    Values that change from minute to minute, and the machine's names, are left out.
    """
    old, new = flatten(before.results.environment), flatten(after.results.environment)
    return [
        (key, old[key], new[key])
        for key in sorted(old.keys() & new.keys())
        if old[key] != new[key] and not _PASSING.search(key) and not _MACHINE.search(key)
    ]


def _environment(own: Job, base: Job) -> list[str]:
    return [_sentence(key, mine, other) for key, other, mine in environment_changes(base, own)]


def _effective(own: Job, base: Job, wanted: list[str]) -> list[str]:
    """Returns unintended differences in the threads, devices and versions that the same runtime reports."""
    if own.results.choice("backend") != base.results.choice("backend"):
        return []
    if any(covered(key, wanted) or key in wanted for key in ("hint", "device", "threads", "backend")):
        return []
    mine, other = own.results.effective, base.results.effective
    watched = re.compile("thread|device|provider|version|stream", re.IGNORECASE)
    return [
        _sentence(f"effective {key}", mine[key], other[key])
        for key in sorted(mine.keys() & other.keys())
        if watched.search(key) and mine[key] != other[key]
    ]


def _sentence(key: str, mine: Any, other: Any) -> str:
    return f"{key}: {_short(mine)} against {_short(other)}"


def _short(value: Any, limit: int = 60) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


# ------------------------------------------------------------------------------- what may be compared

NOTHING = "neither run has an accuracy"
"""The reason that is not shown to readers, because there is nothing that they could miss."""
NO_SPEED = "no speed measured in the same way"
_SCORING = ("protocol", "feedback", "mask", "bounds", "realtime")


def why_not_accuracy(own: Job, base: Job) -> str:
    """Returns why the accuracies of two jobs must not be compared; empty if they may."""
    for job in (own, base):
        if job.random_weights:
            return "random weights have no accuracy"
    if "ao" not in own.metrics and "ao" not in base.metrics:
        return NOTHING
    for job in (own, base):
        if "ao" not in job.metrics:
            return "there is no ground truth" if not job.results.dataset.get("truth", True) else "no accuracy measured"
    return why_not_scores(own, base)


def why_not_scores(own: Job, base: Job) -> str:
    """Returns why scores of any kind must not be compared (other data, other scoring); empty if they may."""
    if own.results.dataset.get("digest") != base.results.dataset.get("digest"):
        return "the data differ (other sequences, frames or annotations)"
    for key in _SCORING:
        mine, other = own.results.scoring.get(key), base.results.scoring.get(key)
        if mine != other:
            return f"the scoring differs ({key} is {mine} here and {other} in the baseline)"
    return ""


def why_not_speed(own: Job, base: Job) -> str:
    """Returns why the speeds of two jobs must not be divided by each other; empty if they may."""
    if not own.machine or not base.machine:
        return "the machine is not recorded"
    if own.machine != base.machine:
        return "measured on different machines"
    return ""


def why_not_agreement(own: Job, base: Job) -> str:
    """Returns why the boxes of two jobs must not be compared frame by frame; empty if they may."""
    for job in (own, base):
        if job.random_weights:
            return "random weights have no boxes worth comparing"
    if own.tracked is None or base.tracked is None:
        return "boxes of both runs are not at hand"
    mine, other = own.results.dataset.get("digest"), base.results.dataset.get("digest")
    if mine and other and mine != other:
        return "the data differ"
    return ""
