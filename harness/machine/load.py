"""The load by other processes during a measurement."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

QUIET_CORES = 0.1
"""The most cores that other processes, or other machines on the same processor, may use in a valid measurement."""
IDLE_CORES = 0.6
"""The same limit if they used only idle cores: our threads waited for them at most ``WAITED`` of their time."""
WAITED = 0.02


@dataclass(frozen=True)
class Load:
    """The load by others.

    Attributes:
        cores: The average cores used by other processes, including those that the host gave to other machines (steal).
        waited: The time that our threads were ready to run without a core, as a share of their running time (for
            threads that still live, by Linux' scheduler; 0 if it does not report it).
        lost: The same in seconds per second: the most that the measurement can have lost to others.
    """

    cores: float
    waited: float
    lost: float

    @property
    def quiet(self) -> bool:
        """Whether a measurement under this load counts."""
        return self.cores <= QUIET_CORES or (self.cores <= IDLE_CORES and self.waited <= WAITED)

    def plain(self) -> dict[str, float]:
        """Returns the load as numbers by name."""
        return asdict(self)


class FamilyWatch:
    """Measures, from its construction on, the load by others than this process and its descendants."""

    def __init__(self) -> None:
        self._before = _read()

    def other(self) -> Load:
        """Returns the load since the construction."""
        busy, own, delay, wall = (new - old for new, old in zip(_read(), self._before, strict=True))
        delay = max(0.0, delay)
        return Load(max(0.0, busy - own) / wall, delay / max(own, 1e-9), delay / wall)


def _read() -> tuple[float, float, float, float]:
    """Returns seconds: all processors busy, this process and its descendants, waits of its threads, the clock."""
    times = psutil.cpu_times()
    busy = sum(times[:3]) + sum(getattr(times, key, 0.0) for key in ("irq", "softirq", "steal"))
    own = delay = 0.0
    this = psutil.Process()
    for process in (this, *this.children(recursive=True)):
        try:
            own += sum(process.cpu_times()[:4])  # itself and its ended children, user and system
            delay += sum(run_delay(task) for task in Path(f"/proc/{process.pid}/task").iterdir())
        except (psutil.Error, OSError):
            continue
    return busy, own, delay, time.monotonic()


def run_delay(task: Path) -> float:
    """Returns the seconds that a thread was ready to run without a core (Linux; 0 elsewhere)."""
    try:
        return int((task / "schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
