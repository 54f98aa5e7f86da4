"""A sample a second while a tracker runs, taken between two updates: no thread wakes up while a frame is timed."""

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
    """What happened since the sample before, and what the machine said at its end; None if it says nothing.

    ``seconds``: of tracking, interruptions left out. ``fps``: updates over the sum of their times. ``quota_s`` and ``thermal``
    count since the sample before, ``joules`` too; ``other_cores`` are cores used by other processes. ``part`` counts the starts of the soak, from 1:
    one more for each interruption; ``clock`` is the time of day, seconds since 1970.
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
    """What is read of the machine at each sample."""

    def read(self, seconds: float, frames: int, busy: float) -> Sample:
        """The sample at ``seconds``, of ``frames`` updates that took ``busy`` seconds since the one before."""
        ...


@dataclass
class MachineProbe:
    """Reads the sensors of the device that tracks, this process's memory and the energy counters."""

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
    """Keeps no sample."""
    del sample


def watch(
    updates: Iterable[float], seconds: float, probe: Probe, now: Timer, keep: Keep = nothing, before: float = 0.0
) -> list[Sample]:
    """Lets ``updates`` (the seconds of each) run until ``seconds`` by the clock ``now``; returns a sample a second.

    An update longer than a second makes a longer sample. What is left at the end and is shorter than half a second is left out.

    Args:
        updates: Endless; each is made when it is asked for.
        seconds: Of tracking in all.
        probe: Reads the machine.
        now: The clock.
        keep: Gets each sample as it is taken.
        before: Seconds of tracking that were done by an earlier start.
    """
    samples: list[Sample] = []
    begin = now() - before
    # on whole seconds of tracking, as without an interruption; the first sample is of half a second at least
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
