"""``python -m harness compare RUN RUN ...``: a table, verdicts and a page over any runs; a gate with ``--fail-if``."""

from __future__ import annotations

import argparse
import shlex
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.scoring.compared import Job

SUMMARY = "compare runs: table, verdicts, report.html; a gate with --fail-if"
EXAMPLE = 'python -m harness compare outputs/2026-01-31/12-00-00 --fail-if "fps < 0.95x" "ao < -0.01"'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="OLD NEW: two sweeps' folders, compared configuration by configuration; or any runs: a job's or a sweep's folder, the id of a run (ours or MLflow's, six characters suffice), or a bundle (.zip)",
    )
    parser.add_argument("--baseline", metavar="RUN", help="the run to compare with (default: the first that succeeded)")
    parser.add_argument("--out", metavar="DIR", type=Path, help="where the files go (default: outputs/comparisons/<time>)")
    parser.add_argument(
        "--fail-if",
        nargs="+",
        default=[],
        action="extend",
        metavar="CONDITION",
        help="exit with 1 if a run meets it: 'fps < 0.95x' (ratio to the baseline), 'fps < -5%%' (change), "
        "'ao < -0.01' (signed: difference), 'ao < 0.6' (unsigned: the value)",
    )
    parser.add_argument(
        "--significant", action="store_true", help="a relative condition counts only if the whole 95 %% interval meets it"
    )
    parser.add_argument(
        "--recommend", action="store_true", help="also say which of the runs to deploy, an answer a machine; exit with 1 if none fits"
    )
    objectives_into(parser, "with --recommend: ")
    parser.add_argument("--outputs", metavar="DIR", type=Path, default=Path("outputs"), help="where run ids are looked for")


def objectives_into(parser: argparse.ArgumentParser, when: str = "") -> None:
    """Adds the options of a recommendation: metrics to maximise or minimise, and requirements."""
    parser.add_argument("--maximize", nargs="+", default=[], action="extend", metavar="METRIC", help=f"{when}should be high (default: fps)")
    parser.add_argument("--minimize", nargs="+", default=[], action="extend", metavar="METRIC", help=f"{when}should be low")
    parser.add_argument(
        "--require",
        nargs="+",
        default=[],
        action="extend",
        metavar="CONDITION",
        help=f"{when}must hold: 'latency_ms/p99 <= 33' (the value), 'ao >= -0.01' (signed: the difference), 'fps >= 2x' (the ratio)",
    )


def run(args: argparse.Namespace) -> int:
    from harness.core.errors import ConfigError
    from harness.core.files import new_folder
    from harness.report import advice, choice, comparison, gates, pairs, sources, summary

    conditions = [gates.parse(text) for text in args.fail_if]
    if not args.recommend and (args.maximize or args.minimize or args.require):
        raise ConfigError("--maximize, --minimize and --require say what to recommend; add --recommend.")
    wanted_best = choice.objectives(args.maximize, args.minimize)
    requirements = choice.requirements(args.require)
    with ExitStack() as stack:
        scored = score_files([*args.runs, *([] if args.baseline is None else [args.baseline])], stack)
        jobs = find(args.runs, args.outputs, stack, scored)
        baseline = None
        if args.baseline is not None:
            wanted = find([args.baseline], args.outputs, stack, scored)
            if not any(job.folder.resolve() == wanted[0].folder.resolve() for job in jobs):
                jobs.insert(0, wanted[0])
            baseline = comparison.find_baseline(jobs, wanted, args.baseline)
        folder = args.out or new_folder(args.outputs / "comparisons" / datetime.now().strftime("%Y-%m-%d_%H-%M-%S"))
        words = [*args.runs, *(["--baseline", args.baseline] if args.baseline else []), *(["--recommend"] if args.recommend else [])]
        for option, values in (("--maximize", args.maximize), ("--minimize", args.minimize), ("--require", args.require)):
            words += [option, *values] if values else []
        command = " ".join(["python -m harness compare", *map(shlex.quote, words)])
        title = f"Comparison of {len(jobs)} run{'s' if len(jobs) != 1 else ''}"
        groups = [sources.resolve(word, args.outputs) for word in args.runs if Path(word).is_dir() and sources.is_jobs(Path(word))]
        if args.recommend:
            found = comparison.compare(jobs, baseline)
            found.advice = advice.advise_each(found, wanted_best, requirements)
            made = summary.write_comparison(found, folder, title, command)
        elif not args.baseline and len(groups) == len(args.runs) and pairs.are_sweeps(groups):
            found = comparison.compare_sweeps(*groups)
            made = summary.write_comparison(found, folder, f"{args.runs[1]} against {args.runs[0]}", command)
        else:
            made = summary.write(jobs, folder, baseline, title, command)
    print(made.table)
    for line in made.warnings:
        print(f"warning: {line}")
    print(f"Report: {folder / summary.PAGE_FILE}")
    stopped = gates.judge(conditions, made.comparison, args.significant)
    for sentence in stopped:
        print(f"Gate: {sentence}")
    if conditions and not stopped:
        print(f"Gate: passed ({', '.join(gate.text for gate in conditions)}).")
    unfit = any(told.kind == "none" for told in made.comparison.advice)
    return 1 if stopped or unfit else 0


def score_files(words: list[str], stack: ExitStack) -> dict[str, Job]:
    """Returns word -> job for words that name a folder of plain result files of other tools.

    Without truth these jobs have only boxes and times (``score --dataset`` adds scores). They are in a folder that
    ``stack`` removes.
    """
    from harness.publish.submission.formats import holds_results
    from harness.publish.submission.reference import Wanted
    from harness.publish.submission.scoring import score_all, write_job
    from harness.report import sources

    bare = [word for word in dict.fromkeys(words) if not sources.is_jobs(Path(word)) and holds_results(Path(word))]
    if not bare:
        return {}
    scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scored-")))
    scored, references = score_all([Path(word) for word in bare], Wanted())
    found = {}
    for number, (word, item, against) in enumerate(zip(bare, scored, references, strict=True)):
        found[word] = sources.load(write_job(item, against, scratch / str(number), False, ["compare", word]))
    return found


def find(words: list[str], outputs: Path, stack: ExitStack, scored: Mapping[str, Job] | None = None) -> list[Job]:
    """Returns the jobs that ``words`` name, each once.

    Args:
        words: Folders, identities of runs, or bundles.
        outputs: The folder in which identities are searched.
        stack: Removes the folders to which bundles are unpacked.
        scored: The jobs of words that name no job's folder.
    """
    from harness.report import sources

    found: dict[Path, Job] = {}
    for word in words:
        if scored and word in scored:
            found.setdefault(scored[word].folder.resolve(), scored[word])
            continue
        for job in sources.resolve(word, outputs, lambda path: _unpack(path, stack)):
            found.setdefault(job.folder.resolve(), job)
    return list(found.values())


def _unpack(bundle: Path, stack: ExitStack) -> Path:
    """Checks and unpacks ``bundle`` to a folder that ``stack`` removes; returns that folder."""
    from harness.publish.bundle import unpack

    scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bundle-")))
    return unpack(bundle, scratch / "bundle").folder
