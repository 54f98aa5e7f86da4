"""A workspace of vot-toolkit: results in its own form, written by its experiments' rules, and its analyses of them.

The rules are those of the toolkit's experiments: ``supervised`` (M. Kristan et al.: A Novel Performance Evaluation Methodology for
Single-Target Trackers, IEEE TPAMI 2016: initialised again some frames after the overlap falls to 0) and ``multistart``
(M. Kristan et al.:
The Eighth VOT Challenge Results, 2020: a run from each anchor, towards the farther end).
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence as Seq
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from harness.core.config import python_path
from harness.core.errors import ConfigError, DataError, TrackingError
from harness.core.files import write_text
from harness.core.interfaces import Boxes, Metrics
from harness.imaging.decoding import read_image
from harness.machine import children
from harness.tracking.loop import Runner

INITIALISED, FAILED, UNKNOWN = "1", "2", "0"
"""The toolkit's codes of frames without a region."""
KINDS = ("supervised", "multistart")
MEASURES = {"AverageAccuracyRobustness": ("vot/accuracy", "vot/robustness"), "EAOScore": ("vot/eao",)}
"""The toolkit's analyses whose first values are metrics, and the harness's names for these."""


def version() -> str:
    """The toolkit's version."""
    return importlib.metadata.version("vot-toolkit")


class Bench:
    """One tracker on one experiment, in its own workspace."""

    def __init__(self, folder: Path, root: Path, tracker: str, names: Seq[str]) -> None:
        self.folder, self.root, self.names = folder, root, list(names)
        self.tracker = re.sub(r"[^a-zA-Z0-9_-]", "_", tracker) or "tracker"
        self.kind, self.experiment, self.settings = "", "", {}  # type: str, str, dict[str, Any]
        self._dataset: Any = None

    def prepare(self, stack: str, experiment: str, repetitions: int, low: int | None, high: int | None) -> None:
        """Writes the workspace's files. Raises ConfigError for a stack or an experiment that the toolkit does not have."""
        from vot.dataset import load_dataset
        from vot.stack import list_integrated_stacks, resolve_stack

        path = resolve_stack(stack)
        if path is None:
            known = ", ".join(sorted(list_integrated_stacks()))
            raise ConfigError(f"task.stack is {stack!r}; accepted: the path of a stack's file, or one of vot-toolkit's: {known}.")
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        experiments = content.get("experiments", {})
        fitting = [name for name, item in experiments.items() if item.get("type") in KINDS and not item.get("realtime")]
        if experiment not in fitting:
            raise ConfigError(
                f"task.experiment is {experiment!r}; experiments of {stack} that can be run: {', '.join(fitting) or 'none'} ({' and '.join(KINDS)})."
            )
        self.experiment, self.settings = experiment, dict(experiments[experiment])
        self.kind = str(self.settings["type"])
        if self.kind == "supervised":
            self.settings["repetitions"] = repetitions
        for analysis in self.settings.get("analyses", []):
            for key, value in (("low", low), ("high", high)):
                if value is not None and key in analysis:
                    analysis[key] = value
        own = {"title": content.get("title", stack), "experiments": {experiment: self.settings}}
        write_text(self.folder / "stack.yaml", yaml.safe_dump(own, sort_keys=False))
        places = {"registry": ["./trackers.ini"], "stack": str((self.folder / "stack.yaml").resolve()), "sequences": str(self.root.resolve())}
        write_text(self.folder / "config.yaml", yaml.safe_dump(places))
        write_text(self.folder / "trackers.ini", f"[{self.tracker}]\nlabel = {self.tracker}\nprotocol = traxpython\ncommand = none\n")
        self._dataset = load_dataset(str(self.root.resolve()))

    # ------------------------------------------------------------------------------------- running

    def run(self, name: str, runner: Runner) -> int | None:
        """Runs the experiment on a sequence; returns the number of failures, None if the tracker is never restarted."""
        sequence = self._dataset[name]
        if self.kind == "supervised":
            repetitions = int(self.settings.get("repetitions", 1))
            return sum(self._supervised(sequence, runner, number) for number in range(1, repetitions + 1))
        self._multistart(sequence, runner)
        return None

    def _supervised(self, sequence: Any, runner: Runner, number: int) -> int:
        """Does one run in which the tracker is initialised again after each failure."""
        from vot.region import calculate_overlap
        from vot.region.shapes import Rectangle

        skip, limit = int(self.settings.get("skip_initialize", 1)), float(self.settings.get("failure_overlap", 0))
        tags = set(self.settings.get("skip_tags", []) or [])
        lines, times, failures, frame = [UNKNOWN] * len(sequence), np.zeros(len(sequence)), 0, 0
        while frame < len(sequence):
            tracker = runner.start()
            _, times[frame] = runner.process(tracker, _image(sequence, frame, runner), _box(sequence.groundtruth(frame)))
            lines[frame] = INITIALISED
            frame += 1
            while frame < len(sequence):
                box, times[frame] = runner.process(tracker, _image(sequence, frame, runner))
                if calculate_overlap(Rectangle(*map(float, box)), sequence.groundtruth(frame), sequence.size) > limit:
                    lines[frame] = _line(box)
                    frame += 1
                    continue
                lines[frame] = FAILED
                failures += 1
                frame += skip
                while frame < len(sequence) and tags & set(sequence.tags(frame)):
                    frame += 1
                break
        self._write(sequence.name, f"{number:03d}", lines, times)
        return failures

    def _multistart(self, sequence: Any, runner: Runner) -> None:
        """Does a run from each anchor. Raises DataError for a sequence without one."""
        from vot.experiment.multistart import find_anchors

        forward, backward = find_anchors(sequence, self.settings.get("anchor", "anchor"))
        if not forward and not backward:
            raise DataError(f"{self.root / sequence.name} has no anchors (anchor.value); a multistart experiment begins at them.")
        for anchor in [*forward, *backward]:
            frames = range(anchor, len(sequence)) if anchor in forward else range(anchor, -1, -1)
            tracker, lines, times = runner.start(), [INITIALISED], np.zeros(len(frames))
            for place, frame in enumerate(frames):
                first = _box(sequence.groundtruth(frame)) if place == 0 else None
                box, times[place] = runner.process(tracker, _image(sequence, frame, runner), first)
                if place:
                    lines.append(_line(box))
            self._write(sequence.name, f"{anchor:08d}", lines, times)

    def _write(self, name: str, run: str, lines: list[str], times: np.ndarray) -> None:
        place = self.folder / "results" / self.tracker / self.experiment / name
        write_text(place / f"{name}_{run}.txt", "\n".join(lines) + "\n")
        write_text(place / f"{name}_{run}_time.value", "".join(f"{value:.8f}\n" for value in times.tolist()))

    # ----------------------------------------------------------------------------------- analysing

    def analyse(self) -> tuple[Metrics, list[Any]]:
        """Returns accuracy, robustness and EAO from ``vot analysis``, and everything that it writes.

        Raises TrackingError.
        """
        words = ["analysis", "--workspace", str(self.folder), "--format", "json", "--name", "analysis"]
        if len(self.names) < len(self._dataset):
            words += ["--sequences", ",".join(self.names)]
        command = children.command_words([sys.executable, "-m", "vot", *words, self.tracker])
        process = children.start(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": python_path()}
        )
        try:
            said, _ = process.communicate()
        finally:
            children.end(process)
        path = self.folder / "analysis" / "analysis.json"
        if process.returncode or not path.is_file():
            tail = " ".join(said.decode("utf-8", "replace").split())[-600:]
            raise TrackingError(f"vot-toolkit's analysis ended with code {process.returncode}: {tail}")
        return read_analysis(json.loads(path.read_text(encoding="utf-8")), self.experiment)


def read_analysis(content: Mapping[str, Any], experiment: str) -> tuple[Metrics, list[Any]]:
    """Returns the metrics in the toolkit's report of one tracker, and the report's part on the experiment."""
    part = content["results"][experiment]
    metrics: Metrics = {}
    for analysis, found in zip(part["parameters"]["analyses"], part["results"], strict=True):
        kind = str(analysis["type"]).rpartition(".")[2]
        for name, value in zip(MEASURES.get(kind, ()), found[0], strict=False):
            metrics[name] = float(value)
    return metrics, list(part["results"])


def _image(sequence: Any, frame: int, runner: Runner) -> Any:
    return read_image(Path(sequence.frame(frame).filename()), runner.spec.color)


def _box(region: Any) -> Boxes:
    """Returns the rectangle around a region. Raises DataError for a frame without one."""
    from vot.region import Special
    from vot.region.shapes import Mask, Rectangle

    if isinstance(region, Special):
        raise DataError("a frame at which the tracker starts has no region in groundtruth.txt; restore the sequence.")
    if isinstance(region, Mask):
        left, top, right, bottom = region.bounds()
        return np.array([left, top, right - left + 1, bottom - top + 1], float)
    rectangle = Rectangle.convert(region)
    return np.array([rectangle.x, rectangle.y, rectangle.width, rectangle.height], float)


def _line(box: Boxes) -> str:
    return ",".join(f"{value:.4f}" for value in box.tolist())
