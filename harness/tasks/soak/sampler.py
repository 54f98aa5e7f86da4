"""One sample per second of a running tracker, taken between two updates: no thread runs while a frame is timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import floor
from typing import Protocol

import psutil

from harness.machine import sensors
from harness.machine.energy import Meter
from harness.machine.environment import LoadWatch

SAMPLE_S = 1.0


@dataclass(frozen=True)
class Sample:
    """Values since the previous sample, and the machine's state at the end; None if the machine does not report it.

    ``seconds``: seconds of tracking without interruptions. ``fps``: updates over the sum of their times. ``quota_s``,
    ``thermal`` and ``joules`` count since the previous sample; ``other_cores`` is the number of cores used by other
    processes. ``part`` counts the starts of the soak from 1 and increases with each interruption; ``clock`` is in
    seconds since 1970.
    """

    seconds: float
    frames: int
    fps: float | None
    mhz: float | None
    celsius: float | None
    thermal: int | None
    quota_s: float | None
    other_cores: float
    rss_mb: float
    joules: float | None
    part: int = 1
    clock: float = 0.0


class Probe(Protocol):
    """Reads the state of the machine for each sample."""

    def read(self, seconds: float, frames: int, busy: float) -> Sample:
        """Takes the sample at ``seconds``, for ``frames`` updates that took ``busy`` seconds since the previous one."""
        ...


@dataclass
class MachineProbe:
    """Reads the sensors of the device in use, this process's memory and the energy counters."""

    meter: Meter
    device: sensors.Sensors = field(default_factory=sensors.ProcessorSensors)
    part: int = 1
    _watch: LoadWatch = field(default_factory=LoadWatch)
    _process: psutil.Process = field(default_factory=psutil.Process)
    _throttling: sensors.Throttling = field(init=False)
    _joules: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._watch.start()
        self._throttling = self.device.throttling()
        self._joules = self.meter.joules()

    def read(self, seconds: float, frames: int, busy: float) -> Sample:
        """Reads everything once; counters are given as differences."""
        now, before = self.device.throttling(), self._throttling
        joules, earlier = self.meter.joules(), self._joules
        others = self._watch.stop()
        self._watch.start()
        self._throttling, self._joules = now, joules
        return Sample(
            seconds=seconds,
            frames=frames,
            fps=frames / busy if busy > 0 else None,
            mhz=self.device.mhz(),
            celsius=self.device.celsius(),
            thermal=None if now.thermal is None or before.thermal is None else now.thermal - before.thermal,
            quota_s=None if now.quota_s is None or before.quota_s is None else now.quota_s - before.quota_s,
            other_cores=others,
            rss_mb=self._process.memory_info().rss / 2**20,
            joules=sum(value - earlier[name] for name, value in joules.items()) if joules and not self.meter.lost else None,
            part=self.part,
            clock=time.time(),
        )


class Timer(Protocol):
    """A clock in seconds."""

    def __call__(self) -> float: ...


Keep = Callable[[Sample], None]


def nothing(sample: Sample) -> None:
    """Discards a sample."""
    del sample


def watch(
    updates: Iterable[float], seconds: float, probe: Probe, now: Timer, keep: Keep = nothing, before: float = 0.0
) -> list[Sample]:
    """Runs ``updates`` (which yields the seconds of each) until ``seconds`` by the clock ``now``.

    Returns one sample per second.

    An update longer than a second makes a longer sample. A last sample shorter than half a second is left out.

    Args:
        updates: An endless iterator; each update runs when it is requested.
        seconds: Total seconds of tracking.
        probe: Reads the machine.
        now: The clock.
        keep: Gets each sample when it is taken.
        before: Seconds of tracking by earlier starts.
    """
    samples: list[Sample] = []
    begin = now() - before
    # at whole seconds of tracking, as without an interruption; the first sample covers at least half a second
    due, frames, busy = (floor(before / SAMPLE_S + 0.5) + 1) * SAMPLE_S, 0, 0.0
    for spent in updates:
        frames, busy = frames + 1, busy + spent
        elapsed = now() - begin
        if elapsed >= due:
            samples.append(probe.read(elapsed, frames, busy))
            keep(samples[-1])
            frames, busy = 0, 0.0
            due = elapsed + SAMPLE_S if elapsed - due > SAMPLE_S else due + SAMPLE_S
        if elapsed >= seconds:
            break
    return samples
