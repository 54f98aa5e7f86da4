"""Tuning of the tracker's own numbers, on a stand-in whose accuracy is a known function of them: no process, no waiting."""

from __future__ import annotations

import csv
import fnmatch
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from search_lab import FakeLab, Killed, Truth

from harness.cli.main import main
from harness.core.errors import ConfigError
from harness.core.results import Results, write_frames
from harness.jobs import runner
from harness.jobs.tune import Tuned, Wish, ask, tune

pytest.importorskip("optuna", reason="extra [search] is not installed")

NAMES = [f"seq_{number:02d}" for number in range(12)]
BEST = {"tracker.window": 0.3, "tracker.penalty": 0.6}
"""Where the stand-in's accuracy is highest."""
WISH = Wish(tuple(BEST), settings=("tracker=stand", "dataset=stand"), tune_on=("seq_00", "seq_01", "seq_02"), trials=30, minutes=600)


class TuneLab(FakeLab):
    """AO falls with the square of the distance from the best values; ``elsewhere`` is the best of other sequences."""

    def __init__(self, elsewhere: dict[str, float] | None = None, copies: dict[str, str] | None = None) -> None:
        super().__init__([], {"": Truth(0.01)})
        self.elsewhere, self.copies = elsewhere or BEST, copies or {}
        self.tried: list[dict[str, float]] = []

    def compose(self, words: Sequence[str]) -> dict[str, Any]:
        config = super().compose(words)
        chosen = dict(text.split("=", 1) for text in words)
        config["tracker"] |= {key.partition(".")[2]: float(chosen[key]) if key in chosen else None for key in BEST}
        for key in ("sequences", "exclude"):
            text = chosen.get(f"dataset.{key}")
            config["dataset"][key] = [name.strip("'") for name in text.strip("[]").split(",")] if text else None
        return config

    def check(self, config: dict[str, Any]) -> None:
        if (config["tracker"]["penalty"] or 0) < 0:
            raise ConfigError("tracker.penalty is -1; accepted: 0 or more.")

    def names(self, config: dict[str, Any]) -> list[str]:
        wanted, without = config["dataset"]["sequences"] or ["*"], config["dataset"]["exclude"] or []
        return [name for name in NAMES if any(fnmatch.fnmatch(name, item) for item in wanted) and name not in without]

    def shared(self, config: dict[str, Any], other: dict[str, Any]) -> dict[str, str]:
        there = self.names(other)
        return {name: self.copies.get(name, name) for name in self.names(config) if self.copies.get(name, name) in there}

    def measure(self, job: runner.Job) -> Results:
        job.folder.mkdir(parents=True, exist_ok=True)
        if (job.folder / "results.json").is_file():
            return Results.load(job.folder)
        self._act(1.0)
        names = self.names(dict(job.config))
        tuning = all(name in ("seq_00", "seq_01", "seq_02") for name in names)
        best = BEST if tuning else self.elsewhere
        own = {"tracker.window": 0.5, "tracker.penalty": 0.2}  # the tracker's own numbers
        values = {key: own[key] if (value := job.config["tracker"][key.partition(".")[2]]) is None else value for key in BEST}
        self.tried.append(values)
        loss = 0.5 * sum((values[key] - best[key]) ** 2 for key in BEST)
        rows = [(name, frame, 0.8 - loss * (1 + 0.1 * np.sin(index)) + 0.001 * np.sin(7 * index + frame)) for index, name in enumerate(names) for frame in range(1, 11)]
        frames = pd.DataFrame(rows, columns=["sequence", "frame", "iou"])
        for place, column in enumerate(("x", "y", "w", "h")):
            frames[column] = 10.0 + place + loss
        write_frames(job.folder, frames.assign(repetition=1, round=1, scored=True, contended=True))
        identity = f"{len(self.tried):032x}" if tuning else f"{'ab' if job.folder.name == '0' else 'cd':0>32}"
        results = Results(identity, job.name, "ok", {**job.config, "resume": "off"}, overrides=list(job.overrides))
        results.metrics = {"ao": float(frames["iou"].mean())}
        results.sequences = {name: {"frames": 10.0, "ao": 0.5} for name in names}
        results.dataset = {"digest": " ".join(names)}
        results.scoring = {"protocol": "got10k"}
        results.save(job.folder)
        self._act(1.0)
        return results


def tuned(folder: Path, wish: Wish = WISH, lab: TuneLab | None = None) -> Tuned:
    return tune(wish, folder, lab or TuneLab(), lambda text: None)


def test_tune_comes_near_the_best_values_and_shows_the_gain_on_the_other_sequences(tmp_path: Path) -> None:
    lab = TuneLab()
    lab.reports = True
    found = tuned(tmp_path / "t", lab=lab)
    for key, value in BEST.items():
        assert found.values[key] == pytest.approx(value, abs=0.2)
    # own numbers lose 0.5 * (0.2^2 + 0.4^2) = 0.1 of AO against the best
    assert found.gain is not None and found.gain.low is not None
    assert 0.08 < found.gain.low < found.gain.value < 0.11
    assert found.sentence.endswith(": a gain.") and "on the other 9 sequences AO +0.1" in found.sentence
    assert found.command.startswith("python -m harness tracker=stand dataset=stand tracker.window=")
    with open(tmp_path / "t/trials.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 31 and rows[0]["trial"] == "own"
    assert (tmp_path / "t/report.html").is_file() and "With the tuned numbers" in (tmp_path / "t/tuning.md").read_text()


def test_tune_whose_gain_does_not_carry_over_says_to_keep_the_own_numbers(tmp_path: Path) -> None:
    found = tuned(tmp_path / "t", lab=TuneLab(elsewhere={"tracker.window": 0.5, "tracker.penalty": 0.2}))
    assert found.gain is not None and found.gain.high is not None and found.gain.high < 0
    assert "a loss: keep the tracker's own numbers" in found.sentence


def test_tune_without_a_better_trial_keeps_the_own_numbers(tmp_path: Path) -> None:
    found = tuned(tmp_path / "t", replace(WISH, ranges={"tracker.window": (0.9, 1.0), "tracker.penalty": (0.9, 1.0)}, trials=3))
    assert (found.command, found.gain) == ("", None)
    assert "None of 3 trials is better" in found.sentence


def test_tune_refuses_sequences_that_it_is_evaluated_on_by_name_or_content(tmp_path: Path) -> None:
    both = replace(WISH, settings=(*WISH.settings, "dataset.sequences=['seq_02','seq_05']"))
    with pytest.raises(ConfigError, match=r"tuned on what it is evaluated on: seq_02; leave"):
        tuned(tmp_path / "t", both)
    with pytest.raises(ConfigError, match=r"seq_01 \(there seq_07\)"):
        tuned(tmp_path / "t", lab=TuneLab(copies={"seq_01": "seq_07"}))
    with pytest.raises(ConfigError, match="no sequence is left to evaluate on"):
        tuned(tmp_path / "t", replace(WISH, tune_on=("seq_*",)))
    with pytest.raises(ConfigError, match="no sequences to tune on"):
        tuned(tmp_path / "t", replace(WISH, tune_on=()))
    assert not (tmp_path / "t").exists()


def test_tune_refuses_what_is_no_number_of_the_tracker(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'tracker.windw' is no setting of this tracker \(did you mean 'tracker.window'"):
        tuned(tmp_path / "t", replace(WISH, keys=("tracker.windw",)))
    with pytest.raises(ConfigError, match=r"say what may be tried by --range tracker.penalty=LOW:HIGH"):
        tuned(tmp_path / "t", replace(WISH, ranges={"tracker.penalty": (-1.0, 1.0)}))
    with pytest.raises(ConfigError, match="accepted: ao, sr50, sr75"):
        tuned(tmp_path / "t", replace(WISH, objective="fps"))


def test_tune_killed_and_resumed_tries_the_same_values_and_gives_the_same_answer(tmp_path: Path) -> None:
    whole = tuned(tmp_path / "whole")
    for act in (1, 2, 9, 30, 61, 63):
        lab = TuneLab()
        lab.killed_at = act
        with pytest.raises(Killed):
            tuned(tmp_path / f"cut{act}", lab=lab)
        found = tuned(tmp_path / f"cut{act}")
        assert (found.values, found.sentence) == (whole.values, whole.sentence), f"killed at act {act}"


def test_tune_with_more_trials_goes_on_where_it_ended(tmp_path: Path) -> None:
    tuned(tmp_path / "t", replace(WISH, trials=12))
    lab = TuneLab()
    tuned(tmp_path / "t", replace(WISH, trials=15), lab)
    assert len([values for values in lab.tried if values != {"tracker.window": 0.5, "tracker.penalty": 0.2}]) <= 4  # three trials and one final run
    with pytest.raises(ConfigError, match="holds a tuning with other settings"):
        tuned(tmp_path / "t", replace(WISH, seed=5))


def test_sampler_asks_the_same_of_the_same_trials_and_stays_in_range() -> None:
    ranges = {"a": (0.0, 0.3)}
    trials: list[dict[str, Any]] = []
    for _ in range(14):
        values = ask(trials, ranges, 4)
        assert values == ask(trials, ranges, 4) and 0.0 <= values["a"] <= 0.3
        trials.append({"values": values, "value": None if len(trials) == 5 else -abs(values["a"] - 0.1)})
    assert len({item["values"]["a"] for item in trials}) > 10


def test_tune_command_tells_mistakes_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["tune", "tracker=smat_demo"]) == 2
    assert "no number to tune is named" in capsys.readouterr().err
    assert main(["tune", "tracker.penalty_k", "--range", "tracker.penalty_k=high"]) == 2
    assert "write KEY=LOW:HIGH" in capsys.readouterr().err
