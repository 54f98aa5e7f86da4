"""Reads runs of an MLflow store as folders, for commands that use runs made or kept elsewhere."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from harness.core import secrets
from harness.core.errors import DataError, HarnessError, StoreError, first_words
from harness.core.files import put_in_place, write_json
from harness.core.results import FRAMES_FILE, RESULTS_FILE
from harness.publish.mlflow import store as stores
from harness.publish.mlflow.store import COMPLETE_TAG, ID_TAG
from harness.publish.mlflow.target import Target
from harness.report.history.values import INTERVALS_FILE, all_intervals
from harness.report.sources import load

PAGE = 500
"""The number of runs per request."""
AT_ONCE = 8
"""The number of runs whose files are fetched at the same time."""
NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
"""The form of a run's id and its state, which name a folder here."""


def fetched(target: Target, folder: Path, tell: Callable[[str], None]) -> list[Path]:
    """Fetches the successful runs of a store, each as a folder with its results and intervals.

    The files of a run are fetched once: intervals are computed from its samples and kept; the samples are not kept.

    Args:
        target: The store; an empty experiment means all of them.
        folder: Where the runs are kept: a folder for each run and state.
        tell: Gets a sentence on runs that cannot be read.

    Raises:
        StoreError: The store cannot be reached or read.
        DataError: The experiment does not exist, or the store's file does not exist.
    """
    _check_there(target)
    try:
        runs = list(_runs(stores.client(target), target))
    except HarnessError:
        raise
    except Exception as error:  # MLflow's, its database's and its transport's errors share no base class
        raise StoreError(f"{target.tracking_uri}: {secrets.masked(first_words(error))}") from error
    places = {folder / f"{run.info.run_id}-{run.data.tags[COMPLETE_TAG]}": run for run in runs}
    missing = [(place, run) for place, run in places.items() if not (place / RESULTS_FILE).is_file()]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        faults = list(pool.map(lambda item: _fetch(item[0], item[1], target), missing))
    _tell_faults([(run.info.run_id, fault) for (_, run), fault in zip(missing, faults, strict=True) if fault], tell)
    return [place for place in places if (place / RESULTS_FILE).is_file()]


def _check_there(target: Target) -> None:
    """Raises an error if the database is missing, because MLflow would make an empty one."""
    scheme, _, path = target.tracking_uri.partition(":///")
    file = Path(unquote(path.partition("?")[0]))
    if scheme.partition("+")[0] == "sqlite" and not file.is_file():
        raise DataError(f"{file} does not exist; give the address of a store that holds runs.")


def _runs(store: Any, target: Target) -> Iterator[Any]:
    """Yields the harness's jobs in the store that are complete and successful."""
    known = {found.name: found.experiment_id for found in _pages(store.search_experiments)}
    if target.experiment and target.experiment not in known:
        names = ", ".join(sorted(known)[:20])
        raise DataError(f"{target.tracking_uri} has no experiment {target.experiment!r}; it has: {names}.")
    chosen = [known[target.experiment]] if target.experiment else list(known.values())
    for run in _pages(lambda **page: store.search_runs(chosen, "tags.`status` = 'ok'", **page)) if chosen else ():
        tags = run.data.tags
        names_folder = NAME.fullmatch(run.info.run_id) and NAME.fullmatch(tags.get(COMPLETE_TAG, ""))
        if ID_TAG in tags and names_folder and tags.get("sweep") != "true":
            yield run


def _pages(search: Callable[..., Any]) -> Iterator[Any]:
    token = None
    while True:
        page = search(max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _fetch(place: Path, run: Any, target: Target) -> str:
    """Fetches a run's results and computes intervals from its samples; returns why it failed, or an empty string."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=place.parent) as name:
            scratch = Path(name)
            files = get_artifact_repository(run.info.artifact_uri, tracking_uri=target.address)
            there = {item.path for item in files.list_artifacts()}
            if RESULTS_FILE not in there:
                return f"no {RESULTS_FILE} among its files"
            for wanted in (RESULTS_FILE, FRAMES_FILE, INTERVALS_FILE):
                if wanted in there:
                    files.download_artifacts(wanted, str(scratch))
            if FRAMES_FILE in there and INTERVALS_FILE not in there:
                write_json(scratch / INTERVALS_FILE, all_intervals(load(scratch)))
            place.mkdir(exist_ok=True)
            for kept in (INTERVALS_FILE, RESULTS_FILE):  # the results last: they mark the run as complete
                if (scratch / kept).is_file():
                    put_in_place(scratch / kept, place / kept)
    except HarnessError as error:
        return str(error)
    except Exception as error:  # a store's errors share no base class, and its files may hold anything
        return secrets.masked(first_words(error))
    return ""


def _tell_faults(faults: list[tuple[str, str]], tell: Callable[[str], None]) -> None:
    if not faults:
        return
    run, why = faults[0]
    more = f", and {len(faults) - 1} more runs that cannot be read" if len(faults) > 1 else ""
    tell(f"left out: run {run} ({why.rstrip('.')}){more}.")
