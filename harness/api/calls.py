"""The functions of ``import harness``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.api.comparison import Comparison, Sweep, is_sweep
from harness.api.finished import Run, RunFailed
from harness.api.recommendation import Recommendation
from harness.api.state import untouched
from harness.api.words import words_of
from harness.core.errors import ConfigError
from harness.core.files import new_folder
from harness.scoring.compared import Job

Place = str | os.PathLike[str]
Several = str | Iterable[str]


def run(*overrides: str, config_dir: Place | None = None, quiet: bool = False, **settings: Any) -> Run:
    """Runs one job in its own child processes, and waits for it.

    Settings are those of the command line: ``python -m harness --help`` lists them. Other settings have their defaults.
    The job's folder, MLflow's record and the cache of prepared models are at the same places as for the command line,
    under the current folder.

    Args:
        overrides: Settings as on the command line: ``"backend=onnx"``.
        config_dir: A further folder of YAML groups.
        quiet: Whether nothing is printed on stderr meanwhile.
        settings: The same as keywords, with two underscores for a dot; a mapping sets the keys of a section.

    Returns:
        The finished run.

    Raises:
        RunFailed: The job failed; the error's ``run`` is the failed run.
        HarnessError: The call is wrong (ConfigError, DataError, ...), or no result could be written.

    Examples:
        >>> import harness
        >>> run = harness.run(backend="onnx", dataset__limit=1, mlflow="off", quiet=True)
        >>> run
        <Run 'onnx smat_demo' ok: AO ...>
        >>> run.metrics["fps"] > 0, list(run.tracks), run.frames.shape[0]
        (True, ['demo_01_camera'], 80)
    """
    from harness.jobs import calls

    with untouched(quiet):
        record = calls.run(words_of(overrides, settings), _folder(config_dir))
        found = Run(record.folder)
    if found.status != "ok":
        raise RunFailed(found)
    return found


def sweep(*overrides: str, config_dir: Place | None = None, quiet: bool = False, **settings: Any) -> Sweep:
    """Runs a job for each combination of values, one after the other, and compares them with the first.

    Args:
        overrides: Settings as on the command line: ``"backend=torch,onnx"``.
        config_dir: A further folder of YAML groups.
        quiet: Whether nothing is printed on stderr meanwhile.
        settings: The same as keywords. A list holds the values to sweep over; a tuple is one value that is a list.

    Returns:
        The sweep, with jobs that failed or were skipped.

    Raises:
        RunFailed: No job succeeded; the error is that of the first one.
        HarnessError: The call is wrong, or no job could be run.

    Examples:
        >>> import harness
        >>> sweep = harness.sweep(backend=["torch", "onnx"], dataset__limit=1, mlflow="off", turns__seconds=0, quiet=True)
        >>> [run.status for run in sweep]
        ['ok', 'ok']
        >>> sweep.table.loc["onnx", "agreement/mean_iou"] > 0.99
        np.True_
    """
    from harness.jobs import calls

    with untouched(quiet):
        record = calls.sweep(words_of(overrides, settings, sweeping=True), _folder(config_dir))
        found = Sweep(record.folder, record.summary.comparison if record.summary else None)
        runs = found.runs
    if record.error:
        raise calls.JobsFailed(record.error)
    if not any(item.status == "ok" for item in runs):
        raise RunFailed(next((item for item in runs if item.status == "failed"), runs[0]))
    return found


def load(what: Place, outputs: Place = "outputs") -> Run | Sweep:
    """Loads an earlier run or sweep.

    Args:
        what: A job's or a sweep's folder, or the id of a run (the harness's or MLflow's; six characters suffice).
        outputs: Where ids are looked for.

    Raises:
        DataError: There is no such run.

    Examples:
        >>> import harness
        >>> run = harness.run(backend="onnx", dataset__limit=1, mlflow="off", quiet=True)
        >>> harness.load(run.id[:12]).id == run.id
        True
    """
    with untouched():
        jobs = _jobs(what, Path(outputs))
        sweep_folder = jobs[0].sweep
        if Path(what).is_dir() and is_sweep(Path(what)):
            return Sweep(Path(what))
        if len(jobs) > 1 and sweep_folder is not None:
            return Sweep(sweep_folder)
        return Run.of(jobs[0])


def compare(
    *runs: Run | Comparison | Place,
    baseline: Run | Place | None = None,
    out: Place | None = None,
    outputs: Place = "outputs",
) -> Comparison:
    """Compares runs and writes the report.

    Args:
        runs: Runs, sweeps, their folders or ids. Two sweeps are compared configuration by configuration, the older one first.
        baseline: The run to compare with; by default the first that succeeded.
        out: Where the report goes; by default a new folder under ``outputs/comparisons/``.
        outputs: Where ids are looked for.

    Raises:
        ConfigError: Nothing is given, or the baseline cannot be used.
        DataError: There is no such run.

    Examples:
        >>> import harness
        >>> first, second = (harness.run(backend="onnx", seed=seed, dataset__limit=1, mlflow="off", quiet=True) for seed in (0, 1))
        >>> comparison = harness.compare(first, second)
        >>> comparison.gate("ao < -0.01")
        []
        >>> comparison.report.name
        'report.html'
    """
    from harness.report import comparison as comparing, pairs, summary

    if not runs:
        raise ConfigError("compare needs at least one run; give runs, sweeps, folders or ids.")
    with untouched():
        groups = [_jobs(item, Path(outputs)) for item in runs]
        folder = Path(out) if out is not None else new_folder(_comparisons(Path(outputs)))
        if baseline is None and pairs.are_sweeps(groups):
            found, title = comparing.compare_sweeps(*groups), "Two sweeps"
        else:
            unique: dict[Path, Job] = {}
            for job in (job for group in groups for job in group):
                unique.setdefault(job.folder.resolve(), job)
            jobs, base = list(unique.values()), None
            if baseline is not None:
                wanted = _jobs(baseline, Path(outputs))
                if wanted[0].folder.resolve() not in unique:
                    jobs.insert(0, wanted[0])
                base = comparing.find_baseline(jobs, wanted, str(baseline))
            found, title = comparing.compare(jobs, base), f"Comparison of {len(jobs)} run{'s' if len(jobs) != 1 else ''}"
        made = summary.write_comparison(found, folder, title)
        return Comparison(made.comparison, folder)


def recommend(
    *overrides: str,
    maximize: Several = (),
    minimize: Several = (),
    require: Several = (),
    minutes: float = 15.0,
    search: str = "default",
    seed: int = 0,
    folder: Place | None = None,
    config_dir: Place | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Recommendation:
    """Searches for the configuration to deploy on this machine.

    Args:
        overrides: Settings of all candidates, as on the command line: ``"tracker=smat_demo"``.
        maximize: Metrics that should be high; ``fps`` if nothing is named.
        minimize: Metrics that should be low.
        require: Conditions that must hold: ``"latency_ms/p99 <= 33"``, ``"ao >= -0.01"`` (a difference from fp32 torch).
        minutes: The time limit of the whole search.
        search: The search space: ``default``, ``cpu``, ``gpu``, ``wide``, or your own.
        seed: The seed of random choices.
        folder: The folder for its files; an unfinished search in it is continued. By default a new one under
            ``outputs/``.
        config_dir: A further folder of YAML groups.
        quiet: Whether nothing is printed on stderr meanwhile.
        settings: Settings of all candidates as keywords, as for ``run``.

    Returns:
        The answer; it is false if no candidate fits.

    Raises:
        HarnessError: The request is wrong, or no candidate can be run.
    """
    from harness.jobs.probing import device_names
    from harness.jobs.recommend.lab import Machine
    from harness.jobs.recommend.run import new_place, recommend as search_for
    from harness.jobs.recommend.state import Request
    from harness.machine.progress import say

    if not 0 < minutes < float("inf"):
        raise ConfigError(f"minutes is {minutes:g}; accepted: a number above 0.")
    place = _folder(config_dir)
    with untouched(quiet):
        request = Request(
            fixed=tuple(words_of(overrides, settings)),
            search=search,
            maximize=_several(maximize),
            minimize=_several(minimize),
            require=_several(require),
            minutes=float(minutes),
            seed=seed,
            config_dir=str(Path(place).resolve()) if place is not None else None,
        )
        lab = Machine(device_names, request.config_dir)
        found = search_for(request, Path(folder) if folder is not None else new_place(), lab, say)
        return Recommendation(found, request.fixed)


# ---------------------------------------------------------------------------------------- arguments


def _several(given: Several) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _folder(config_dir: Place | None) -> Path | None:
    return None if config_dir is None else Path(config_dir)


def _comparisons(outputs: Path) -> Path:
    return outputs / "comparisons" / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")


def _jobs(what: Run | Comparison | Place, outputs: Path) -> list[Job]:
    """Returns the jobs that are meant. Raises DataError, ConfigError."""
    from harness.report import sources

    if isinstance(what, Run):
        return [what.job]
    if isinstance(what, Sweep):
        return sources.jobs_of(what.folder)
    if isinstance(what, Comparison):
        return [item.job for item in what.runs]
    if not isinstance(what, (str, os.PathLike)):
        raise ConfigError(f"a {type(what).__name__} is no run; give a run, a sweep, a folder or an id.")
    if str(what).lower().endswith(".zip"):
        raise ConfigError(f"{what} is a bundle; unpack it first by: python -m harness import {what}.")
    return sources.resolve(str(what), outputs)
