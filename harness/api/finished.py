"""The Python class for a finished run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api import shown
from harness.artifacts.store import artifact_folder, load_artifact
from harness.core.errors import DataError, HarnessError
from harness.core.results import Results, read_frames, read_numbers, track_paths
from harness.present.table import Table
from harness.report import sources
from harness.scoring.compared import Job

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from harness.core.interfaces import Artifact, Boxes
    from harness.present.picture import Picture


class Run:
    """A finished job in its folder. Everything but the results is read on first use.

    Args:
        folder: The job's folder; ``harness.load`` finds it by id too.

    Raises:
        DataError: The folder holds no run of this harness.
    """

    def __init__(self, folder: str | Path) -> None:
        self._job = sources.load(Path(folder))

    @classmethod
    def of(cls, job: Job) -> Run:
        """Makes the run of a job that has been read."""
        found = cls.__new__(cls)
        found._job = job
        return found

    @property
    def job(self) -> Job:
        """The job for reports and comparisons."""
        return self._job

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self._job.folder

    @property
    def results(self) -> Results:
        """All of ``results.json``: configuration, environment, what the runtime reports (docs/architecture.md)."""
        return self._job.results

    @property
    def id(self) -> str:
        """The run's identity, by which ``harness.load`` and MLflow find it."""
        return self.results.id

    @property
    def name(self) -> str:
        """Its short name."""
        return self.results.name

    @property
    def status(self) -> str:
        """``ok``, ``failed`` or ``skipped``."""
        return self.results.status

    @property
    def error(self) -> str:
        """Why it did not succeed; empty if it did."""
        return self._job.failure()

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration."""
        return self.results.config

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics by name (docs/metrics.md): ``fps`` in frames per second, ``ao`` from 0 to 1, ``latency_ms/p99`` in ms, ..."""
        return self.results.metrics

    @property
    def warnings(self) -> list[str]:
        """Warnings for readers of the numbers, such as other load on the machine."""
        return self.results.warnings

    @cached_property
    def frames(self) -> pd.DataFrame:
        """One row per frame: sequence, frame, box (``x y w h`` in pixels), ``iou``, times in seconds (docs/architecture.md).

        Raises:
            DataError: The run has no frames: its task tracks none, it failed, or they were pruned.
        """
        try:
            return read_frames(self.folder)
        except DataError as error:
            raise self._lacking("samples per frame", error) from error

    @cached_property
    def tracks(self) -> Mapping[str, Boxes]:
        """The boxes ``[frames, 4]`` (x, y, w, h in pixels) of each sequence, rounded as in its files.

        The first repetition.

        Raises:
            DataError: The run has no tracks: its task tracks none, it failed, or they were pruned.
        """
        folder = self.folder / "tracks"
        found = {}
        for place in sorted(folder.iterdir()) if folder.is_dir() else ():
            path = track_paths(folder, place.name)[0]
            if path.is_file():
                found[place.name] = read_numbers(path).reshape(-1, 4)
        if not found:
            raise self._lacking("tracks", DataError(f"{folder} holds none"))
        return found

    @cached_property
    def artifact(self) -> Artifact:
        """The prepared model that it measured: ``files`` (a path for each graph), ``graphs``, ``format``, ``precision``, ``key``.

        Raises:
            DataError: The run had no model, or its files are gone from the cache; the same run prepares them again.
            PrepareError: Its files are damaged.
        """
        key = str(self.results.artifact.get("key") or "")
        if not key:
            raise self._lacking("prepared model", DataError(f"{self.folder} names none"))
        recorded = Path(str(self.results.artifact.get("folder") or artifact_folder(Path("outputs/cache"), key)))
        # recorded relative to the folder in which the job ran, which is above the job's own
        places = [recorded, *(base / recorded for base in self.folder.resolve().parents)]
        there = next((place for place in places if place.is_dir()), None)
        if there is None:
            raise DataError(f"the prepared model {recorded} is gone from the cache; a run of the same settings prepares it again.")
        return load_artifact(there.absolute())

    @cached_property
    def _pictures(self) -> list[Picture]:
        from harness.report import plots

        return plots.job_pictures(self._job, lambda text: None)

    @property
    def figures(self) -> list[str]:
        """The names that ``figure`` accepts."""
        return [picture.key for picture in self._pictures]

    def figure(self, name: str) -> Figure:
        """Draws a figure of the run's report; it displays itself in a notebook.

        Args:
            name: One of ``figures``.

        Returns:
            A Matplotlib figure, as in its report.

        Raises:
            ConfigError: There is no figure of this name.
        """
        return shown.named(self._pictures, name).figure

    def _lacking(self, what: str, error: DataError) -> DataError:
        if self.status != "ok":
            return DataError(f"{self.folder} has no {what}: the run {self.status} ({self.error.rstrip('.')}).")
        return DataError(f"{self.folder} has no {what} ({str(error).rstrip('.')}); the task may keep none, or 'prune' has removed them.")

    def __repr__(self) -> str:
        if self.status != "ok":
            return f"<Run {self.name!r} {self.status}: {self.error} ({shown.near(self.folder)})>"
        figures = [f"{entry.head} {entry.text(self.metrics[entry.name])}" for entry in self._main()]
        return f"<Run {self.name!r} ok: {', '.join(figures[:6]) or 'no figures'} ({shown.near(self.folder)})>"

    def _repr_html_(self) -> str:
        soft = self.status if self.status == "ok" else f"{self.status}: {self.error}"
        parts = [shown.heading(self.name, f"{soft} [random weights]" if self._job.random_weights else soft)]
        if main := self._main():
            cells = [entry.text(self.metrics[entry.name]) for entry in main]
            parts.append(shown.table(Table([entry.head for entry in main], [cells])))
        return "".join([*parts, shown.sentences(self.warnings), shown.place(shown.near(self.folder))])

    def _main(self) -> list[Any]:
        return shown.main_metrics(self.metrics, self._job.random_weights)


class RunFailed(HarnessError):
    """A run, or every run of a sweep, failed. ``run`` is the failed run, with the last output lines of its process.

    Args:
        run: The run that failed.
    """

    def __init__(self, run: Run) -> None:
        super().__init__(run.error)
        self.run = run
        self.exit_code = int((run.results.error or {}).get("exit_code", 1))


