"""Where torch's time goes: operators by their own time are the types; leaf modules by name, with all that runs inside them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from harness.backends.shared.modules import load_modules
from harness.backends.torch.backend import Torch
from harness.backends.torch.session import TorchSession
from harness.core.interfaces import Arrays, Artifact
from harness.core.preparing import LayerTime, LayerTimes, TypeTime


def layer_times(
    driver: Torch, artifact: Artifact, graph: str, inputs: list[Arrays], warmup: int, scratch: Path
) -> LayerTimes:
    """torch.profiler over ``inputs`` after ``warmup`` runs; milliseconds of one inference."""
    del scratch
    module = load_modules(artifact)[graph].to(driver.device)
    session = TorchSession(artifact.graphs[graph], module, driver.device)
    hooks = name_modules(module)
    for _ in range(warmup):
        session.run(inputs[0])
    activities = [torch.profiler.ProfilerActivity.CPU]
    if driver.device == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with _silenced(), torch.profiler.profile(activities=activities) as profiler:
        for arrays in inputs:
            session.run(arrays)
    for hook in hooks:
        hook.remove()
    kinds = {name: type(item).__name__ for name, item in module.named_modules()}
    averages = profiler.key_averages()
    rows = tuple(
        LayerTime(name, kinds.get(name, ""), event.cpu_time_total / 1e3 / len(inputs))
        for event in averages
        if event.key.startswith(MODULE) and (name := event.key.removeprefix(MODULE))
    )
    said = "torch.profiler: types are operators by own CPU time, names are leaf modules"
    return LayerTimes(rows, said, types_of(averages, len(inputs)))


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Nothing on standard error: torch's profiler announces its start and stop there, past Python."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as sink:
            os.dup2(sink.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


MODULE = "module:"


def name_modules(module: Any) -> list[Any]:
    """Hooks that mark the time inside each leaf module in the profiler's record."""
    hooks: list[Any] = []
    for name, leaf in module.named_modules():
        if not name or any(True for _ in leaf.children()):
            continue
        open_marks: list[Any] = []

        def enter(*_: Any, name: str = name, marks: list[Any] = open_marks) -> None:
            mark = torch.profiler.record_function(MODULE + name)
            mark.__enter__()
            marks.append(mark)

        def leave(*_: Any, marks: list[Any] = open_marks) -> None:
            if marks:
                marks.pop().__exit__(None, None, None)

        hooks += [leaf.register_forward_pre_hook(enter), leaf.register_forward_hook(leave)]
    return hooks


def types_of(averages: Any, runs: int) -> tuple[TypeTime, ...]:
    """Operators with their own CPU time (module marks left out), slowest first."""
    rows = [
        TypeTime(event.key, int(event.count) // runs, event.self_cpu_time_total / 1e3 / runs)
        for event in averages
        if not event.key.startswith(MODULE) and event.self_cpu_time_total > 0
    ]
    return tuple(sorted(rows, key=lambda row: -row.ms))
