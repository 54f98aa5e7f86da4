"""quantization=int8_accuracy: leave as few layers in fp32 as the tracker's own AO demands.

Coarse first: the whole graph in int8; where that loses more than ``max_drop``, the graph is cut into blocks, and the
blocks whose return to fp32 helps most are left out one after the other until the drop is met. Then, as long as there is
time, NNCF's accuracy control looks for single layers instead, with the same metric; what keeps more layers in int8 wins.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence as Seq
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from harness.backends.shared.engine import Engine
from harness.core.config import build
from harness.core.errors import PrepareError
from harness.core.interfaces import Artifact, Dataset, Progress, Sequence, Session, TrackerSpec
from harness.core.preparing import companions
from harness.machine.progress import Silent
from harness.prepare import calibration
from harness.prepare.plan import Step
from harness.scoring.overlap import ao, iou
from harness.tracking.loop import Runner

PLAIN = "int8 throughout"
RANKING_FRAMES = 20
"""Frames of each clip by which NNCF ranks layers."""
LEAST_RANKING_S = 20.0
"""No ranking is begun with less time left."""


@dataclass
class Candidate:
    """A model of one graph, its AO on the validation sequences, and how it came about."""

    model: Any
    ao: float
    how: str
    layers: dict[str, Any] = field(default_factory=dict)


@dataclass
class Control:
    """Accuracy control over the graphs of one artifact."""

    step: Step
    parent: Artifact
    engine: Engine
    tracker: TrackerSpec
    items: calibration.Items
    folder: Path
    progress: Progress
    began: float = field(default_factory=perf_counter)

    def __post_init__(self) -> None:
        settings = self.step.options["settings"]
        self.max_drop, self.blocks = float(settings["max_drop"]), int(settings["blocks"])
        self.deadline = self.began + 60.0 * float(settings["minutes"])
        self.max_reverts = int(settings["max_reverts"])
        limit = settings["validation_frames"]
        data = build(self.step.options["_validation"], Dataset, "quantization")
        self.sequences = [calibration.piece(item, 0, min(len(item), limit or len(item))) for item in data]
        self.sessions: dict[str, Session] = self.engine.open(self.parent)
        self.evaluations = 0

    def run(self, chosen: Seq[str], files: Mapping[str, Path]) -> tuple[dict[str, Path], dict[str, Any]]:
        """Int8 files of the ``chosen`` graphs, and the record: drop before and after, what was reverted, seconds.

        Graphs are settled in order, each with those before it as they were kept. ``ao_int8`` is the AO of all of them in int8
        throughout, ``ao_after`` of all of them as kept; ``graphs`` has each one's own steps.
        """
        del files
        base = kept = self.ao(self.sessions)
        plain = {name: self.engine.quantise(name, self.items[name]) for name in chosen}
        throughout = self.ao({**self.sessions, **{name: self.engine.session(plain[name], name) for name in chosen}})
        saved: dict[str, Path] = {}
        record: dict[str, Any] = {
            "metric": "AO",
            "validation": {
                "sequences": [item.name for item in self.sequences],
                "frames": sum(len(item) for item in self.sequences),
                "digest": self.step.options["validation"]["digest"],
            },
            "max_drop": self.max_drop,
            "ao_fp32": base,
            "graphs": {},
        }
        for name in chosen:
            first = Candidate(plain[name], throughout, PLAIN, self._layers(plain[name], name)) if len(chosen) == 1 else None
            found, told = self._graph(name, base, kept, first)
            record["graphs"][name], kept = told, found.ao
            saved[name] = self._kept(found, name)
        record |= {"ao_int8": throughout, "ao_after": kept, "drop_before": base - throughout, "drop_after": base - kept}
        record |= {"evaluations": self.evaluations, "seconds": round(perf_counter() - self.began, 2)}
        return saved, record

    def _kept(self, found: Candidate, name: str) -> Path:
        """Saves the graph; the next graphs are judged with this one in its place."""
        if found.model is None:
            return copied(self.parent, self.folder, [name])[name]
        self.sessions[name] = self.engine.session(found.model, name)
        return self.engine.save(found.model, name, self.folder)

    # ------------------------------------------------------------------------------------ one graph

    def _graph(
        self, name: str, base: float, kept: float | None = None, plain: Candidate | None = None
    ) -> tuple[Candidate, dict[str, Any]]:
        """The graph as it is kept, and how that was found; ``kept``: the AO so far, with this graph in fp32 (``base`` at first)."""
        plain = plain or self._candidate(name, (), PLAIN)
        told: dict[str, Any] = {"ao_before": plain.ao, "drop_before": base - plain.ao, "coarse": [], "fine": "not needed"}
        best = plain
        if not self.meets(plain.ao, base):
            self.progress.say(f"int8 loses {base - plain.ao:.4f} AO of graph {name}, more than {self.max_drop:g}: coarse search")
            best = self._coarse(name, base, base if kept is None else kept, told)
            best = self._fine(name, base, best, told)
        rest = set(best.layers["fp32"]) - set(plain.layers["fp32"])
        told |= {"ao_after": best.ao, "drop_after": base - best.ao, "how": best.how, "reverted": sorted(rest)}
        told |= {"layers": best.layers["total"], "int8_layers": best.layers["int8"]}
        return best, told

    def meets(self, ao: float, base: float) -> bool:
        """Whether ``ao`` is at most ``max_drop`` below ``base``, the AO of the fp32 graph."""
        return base - ao <= self.max_drop

    def _candidate(self, name: str, ignored: Seq[str], how: str) -> Candidate:
        model = self.engine.quantise(name, self.items[name], ignored)
        ao = self.ao({**self.sessions, name: self.engine.session(model, name)})
        return Candidate(model, ao, how, self._layers(model, name))

    def _layers(self, model: Any, name: str) -> dict[str, Any]:
        scratch = self.folder / ".trial"
        scratch.mkdir(exist_ok=True)
        path = self.engine.save(model, name, scratch)
        try:
            return self.engine.layers(path)
        finally:
            path.unlink()
            path.with_suffix(".bin").unlink(missing_ok=True)
            scratch.rmdir()

    def _coarse(self, name: str, base: float, kept: float, told: dict[str, Any]) -> Candidate:
        """The first union of blocks, most helpful first, whose return to fp32 meets the drop; fp32 if none does."""
        parts = blocks(self.engine.nodes(name), self.blocks)
        tried = []
        for number, part in enumerate(parts, 1):
            found = self._candidate(name, part, f"block {number} of {len(parts)} left in fp32")
            told["coarse"].append({"fp32": found.how, "ao": found.ao, "drop": base - found.ao})
            tried.append((found, number, part))
        good = [item[0] for item in tried if self.meets(item[0].ao, base)]
        if good:
            return max(good, key=lambda item: (item.layers["int8"], item.ao))
        tried.sort(key=lambda item: item[0].ao, reverse=True)
        for count in range(2, len(parts)):
            numbers = sorted(item[1] for item in tried[:count])
            ignored = [node for item in tried[:count] for node in item[2]]
            found = self._candidate(name, ignored, f"blocks {numbers} of {len(parts)} left in fp32")
            told["coarse"].append({"fp32": found.how, "ao": found.ao, "drop": base - found.ao})
            if self.meets(found.ao, base):
                return found
        total = tried[0][0].layers["total"]
        everything = {"total": total, "int8": 0, "fp32": ["(all)"]}
        return Candidate(None, kept, "all of the graph left in fp32", everything)

    # ------------------------------------------------------------------------------------------ NNCF

    def _fine(self, name: str, base: float, coarse: Candidate, told: dict[str, Any]) -> Candidate:
        """NNCF's accuracy control, if there is time for it; else, or if it is not better, ``coarse``."""
        if self.engine.no_control:
            told["fine"] = f"not done: {self.engine.no_control}"
            return coarse
        left = self.deadline - perf_counter()
        if left < LEAST_RANKING_S:
            told["fine"] = f"not done: {max(0.0, left):.0f} s of quantization.minutes were left"
            return coarse
        began = perf_counter()
        try:
            model, layers = self._controlled(name)
        except _OutOfTime:
            told["fine"] = f"broken off after {perf_counter() - began:.0f} s: quantization.minutes were over"
            return coarse
        ao = self.ao({**self.sessions, name: self.engine.session(model, name)})
        fine = Candidate(model, ao, "single layers left in fp32 by NNCF's accuracy control", layers)
        told["fine"] = {
            "ao": ao,
            "drop": base - ao,
            "int8_layers": fine.layers["int8"],
            "seconds": round(perf_counter() - began, 2),
        }
        better = self.meets(ao, base) and (fine.layers["int8"], ao) > (coarse.layers["int8"], coarse.ao)
        return fine if better else coarse

    def _controlled(self, name: str) -> tuple[Any, dict[str, Any]]:
        self.progress.say(f"NNCF's accuracy control of graph {name}, at most {self.deadline - perf_counter():.0f} s")

        def validate(session: Session, clips: list[Sequence]) -> tuple[float, list[float]]:
            if perf_counter() > self.deadline:
                raise _OutOfTime
            self.progress.step(1)
            return self.ao_of({**self.sessions, name: session}, clips, Silent())

        # one evaluation a layer or so: an estimate of the bar's length, which NNCF alone knows
        self.progress.start("evaluations by NNCF", len(self.engine.layers(self.parent.files[name])["fp32"]) + self.max_reverts)
        return self.engine.controlled(name, self.items[name], self.clips(), validate, self.max_drop, self.max_reverts)

    def clips(self) -> list[Sequence]:
        """The validation sequences in clips of ``RANKING_FRAMES``, each started at the truth: NNCF ranks by few of them."""
        found = []
        for item in self.sequences:
            for begin in range(0, max(1, len(item) - 1), RANKING_FRAMES):
                clip = calibration.piece(item, begin, min(len(item), begin + RANKING_FRAMES))
                if len(clip) > 1 and (clip.init_box[2:] > 0).all():
                    found.append(clip)
        return found

    # ------------------------------------------------------------------------------------ the metric

    def ao(self, sessions: Mapping[str, Session]) -> float:
        """AO over the validation sequences, each tracked from its first box."""
        return self.ao_of(sessions, self.sequences)[0]

    def ao_of(
        self, sessions: Mapping[str, Session], sequences: Seq[Sequence], progress: Progress | None = None
    ) -> tuple[float, list[float]]:
        """(AO pooled over frames, AO of each sequence); frame 0 and covered frames do not count."""
        self.evaluations += 1
        progress = progress or self.progress
        progress.start("validation", sum(len(item) for item in sequences))
        runner = Runner(self.tracker, sessions)
        pooled, single = [], []
        for item in sequences:
            track = runner.track(item, on_frame=lambda _seconds: progress.step())
            overlaps = overlaps_of(item, track.boxes)
            pooled.append(overlaps)
            single.append(ao(overlaps) if len(overlaps) else 0.0)
        progress.close()
        found = ao(np.concatenate(pooled))
        if not np.isfinite(found):
            raise PrepareError("the validation sequences have no scored frames; name others in quantization.validation.")
        return found, single


class _OutOfTime(Exception):
    """quantization.minutes are over."""


def copied(parent: Artifact, folder: Path, names: list[str]) -> dict[str, Path]:
    """Copies of the graphs that stay fp32."""
    files = {}
    for name in names:
        source = parent.files[name]
        for path in companions(source):
            shutil.copy(path, folder / path.name)
        files[name] = folder / source.name
    return files


def overlaps_of(sequence: Sequence, boxes: Any) -> Any:
    """Overlaps of the frames that count: all but frame 0 and covered ones."""
    assert sequence.truth is not None
    overlaps = iou(boxes[1:], sequence.truth[1:], sequence.size)
    return overlaps if sequence.visible is None else overlaps[sequence.visible[1:]]


def blocks(nodes: Seq[str], count: int) -> list[list[str]]:
    """``nodes`` in ``count`` consecutive parts of nearly equal length."""
    edges = np.linspace(0, len(nodes), count + 1).round().astype(int)
    return [list(nodes[low:high]) for low, high in pairwise(edges) if high > low]
