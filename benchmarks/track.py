"""The time that ``track`` itself adds to a frame: everything but the tracker's update and the wait for the frame.

``python -m benchmarks.track [--frames 600]`` follows a target with the demo tracker through a clip of 640x360 pixels
and prints a table: with
only JSON lines, and also with a video or a recording, whose threads use the same cores. Bar: at most 2 ms per frame
(p50).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import threading
from itertools import chain, cycle, islice
from pathlib import Path

import cv2

from harness.core.files import write_json
from harness.core.interfaces import Sequence
from harness.jobs import compose
from harness.jobs.children import ensure_prepared
from harness.jobs.experiment import Experiment, build_experiment
from harness.jobs.live import Request, follow
from harness.jobs.worker import JOB_FILE
from harness.machine.environment import keep_freed_memory, limit_threads
from harness.machine.load import FamilyWatch

BAR_MS = 2.0


def write_clip(sequence: Sequence, path: Path, frames: int) -> None:
    """Makes a video of the sequence, forwards and backwards, until it has enough frames."""
    back = sequence.frames[-2:0:-1]
    writer = None
    for source in islice(cycle(chain(sequence.frames, back)), frames):
        image = cv2.imread(str(source))
        if writer is None:
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, (image.shape[1], image.shape[0]))
        writer.write(image)
    if writer is not None:
        writer.release()


def measured(experiment: Experiment, request: Request) -> dict[str, float]:
    """Returns milliseconds per frame: own share, update and wait; and the cores used by others."""
    artifact = experiment.prepared()
    assert artifact is not None
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        watch = FamilyWatch()
        meter = follow(experiment, artifact, request, threading.Event()).meter
        others = watch.other().cores
    found = {f"{what} p{percent}": meter.percentile_ms(what, percent) for what in ("own", "update", "wait") for percent in (50, 99)}
    return {**found, "others": others}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="as for jobs: backend=onnx")
    parser.add_argument("--frames", type=int, default=600)
    arguments = parser.parse_args()
    os.environ.update(limit_threads({}, os.cpu_count() or 1))
    keep_freed_memory()
    config = compose.make_plan(arguments.settings, False, None, []).jobs[0][1]
    experiment = build_experiment(config)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_json(folder / JOB_FILE, {"config": config, "chdir": None})
        ensure_prepared(experiment, folder)
        sequence = next(iter(experiment.dataset))
        write_clip(sequence, folder / "clip.mp4", arguments.frames)
        base = Request(str(folder / "clip.mp4"), tuple(float(value) for value in sequence.init_box), json=True)
        ways = {
            "JSON lines": base,
            "and a film": Request(base.source, base.box, json=True, out=str(folder / "film.mp4")),
            "and a recording": Request(base.source, base.box, json=True, record=str(folder / "kept")),
        }
        width, height = sequence.size or (0, 0)
        print(f"{experiment.tracker.name} on {experiment.backend.name}, {width}x{height}, {arguments.frames} frames; ms a frame")
        print(f"{'':16}  own p50  own p99  update p50  update p99  wait p50  wait p99  others' cores")
        worst = 0.0
        for title, request in ways.items():
            row = measured(build_experiment(config), request)
            worst = max(worst, row["own p50"]) if title == "JSON lines" else worst
            print(
                f"{title:16}  {row['own p50']:7.3f}  {row['own p99']:7.3f}  {row['update p50']:10.3f}  {row['update p99']:10.3f}"
                f"  {row['wait p50']:8.3f}  {row['wait p99']:8.3f}  {row['others']:13.2f}"
            )
    print(f"bar: own share at most {BAR_MS:g} ms (p50, JSON lines): {'met' if worst <= BAR_MS else 'missed'}")
    return 0 if worst <= BAR_MS else 1


if __name__ == "__main__":
    sys.exit(main())
