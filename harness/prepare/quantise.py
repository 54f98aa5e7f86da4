"""Builds an int8 artifact: records calibration data, quantises, checks. Runs in the preparing child."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from harness.artifacts.store import REFERENCE_FILE, artifact_folder
from harness.backends.shared.engine import Engine
from harness.core.config import build
from harness.core.errors import PrepareError
from harness.core.interfaces import Artifact, Dataset, TrackerSpec
from harness.core.preparing import resolve
from harness.machine import progress
from harness.prepare import accuracy_control, calibration, parity
from harness.prepare.plan import Step

STEADY, STEADY_ITEMS = 0.25, 4
"""How far, as a share of an output's range, an int8 graph may depend on the number of threads: rounding to 255 levels at
other places moves a few of them; a wrong kernel moves the whole. On how many items this is looked at."""


def quantise(step: Step, parent: Artifact, folder: Path) -> tuple[dict[str, Path], dict[str, Any]]:
    """Records calibration data with the fp32 graphs, quantises, saves; returns the files and what is to be recorded."""
    begin = perf_counter()
    random.seed(step.seed)
    np.random.seed(step.seed)  # libraries below draw from the global generator
    settings, display = step.options["settings"], progress.make()
    tracker = build(step.options["_tracker"], TrackerSpec, "tracker")
    data = build(step.options["_calibration"], Dataset, "quantization")
    engine: Engine = resolve(step.options["_engine"])(settings, int(step.options["_threads"]), parent, display)
    chosen = [name for name in parent.graphs if settings["graphs"] == "all" or name in tracker.per_frame]
    items = calibration.record(
        tracker, engine.open(parent), data, int(settings["subset_size"]), step.seed, display
    )
    report: dict[str, Any] = {"network": step.chain()[0].options["options"], "calibration": _calibration_record(step, items, chosen)}
    for name in chosen:
        calibration.check(parent.graphs[name], items[name])
    files = accuracy_control.copied(parent, folder, [name for name in parent.graphs if name not in chosen])
    if "max_drop" in settings:
        control = accuracy_control.Control(step, parent, engine, tracker, items, folder, display)
        found, report["accuracy_control"] = control.run(chosen, files)
    else:
        found = {name: engine.save(engine.quantise(name, items[name]), name, folder) for name in chosen}
    files |= found
    report["across_threads"] = _same_with_one_thread(step, files, folder, engine, {name: items[name] for name in chosen})
    report["layers"] = {name: engine.layers(files[name]) for name in chosen}
    report["seconds"] = round(perf_counter() - begin, 2)
    info = {key: parent.info[key] for key in ("exporter", "opset", "converter") if key in parent.info}
    info |= {"int8": report, "engine": engine.describe(), "fp32": _fp32_record(parent)}
    return {name: files[name] for name in parent.graphs}, info | {"parity": _parity(step, files, folder, engine)}


def _calibration_record(step: Step, items: calibration.Items, chosen: list[str]) -> dict[str, Any]:
    return {
        "sequences": step.options["calibration"]["sequences"],
        "digest": step.options["calibration"]["digest"],
        "samples": {name: len(items[name]) for name in chosen},
    }


def _fp32_record(parent: Artifact) -> dict[str, Any]:
    """Where the fp32 artifact lies beside this one in the cache, for comparisons."""
    return {
        "key": parent.key,
        "folder": parent.folder.name,
        "files": {name: Path(path).name for name, path in parent.files.items()},
        "mb": parent.info.get("mb", 0.0),
    }


def _parity(step: Step, files: Mapping[str, Path], folder: Path, engine: Engine) -> dict[str, Any]:
    """Differences from the source's reference outputs on seeded inputs: recorded, not judged."""
    root = artifact_folder(Path(), step.chain()[0].key).name
    reference = folder.parent / root / REFERENCE_FILE
    graphs = {graph.name: graph for graph in step.graphs}
    artifact = Artifact(step.format, step.precision, files, graphs, step.key, folder)
    try:
        return parity.measure(artifact, engine.fresh(), reference)
    except PrepareError as error:
        raise PrepareError(f"the int8 model is broken: {error}") from error


def _same_with_one_thread(
    step: Step, files: Mapping[str, Path], folder: Path, engine: Engine, items: calibration.Items
) -> dict[str, float]:
    """Compares int8 graphs run with one thread and with several, because runtimes choose other kernels for one thread.

    Returns:
        Per graph the largest difference between two runs with one thread, and between these and one with several, as a share
        of the output's range.

    Raises:
        PrepareError: The difference shows a fault.
    """
    artifact = Artifact(step.format, step.precision, files, {graph.name: graph for graph in step.graphs}, step.key, folder)
    several = engine.fresh(max(2, engine.threads)).open(artifact)
    single = engine.fresh(1).open(artifact)
    found = {}
    for name, some in items.items():
        share = max(
            parity.share(session.run(item), expected)
            for item in some[:: max(1, len(some) // STEADY_ITEMS)][:STEADY_ITEMS]
            for expected in [{key: np.array(value) for key, value in several[name].run(item).items()}]
            for session in (single[name], single[name])
        )
        if share > STEADY:
            raise PrepareError(
                f"the int8 graph {name} gives other outputs with one thread than with {max(2, engine.threads)} (by "
                f"{share:.0%} of their range), which is a fault of the runtime; find the layer with quantization.ignored_types "
                "(for example [MatMul]) or ignored_patterns, and leave it in fp32."
            )
        found[name] = share
    return found
