"""The command line: overrides run jobs through Hydra, a bare first word is a command.

Configurations are composed (``composing``) and checked before Hydra runs anything: a mistake is then one sentence and
exit code 2, where Hydra's own handler would exit with 1 in words of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import os
import pkgutil
import re
import sys
import traceback
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.cli import commands
from harness.core import secrets
from harness.core.config import conf_folder
from harness.core.errors import ConfigError, DataError, HarnessError, SkipJob, StoreError, exit_code_of
from harness.core.files import new_folder, read_json, write_json
from harness.core.results import Results
from harness.jobs import launchers, runner
from harness.jobs.compose import Plan, key_of, make_plan, resolved, split_words
from harness.jobs.experiment import build_experiment
from harness.publish import mlflow as mlflow_log

LAST = Path("outputs/last.json")
COMMAND_FILE = "command.json"


# --------------------------------------------------------------------------------------------- entry


def main(words: Sequence[str]) -> int:
    """Runs a command line; returns the exit code: 0, 1 failed work, 2 the user's mistake, 130 Ctrl-C."""
    verbose = "-v" in words
    if verbose:
        os.environ["HARNESS_VERBOSE"] = "1"
    words = secrets.hidden_words(word for word in words if word != "-v")
    try:
        return dispatch(words)
    except HarnessError as error:
        if verbose:
            traceback.print_exc()
        print(f"error: {secrets.masked(str(error))}", file=sys.stderr)
        return exit_code_of(error)
    except KeyboardInterrupt:
        print("\ninterrupted; finished sequences are kept: resume=last goes on from there.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        if verbose:
            traceback.print_exc()
        where = f" ({error.filename})" if error.filename else ""
        print(f"error: {error.strerror or error}{where}; free space or choose another folder.", file=sys.stderr)
        return 1


def dispatch(words: list[str]) -> int:
    """A command, the help, or jobs."""
    if any(word in ("-h", "--help") for word in words) and not _is_command(words):
        from harness.cli.help import manual

        print(manual(command_summaries()))
        return 0
    if _is_command(words):
        return run_command(words[0], words[1:])
    return run_jobs(words)


def _is_command(words: list[str]) -> bool:
    return bool(words) and not words[0].startswith("-") and "=" not in words[0] and words[0][0] not in "+~"


# ------------------------------------------------------------------------------------------ commands


def command_names() -> dict[str, str]:
    """Command -> module: ``check-dataset`` -> ``check_dataset``."""
    names = [item.name for item in pkgutil.iter_modules(commands.__path__)]
    return {name.strip("_").replace("_", "-"): name for name in sorted(names)}


def command_summaries() -> list[tuple[str, str, str]]:
    """(command, summary, example) of every command."""
    found = []
    for word, module_name in command_names().items():
        module = importlib.import_module(f"harness.cli.commands.{module_name}")
        found.append((word, str(module.SUMMARY), str(module.EXAMPLE)))
    return found


def run_command(word: str, rest: list[str]) -> int:
    """Runs ``python -m harness WORD ...``."""
    names = command_names()
    if word not in names:
        close = difflib.get_close_matches(word, names, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(
            f"{word!r} is no command; {hint}Commands: {', '.join(names)}. Settings are given as key=value "
            "(python -m harness --help)."
        )
    module = importlib.import_module(f"harness.cli.commands.{names[word]}")
    parser = argparse.ArgumentParser(
        prog=f"python -m harness {word}",
        description=module.__doc__ or module.SUMMARY,
        epilog=f"example: {module.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    try:
        arguments = parser.parse_args(rest)
    except SystemExit as stop:  # argparse has said what is wrong
        return int(stop.code or 0)
    return int(module.run(arguments))


# ------------------------------------------------------------------------------------------- running


@dataclass
class _State:
    """What Hydra's callbacks and the task function leave for the end of a run."""

    plan: Plan | None = None
    sweep: Path | None = None
    folders: list[Path] = field(default_factory=list)
    errors: list[HarnessError] = field(default_factory=list)


STATE = _State()


def run_jobs(words: list[str]) -> int:
    """Composes, checks, runs, reports."""
    overrides, flags, multirun, config_dir = split_words(words)
    overrides, multirun, config_dir = _resumed(overrides, multirun, config_dir)
    plan = make_plan(overrides, multirun, config_dir, list(words))
    if not flags:
        check_plan(plan)
        if plan.timed:
            overrides = [*overrides, f"hydra.{'sweep' if plan.multirun else 'run'}.dir='{new_folder(Path(plan.folder))}'"]
        else:
            runner.make_folder(Path(plan.folder))  # before Hydra, whose own words for it are a traceback
    STATE.plan, STATE.sweep, STATE.folders, STATE.errors = plan, None, [], []
    try:
        _hydra(overrides, flags, plan.multirun, config_dir)
    except Exception as error:
        if STATE.sweep is None or not launchers.elsewhere(plan.launcher):
            raise
        adopt_lost(plan, STATE.sweep, error)
    if flags:
        return 0
    if STATE.errors and not plan.multirun:
        return 1  # said already; what was finished is on disk
    return finish_sweep(plan) if plan.multirun else finish_single()


def _resumed(overrides: list[str], multirun: bool, config_dir: str | None) -> tuple[list[str], bool, str | None]:
    """Turns ``resume=last`` or a folder into the overrides that run in that folder again."""
    wanted = next((text.partition("=")[2].strip("'\"") for text in overrides if key_of(text) == "resume"), "off")
    if wanted == "off":
        return overrides, multirun, config_dir
    if wanted == "last":
        if not LAST.is_file():
            raise DataError(f"resume=last: no run is recorded in {LAST}; give a run's folder or leave resume out.")
        wanted = str(read_json(LAST)["folder"])
    folder = Path(wanted)
    if not (folder / COMMAND_FILE).is_file():
        raise DataError(
            f"resume={wanted}: that is not a run's folder (it has no {COMMAND_FILE}); give one under outputs/."
        )
    record = read_json(folder / COMMAND_FILE)
    own = [text for text in overrides if key_of(text) != "resume"]
    if not own:
        own, multirun, config_dir = list(record["overrides"]), bool(record["multirun"]), record["config_dir"]
    own = [text for text in own if key_of(text) not in ("resume", "hydra.run.dir", "hydra.sweep.dir")]
    where = "hydra.sweep.dir" if multirun else "hydra.run.dir"
    return [*own, f"resume='{folder}'", f"{where}='{folder}'"], multirun, config_dir


def check_plan(plan: Plan) -> None:
    """Builds every job once, so that mistakes show before the first one runs. Raises what makes all of them fail."""
    errors: dict[int, HarnessError] = {}
    for index, (_, config) in enumerate(plan.jobs):
        try:
            mlflow_log.target_of(config)
            build_experiment(config)
        except SkipJob as error:
            if not plan.multirun:
                raise
            plan.skips[index] = str(error)
        except HarnessError as error:
            errors[index] = error
    runnable = len(plan.jobs) - len(plan.skips) - len(errors)
    if errors and not runnable:
        raise next(iter(errors.values()))


def _hydra(overrides: list[str], flags: list[str], multirun: bool, config_dir: str | None) -> None:
    import hydra

    arguments = [*flags, *overrides]
    if multirun and not flags:
        arguments.append("--multirun")
    if config_dir:
        arguments += ["--config-dir", config_dir]
    saved = sys.argv
    sys.argv = ["harness", *arguments]
    full = os.environ.get("HYDRA_FULL_ERROR")
    if STATE.plan is not None and launchers.elsewhere(STATE.plan.launcher):
        os.environ["HYDRA_FULL_ERROR"] = "1"  # a launcher's error comes here instead of ending the process
    try:
        from hydra.core.global_hydra import GlobalHydra

        GlobalHydra.instance().clear()
        hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(job_main)()
    finally:
        sys.argv = saved
        if full is None:
            os.environ.pop("HYDRA_FULL_ERROR", None)


def adopt_lost(plan: Plan, sweep: Path, error: Exception) -> None:
    """Gives every job whose process died in its launcher a result that says so, once all others have ended."""
    print(f"warning: the launcher lost a job ({type(error).__name__}); waiting for the others.", file=sys.stderr, flush=True)
    launchers.wait_for_the_others(plan.launcher, sweep)
    for index, (overrides, config) in enumerate(plan.jobs):
        folder = sweep / str(index)
        if not (folder / "results.json").is_file():
            runner.record_lost(make_job(config, folder, overrides, sweep), error)
            log_job(folder, sweep)


def make_job(config: Mapping[str, Any], folder: Path, overrides: Sequence[str], sweep: Path | None) -> runner.Job:
    """A job as the runner takes it; named by what its sweep varies."""
    chosen = {key_of(text): plain_value(text.partition("=")[2]) for text in overrides}
    record = read_json(sweep / "sweep.json") if sweep else {}
    varied = {key: chosen[key] for key in record.get("varied", []) if key in chosen}
    return runner.Job(config, folder, list(overrides), varied, sweep is not None)


def plain_value(text: str) -> str:
    """A value as people write it: without the quotes and backslashes that Hydra's grammar wants around its own signs."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    return re.sub(r"\\([^\w\s])", r"\1", text)


def job_main(composed: Any) -> str:
    """One job, called by Hydra, possibly in a process of its launcher. Returns the job's status.

    An error of ours does not pass through Hydra, which would tell it in its own words: it is kept for the end.
    """
    try:
        return one_job(composed)
    except HarnessError as error:
        found = error
    except OSError as error:
        found = StoreError(f"{error.strerror or error} ({error.filename or 'output'}); free space or choose another folder.")
    print(f"error: {found}", file=sys.stderr, flush=True)
    STATE.errors.append(found)
    return "failed"


def one_job(composed: Any) -> str:
    """Runs, saves and logs one job; returns its status."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    hydra_config = HydraConfig.get()
    folder = Path(hydra_config.runtime.output_dir)
    sweep = Path(hydra_config.sweep.dir) if hydra_config.mode == RunMode.MULTIRUN else None
    overrides = [str(text) for text in hydra_config.overrides.task]
    config = resolved(composed)
    job = make_job(config, folder, overrides, sweep)
    if sweep is None:
        record_command(folder)
    STATE.folders.append(folder)
    count = read_json(sweep / "sweep.json")["count"] if sweep else 1
    title = f"[{int(hydra_config.job.num) + 1}/{count}] {job.name}" if sweep else job.name
    print(f"{title}: {folder}", file=sys.stderr, flush=True)
    launcher = resolved(hydra_config.launcher)
    apart = sweep is not None and launchers.elsewhere(str(launcher.get("_target_")))
    with launchers.own_cores(launcher if apart else {}, config.get("threads"), job.name):
        results = runner.run_job(job)
        if apart and rounds_of(config) > 1:  # where the first was measured
            runner.more_rounds([folder], rounds_of(config))
            results = Results.load(folder)
    if results.status != "ok" and sweep is not None and results.error:
        print(f"{results.status}: {results.error['message']}", file=sys.stderr, flush=True)
    if apart or rounds_of(config) == 1:
        log_job(folder, sweep)
        if cost := runner.fixed_cost(results):
            print(cost, file=sys.stderr, flush=True)
    return results.status


def rounds_of(config: Mapping[str, Any]) -> int:
    """``task.repeats`` of a configuration."""
    return int(config.get("task", {}).get("repeats") or 1)


def log_job(folder: Path, sweep: Path | None, redraw: bool = False) -> None:
    """Pictures, then MLflow. A store that is away is said, never fatal: the folder is complete."""
    results = Results.load(folder)
    target = mlflow_log.target_of(results.config)
    if results.status == "ok" and (redraw or not (folder / "plots").is_dir()):
        draw(folder)
    try:
        mlflow_log.log_folder(folder, parent=sweep, target=target)
    except mlflow_log.LoggingFailed as error:
        print(f"warning: {error}", file=sys.stderr, flush=True)


def draw(folder: Path) -> None:
    """A finished job's plots, and sheets of its worst and median sequence where it was scored."""
    from harness.report import plots, render

    try:
        plots.job_plots(folder)
        with contextlib.suppress(DataError):  # the frames may be gone, or the job may have no boxes
            render.job_pictures(folder)
    except (HarnessError, OSError) as error:
        print(f"warning: not all plots were drawn: {error}", file=sys.stderr, flush=True)


def record_command(folder: Path) -> None:
    """Leaves what ``resume`` needs: in the run's folder, and which run was the last."""
    plan = STATE.plan
    if plan is None:
        return
    overrides, _, multirun, config_dir = split_words(plan.words)
    if any(key_of(text) == "resume" for text in overrides) and (folder / COMMAND_FILE).is_file():
        write_json(LAST, {"folder": str(folder)})
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_json(
        folder / COMMAND_FILE,
        {"words": plan.words, "overrides": overrides, "multirun": multirun, "config_dir": config_dir},
    )
    write_json(LAST, {"folder": str(folder)})


def _sweep_callback_base() -> Any:
    from hydra.experimental.callback import Callback

    return Callback


class SweepCallback(_sweep_callback_base()):  # type: ignore[misc]
    """Hydra's callback: makes the sweep's record before its first job."""

    def on_multirun_start(self, config: Any, **kwargs: Any) -> None:
        """Writes ``sweep.json``; kept when a sweep is resumed."""
        del kwargs
        sweep = Path(config.hydra.sweep.dir)
        STATE.sweep = sweep
        plan = STATE.plan
        if plan is None:
            return
        runner.make_folder(sweep)
        record_command(sweep)
        old = read_json(sweep / "sweep.json") if (sweep / "sweep.json").is_file() else {}
        write_json(
            sweep / "sweep.json",
            {
                "id": old.get("id") or uuid.uuid4().hex,
                "created": old.get("created") or runner.now(),
                "name": old.get("name") or _sweep_name(plan),
                "words": plan.words,
                "varied": plan.varied,
                "count": len(plan.jobs),
                "jobs": [str(index) for index in range(len(plan.jobs))],
            },
        )


def _sweep_name(plan: Plan) -> str:
    first = plan.jobs[0][1]
    return f"{first['task']['name']} {first['tracker']['name']}: {', '.join(plan.varied) or 'one job'}"


# --------------------------------------------------------------------------------------------- ending


def finish_single() -> int:
    """The end of a single run: further rounds, the table, the exit code."""
    folder = STATE.folders[-1]
    results = Results.load(folder)
    repeats = rounds_of(results.config)
    if repeats > 1:
        runner.more_rounds([folder], repeats)
        log_job(folder, None, redraw=True)
        results = Results.load(folder)
    if results.status != "ok":
        error = results.error or {}
        print(f"error: {error.get('message', 'the job failed')}", file=sys.stderr)
        return int(error.get("exit_code", 1))
    report(folder)
    return 0


def finish_sweep(plan: Plan) -> int:
    """The end of a sweep: further rounds in rotated order, the summary, the parent run, the exit code."""
    sweep = STATE.sweep
    assert sweep is not None
    folders = [sweep / str(index) for index in range(len(plan.jobs)) if (sweep / str(index) / "results.json").is_file()]
    repeats = 1 if launchers.elsewhere(plan.launcher) else max(rounds_of(config) for _, config in plan.jobs)
    if repeats > 1:
        runner.more_rounds(folders, repeats)
    found = report(sweep)
    keep_agreement(folders, found.agreement)
    target = mlflow_log.target_of(plan.jobs[0][1])
    for folder in folders:
        if repeats > 1 or (folder / "agreement.json").is_file():
            log_job(folder, sweep, redraw=repeats > 1)
    statuses = [Results.load(folder).status for folder in folders]
    failed = "failed" in statuses or len(folders) < len(plan.jobs)
    try:
        mlflow_log.log_sweep(sweep, target, "failed" if failed else "ok")
    except mlflow_log.LoggingFailed as error:
        print(f"warning: {error}", file=sys.stderr)
    if target.kind != "off":
        where = "python -m harness ui" if target.kind == "local" else target.tracking_uri
        print(f"\nlook at it: {where}", file=sys.stderr)
    return 1 if failed else 0


def report(folder: Path) -> Any:
    """Writes the summary of a run or sweep and prints its table."""
    from harness.report.summary import summarise

    found = summarise(folder)
    print(found.table)
    for warning in found.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"report: {folder / 'report.html'}", file=sys.stderr)
    return found


def keep_agreement(folders: list[Path], agreement: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes each job's agreement with the first beside its results: it is known at the sweep's end only."""
    for folder in folders:
        found = agreement.get(Results.load(folder).id)
        if found:
            write_json(folder / "agreement.json", dict(found))


__all__ = ["SweepCallback", "main"]
