"""Layer times of torch: types are operators by their own time; rows are leaf modules with everything inside them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from harness.backends.shared.modules import load_modules
from harness.backends.shared.products import rate
from harness.backends.torch.backend import Torch
from harness.backends.torch.session import TorchSession
from harness.core.interfaces import Arrays, Artifact
from harness.core.preparing import LayerTime, LayerTimes, TypeTime


def layer_times(
    driver: Torch, artifact: Artifact, graph: str, inputs: list[Arrays], warmup: int, scratch: Path
) -> LayerTimes:
    """Runs torch.profiler over ``inputs`` after ``warmup`` runs; returns milliseconds per inference."""
    del scratch
    module = load_modules(artifact)[graph].to(driver.device)
    session = TorchSession(artifact.graphs[graph], module, driver.device)
    work: dict[str, tuple[float, float]] = {}
    hooks = name_modules(module, work)
    for _ in range(warmup):
        session.run(inputs[0])
    work.clear()
    activities = [torch.profiler.ProfilerActivity.CPU]
    if driver.device == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with _silenced(), torch.profiler.profile(activities=activities, with_flops=True) as profiler:
        for arrays in inputs:
            session.run(arrays)
    for hook in hooks:
        hook.remove()
    leaves = dict(module.named_modules())
    averages = profiler.key_averages()
    rows = tuple(
        LayerTime(
            name, type(leaves[name]).__name__, event.cpu_time_total / 1e3 / len(inputs), "f32", computes_products(leaves[name]),
            *(value / len(inputs) for value in work[name]),
        )
        for event in averages
        if event.key.startswith(MODULE) and (name := event.key.removeprefix(MODULE))
    )
    said = "torch.profiler: types are operators by own CPU time, names are leaf modules"
    return LayerTimes(rows, said, types_of(averages, len(inputs)))


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Silences standard error, where torch's profiler announces its start and stop, bypassing Python."""
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


def name_modules(module: Any, work: dict[str, tuple[float, float]]) -> list[Any]:
    """Adds hooks that mark each leaf module in the profiler's record and add operations and bytes of each call to ``work``."""
    hooks: list[Any] = []
    for name, leaf in module.named_modules():
        if not name or any(True for _ in leaf.children()):
            continue
        open_marks: list[Any] = []

        def enter(*_: Any, name: str = name, marks: list[Any] = open_marks) -> None:
            mark = torch.profiler.record_function(MODULE + name)
            mark.__enter__()
            marks.append(mark)

        def leave(leaf: Any, given: Any, made: Any, name: str = name, marks: list[Any] = open_marks) -> None:
            if marks:
                marks.pop().__exit__(None, None, None)
            before, own = work.get(name, (0.0, 0.0)), work_of(leaf, given, made)
            work[name] = before[0] + own[0], before[1] + own[1]

        hooks += [leaf.register_forward_pre_hook(enter), leaf.register_forward_hook(leave)]
    return hooks


def work_of(leaf: Any, given: Any, made: Any) -> tuple[float, float]:
    """Returns operations (multiplications and additions; 0 without products) and bytes of a leaf module's call."""
    tensors = [item for item in (*given, made) if isinstance(item, torch.Tensor)]
    size = float(sum(item.nbytes for item in (*tensors, *leaf.parameters())))
    if not computes_products(leaf) or not isinstance(made, torch.Tensor):
        return 0.0, size
    # in a transposed convolution the kernel is applied to each input value, else to each output value
    values = given[0].numel() if "Transpose" in type(leaf).__name__ else made.numel()
    return 2.0 * values * leaf.weight.numel() / leaf.weight.shape[0], size


def computes_products(leaf: Any) -> bool:
    """Whether a leaf module is a convolution or linear layer, judged by a weight (outputs, inputs, ...)."""
    weight = getattr(leaf, "weight", None)
    return isinstance(weight, torch.Tensor) and weight.ndim >= 2 and not isinstance(leaf, torch.nn.Embedding)


def peak(driver: Torch, precision: str) -> float | None:
    """Returns operations per second of large products; None for other precisions than float32."""
    if precision != "f32":
        return None
    image, kernel = torch.randn(1, 128, 48, 48, device=driver.device), torch.randn(128, 128, 3, 3, device=driver.device)
    left, right = torch.randn(1024, 1024, device=driver.device), torch.randn(1024, 1024, device=driver.device)

    def timed(work: Callable[[], Any]) -> Any:
        made = work()
        if driver.device == "cuda":
            torch.cuda.synchronize()
        return made

    with torch.inference_mode():
        convolution = rate(lambda: timed(lambda: torch.nn.functional.conv2d(image, kernel, padding=1)), 2.0 * image.numel() * 128 * 9)
        return max(convolution, rate(lambda: timed(lambda: left @ right), 2.0 * 1024**3))


def types_of(averages: Any, runs: int) -> tuple[TypeTime, ...]:
    """Returns operators with their own CPU time (without module marks), slowest first."""
    rows = [
        TypeTime(event.key, int(event.count) // runs, event.self_cpu_time_total / 1e3 / runs, event.flops / runs if event.flops else None)
        for event in averages
        if not event.key.startswith(MODULE) and event.self_cpu_time_total > 0
    ]
    return tuple(sorted(rows, key=lambda row: -row.ms))
