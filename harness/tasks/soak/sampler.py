"""A sample a second while a tracker runs, taken between two updates: no thread wakes up while a frame is timed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Protocol

import psutil

from harness.machine import sensors
from harness.machine.energy import Meter
from harness.machine.environment import LoadWatch

SAMPLES = "soak.csv"
SAMPLE_S = 1.0


@dataclass(frozen=True)
class Sample:
    """What happened since the sample before, and what the machine said at its end; None if it says nothing.

    ``seconds``: since tracking began. ``fps``: updates over the sum of their times. ``quota_s`` and ``thermal`` count since the
    sample before, ``joules`` too; ``other_cores`` are cores used by other processes.
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
            joules=sum(value - earlier[name] for name, value in joules.items()) if joules else None,
        )


class Timer(Protocol):
    """A clock in seconds."""

    def __call__(self) -> float: ...


def watch(updates: Iterable[float], seconds: float, probe: Probe, now: Timer) -> list[Sample]:
    """Lets ``updates`` (the seconds of each) run for ``seconds`` by the clock ``now``; returns a sample a second.

    An update longer than a second makes a longer sample. What is left at the end and is shorter than half a second is left out.
    """
    samples: list[Sample] = []
    begin = now()
    due, frames, busy = SAMPLE_S, 0, 0.0
    for spent in updates:
        frames, busy = frames + 1, busy + spent
        elapsed = now() - begin
        if elapsed >= due:
            samples.append(probe.read(elapsed, frames, busy))
            frames, busy = 0, 0.0
            due = elapsed + SAMPLE_S if elapsed - due > SAMPLE_S else due + SAMPLE_S
        if elapsed >= seconds:
            break
    return samples


def as_csv(samples: list[Sample]) -> str:
    """A line a sample, empty if there is no value."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([item.name for item in fields(Sample)])
    for sample in samples:
        writer.writerow(["" if value is None else value for value in asdict(sample).values()])
    return buffer.getvalue()


def read_csv(path: Path) -> list[dict[str, float | None]]:
    """The samples as written by ``as_csv``."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{key: float(value) if value else None for key, value in row.items()} for row in csv.DictReader(file)]
