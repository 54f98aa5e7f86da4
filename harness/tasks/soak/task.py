"""Continuous tracking with a sample per second: whether speed stays constant, memory growth, joules per frame."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence as Seq
from dataclasses import dataclass
from itertools import cycle
from time import perf_counter
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from harness.core.config import at_least
from harness.core.errors import ConfigError, TrackingError
from harness.core.interfaces import Context, Dataset, Metrics, Task, TaskResult, TrackerSpec
from harness.core.records import Scoring
from harness.machine.collection import no_collection
from harness.machine.energy import NONE, Meter, meter
from harness.machine.environment import machine
from harness.machine.sensors import sensors_of
from harness.tasks.soak.changes import LEAST_CHANGE, Change, Growth, change_points, memory_growth
from harness.tasks.soak.record import Soaked, SoakRecord
from harness.tasks.soak.sampler import SAMPLE_S, MachineProbe, Sample, watch
from harness.tasks.soak.store import SAMPLES, SampleStore, gaps, parts
from harness.tracking.feedback import Feedback, check_feedback, true_box, truthful
from harness.tracking.loop import Runner, ask, decoded
from harness.tracking.recording import check_dataset
from harness.tracking.serial import warm_up

END_SHARE = 0.2
"""The share of a short run that each end (first and last speed) covers."""
COLLECT_S = 2.0
"""Seconds between two garbage collections, which are off while frames are timed."""
QUOTA_SHARE = 0.02
"""Seconds per second throttled by the CPU quota above which the quota is reported as a cause."""
OTHER_CORES = 0.3
AROUND = 30
"""Samples on each side of a change that are compared to find its cause."""
COOLER = 0.03
"""A change of the clock frequency, as a share, that is reported as a cause."""


@dataclass
class Soak(Task):
    """``task=soak``. The fields are the keys of ``conf/task/soak.yaml``, which describes each of them."""

    minutes: float = 10.0
    window_s: float = 60.0
    warmup: int = 5
    least_change: float = LEAST_CHANGE
    feedback: Feedback = "auto"
    name: str = "soak"

    def __post_init__(self) -> None:
        if not 0 < self.minutes <= 10080:
            raise ConfigError(f"task.minutes is {self.minutes:g}; accepted: above 0 and up to 10080, a week.")
        if self.window_s <= 0:
            raise ConfigError(f"task.window_s is {self.window_s:g}; accepted: above 0.")
        if not 0 < self.least_change < 1:
            raise ConfigError(f"task.least_change is {self.least_change:g}; accepted: between 0 and 1, as 0.03.")
        at_least(self.warmup, 1, "task.warmup")

    def check(self, config: Mapping[str, Any], tracker: TrackerSpec, dataset: Dataset) -> None:
        check_dataset(dataset)
        check_feedback(self.feedback, tracker, dataset)

    def run(self, context: Context) -> TaskResult:
        cv2.setNumThreads(1)  # crops are small: passing them to threads costs more than it saves
        runner = Runner(context.tracker, context.backend.open(context.artifact))
        device = str(context.config["device"]["name"])
        card = context.backend.card()
        counters = meter(device, card=card)
        store = SampleStore(context.folder, self.identity(context))
        samples, total = store.load(), self.minutes * 60
        done = samples[-1].seconds if samples else 0.0
        if samples:
            context.progress.say(f"resuming: {done:.0f} of {total:.0f} s are complete.")
        if done < total:
            warm_up(runner, next(iter(context.dataset)), self.warmup)
            store.begin(samples, counters.names)
            context.progress.start("soak, seconds", round(total - done))
            probe = _Shown(MachineProbe(counters, sensors_of(device, card), parts(samples) + 1), context, round(total - done))
            with store.appending() as keep, no_collection():
                samples += watch(self._updates(context, runner), total, probe, perf_counter, keep, done)
            context.progress.close()
        return self.result(samples, counters, context.tracker.random_weights, store.counters())

    def identity(self, context: Context) -> dict[str, Any]:
        """Returns everything that a sample depends on.

        Samples of another machine, model or setting are not continued.
        """
        config = context.config
        return {
            "artifact": context.artifact.key,
            **{group: config[group] for group in ("tracker", "backend", "device", "hint")},
            "dataset": context.dataset.digest(),
            "threads": context.threads,
            "seed": context.seed,
            "truth": truthful(self.feedback, context.tracker),
            "machine": machine(),
        }

    def _updates(self, context: Context, runner: Runner) -> Iterator[float]:
        """Yields the seconds of each update, over all sequences again and again."""
        follow, collected = truthful(self.feedback, context.tracker), perf_counter()
        for sequence in cycle(context.dataset):
            tracker, before = runner.start(), None
            for index, (image, _) in enumerate(decoded(sequence, runner.spec.color)):
                try:
                    if before is not None and follow and (box := true_box(sequence, before)) is not None:
                        ask(tracker.place, box)
                    _, spent = runner.process(tracker, image, sequence.init_box if before is None else None)
                except TrackingError as error:
                    raise TrackingError(f"{sequence.name}, frame {index + 1}: {error}") from error
                if before is not None:
                    yield spent
                before = index
            if perf_counter() - collected > COLLECT_S:
                gc.collect()  # between sequences, when nothing is timed
                collected = perf_counter()

    def result(
        self, samples: list[Sample], counters: Meter, random_weights: bool = False, counted: Seq[list[str]] = ()
    ) -> TaskResult:
        """Returns the result of the samples; ``counted`` names each part's energy counters.

        Raises TrackingError if too few.
        """
        if len(samples) < 3:
            raise TrackingError(
                f"only {len(samples)} samples of a second came together; a soak needs several: give task.minutes=1 or more."
            )
        speed, times = column(samples, "fps"), column(samples, "seconds")
        window = min(self.window_s, END_SHARE * times[-1])
        first = speed_of(samples, lambda item: item.seconds <= max(window, times[0]))
        last = speed_of(samples, lambda item: item.seconds > min(times[-1] - window, times[-2]))
        found: Metrics = {"soak/fps_first": first, "soak/fps_last": last, "soak/slowdown": 1 - last / first}
        found["fps"] = speed_of(samples, lambda item: True)
        cuts = gaps(samples)
        changes = [describe(item, samples) for item in change_points(speed, self.least_change, [cut.index for cut in cuts])]
        growth = growth_of(samples)
        energy, told = energy_of(samples, counters, counted)
        warnings = [cut.sentence for cut in cuts] + [item["sentence"] for item in changes]
        if growth.flagged:
            warnings.append(
                f"Memory grew by {growth.total_mb:.0f} MB after the first fifth of {'a part of ' if cuts else ''}the run, "
                f"{growth.mb_per_minute:.1f} MB a minute: something is kept that should be freed."
            )
        record = SoakRecord(
            soak=Soaked(
                minutes=self.minutes,
                samples=len(samples),
                window_s=window,
                changes=changes,
                memory=growth,
                energy=told,
                counters=list(counters.names),
                throttled=throttled(samples),
                interruptions=[{"second": cut.second, "away_s": cut.away_s, "sentence": cut.sentence} for cut in cuts],
            ),
            scoring=Scoring(protocol="none", random_weights=random_weights),
        )
        return TaskResult(found | energy, [SAMPLES], {}, record, warnings)


class _Shown:
    """A probe that shows its seconds in the progress display."""

    def __init__(self, probe: MachineProbe, context: Context, total: int) -> None:
        self._probe, self._progress, self._left = probe, context.progress, total

    def read(self, seconds: float, frames: int, busy: float) -> Sample:
        sample = self._probe.read(seconds, frames, busy)
        amount = min(self._left, max(1, round(SAMPLE_S)))
        self._left -= amount
        self._progress.step(amount, f"{sample.fps or 0:.1f} fps")
        return sample


def column(samples: list[Sample], name: str) -> npt.NDArray[np.float64]:
    """Returns one value of all samples, NaN if it is missing."""
    return np.array([np.nan if getattr(item, name) is None else float(getattr(item, name)) for item in samples])


def speed_of(samples: list[Sample], chosen: Any) -> float:
    """Returns updates over the sum of their times, for the samples selected by ``chosen``."""
    own = [item for item in samples if item.fps and chosen(item)]
    return sum(item.frames for item in own) / sum(item.frames / item.fps for item in own if item.fps)


def describe(change: Change, samples: list[Sample]) -> dict[str, Any]:
    """Describes a change of speed with its time and other changes; a change across an interruption is marked."""
    at = samples[change.index - 1].seconds if change.index else 0.0
    causes = _causes(*_around(samples, change.index))
    when = "over the interruption after" if change.across else "after"
    words = f"Speed went from {change.before:.1f} to {change.after:.1f} fps ({change.share:+.0%}) {when} {at:.0f} s"
    return {
        "second": at,
        "across": change.across,
        "before": change.before,
        "after": change.after,
        "share": change.share,
        "with": causes,
        "sentence": f"{words}; with it {' and '.join(causes)}." if causes else f"{words}.",
    }


def _around(samples: list[Sample], index: int) -> tuple[list[Sample], list[Sample]]:
    """Returns up to half a minute of samples before and from ``index``; each side belongs to one part."""
    before, after = samples[max(0, index - AROUND) : index], samples[index : index + AROUND]
    return [item for item in before if item.part == before[-1].part], [item for item in after if item.part == after[0].part]


def _causes(before: list[Sample], after: list[Sample]) -> list[str]:
    """Returns the changes of the machine's own values, comparing half a minute on each side."""
    found = []

    def means(name: str) -> tuple[float, float]:
        return _mean(column(before, name)), _mean(column(after, name))

    old, new = means("other_cores")
    if new - old > OTHER_CORES:
        found.append(f"other processes used {new - old:.1f} cores more")
    elif old - new > OTHER_CORES:
        found.append(f"other processes used {old - new:.1f} cores less")
    old, new = means("quota_s")
    if new - old > QUOTA_SHARE:
        found.append(f"the control group's quota held threads back for {new:.2f} s a second")
    old, new = means("thermal")
    if new > old:
        found.append("heat held the clock back")
    old, new = (_middle(column(part, "mhz")) for part in (before, after))
    if old > 0 and abs(new / old - 1) > COOLER:
        found.append(f"the clock frequency went from {old:.0f} to {new:.0f} MHz")
    return found


def _mean(values: npt.NDArray[np.float64]) -> float:
    usable = values[np.isfinite(values)]
    return float(usable.mean()) if len(usable) else float("nan")


def _middle(values: npt.NDArray[np.float64]) -> float:
    usable = values[np.isfinite(values)]
    return float(np.median(usable)) if len(usable) else float("nan")


def growth_of(samples: list[Sample]) -> Growth:
    """Returns the growth of memory.

    Parts are separate processes, so that of the part with the clearest growth counts.
    """
    found = []
    for part in sorted({item.part for item in samples}):
        own = [item for item in samples if item.part == part]
        found.append((memory_growth(column(own, "seconds"), column(own, "rss_mb")), len(own)))
    return max(found, key=lambda item: (item[0].flagged, item[0].total_mb if item[0].flagged else item[1]))[0]


def energy_of(samples: list[Sample], counters: Meter, counted: Seq[list[str]] = ()) -> tuple[Metrics, str]:
    """Returns ``energy/joules_per_frame``, ``energy/watts`` and a sentence; no values if a counter is missing.

    ``counted`` names the counters of each part of a soak that was interrupted; they must be the same.
    """
    if not counters.counters or counters.lost:
        return {}, counters.reason or NONE
    others = next((names for names in counted if names != counters.names), None)
    if others is not None:
        return {}, f"counted by {', '.join(others) or 'nothing'} in one part of this soak and by {', '.join(counters.names)} in another"
    if any(item.joules is None for item in samples):
        return {}, counters.reason or "a counter could not be read any more in a part of this soak"
    joules, frames = sum(item.joules or 0.0 for item in samples), sum(item.frames for item in samples)
    found = {"energy/joules_per_frame": joules / frames, "energy/watts": joules / samples[-1].seconds}
    missing = f"; not counted: {counters.reason}" if counters.reason else ""
    return found, f"counted by {', '.join(counters.names)}, with all that ran there{missing}"


def throttled(samples: list[Sample]) -> dict[str, float | None]:
    """Returns totals over the run: thermal throttling events of cores, and seconds throttled by the CPU quota."""
    found: dict[str, float | None] = {}
    for name in ("thermal", "quota_s"):
        values = column(samples, name)
        found[name] = float(np.nansum(values)) if np.isfinite(values).any() else None
    return found
