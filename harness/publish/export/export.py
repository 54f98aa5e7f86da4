"""Exports a run's model: its files, a script that runs it, and facts about it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.archives import file_digest
from harness.core.catalog import catalog
from harness.core.config import build, class_of, suggestion
from harness.core.errors import ConfigError, DataError, StoreError, in_words
from harness.core.files import file_mode, put_in_place, write_json, write_text
from harness.core.interfaces import Backend, TrackerSpec
from harness.core.results import Results
from harness.publish.export.standalone import script
from harness.publish.mlflow.models import model_files
from harness.report.choice import complexity
from harness.scoring import turns

if TYPE_CHECKING:
    from harness.scoring.compared import Comparison, Job, Row

SCRIPT = "track.py"
P99 = "latency_ms/p99"


def winner(found: Comparison, metric: str, budget_ms: float | None = None) -> tuple[Job, str]:
    """Chooses the run to export, with the reason.

    Args:
        found: The runs compared with each other.
        metric: The metric to optimise, in the direction that the catalogue gives.
        budget_ms: The limit of the 99th percentile of frame times (``latency_ms/p99``), if there is one.

    Returns:
        The best of the runs that keep the baseline's accuracy and the budget (the simpler one in a tie), and a
        sentence.

    Raises:
        ConfigError: The metric has no direction, or is unknown.
        DataError: No run has the metric, or none keeps within the budget.
    """
    able = [row for row in found.well if metric in row.job.metrics]
    if not able:
        here = catalog().order(name for row in found.well for name in row.job.metrics)
        raise DataError(f"none of the runs has {metric}{suggestion(metric, here)}; choose another by --best, or give one run.")
    better = catalog().get(metric).better
    if not better:
        raise ConfigError(f"--best {metric}: neither a higher nor a lower value is better; choose fps, ao or latency_ms/p99, say.")
    lower = better == "lower"
    lossy = [row for row in able if row is not found.base and "ao" in row.difference and row.difference["ao"].excludes(0.0) < 0]
    kept = [row for row in able if row not in lossy]
    late = [row for row in kept if budget_ms is not None and not row.job.metrics.get(P99, float("inf")) <= budget_ms]
    kept = [row for row in kept if row not in late]
    if not kept:
        raise DataError(f"none of the runs that keep their accuracy stays within {budget_ms:g} ms ({P99}); raise the budget.")
    best = (min if lower else max)(kept, key=lambda row: row.job.metrics[metric])
    tied = [row for row in kept if _ties(found, row, best, metric)]
    chosen = min(tied, key=lambda row: (complexity(row), found.rows.index(row)))
    why = f"{chosen.shown} has the {'lowest' if lower else 'highest'} {metric} of {len(able)} runs: {chosen.job.metrics[metric]:.4g}"
    if chosen is not best:
        why = f"{chosen.shown} ties with {best.shown} in {metric} and is the simpler of them: {chosen.job.metrics[metric]:.4g}"
    for group, reason in ((lossy, "loses accuracy"), (late, f"is over {budget_ms or 0:g} ms in {P99}")):
        why += "".join(f"; {row.shown} {reason}" for row in group)
    return chosen.job, why + "."


def _ties(found: Comparison, row: Row, best: Row, metric: str) -> bool:
    """Whether two runs do not differ clearly: by the rounds in turns for speed, else by equal values."""
    if row is best:
        return True
    if metric == "fps" and found.contest.holds(row.job.id, best.job.id):
        ids = [best.job.id, row.job.id]
        margin = max(turns.MARGIN, found.contest.floor)
        return turns.decide(found.contest.rounds, ids, margin, found.contest.least).kind != "fastest"
    return row.job.metrics[metric] == best.job.metrics[metric]


def export(job: Job, folder: Path) -> list[Path]:
    """Writes model files, ``track.py``, ``model.json`` and ``README.md`` to ``folder``, which is new or empty."""
    results = job.results
    section = results.config.get("backend", {})
    if "target" not in section:
        raise ConfigError(f"{results.name} does not say which backend's class ran it; export a run of backend onnx or openvino.")
    handover = class_of(section, Backend, "backend").handover(section, results.choice("hint"), results.effective)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not empty; give -o a new folder.")
    files = model_files(job.folder, results)
    if not files:
        raise DataError(
            f"the prepared model of {results.name} is no longer in the cache as it was written, nor beside its results; run it again, or "
            "share it with --models before the cache is emptied."
        )
    spec = build(results.config["tracker"], TrackerSpec, "tracker")  # type: ignore[type-abstract]
    graphs = {name: Path(str(path)).name for name, path in results.artifact["files"].items()}
    text = script(spec, handover.session, {**_options(results, graphs), **handover.options}, _title(results))
    _write(folder, files, {SCRIPT: text, "README.md": _readme(results, handover.package)}, _facts(results, files))
    return sorted(folder.iterdir())


def _write(folder: Path, files: Mapping[str, Path], texts: Mapping[str, str], facts: dict[str, Any]) -> None:
    """Writes all files under a temporary name, then renames the folder, so that it is complete or absent.

    Raises StoreError.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise StoreError(f"{folder} cannot be written ({error.strerror}); choose another folder.") from error
    try:
        for name, path in files.items():
            shutil.copyfile(path, scratch / name)
        for name, text in texts.items():
            write_text(scratch / name, text)
        write_json(scratch / "model.json", facts)
        scratch.chmod(file_mode(folder=True))
        if folder.is_dir():
            folder.rmdir()  # empty, as was checked
        put_in_place(scratch, folder)
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {in_words(error)}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _title(results: Results) -> str:
    artifact = results.artifact
    return f"{results.choice('tracker')}, {artifact['format']} {artifact['precision']}, artifact {str(artifact['key'])[:12]}."


def _options(results: Results, graphs: Mapping[str, str]) -> dict[str, Any]:
    """Returns the options of the script's sessions that matter for boxes and speed."""
    return {"files": dict(graphs), "threads": int(results.config.get("threads") or 1)}


def _facts(results: Results, files: Mapping[str, Path]) -> dict[str, Any]:
    """Returns the origin of the files and the measured values, for later readers."""
    return {
        "run": results.id,
        "name": results.name,
        "artifact": {key: value for key, value in results.artifact.items() if key not in ("files", "folder")},
        "files": {name: file_digest(path) for name, path in files.items()},
        "metrics": results.metrics,
        "dataset": results.dataset,
        "scoring": results.scoring,
        "environment": results.environment,
    }


def _readme(results: Results, package: str) -> str:
    measured = ", ".join(
        f"{catalog().get(key).head} {results.metrics[key]:.4g}"
        for key in ("ao", "auc", "fps", "latency_ms/p50", "model_mb")
        if key in results.metrics
    )
    processor = results.environment.get("processor", "an unknown processor")
    random = " Its weights are random: it tracks nothing." if results.scoring.get("random_weights") else ""
    return (
        f"# {_title(results)}\n\n"
        f"Measured on {results.dataset.get('name', '')} with {results.config.get('threads')} threads of {processor}: "
        f"{measured or 'nothing'}.{random} `model.json` has the rest.\n\n"
        f"```\npip install numpy opencv-python {package}\n"
        f"python {SCRIPT} clip.mp4 --init 100,80,40,60 -o boxes.txt\n```\n\n"
        "The input is a video or a folder of images; the output is a box `x,y,w,h` in pixels a line, frame by frame.\n"
    )
