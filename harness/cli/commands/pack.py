"""python -m harness pack: converts result files of any tool to the form of a benchmark's server or toolkit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.cli.commands.validate import add_facts_arguments, choose_facts
from harness.core.errors import ArchiveError

SUMMARY = "make the archive that GOT-10k's or TrackingNet's server takes, or VOT's toolkit, of result files (ours or other tools')"
EXAMPLE = "python -m harness pack results/my_tracker -o submission.zip"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", type=Path, help="a folder of result files, or a job's folder")
    parser.add_argument(
        "-o", "--output", type=Path, help="the archive to write (default: RESULTS.zip in the current folder)"
    )
    parser.add_argument("--layout", metavar="NAME", help="the data set (trackingnet, vot) under --dataset, if not to be recognised")
    add_facts_arguments(parser)


def run(args: argparse.Namespace) -> int:
    packed = _pack_benchmark(args)
    if packed is not None:
        return packed
    from harness.publish.submission import find_results, manifest_path, pack_tracks

    facts = choose_facts(args.dataset, args.split)
    archive = args.output or Path(f"{find_results(args.results).name}.zip")
    manifest = pack_tracks(args.results, facts, archive, describe(args.results))
    print(
        f"{archive}: {manifest['sequences']} sequences, {manifest['frames']} frames, {manifest['repetitions']} "
        f"repetition(s), SHA-256 {manifest['sha256']}; no fault against {facts.source}"
    )
    print(f"{manifest_path(archive)}: its manifest")
    return 0


def _pack_benchmark(args: argparse.Namespace) -> int | None:
    """Packs for another benchmark than GOT-10k; None if the data set is in GOT-10k's layout or not given."""
    from harness.publish.submission.aligning import align
    from harness.publish.submission.formats import find_results
    from harness.publish.submission.reference import Wanted, benchmark_class, reference

    wanted = Wanted(args.dataset, args.split, layout=args.layout)
    if args.dataset is None or benchmark_class(wanted) is None:
        return None
    own = describe(args.results).get("id") is not None  # refuses a job that did not succeed
    results = find_results(args.results)
    against = reference(wanted, results)
    assert against.benchmark is not None
    aligned = align(results, against.sequences.values(), against.benchmark, own)
    archive = args.output or Path(f"{results.name}.zip")
    for path in against.benchmark.pack(aligned.tracks, archive):
        print(f"{path}: {len(aligned.sequences)} sequences for {against.benchmark.title}")
    return 0


def describe(folder: Path) -> dict[str, Any]:
    """Returns the origin of the results for the manifest. Raises ArchiveError for a job that did not succeed."""
    from harness.core.results import RESULTS_FILE, Results
    from harness.machine import environment

    packer = {"versions": environment.versions(), **environment.git_state()}
    if not (folder / RESULTS_FILE).is_file():
        return {"results": str(folder), "packed_with": packer}
    job = Results.load(folder)
    if job.status != "ok":
        raise ArchiveError(f"{folder} cannot be packed: its job is marked {job.status}; run it to its end first.")
    if job.scoring.get("random_weights"):
        raise ArchiveError(f"{folder} cannot be packed: its weights are random, so its boxes mean nothing.")
    return {
        "results": str(folder),
        "id": job.id,
        "config": job.config,
        "artifact": job.artifact.get("key", ""),
        "commit": job.environment.get("commit", ""),
        "dirty": job.environment.get("dirty", False),
        "versions": job.environment.get("versions", {}),
        "packed_with": packer,
    }
