"""Which layers of a compiled model run in int8, and their times; reported by the runtime, not read from the file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence as Seq
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.core.interfaces import Array, Artifact, Backend
from harness.core.preparing import LayerTimes, resolve

RUNS, WARMUP = 8, 2
LISTED = 12
INT8 = ("u8", "i8")

Row = dict[str, Any]


def layer_report(
    artifact: Artifact,
    base: Artifact,
    backend: Backend,
    graphs: Seq[str],
    inputs: Mapping[str, Mapping[str, Array]],
) -> dict[str, Any]:
    """Returns ``int8_share`` of the layers, counts, time per precision, and ``costly``: the slowest layers in int8.

    Profiling slows a model down, so these times only compare layers with each other; they are not speeds.
    """
    int8 = [row for name in graphs for row in rows_of(artifact, backend, name, inputs[name])]
    fp32 = [row for name in graphs for row in rows_of(base, backend, name, inputs[name])]
    layers = [row for row in int8 if row["layer"]]
    quantised = [row for row in layers if row["precision"] in INT8]
    before = {row["name"]: row["ms"] for row in fp32}
    costly = sorted(int8, key=lambda row: row["ms"], reverse=True)[:LISTED]
    return {
        "layers": len(layers),
        "int8_layers": len(quantised),
        "int8_share": len(quantised) / max(1, len(layers)),
        "int8_time_share": sum(row["ms"] for row in quantised) / max(1e-9, sum(row["ms"] for row in int8)),
        "ms": {"int8": sum(row["ms"] for row in int8), "fp32": sum(row["ms"] for row in fp32)},
        "by_type": {"int8": by_type(int8), "fp32": by_type(fp32)},
        "costly": [{**row, "fp32_ms": before.get(row["name"])} for row in costly],
    }


def by_type(rows: Seq[Row]) -> dict[str, float]:
    """``type precision`` -> milliseconds, longest first."""
    found: dict[str, float] = {}
    for row in rows:
        key = f"{row['type']} {row['precision']}"
        found[key] = found.get(key, 0.0) + row["ms"]
    return dict(sorted(found.items(), key=lambda item: item[1], reverse=True)[:LISTED])


def rows_of(artifact: Artifact, backend: Backend, graph: str, inputs: Mapping[str, Array]) -> list[Row]:
    """Returns a row per operation from the backend's profiler: name, type, precision, ms per run, whether it is a layer."""
    with tempfile.TemporaryDirectory() as scratch:
        profiler = resolve(str(backend.profiler))
        found: LayerTimes = profiler(backend, artifact, graph, [dict(inputs)] * RUNS, WARMUP, Path(scratch))
    return [asdict(row) for row in found.rows]
