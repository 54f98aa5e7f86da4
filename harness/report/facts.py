"""Facts about the runs for readers, shown below a report's tables, and the settings of each run."""

from __future__ import annotations

from typing import Any

from harness.core.catalog import MEASURED_GROUPS, catalog
from harness.scoring.compared import Comparison, Job

LOAD = "load_ms/"
MOST_COLUMNS = 5
"""The most runs with a column each in the table of settings; with more, the table is transposed."""

View = dict[str, Any]


def of(found: Comparison, command: str) -> list[View]:
    """Returns facts as ``key``, ``text`` and whether it is ``code``, each once for all runs that share it."""
    rows = found.well or found.rows
    entries = [("command line", command)]
    for label, texts in (("data", [_data(row.job) for row in rows]), ("scoring", [_scoring(row.job) for row in rows])):
        entries += [(label, text) for text in dict.fromkeys(texts)]
    for digest, letter in found.machines.items():
        own = next(row.job for row in found.well if row.job.machine == digest)
        entries.append((f"machine {letter}" if len(found.machines) > 1 else "machine", _machine(own)))
        entries.append(("system", _system(own)))
        # If no machine is recorded, the versions are those of the scoring, not of the measurement.
        entries.append(("versions" if digest else "scored with", _versions(own)))
    entries += [("code", text) for text in dict.fromkeys(_code(row.job) for row in rows)]
    began = [row.job.results.started for row in rows if row.job.results.started]
    ended = [row.job.results.ended for row in rows if row.job.results.ended]
    if began and ended:
        entries.append(("measured", f"{min(began)} to {max(ended)} (UTC)"))
    return [{"key": key, "text": text, "code": key == "command line"} for key, text in entries if text]


def settings(found: Comparison) -> View:
    """Returns the requested settings of each run, and the settings that the runtime reports.

    A few runs get a line per setting and a cell per run. With many runs, common settings are given once, and the table
    has a line per run.
    """
    rows = found.well
    asked = [{**_asked(row.job), **_made(row.job)} for row in rows]
    did = [{str(key): str(value) for key, value in row.job.results.effective.items()} for row in rows]
    runs, lines = [row.shown for row in rows], [*_lines(asked, ""), *_lines(did, "reported: ")]
    if len(rows) <= MOST_COLUMNS:
        return {"turned": False, "runs": runs, "lines": lines}
    differing = [line for line in lines if line["differs"]]
    return {
        "turned": True,
        "same": [line for line in lines if not line["differs"]],
        "keys": [line["key"] for line in differing],
        "lines": [{"run": name, "cells": [line["cells"][place] for line in differing]} for place, name in enumerate(runs)],
    }


def _lines(columns: list[dict[str, str]], prefix: str) -> list[View]:
    keys = dict.fromkeys(key for column in columns for key in column)
    return [
        {
            "key": prefix + key,
            "cells": [column.get(key, "") for column in columns],
            "differs": len({column.get(key) for column in columns}) > 1,
        }
        for key in keys
    ]


def _data(job: Job) -> str:
    data = job.results.dataset
    if not data:
        return ""
    words = [" ".join(str(data[key]) for key in ("name", "split") if data.get(key))]
    for key, word in (("sequences", "sequences"), ("frames", "frames"), ("scored_frames", "of them scored")):
        if data.get(key):
            words.append(f"{int(data[key]):,} {word}")
    if data.get("truth") is False:
        words.append("no ground truth: speed and agreement only")
    if data.get("digest"):
        words.append(f"digest {str(data['digest'])[:12]}")
    return ", ".join(word for word in words if word)


def _scoring(job: Job) -> str:
    scoring = job.results.scoring
    if not scoring:
        return ""
    if job.random_weights:
        return "none: random weights, crops follow the ground truth; only speed is measured"
    if job.results.dataset.get("truth") is False:
        return "none: there is no ground truth"
    protocols, words = str(scoring.get("protocol") or "got10k").split(", "), []
    if "ope" in protocols:
        words.append("ope protocol, mean over sequences, first frame of each sequence counted")
        if scoring.get("invalid_truth"):
            words.append(f"{scoring['invalid_truth']} frames without a valid truth count by rule {scoring.get('truth_rule')}")
    if "got10k" in protocols:
        words.append("got10k protocol, frames pooled, first frame of each sequence left out")
        words.append("covered frames left out" if scoring.get("mask") else "no cover mask")
        words.append("boxes clipped to the image" if scoring.get("bounds") else "boxes not clipped")
    if scoring.get("feedback") == "truth":
        words.append("the tracker is put on the truth before every frame")
    return ", ".join(words)


def _machine(job: Job) -> str:
    env = job.results.environment
    if not env:
        return "not recorded"
    words = [str(env.get("processor") or "")]
    if env.get("cores"):
        words.append(f"{env['cores']} cores ({env.get('logical_cores', '?')} logical)")
    if env.get("threads_allowed"):
        words.append(f"{env['threads_allowed']} threads allowed")
    if env.get("memory_mb"):
        words.append(f"{float(env['memory_mb']) / 1024:.0f} GiB memory")
    if env.get("governor"):
        words.append(f"governor {env['governor']}")
    if env.get("virtual"):
        words.append("virtual machine")
    if env.get("features"):
        words.append(" ".join(str(item) for item in env["features"]))
    return ", ".join(word for word in words if word) or "not recorded"


def _system(job: Job) -> str:
    env = job.results.environment
    python = f"Python {env['python']}" if env.get("python") else ""
    return ", ".join(str(word) for word in (env.get("system"), env.get("kernel"), python) if word)


def _versions(job: Job) -> str:
    found = job.results.environment.get("versions")
    return ", ".join(f"{name} {version}" for name, version in found.items()) if isinstance(found, dict) else ""


def _code(job: Job) -> str:
    env = job.results.environment
    if not env.get("commit"):
        return ""
    return f"commit {str(env['commit'])[:12]}" + (" with uncommitted changes" if env.get("dirty") else "")


def _asked(job: Job) -> dict[str, str]:
    found = {group: job.results.choice(group) for group in MEASURED_GROUPS}
    task = job.results.config.get("task")
    found |= {f"task.{key}": str(task[key]) for key in ("mode", "repeats", "warmup", "repetitions")
              if isinstance(task, dict) and task.get(key) is not None}  # fmt: skip
    for key in ("threads", "seed"):
        if job.results.config.get(key) is not None:
            found[key] = str(job.results.config[key])
    return {key: value for key, value in found.items() if value}


def _made(job: Job) -> dict[str, str]:
    artifact = job.results.artifact
    found = {f"model {key}": str(artifact[key]) for key in ("format", "precision") if artifact.get(key)}
    if artifact.get("key"):
        found["model key"] = str(artifact["key"])[:12]
    if "parity/max_abs_diff" in job.metrics:
        found["largest output difference from torch"] = f"{job.metrics['parity/max_abs_diff']:.2e}"
    for name in catalog().order(name for name in job.metrics if name.startswith(LOAD)):
        found[f"load (ms): {name.removeprefix(LOAD)}"] = f"{job.metrics[name]:.0f}"
    return found
