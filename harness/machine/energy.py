"""Energy counters of this machine: Linux powercap (RAPL) for the processor, NVML for NVIDIA's cards.

Energy is read from counters, never estimated: if a machine has no readable counter, the reason is reported instead of
joules. The processor's counters count everything that runs on it, not only this process.

Sources: Documentation/power/powercap in the Linux kernel (``energy_uj`` counts microjoules and starts again from 0 after
``max_energy_range_uj``); NVML's ``nvmlDeviceGetTotalEnergyConsumption`` (millijoules since the driver was loaded).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from harness.machine import cards

POWERCAP = Path("/sys/class/powercap")
NONE = "no energy counter here"
_ZONE = re.compile(r"intel-rapl:\d+")
_MEMORY = re.compile(r"intel-rapl:\d+:\d+")


class Counter(Protocol):
    """A counter of joules. ``name`` names what it counts."""

    @property
    def name(self) -> str: ...

    def joules(self) -> float:
        """Returns joules since the counter was made.

        Must be read at least once in each period after which it restarts.
        """
        ...


@dataclass
class PowercapCounter:
    """One zone of Linux powercap. The first reading counts as 0 J.

    At 200 W a zone's 32-bit counter restarts from 0 after about 20 minutes at the earliest; one reading per second is
    enough.
    """

    folder: Path
    name: str
    _range: int = field(init=False, repr=False)
    _last: int = field(init=False, repr=False)
    _total: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        self._range = _number(self.folder / "max_energy_range_uj")
        self._last = _number(self.folder / "energy_uj")

    def joules(self) -> float:
        """Returns joules since the counter was made. Raises OSError or ValueError if it can no longer be read."""
        now = _number(self.folder / "energy_uj")
        gone = now - self._last
        self._total += gone if gone >= 0 else gone + self._range
        self._last = now
        return self._total / 1e6


@dataclass
class NvmlCounter:
    """An NVIDIA card's own counter. ``nvml`` is the module ``pynvml``, initialised; ``handle`` the card's handle."""

    nvml: Any
    handle: Any
    name: str
    _first: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._first = int(self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle))

    def joules(self) -> float:
        """Joules since the counter was made."""
        return (int(self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle)) - self._first) / 1e3


@dataclass
class Meter:
    """The counters of this machine that are read together.

    ``reason`` states which are missing and why; ``lost`` is True after one disappeared while it was in use, so that the
    total is incomplete.
    """

    counters: list[Counter]
    reason: str = ""
    lost: bool = False

    @property
    def names(self) -> list[str]:
        """The names of the counters."""
        return [counter.name for counter in self.counters]

    def joules(self) -> dict[str, float]:
        """Returns joules by counter since the meter was made. A counter that can no longer be read is left out."""
        found = {}
        for counter in list(self.counters):
            try:
                found[counter.name] = counter.joules()
            except Exception as error:  # NVML has its own exceptions
                self.counters.remove(counter)
                self.lost = True
                self.reason = f"{counter.name} could not be read any more ({error})"
        return found


def meter(device: str = "cpu", root: Path = POWERCAP, card: str = "") -> Meter:
    """Returns the counters for ``device``: those of the processor, and with ``cuda`` that of the card in use.

    ``gpu`` does not say which card it is: all that NVML lists are counted.

    Args:
        device: As in ``device=``.
        root: The folder of powercap's zones.
        card: The UUID of the card in use if the runtime tells it, else the first one that CUDA shows.

    Returns:
        The counters; ``reason`` states what is missing. Never raises.
    """
    counters, why = _processor(root)
    reasons = [why]
    if device in ("cuda", "gpu"):
        found, why = _cards(device == "cuda", card)
        counters += found
        reasons.append(why)
    told = "; ".join(reason for reason in reasons if reason)
    return Meter(counters, told if counters else f"{NONE}: {told}")


def _processor(root: Path) -> tuple[list[Counter], str]:
    """Returns powercap's packages and their memory, but not the platform's zone, which would count them twice."""
    zones = {path: _name(path) for path in sorted(root.glob("intel-rapl:*"))}
    chosen = {
        path: name
        for path, name in zones.items()
        if (_ZONE.fullmatch(path.name) and name.startswith("package"))
        or (_MEMORY.fullmatch(path.name) and name == "dram")
    }
    if not chosen:
        return [], f"{root} has no package zone (virtual machines and many ARM boards have none)"
    counters: list[Counter] = []
    for path, name in chosen.items():
        try:
            counters.append(PowercapCounter(path, _label(path, name, zones)))
        except PermissionError:
            return [], f"{path / 'energy_uj'} cannot be read by this user; ask for read access to it"
        except (OSError, ValueError) as error:
            return [], f"{path} cannot be read ({error})"
    return counters, ""


def _label(path: Path, name: str, zones: Mapping[Path, str]) -> str:
    """Returns ``package-0``, or ``package-0 dram`` for a zone within it."""
    if _ZONE.fullmatch(path.name):
        return name
    parent = path.with_name(path.name.rsplit(":", 1)[0])
    return f"{zones.get(parent, parent.name)} {name}"


def _cards(one: bool, card: str) -> tuple[list[Counter], str]:
    """Returns the card in use (``one``), or all that NVML lists."""
    try:
        import pynvml
    except ImportError:
        return [], "NVML is not installed: pip install 'tracker-harness[nvidia]'"
    try:
        pynvml.nvmlInit()
        if one:
            handle = cards.handle(pynvml, card)
            return [NvmlCounter(pynvml, handle, f"gpu-{pynvml.nvmlDeviceGetIndex(handle)}")], ""
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return [NvmlCounter(pynvml, handle, f"gpu-{index}") for index, handle in enumerate(handles)], ""
    except Exception as error:
        return [], f"NVML counts no energy here ({error})"


def _name(folder: Path) -> str:
    try:
        return (folder / "name").read_text().strip()
    except OSError:
        return ""


def _number(path: Path) -> int:
    return int(path.read_text())
