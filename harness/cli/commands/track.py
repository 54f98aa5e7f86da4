"""Follows a target in a camera, a stream, a video file or a folder of images, with any tracker and backend.

Settings are given as key=value, as for jobs. Without --box the box is drawn with the mouse (Enter confirms it). In the
window: r draws a new box, q or Esc ends. For cameras and streams the newest frame is tracked, and those in between
count as dropped; for files and folders every frame is tracked. Ctrl-C ends, and everything up to then is written.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from harness.core.errors import ConfigError

SUMMARY = "follow a target in a camera, a stream, a file or a folder of images: window, MP4, JSON lines, data set"
EXAMPLE = "python -m harness track clip.mp4 --box 310,120,64,48 --json backend=onnx"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="a camera's number, a video file, a folder of images, or an address (rtsp://, http://)")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="tracker=..., backend=..., as for jobs")
    parser.add_argument("--box", metavar="X,Y,W,H", help="the target in the first frame, in pixels (default: drawn with the mouse)")
    parser.add_argument("--out", type=Path, metavar="FILE.mp4", help="write a film with the box")
    parser.add_argument("--json", action="store_true", help="a line of JSON a frame on standard output")
    parser.add_argument("--record", type=Path, metavar="DIR", help="keep frames and boxes as a data set (dataset=folder), without loss")
    parser.add_argument("--window", action="store_true", help="show the frames (the default without --out, --json and --record)")
    parser.add_argument("--every-frame", action="store_true", help="drop no frame of a camera or stream: it waits for the tracker")
    parser.add_argument("--frames", type=int, metavar="N", help="end after N frames")
    parser.add_argument("--timeout", type=float, default=10.0, metavar="S", help="seconds without a frame that end a camera or stream (10)")
    parser.add_argument("--config-dir", metavar="DIR", help="a further folder of YAML groups")


def run(args: argparse.Namespace) -> int:
    from harness.jobs.camera import track
    from harness.jobs.live import Request

    for text in args.settings:
        if "=" not in text:
            raise ConfigError(f"{text!r} is not a setting; give key=value, as backend=onnx.")
    if args.frames is not None and args.frames < 1:
        raise ConfigError(f"--frames is {args.frames}; accepted: a number of frames from 1.")
    if not 0 < args.timeout < math.inf:
        raise ConfigError(f"--timeout is {args.timeout:g}; accepted: a number of seconds above 0.")
    request = Request(
        source=args.source,
        box=None if args.box is None else box_of(args.box),
        window=args.window or not (args.out or args.json or args.record),
        out=None if args.out is None else str(args.out),
        json=args.json,
        record=None if args.record is None else str(args.record),
        every_frame=args.every_frame,
        frames=args.frames,
        timeout=args.timeout,
    )
    return track(request, args.settings, str(Path(args.config_dir).resolve()) if args.config_dir else None)


def box_of(text: str) -> tuple[float, ...]:
    """Parses the four numbers of ``x,y,w,h``. Raises ConfigError."""
    try:
        found = tuple(float(word) for word in text.strip("[]()").split(","))
    except ValueError:
        found = ()
    if len(found) != 4 or not all(math.isfinite(value) for value in found) or min(found[2:]) <= 0:
        raise ConfigError(f"--box is {text!r}; accepted: x,y,w,h in pixels of the first frame, as 310,120,64,48.")
    return found
