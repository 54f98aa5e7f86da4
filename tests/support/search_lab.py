"""A machine of stand-ins for searches: candidates of known speeds and accuracies, a clock that only work moves, and deaths at will.

What a candidate takes in a round is a function of its name, the round and the seed, so that two searches that ask the same get the
same. Nothing here starts a process or waits.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import ConfigError
from harness.core.results import Results
from harness.jobs import runner
from harness.jobs.recommend.lab import Machine
from harness.jobs.turns import Ended, Entrant, Turns
from harness.scoring.turns import Round

GROUPS = ("backend", "device", "hint", "quantization", "tracker", "dataset", "task")

DEFAULTS = {"device=cpu", "hint=none", "quantization=none", "threads=2", "task.mode=serial"}
"""Words that say what is so without them."""


@dataclass(frozen=True)
class Truth:
    """What a candidate is: seconds a frame, accuracy, tail (times the mean), what it computes, and what else."""

    seconds: float
    ao: float = 0.70
    tail: float = 1.2
    kind: str = ""
    in_force: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    dies_in_round: int | None = None


class Killed(BaseException):
    """The process was killed."""


class StandIn:
    """A loaded candidate."""

    def __init__(self, name: str, settings: tuple[str, ...], truth: Truth, asked: list[str]) -> None:
        self.name, self.settings, self.truth, self.asked = name, settings, truth, asked
        self.artifact = ""
        self.effective = {"settings": truth.in_force or " ".join(settings)}

    def boxes(self, number: int) -> list[list[float]]:
        self.asked.append(self.name)
        return [[float(zlib.crc32(f"{self.truth.kind or self.truth.ao} {number}".encode()))]]

    def close(self) -> None:
        self.asked.append(f"end of {self.name}")


class FakeLab:
    """Stands for a machine.

    Args:
        space: ``branches`` of the search space.
        truths: Overrides of a candidate -> what it is, by the longest subset of words that fits (of equals the later).
        noise: Spread of a turn (share of the mean).
        seed: Of the noise.

    ``reports``: whether pages are made, which takes seconds.
    """

    def __init__(self, space: list[dict[str, list[Any]]], truths: dict[str, Truth], noise: float = 0.02, seed: int = 0) -> None:
        self.space, self.truths, self.noise, self.seed = space, truths, noise, seed
        self.clock = 0.0
        self.acts = 0
        self.killed_at: int | None = None
        self.measured: list[str] = []
        self.loaded: list[str] = []
        self.asked: list[str] = []
        self.lines: list[str] = []
        self.published: list[bool] = []
        self.reports = False

    # what a search asks of a machine

    def now(self) -> float:
        return self.clock

    def compose(self, words: Sequence[str]) -> dict[str, Any]:
        chosen = dict(text.lstrip("+").split("=", 1) for text in words)
        config: dict[str, Any] = {name: {"name": chosen.get(name, "none")} for name in GROUPS}
        config["mlflow"] = {"name": "off", "root": chosen.get("mlflow.root", "mlruns")}
        config["device"]["name"] = chosen.get("device", "cpu")
        config["task"]["mode"] = chosen.get("task.mode", "serial")
        config |= {"threads": int(chosen["threads"]) if "threads" in chosen else None, "words": sorted(set(words) - DEFAULTS), "resume": "off"}
        if "search" in chosen:
            config["search"] = {"branches": self.space}
        if "typo" in chosen:
            raise ConfigError("unknown key 'typo'.")
        return config

    def devices(self) -> list[str]:
        return ["cpu"]

    def threads(self) -> int:
        return 2

    def check(self, config: dict[str, Any]) -> None:
        pass

    def entrant(self, name: str, config: dict[str, Any], overrides: list[str], folder: Path) -> Entrant:
        self._act(0.5)
        self.truth_of(config)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "words").write_text("\n".join(config["words"]))
        return Entrant(name, folder, config["threads"] or 2)

    @contextlib.contextmanager
    def standing(self, entrants: Sequence[Entrant], lost: dict[str, str]) -> Iterator[list[StandIn]]:
        ways = []
        for item in entrants:
            self._act(1.0)
            words = tuple((item.folder / "words").read_text().split("\n"))
            ways.append(StandIn(item.name, words, self.truth_of({"words": words}), self.asked))
            self.loaded.append(item.name)
        yield ways

    def round(self, ways: Sequence[StandIn], number: int, seconds: float) -> Turns:
        found = Turns([way.name for way in ways])
        samples = {}
        for way in ways:
            self._act(2 * seconds)
            if way.truth.dies_in_round is not None and number >= way.truth.dies_in_round:
                raise Ended(way.name, f"the process of {way.name} died.")
            key = " ".join(word for word in way.settings if not word.startswith("task."))
            draw = np.random.default_rng([zlib.crc32(key.encode()), number, self.seed, round(1000 * seconds)])
            means = way.truth.seconds * np.exp(self.noise * draw.standard_normal(2))
            usual = (20 - way.truth.tail) / 19  # so that the mean is what it should be
            samples[way.name] = [[float(mean * usual)] * 19 + [float(mean * way.truth.tail)] for mean in means]
        times = {name: float(np.mean([np.mean(turn) for turn in turns])) for name, turns in samples.items()}
        found.rounds.append(Round(times, True))
        found.records.append({"number": number, "order": found.names, "quiet": True, "load": {}, "samples": samples})
        return found

    def measure(self, job: runner.Job) -> Results:
        job.folder.mkdir(parents=True, exist_ok=True)
        if (job.folder / "results.json").is_file():
            return Results.load(job.folder)
        self._act(8.0)
        truth = self.truth_of(job.config)
        self.measured.append("/".join(job.folder.parts[-2:]))
        metrics = {"ao": truth.ao, **truth.metrics}
        if job.config["task"]["mode"] == "serial":
            metrics |= {"fps": 1 / truth.seconds, "latency_ms/mean": 1000 * truth.seconds, "latency_ms/p99": 1000 * truth.seconds * truth.tail}
        task = job.config["task"]["name"]
        metrics = {key: value for key, value in metrics.items() if key.startswith(("realtime/", "capacity/")) == (task not in ("none", "evaluate"))}
        config = {key: value for key, value in job.config.items() if key != "resume"}
        identity = f"{zlib.crc32(' '.join(['one', job.folder.name, job.name]).encode()):032x}"
        results = Results(identity, job.name, "ok", {**config, "resume": "off"}, overrides=list(job.overrides), metrics=metrics)
        results.environment, results.artifact = {"machine": "m"}, {"key": " ".join(config["words"])}
        results.save(job.folder)
        self._act(1.0)
        return results

    def publish(self, sweep: Path, jobs: Sequence[Path], config: dict[str, Any], failed: bool, say: Any) -> None:
        self.published.append(failed)

    def report(self, found: Any, folder: Path, title: str, call: str, say: Any) -> None:
        if self.reports:
            Machine(list).report(found, folder, title, call, say)

    # what tests ask

    def truth_of(self, config: dict[str, Any]) -> Truth:
        """What the candidate of a configuration is: of the entries whose words it has all, the longest."""
        words = set(config["words"])
        fitting = [key for key in self.truths if set(key.split()) <= words]
        if not fitting:
            raise ConfigError(f"no such candidate: {sorted(words)}.")
        return self.truths[max(reversed(fitting), key=lambda key: len(key.split()))]

    def _act(self, seconds: float) -> None:
        self.acts += 1
        if self.killed_at is not None and self.acts >= self.killed_at:
            raise Killed
        self.clock += seconds
