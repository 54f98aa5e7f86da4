"""Selects what is logged from a job's or a sweep's folder: params, tags, metrics, files.

Does not use MLflow's client.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.core.catalog import MEASURED_GROUPS
from harness.core.files import plain, read_record, write_bytes, write_text
from harness.core.results import RESULTS_FILE, VERDICT_FILE, Results
from harness.core.schema import checked
from harness.scoring.compared import Job

AGREEMENT_FILE = "agreement.json"
IMPORTED_FILE = "imported.json"
PARAM_LIMIT = 500
TAG_LIMIT = 5000
SKIPPED = (
    *("id", "job.json", "mlflow.json", "failure.json", "command.json", "imported.json", "verdict.json"),
    *("rounds", "sequences", "tracks", "model"),
)
"""Files not uploaded as they are: internal ones, those for ``resume``, tracks (one archive), models (once per key)."""
TABLE_FILES = ("candidates.csv", "trials.csv")
ANSWER_FILES = ("recommendation.md", "recommend.json", "tuning.md", "tune.json", *TABLE_FILES, "turns.json", "conf")
"""Files that a search for a configuration or for the tracker's settings writes into its folder."""
UNLOGGED = ("resume", "mlflow")
"""Sections that describe how a run was kept, not what was run."""
STAMP = (1980, 1, 1, 0, 0, 0)


def storable(text: str) -> str:
    """Returns ``text`` as a database takes it: half a character, as in a name that is not UTF-8, becomes its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def milliseconds(moment: str) -> int:
    """Returns an ISO time in milliseconds since 1970.

    0 if it is invalid (not the clock, so that logging is repeatable).
    """
    try:
        return int(datetime.fromisoformat(moment).timestamp() * 1000)
    except ValueError:
        return 0


def digest_of(folder: Path) -> str:
    """Returns a digest that changes with a job's results and added metrics; shows whether a run is up to date."""
    digest = hashlib.sha256((folder / RESULTS_FILE).read_bytes())
    for name in (AGREEMENT_FILE, VERDICT_FILE):
        if (folder / name).is_file():
            digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]


# ------------------------------------------------------------------------------------- params, metrics


def params_of(results: Results) -> dict[str, str]:
    """Returns the resolved configuration as ``group.key``, and the choice of each group under its name."""
    found: dict[str, Any] = {}
    for group, section in results.config.items():
        if group in UNLOGGED:
            continue
        if isinstance(section, Mapping):
            found |= {f"{group}.{key}": value for key, value in _flat(section) if key != "name"}
            if "name" in section:
                found[group] = section["name"]
        else:
            found[group] = section
    return {storable(key): storable(str(value))[:PARAM_LIMIT] for key, value in found.items() if value is not None and str(value)}


def _flat(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def all_metrics(folder: Path, results: Results) -> dict[str, float]:
    """Returns the job's metrics, with the agreement that is known only at the end of the sweep."""
    found = dict(results.metrics)
    if (folder / AGREEMENT_FILE).is_file():
        found |= {key: value for key, value in _agreement(folder / AGREEMENT_FILE).items() if value is not None}
    return found


def _agreement(path: Path) -> dict[str, float | None]:
    return checked("numbers", read_record(path), path)


def series_of(job: Job) -> list[tuple[str, int, float]]:
    """Metrics with steps (curves, per-sequence scores): (name, step, value)."""
    from harness.report import native

    return [(name, int(step), float(value)) for name, points in native.series(job).items() for step, value in points]


# -------------------------------------------------------------------------------------------- tags


def tags_of(folder: Path, results: Results, report: str = "") -> dict[str, str]:
    """Returns the tags that users filter by, and the note at the top of the run's page.

    Args:
        folder: The job's folder.
        results: The job's results.
        report: The address in MLflow's UI of the report that shows the job; empty if there is none.
    """
    environment = results.environment
    tags = {
        group: results.choice(group)
        for group in MEASURED_GROUPS
    }
    tags |= {
        "threads": str(results.config.get("threads") or ""),
        "commit": str(environment.get("commit", "")),
        "mlflow.source.git.commit": str(environment.get("commit", "")),
        "mlflow.source.name": "python -m harness",
        "mlflow.source.type": "LOCAL",
        "dirty": str(environment.get("dirty", "")),
        "machine": str(environment.get("machine", "")),
        "processor": str(environment.get("processor", "")),
        "artifact_key": str(results.artifact.get("key", "")),
        "precision": str(results.artifact.get("precision", "")),
        "dataset_digest": str(results.dataset.get("digest", "")),
        "status": results.status,
        "random_weights": str(bool(results.scoring.get("random_weights"))),
        "overrides": " ".join(results.overrides),
    }
    tags |= {f"effective.{key}": str(value) for key, value in results.effective.items()}
    if results.error:
        tags["error"] = str(results.error.get("message", ""))
    if (folder / IMPORTED_FILE).is_file():
        found = read_record(folder / IMPORTED_FILE)
        tags |= {"harness.bundle": str(found.get("bundle", "")), "harness.recomputed": str(found.get("recomputed", ""))}
    tags["mlflow.note.content"] = "\n\n".join([*_verdict(folder, report), *_notes(results, (folder / VERDICT_FILE).is_file())])
    return {key: storable(value)[:TAG_LIMIT] for key, value in tags.items() if value}


def _verdict(folder: Path, report: str) -> list[str]:
    """Returns the report's verdict on the job, and a link to the report."""
    said = str(read_record(folder / VERDICT_FILE).get("verdict", "")) if (folder / VERDICT_FILE).is_file() else ""
    return [part for part in (said, f"[Report]({report})" if report else "") if part]


def sweep_metrics(sweep: Path) -> dict[str, float]:
    """Returns the metrics of the leading run of the sweep; empty if there is none."""
    if not (sweep / VERDICT_FILE).is_file():
        return {}
    leader = read_record(sweep / VERDICT_FILE).get("leader")
    if not isinstance(leader, str) or not leader or not (sweep / leader / RESULTS_FILE).is_file():
        return {}
    return all_metrics(sweep / leader, Results.load(sweep / leader))


def _notes(results: Results, judged: bool) -> list[str]:
    notes = []
    if results.scoring.get("random_weights"):
        notes.append("**Random weights**: only speed was measured; there is no accuracy.")
    if results.error:
        said = f"{results.status}: {results.error.get('message', '')}"
        notes += [] if judged else [said]  # the verdict states the reason too
    return notes + [f"Warning: {warning}" for warning in results.warnings]


def _common_tags(sweep: Path, record: Mapping[str, Any]) -> dict[str, str]:
    """Returns the choices of the sweep's jobs, each once, so that the parent run is found by them."""
    names = record.get("jobs") or sorted(path.parent.name for path in sweep.glob(f"*/{RESULTS_FILE}"))
    jobs = [Results.load(sweep / str(name)) for name in names if (sweep / str(name) / RESULTS_FILE).is_file()]
    found = {}
    for group in MEASURED_GROUPS:
        found[group] = ", ".join(dict.fromkeys(job.choice(group) for job in jobs if job.choice(group)))
    found["threads"] = ", ".join(dict.fromkeys(str(job.config.get("threads") or "") for job in jobs))
    return found


def sweep_tags(sweep: Path, record: Mapping[str, Any], state: str) -> dict[str, str]:
    """Returns a parent run's tags; the summary's table is its description."""
    tags = _common_tags(sweep, record)
    tags |= {"sweep": "true", "status": state, "overrides": " ".join(map(str, record.get("words", [])))}
    tags |= {"mlflow.source.name": "python -m harness", "mlflow.source.type": "LOCAL"}
    if (sweep / "summary.md").is_file():
        tags["mlflow.note.content"] = (sweep / "summary.md").read_text(encoding="utf-8")
    return {key: storable(value)[:TAG_LIMIT] for key, value in tags.items() if value}


# ------------------------------------------------------------------------------------------- files


def stage_job(job: Job, staged: Path) -> list[str]:
    """Copies everything to upload to ``staged``; returns the tables, which MLflow draws itself."""
    from harness.report import native

    folder, results = job.folder, job.results
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".") and path.name not in SKIPPED and not path.is_symlink():
            _copy(path, staged / path.name)
    if (folder / "tracks").is_dir():
        write_bytes(staged / "tracks.zip", _archive(folder / "tracks"))
    write_text(staged / "config.yaml", _yaml(results.config))
    write_text(staged / "environment.json", json.dumps(plain(results.environment), indent=1) + "\n")
    names = []
    for name, table in native.tables(job).items():
        write_text(staged / "tables" / f"{name}.json", json.dumps(plain(native.columns_and_data(table))))
        names.append(f"tables/{name}.json")
    return names


def stage_sweep(sweep: Path, staged: Path) -> list[str]:
    """Copies the parent run's files (summary, page, pictures, a search's answer).

    Returns the tables that MLflow draws.
    """
    for name in ("summary.csv", "summary.md", "report.html", "sweep.json", "plots", *ANSWER_FILES):
        if (sweep / name).exists():
            _copy(sweep / name, staged / name)
    names = []
    for path in (sweep / name for name in TABLE_FILES):
        if path.is_file():
            with open(path, encoding="utf-8", newline="") as file:
                head, *rows = csv.reader(file)
            names.append(f"tables/{path.stem}.json")
            write_text(staged / names[-1], json.dumps({"columns": head, "data": rows}))
    return names


def digests(staged: Path) -> dict[str, str]:
    """Relative path -> SHA-256 of every file under ``staged``."""
    return {
        path.relative_to(staged).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(staged.rglob("*"))
        if path.is_file()
    }


def _copy(path: Path, to: Path) -> None:
    if path.is_dir():
        shutil.copytree(path, to, ignore=lambda _, names: [name for name in names if name.startswith(".")])
    else:
        shutil.copyfile(path, to)


def _archive(folder: Path) -> bytes:
    """Returns all files under ``folder`` in one zip that depends only on them: one upload instead of hundreds."""
    from io import BytesIO

    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), STAMP)
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, path.read_bytes())
    return buffer.getvalue()


def _yaml(value: Mapping[str, Any]) -> str:
    import yaml  # comes with hydra's omegaconf and with mlflow

    return str(yaml.safe_dump(plain(value), sort_keys=False, allow_unicode=True))
