"""torch on an NVIDIA card: its arithmetic, what torch reports of it, and the rates that it reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

import torch

from harness.core.errors import DeviceError
from harness.machine import cards

SIZES = (1 << 22, 1 << 24, 1 << 26, 1 << 28, 1 << 30)
"""Bytes in use, source and destination together. A copy of less takes as long as its launch."""
SAMPLES, COPIES = 7, 20


def check() -> None:
    """Raises DeviceError if torch sees no card; says whether torch itself or the driver is missing."""
    if torch.cuda.is_available():
        return
    if torch.version.cuda is None:
        raise DeviceError(
            f"device=cuda: this torch ({torch.__version__}) is built without CUDA; install a CUDA build "
            "(pytorch.org/get-started), or use device=cpu."
        )
    raise DeviceError(
        "device=cuda: torch sees no CUDA device here; check that nvidia-smi lists the card and that CUDA_VISIBLE_DEVICES "
        "does not hide it, or use device=cpu."
    )


def allow_tf32(allowed: bool) -> None:
    """Says for this process whether a card may round the factors of products and convolutions to TF32.

    torch's own default is no for products and yes for convolutions.
    """
    if hasattr(torch.backends.cuda.matmul, "fp32_precision"):  # since torch 2.9, which warns of the older words
        word = "tf32" if allowed else "ieee"
        for place in (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn):
            place.fp32_precision = word
    else:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


def precision() -> str:
    """Returns the arithmetic in force for products of float32 on a card: ``fp32`` or ``tf32``."""
    if hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        words = {torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision}
        return "fp32" if words == {"ieee"} else "tf32"
    return "tf32" if torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32 else "fp32"


def describe() -> dict[str, str]:
    """Returns what differs from the processor's report."""
    found = torch.cuda.get_device_properties(torch.cuda.current_device())
    told = {
        "device": found.name,
        "precision": precision(),
        "capability": f"sm_{found.major}{found.minor}",
        "card_memory_mb": str(found.total_memory >> 20),
        "cuda_version": str(torch.version.cuda),
        "cudnn_version": str(torch.backends.cudnn.version()),
    }
    return told | ({"driver_version": driver} if (driver := cards.driver()) else {})


def uuid() -> str:
    """Returns the card's UUID as NVML writes it; empty if this torch does not tell."""
    told = getattr(torch.cuda.get_device_properties(torch.cuda.current_device()), "uuid", "")
    return f"GPU-{told}" if told else ""


def peak_mb() -> float:
    """Returns the most memory in MiB that torch's allocator has taken on the card."""
    return float(torch.cuda.max_memory_reserved() / 2**20)


def finished(work: Callable[[], Any]) -> Any:
    """Returns what ``work`` makes once the card has made it: calls only start the work there."""
    made = work()
    torch.cuda.synchronize()
    return made


def copies(sizes: Iterable[int] = SIZES, device: str = "cuda", wait: Callable[[], None] | None = None) -> list[tuple[int, float]]:
    """Measures how fast the card moves data in its own memory, the best of several samples for each size.

    A copied byte counts twice, as read and as written.

    Args:
        sizes: Bytes in use.
        device: The device of the copies.
        wait: Waits until all copies are made.

    Returns:
        (size, bytes per second) in the order of ``sizes``.
    """
    wait = wait or torch.cuda.synchronize
    found = []
    for size in sizes:
        source, target = (torch.zeros(size // 2, dtype=torch.uint8, device=device) for _ in range(2))
        target.copy_(source)  # the first one loads what it needs
        found.append((size, 2.0 * source.nbytes * COPIES / min(_seconds(target, source, wait) for _ in range(SAMPLES))))
    return found


def _seconds(target: Any, source: Any, wait: Callable[[], None]) -> float:
    wait()
    begin = perf_counter()
    for _ in range(COPIES):
        target.copy_(source)
    wait()
    return perf_counter() - begin
