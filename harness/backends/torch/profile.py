"""Layer times of torch: types are operators by their own time; rows are leaf modules with everything inside them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import torch

from harness.backends.shared.modules import load_modules
from harness.backends.shared.products import rate
from harness.backends.torch import card
from harness.backends.torch.backend import Torch
from harness.backends.torch.card import finished
from harness.backends.torch.session import TorchSession
from harness.core.interfaces import Arrays, Artifact
from harness.core.preparing import LayerTime, LayerTimes, TypeTime


def layer_times(
    driver: Torch, artifact: Artifact, graph: str, inputs: list[Arrays], warmup: int, scratch: Path
) -> LayerTimes:
    """Runs torch.profiler over ``inputs`` after ``warmup`` runs; returns milliseconds per inference.

    On a card these are its own milliseconds: those of the processor, which only starts the work there, say nothing.
    """
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
    averages = operators(profiler.key_averages())
    clock = CARD if driver.device == "cuda" else PROCESSOR
    rows = tuple(
        LayerTime(
            name, type(leaves[name]).__name__, clock.all(event) / 1e3 / len(inputs), precision_of(driver), computes_products(leaves[name]),
            *(value / len(inputs) for value in work[name]),
        )
        for event in averages
        if event.key.startswith(MODULE) and (name := event.key.removeprefix(MODULE))
    )
    said = f"torch.profiler: types are operators by own {clock.name} time, names are leaf modules"
    return LayerTimes(rows, said, types_of(averages, len(inputs), clock))


@dataclass(frozen=True)
class Clock:
    """Whose microseconds of an event count: ``own``, or with the operators inside it (``all``)."""

    name: str
    own: Callable[[Any], float]
    all: Callable[[Any], float]


PROCESSOR = Clock("CPU", attrgetter("self_cpu_time_total"), attrgetter("cpu_time_total"))
CARD = Clock("card", attrgetter("self_device_time_total"), attrgetter("device_time_total"))


def operators(averages: Any) -> list[Any]:
    """Returns the events of the processor: each holds the time of the kernels that it started, which are events too."""
    return [event for event in averages if event.device_type == torch.autograd.DeviceType.CPU]


def precision_of(driver: Torch) -> str:
    """Returns the arithmetic of products: ``f32`` or ``tf32``."""
    return "tf32" if driver.tf32 else "f32"


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
    size = float(sum(item.nbytes for item in (*tensors, *leaf.parameters(), *leaf.buffers())))
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
    """Returns operations per second of large products; None for other precisions than that of the driver's products."""
    if precision != precision_of(driver):
        return None
    made = PRODUCTS[driver.device]
    image = torch.randn(made.images, made.channels, made.side, made.side, device=driver.device)
    kernel = torch.randn(made.channels, made.channels, 3, 3, device=driver.device)
    left, right = (torch.randn(made.width, made.width, device=driver.device) for _ in range(2))
    done = finished if driver.device == "cuda" else (lambda work: work())
    with torch.inference_mode():
        convolution = rate(
            lambda: done(lambda: torch.nn.functional.conv2d(image, kernel, padding=1)), 2.0 * image.numel() * made.channels * 9
        )
        return max(convolution, rate(lambda: done(lambda: left @ right), 2.0 * made.width**3))


def copies(driver: Torch) -> list[tuple[int, float]]:
    """Returns (bytes in use, bytes per second) of copies on the card."""
    del driver
    return card.copies()


@dataclass(frozen=True)
class Products:
    """Sizes of a 3x3 convolution (``images`` of ``channels`` and ``side``) and a product of square matrices."""

    images: int
    channels: int
    side: int
    width: int


PRODUCTS = {"cpu": Products(1, 128, 48, 1024), "cuda": Products(8, 256, 96, 4096)}
"""Large enough that a call's fixed cost is small: on a card it is some ten microseconds, in which the smaller ones are done."""


def types_of(averages: Any, runs: int, clock: Clock = PROCESSOR) -> tuple[TypeTime, ...]:
    """Returns operators with their own time (without module marks), slowest first."""
    rows = [
        TypeTime(event.key, int(event.count) // runs, clock.own(event) / 1e3 / runs, event.flops / runs if event.flops else None)
        for event in averages
        if not event.key.startswith(MODULE) and clock.own(event) > 0
    ]
    return tuple(sorted(rows, key=lambda row: -row.ms))
