"""The slowest layers of a network by type and by name, measured by the profiler of its runtime."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from harness.core.config import at_least, class_of
from harness.core.errors import SkipJob
from harness.core.files import write_json, write_text
from harness.core.interfaces import Arrays, Backend, Context, Dataset, Metrics, Session, Task, TaskResult, TrackerSpec
from harness.core.preparing import LayerTimes, resolve
from harness.core.records import Scoring
from harness.machine.bandwidth import copy_bandwidth
from harness.tasks.profile.record import LayerTime, Profiled, ProfileRecord, TypeTime
from harness.tasks.profile.roofline import Roofs, of_products
from harness.tracking.recording import check_dataset, graph_of, record_crops

FOLDER = "profile"
MOST_LOGGED = 12
COLUMNS = ["name", "type", "ms", "precision", "layer", "operations", "bytes"]


@dataclass(frozen=True)
class Layers:
    """A profile: a row per layer (``COLUMNS``), ``types`` (``type``, ``count``, ``ms``, ``share``), and its source.

    ``own_types`` is True if the types are not sums of the rows.
    """

    rows: pd.DataFrame
    types: pd.DataFrame
    source: str
    own_types: bool = False


@dataclass
class Profile(Task):
    """``task=profile``. The fields are the keys of ``conf/task/profile.yaml``, which describes each of them."""

    graph: str | None = None
    runs: int = 20
    warmup: int = 3
    top: int = 15
    repeats: int = 1
    name: str = "profile"

    def __post_init__(self) -> None:
        for key in ("runs", "warmup", "top", "repeats"):
            at_least(getattr(self, key), 1, f"task.{key}")

    def check(self, config: Mapping[str, Any], tracker: TrackerSpec, dataset: Dataset) -> None:
        graph_of(tracker, self.graph)
        check_dataset(dataset)
        backend = class_of(config["backend"], Backend, "backend")
        if backend.profiler is None:
            raise SkipJob(f"task=profile: backend={backend.name} has no profiler of layers; choose another backend.")
        device = str(config["device"]["name"])
        if backend.profiled and device not in backend.profiled:
            raise SkipJob(
                f"task=profile: the profiler of backend={backend.name} does not time layers on device={device}; "
                f"use device={' or '.join(backend.profiled)}, or another backend."
            )

    def run(self, context: Context) -> TaskResult:
        graph = graph_of(context.tracker, self.graph)
        sessions = context.backend.open(context.artifact)
        context.progress.say(f"recording {self.runs} inputs of graph {graph}")
        inputs = record_crops(context.tracker, sessions, list(context.dataset), graph, self.runs)
        plain = self._plain(sessions[graph], inputs)
        scratch = Path(tempfile.mkdtemp(prefix=".profile-", dir=context.folder))
        try:
            profiler = resolve(str(context.backend.profiler))
            layers = tables(profiler(context.backend, context.artifact, graph, inputs, self.warmup, scratch))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        context.progress.say("measuring what this machine reaches in large products and copies")
        return self._result(context, graph, layers, plain, roofs_of(context.backend, layers.rows, context.threads))

    def _plain(self, session: Session, inputs: list[Arrays]) -> float:
        """Returns the median milliseconds of an inference without a profiler."""
        for _ in range(self.warmup):
            session.run(inputs[0])
        spent = []
        for arrays in inputs:
            begin = perf_counter()
            session.run(arrays)
            spent.append(perf_counter() - begin)
        return median(spent) * 1e3

    def _result(self, context: Context, graph: str, layers: Layers, plain: float, roofs: Roofs) -> TaskResult:
        folder = context.folder / FOLDER
        total = float(layers.types["ms"].sum())
        table = with_limits(layers.rows, roofs)
        types = layers.types if layers.own_types else with_sums(layers.types, table)
        write_text(folder / "layers.csv", table.to_csv(index=False, float_format="%.6f"))
        write_text(folder / "types.csv", types.to_csv(index=False, float_format="%.6f"))
        rows = [LayerTime(**known(row)) for row in table.to_dict("records")]
        limit = sum(row.ms if row.limit_ms is None else row.limit_ms for row in rows)
        found = Profiled(
            graph=graph,
            source=layers.source,
            plain_ms=plain,
            total_ms=total,
            types=[TypeTime(**known(row)) for row in types.to_dict("records")],
            layers=rows[: self.top],
            limit_ms=limit,
            roofs=roofs,
        )
        write_json(folder / "profile.json", asdict(replace(found, layers=rows)))
        metrics: Metrics = {"profile/plain_ms": plain, "profile/total_ms": total, "profile/limit_ms": limit}
        for kind in found.types[:MOST_LOGGED]:
            metrics[f"profile/type_ms/{metric_word(kind.type)}"] = kind.ms
        files = [f"{FOLDER}/{name}" for name in ("layers.csv", "types.csv", "profile.json")]
        record = ProfileRecord(profile=found, scoring=Scoring(random_weights=context.tracker.random_weights))
        return TaskResult(metrics, files, {}, record)


def metric_word(text: str) -> str:
    """Returns a layer's type as part of a metric's name: only letters, digits and ``_ - .``."""
    return "".join(mark if mark.isalnum() or mark in "_-." else "_" for mark in text)


def roofs_of(backend: Backend, rows: pd.DataFrame, threads: int) -> Roofs:
    """Measures the peaks with which a profile's layers are compared.

    Args:
        backend: The runtime in which products are timed.
        rows: The profile.
        threads: The number of threads for copies, if the device is the processor; else the backend measures copies.
    """
    peaks: dict[str, float] = {}
    if backend.peak is not None:
        measure = resolve(backend.peak)
        for precision in of_products(list(zip(rows["precision"], rows["layer"], strict=True))):
            value = measure(backend, precision)
            if value is not None:
                peaks[precision] = value
    return Roofs.measured(peaks, _copies(backend, threads))


def _copies(backend: Backend, threads: int) -> list[tuple[int, float]]:
    if getattr(backend, "device", "cpu") == "cpu":
        return copy_bandwidth(threads)
    return [] if backend.copies is None else list(resolve(backend.copies)(backend))


def with_limits(rows: pd.DataFrame, roofs: Roofs) -> pd.DataFrame:
    """Returns the rows with ``limit_ms`` and ``limited_by``, which are empty if unknown."""
    limits = [
        roofs.limit(row["operations"], row["bytes"], row["precision"], row["layer"])
        for row in rows.replace({np.nan: None}).to_dict("records")
    ]
    table = rows.drop(columns="layer")
    table["limit_ms"] = [None if item is None else item.ms for item in limits]
    table["limited_by"] = ["" if item is None else item.by for item in limits]
    return table


def with_sums(types: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the types with the sums of their layers; a sum is empty if it is unknown for one layer."""
    columns = ["operations", "bytes", "limit_ms"]
    sums = rows.groupby("type")[columns].sum(min_count=1)
    unknown = rows[columns].isna().groupby(rows["type"]).any()
    sums = sums.mask(unknown)
    return types.merge(sums, left_on="type", right_index=True, how="left")


def known(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Returns a table's row without empty values."""
    return {str(key): value for key, value in row.items() if not (value is None or value != value)}  # NaN != NaN


def tables(found: LayerTimes) -> Layers:
    """Returns sorted tables, without layers that took no time."""
    table = pd.DataFrame([[getattr(row, name) for name in COLUMNS] for row in found.rows], columns=COLUMNS)
    table = table.astype({"operations": float, "bytes": float})
    table = table[table["ms"] > 0].sort_values("ms", ascending=False, ignore_index=True)
    if found.types is None:
        return Layers(table, types_of(table), found.source)
    types = pd.DataFrame([(row.type, row.count, row.ms, row.operations) for row in found.types], columns=["type", "count", "ms", "operations"])
    types["share"] = types["ms"] / types["ms"].sum()
    return Layers(table, types.astype({"operations": float}), found.source, True)


def types_of(table: pd.DataFrame) -> pd.DataFrame:
    """Returns ``type``, ``count``, ``ms`` and ``share`` of the total, slowest first."""
    grouped = table.groupby("type")["ms"].agg(["count", "sum"]).reset_index()
    grouped.columns = pd.Index(["type", "count", "ms"])
    grouped["share"] = grouped["ms"] / grouped["ms"].sum()
    return grouped.sort_values("ms", ascending=False, ignore_index=True)
