"""NVIDIA's cards of this machine, as the driver tells them, and the one that a job runs on.

Sources: the driver's folder ``/proc/driver/nvidia`` (``version``, ``gpus/*/information``); CUDA's variables
``CUDA_VISIBLE_DEVICES`` and ``CUDA_DEVICE_ORDER``; NVML, which numbers cards by their place on the PCI bus.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DRIVER = Path("/proc/driver/nvidia")
VISIBLE = "CUDA_VISIBLE_DEVICES"
_VERSION = re.compile(r"Kernel Module(?: for \S+)?\s+(\d+(?:\.\d+)+)")


def names(root: Path = DRIVER) -> list[str]:
    """Returns the models of all cards, in the order of the PCI bus; empty without a driver."""
    found = []
    for path in sorted(root.glob("gpus/*/information")):
        told = re.search(r"^Model:\s*(.+?)\s*$", _text(path), re.MULTILINE)
        found.append(told[1] if told else "unknown")
    return found


def driver(root: Path = DRIVER) -> str:
    """Returns the driver's version; empty without a driver."""
    told = _VERSION.search(_text(root / "version"))
    return told[1] if told else ""


def handle(nvml: Any, card: str = "", environment: Mapping[str, str] = os.environ) -> Any:
    """Returns NVML's handle of the card that a job of this process runs on.

    Args:
        nvml: The module ``pynvml``, initialised.
        card: The card's UUID (``GPU-...``) if the runtime tells it; else the first card that CUDA shows is taken.
        environment: The variables by which CUDA chooses cards.

    Raises:
        pynvml.NVMLError: There is no such card.
    """
    first = card or environment.get(VISIBLE, "").split(",")[0].strip()
    if not first:
        return nvml.nvmlDeviceGetHandleByIndex(0)
    if first.isdigit():
        return nvml.nvmlDeviceGetHandleByIndex(int(first))
    for index in range(nvml.nvmlDeviceGetCount()):  # CUDA takes the beginning of a UUID too
        found = nvml.nvmlDeviceGetHandleByIndex(index)
        if _word(nvml.nvmlDeviceGetUUID(found)).startswith(first):
            return found
    return nvml.nvmlDeviceGetHandleByUUID(first)


def _word(told: str | bytes) -> str:
    return told.decode() if isinstance(told, bytes) else told


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
