"""Makes submission archives: complete, checked before they get their name, and with a manifest beside them."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.core.errors import ArchiveError, StoreError, in_words
from harness.core.files import file_mode, plain, put_in_place, write_json
from harness.core.interfaces import Context, Track
from harness.core.results import boxes_text, times_text
from harness.machine import environment
from harness.publish.submission.facts import SplitFacts, facts_of, missing_sequences
from harness.publish.submission.formats import ResultFolder, find_results
from harness.publish.submission.validate import Report, validate

STAMP = (1980, 1, 1, 0, 0, 0)
"""The time of every entry, so that the same boxes and times give the same archive byte for byte."""


def manifest_path(archive: Path) -> Path:
    """``submission.zip`` has its manifest in ``submission.manifest.json``."""
    return archive.with_name(f"{archive.stem}.manifest.json")


def pack_tracks(
    folder: Path, facts: SplitFacts, archive: Path, manifest: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Packs the result files under ``folder`` (any known layout) into ``archive``; returns the manifest.

    Boxes are written ``%.3f``, times ``%.8f``, commas between, a folder per sequence at the root. The archive is checked
    under a temporary name and renamed only if it has no fault; ``manifest`` (config, commit, artifact key,
    versions) goes beside it with the SHA-256. Raises ArchiveError for an incomplete run or faults.
    """
    results = find_results(folder)
    missing = [name for name in facts.sequences if name not in results.sequences]
    if missing:
        raise ArchiveError(
            f"{folder} cannot be packed: {len(missing)} of the {len(facts.sequences)} sequences of {facts.source} are "
            f"missing ({', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}); a submission holds all of them."
        )
    untimed = [name for name in facts.sequences if results.sequences[name].times is None]
    if untimed:
        raise ArchiveError(
            f"{folder} cannot be packed: {len(untimed)} sequences have no times ({untimed[0]}_time.txt is missing); a "
            "submission holds the seconds of every frame."
        )
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{archive.name}.", dir=archive.parent)
        os.close(handle)
    except OSError as error:
        raise StoreError(f"{archive} cannot be written ({error.strerror}); choose another folder.") from error
    temporary = Path(name)
    try:
        _write(temporary, results, facts)
        report = validate(temporary, facts)
        if not report.ok:
            raise ArchiveError(_refusal(folder, report))
        temporary.chmod(file_mode())
        content = _manifest(archive, temporary, facts, report, manifest or {})
        put_in_place(temporary, archive)
    except OSError as error:
        raise StoreError(f"{archive} cannot be written: {in_words(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)
    write_json(manifest_path(archive), content)
    return content


def pack_job(context: Context) -> tuple[list[str], list[str]]:
    """Packs a finished job's tracks, if they can be a submission.

    Args:
        context: The job, whose tracks are complete.

    Returns:
        The names of ``submission.zip`` and its manifest, relative to the job's folder; and warnings. If there can be no
        submission (sequences are left out, a box has no area), the first is empty and a warning states why; the
        measurement is kept.
    """
    gap = missing_sequences(context.dataset)
    if gap:
        return [], [f"no submission.zip: {gap}."]
    archive = context.folder / "submission.zip"
    origin = {
        "config": plain(context.config),
        "artifact": context.artifact.key,
        "versions": environment.versions(),
        **environment.git_state(),
    }
    try:
        pack_tracks(context.folder, facts_of(context.dataset), archive, origin)
    except ArchiveError as error:
        return [], [f"no submission.zip: {error}"]
    return [archive.name, manifest_path(archive).name], []


def _write(path: Path, results: ResultFolder, facts: SplitFacts) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in facts.sequences:
            for file, text in sequence_texts(results.tracks([name])).items():
                info = zipfile.ZipInfo(f"{name}/{file}", STAMP)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o644 << 16
                archive.writestr(info, text.encode("ascii"))
    with path.open("rb") as written:
        os.fsync(written.fileno())


def sequence_texts(tracks: list[Track]) -> dict[str, str]:
    """File names and texts of one sequence: a box file per repetition, one time file."""
    name = tracks[0].sequence
    texts = {f"{name}_{track.repetition:03d}.txt": boxes_text(track.boxes) for track in tracks}
    shortest = min(len(track.seconds) for track in tracks)
    texts[f"{name}_time.txt"] = times_text([track.seconds[:shortest] for track in tracks])
    return texts


def _refusal(folder: Path, report: Report) -> str:
    shown = "; ".join(str(fault) for fault in report.faults[:3])
    more = f"; and {len(report.faults) - 3} more" if len(report.faults) > 3 else ""
    return f"{folder} cannot be packed: {shown}{more}."


def _manifest(
    archive: Path, written: Path, facts: SplitFacts, report: Report, given: Mapping[str, Any]
) -> dict[str, Any]:
    data = written.read_bytes()
    return {
        "archive": archive.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "sequences": report.sequences,
        "frames": report.frames,
        "repetitions": report.repetitions,
        "checked_against": facts.source,
        **given,
    }
