"""Sensors of this machine: clock frequency, temperature, throttling. A missing value is None, never a guess."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil

from harness.machine import cards

SYS = Path("/sys")


@dataclass(frozen=True)
class Throttling:
    """Counts since the machine or the control group started; None if there is no counter.

    ``thermal``: thermal throttling events of the cores. ``quota_s``: seconds for which the control group's threads had
    to wait because its quota was used up.
    """

    thermal: int | None
    quota_s: float | None


def frequency_mhz(root: Path = SYS) -> float | None:
    """The cores' mean clock frequency in MHz."""
    values = _numbers((root / "devices/system/cpu/cpufreq").glob("policy*/scaling_cur_freq"))
    if values:
        return sum(values) / len(values) / 1e3
    if root != SYS:
        return None
    try:
        found = psutil.cpu_freq()
    except (OSError, NotImplementedError):
        return None
    return float(found.current) if found is not None and found.current else None


def temperature_c(root: Path = SYS) -> float | None:
    """The hottest sensor of the processor in degrees Celsius."""
    values = [
        value / 1e3
        for folder in (root / "class/hwmon").glob("hwmon*")
        if _text(folder / "name") in ("coretemp", "k10temp", "zenpower", "cpu_thermal")
        for value in _numbers(folder.glob("temp*_input"))
    ]
    values = values or [value / 1e3 for value in _numbers((root / "class/thermal").glob("thermal_zone*/temp"))]
    usable = [value for value in values if 0 < value < 150]
    return max(usable) if usable else None


def throttling(root: Path = SYS) -> Throttling:
    """The counters of throttling."""
    cores = (root / "devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/core_throttle_count")
    thermal = _numbers(cores)
    return Throttling(int(sum(thermal)) if thermal else None, _quota_s(root))


class Sensors(Protocol):
    """The sensors of the device that a network runs on; None for a value that it does not report."""

    def mhz(self) -> float | None:
        """Its clock frequency."""
        ...

    def celsius(self) -> float | None:
        """Its temperature."""
        ...

    def throttling(self) -> Throttling:
        """Its counters of throttling."""
        ...


class ProcessorSensors:
    """The processor's sensors, as the system reports them."""

    def mhz(self) -> float | None:
        return frequency_mhz()

    def celsius(self) -> float | None:
        return temperature_c()

    def throttling(self) -> Throttling:
        return throttling()


class CardSensors:
    """The sensors of an NVIDIA GPU by NVML. ``nvml`` is the initialised module ``pynvml``; ``handle`` the GPU's handle.

    ``thermal`` counts the readings at which the GPU reports thermal throttling.
    """

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._handle, self._hot = nvml, handle, 0

    def mhz(self) -> float | None:
        return self._ask("nvmlDeviceGetClockInfo", self._nvml.NVML_CLOCK_SM)

    def celsius(self) -> float | None:
        return self._ask("nvmlDeviceGetTemperature", self._nvml.NVML_TEMPERATURE_GPU)

    def throttling(self) -> Throttling:
        reasons = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons")
        if reasons is None:
            return Throttling(None, _quota_s(SYS))
        heat = self._nvml.nvmlClocksThrottleReasonSwThermalSlowdown | self._nvml.nvmlClocksThrottleReasonHwThermalSlowdown
        self._hot += bool(int(reasons) & heat)
        return Throttling(self._hot, _quota_s(SYS))

    def _ask(self, function: str, *arguments: Any) -> float | None:
        try:
            return float(getattr(self._nvml, function)(self._handle, *arguments))
        except Exception:  # NVML has its own exceptions; a GPU without the value is not an error
            return None


def sensors_of(device: str, card: str = "") -> Sensors:
    """Returns the sensors of a device: those of the card in use for ``cuda`` if NVML is available, else the processor's.

    ``card`` is its UUID if the runtime tells it, else the first card that CUDA shows is taken.
    """
    if device != "cuda":
        return ProcessorSensors()
    try:
        import pynvml

        pynvml.nvmlInit()
        return CardSensors(pynvml, cards.handle(pynvml, card))
    except Exception:  # no package, no driver, no GPU: use the processor
        return ProcessorSensors()


def _quota_s(root: Path) -> float | None:
    """Reads ``throttled_usec`` in cpu.stat of cgroup v2, or ``throttled_time`` (nanoseconds) of v1."""
    for path in (root / "fs/cgroup/cpu.stat", root / "fs/cgroup/cpu/cpu.stat"):
        for line in _text(path).splitlines():
            key, _, value = line.partition(" ")
            if key in ("throttled_usec", "throttled_time") and value.isdigit():
                return int(value) / (1e6 if key == "throttled_usec" else 1e9)
    return None


def _numbers(paths: Iterable[Path]) -> list[float]:
    found = []
    for path in paths:
        try:
            found.append(float(path.read_text()))
        except (OSError, ValueError):
            continue
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
