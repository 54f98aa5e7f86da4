"""Checks whether a converted graph computes the same as its source: seeded inputs, largest absolute difference.

The reference is the source's module in float64, so that only the error of the conversion is measured. It is compared
with the error of torch's float32 on the same inputs, because a network that amplifies rounding does so in every
runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import PrepareError
from harness.core.interfaces import Array, Arrays, Artifact, Backend, GraphSpec

_DRAWS = 2
OWN_ERRORS = 10
"""A conversion's error may be this many times the error of torch's float32, if that is more than the tolerance.

Two float32
computations with other orders of addition differed by up to 2 times this error, on several processors."""


def seeded_inputs(graph: GraphSpec, known: Mapping[str, Array], seed: int) -> Arrays:
    """Makes inputs for ``graph``: images of smooth noise, other graphs' outputs by name, else normal numbers."""
    generator = np.random.default_rng(seed)
    inputs: Arrays = {}
    for tensor in graph.inputs:
        if tensor.name in known:
            inputs[tensor.name] = known[tensor.name]
        elif tensor.dtype == "uint8":
            inputs[tensor.name] = _smooth_image(tensor.shape, generator)
        else:
            inputs[tensor.name] = generator.standard_normal(tensor.shape).astype(tensor.dtype)
    return inputs


def _smooth_image(shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """Makes noise at several scales: unlike white noise, it has structure that survives pooling, like an image."""
    image = np.zeros(shape)
    for scale in (1, 4, 16):
        size = [*shape[:1], *[-(-side // scale) for side in shape[1:3]], *shape[3:]]
        coarse = generator.random(size)
        fine = coarse.repeat(scale, 1).repeat(scale, 2)
        image += fine[:, : shape[1], : shape[2]]
    return (image / 3 * 255).astype(np.uint8)


def make_reference(
    graphs: Mapping[str, GraphSpec],
    run: Callable[[str, Arrays], Arrays],
    path: Path,
    seed: int,
    exact: Callable[[str, Arrays], Arrays] | None = None,
) -> None:
    """Writes seeded inputs and outputs of every graph to ``path``.

    ``run(graph, inputs)`` computes the source in float32; ``exact`` does so in float64, which is then the reference,
    with the largest error of ``run`` beside it. Without ``exact``, ``run`` is the reference.
    """
    kept: Arrays = {}
    for draw in range(_DRAWS):
        known: Arrays = {}
        for name, graph in graphs.items():
            inputs = seeded_inputs(graph, known, seed + draw)
            outputs = run(name, inputs)
            check_outputs(graph, outputs)
            best = exact(name, inputs) if exact else outputs
            known |= outputs
            kept |= {f"{draw}/{name}/in/{key}": value for key, value in inputs.items()}
            for key in graph.output_names():
                kept[f"{draw}/{name}/out/{key}"] = best[key]
                kept[f"{draw}/{name}/own/{key}"] = np.array(float(np.abs(outputs[key].astype(float) - best[key]).max()))
    np.savez(path, **kept)  # type: ignore[arg-type]


def check_outputs(graph: GraphSpec, outputs: Mapping[str, Array]) -> None:
    """Raises PrepareError if an output is missing, of another shape, or not finite."""
    for tensor in graph.outputs:
        if tensor.name not in outputs:
            raise PrepareError(f"graph {graph.name} gives no output {tensor.name!r}; it gives {', '.join(outputs)}.")
        found = outputs[tensor.name]
        if tuple(found.shape) != tensor.shape:
            raise PrepareError(
                f"graph {graph.name}, output {tensor.name}: shape {list(found.shape)} where the tracker expects "
                f"{list(tensor.shape)}; check the tracker's sizes against its weights."
            )
        if not np.isfinite(found).all():
            raise PrepareError(f"graph {graph.name}, output {tensor.name} is not finite on seeded inputs.")


def measure(artifact: Artifact, backend: Backend, reference: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Returns ``{graph: {output: {max_abs_diff, range, torch_error}}}`` of ``artifact`` against the reference outputs.

    ``torch_error`` is the error of the source in float32; it is 0 if that is the reference itself.
    """
    sessions = backend.open(artifact)
    found: dict[str, dict[str, dict[str, float]]] = {}
    with np.load(reference, allow_pickle=False) as kept:
        for name, graph in artifact.graphs.items():
            rows = found.setdefault(name, {})
            for draw in range(_DRAWS):
                inputs = {item: kept[f"{draw}/{name}/in/{item}"] for item in graph.input_names()}
                outputs = sessions[name].run(inputs)
                check_outputs(graph, outputs)
                for key in graph.output_names():
                    _compare(rows, key, outputs[key], kept[f"{draw}/{name}/out/{key}"])
                    own = float(kept[f"{draw}/{name}/own/{key}"])
                    rows[key]["torch_error"] = max(rows[key].get("torch_error", 0.0), own)
    return found


def _compare(rows: dict[str, dict[str, float]], key: str, found: Array, expected: Array) -> None:
    difference = float(np.abs(found.astype(float) - expected).max())
    spread = float(expected.max() - expected.min())
    before = rows.get(key, {"max_abs_diff": 0.0, "range": 0.0})
    worst = {"max_abs_diff": max(before["max_abs_diff"], difference), "range": max(before["range"], spread)}
    rows[key] = {**before, **worst}


def share(found: Mapping[str, Array], expected: Mapping[str, Array]) -> float:
    """Returns the largest difference over all outputs, as a share of the expected output's range."""
    rows: dict[str, dict[str, float]] = {}
    for key, value in expected.items():
        _compare(rows, key, found[key], value)
    return max(row["max_abs_diff"] / max(row["range"], 1e-12) for row in rows.values())


def judge(parity: dict[str, dict[str, dict[str, float]]], tolerance: float, what: str) -> None:
    """Adds ``allowed`` to each output's row: ``tolerance`` times its range, or ``OWN_ERRORS`` times torch's own error.

    Raises PrepareError if a difference is larger; the message names the output and the excess.
    """
    for graph, outputs in parity.items():
        for name, row in outputs.items():
            share, own = tolerance * max(row["range"], 1e-12), OWN_ERRORS * row.get("torch_error", 0.0)
            row["allowed"] = max(share, own)
            if row["max_abs_diff"] > row["allowed"]:
                raise PrepareError(
                    f"{what}: output {name} of graph {graph} differs from its source by {row['max_abs_diff']:.3g}, which is "
                    f"more than prepare.tolerance allows ({share:.3g} = {tolerance:g} of its range {row['range']:.3g}), and more "
                    f"than {OWN_ERRORS} times the error of torch's own float32 ({row.get('torch_error', 0.0):.3g})."
                )


def largest(parity: Mapping[str, Mapping[str, Mapping[str, float]]]) -> float:
    """Returns the largest absolute difference over all graphs and outputs; 0 if nothing was compared."""
    return max((row["max_abs_diff"] for outputs in parity.values() for row in outputs.values()), default=0.0)


def summary(info: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parity record of an artifact's info; empty for a source."""
    found = info.get("parity")
    return found if isinstance(found, Mapping) else {}
