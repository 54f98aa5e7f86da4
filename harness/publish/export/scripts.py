"""The parts of an exported script that are not the tracker's nor the runtime's: reading frames, the command line."""

from __future__ import annotations

MAIN = '''"""{{TITLE}}

Tracks one target through a video or a folder of images, from its box in the first frame:

    python track.py clip.mp4 --init 100,80,40,60 -o boxes.txt

Boxes are x,y,w,h in pixels, a line a frame, the given box first. Written by the harness's `export` from the code that
measured this model; needs NumPy, OpenCV and the runtime alone.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
{{RUNTIME}}


SETTINGS = {{SETTINGS}}
OPTIONS = {{OPTIONS}}
GRAPHS = {{GRAPHS}}


class TrackingError(Exception):
    """The tracker could not go on."""


# ------------------------------------------------------------------------------------------- the tracker

{{TRACKER}}


# ------------------------------------------------------------------------------------------- running it


def settings(value):
    """Nested dictionaries as attributes."""
    return SimpleNamespace(**{k: settings(v) if isinstance(v, dict) else v for k, v in value.items()})


def make_tracker(folder, threads):
    """A tracker over the model files in ``folder``."""
    sessions = {name: Session(GRAPHS[name], folder / file, threads) for name, file in OPTIONS["files"].items()}
    return {{CLASS}}(settings(SETTINGS), sessions)


def frames(source):
    """The images of a folder in the order of names, or of a video; channels as the tracker wants them."""
    flags = getattr(cv2, "IMREAD_{{COLOR}}") | cv2.IMREAD_IGNORE_ORIENTATION
    if source.is_dir():
        for path in sorted(item for item in source.iterdir() if item.suffix.lower() in (".jpg", ".jpeg", ".png", ".bmp")):
            image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), flags)
            if image is None:
                raise SystemExit(f"error: {path} is not an image that can be read.")
            yield image
        return
    video = cv2.VideoCapture(str(source))
    if not video.isOpened():
        raise SystemExit(f"error: {source} is neither a folder of images nor a video that can be read.")
    announced, count = int(video.get(cv2.CAP_PROP_FRAME_COUNT)), 0
    while True:
        there, image = video.read()
        if not there:
            if count < announced:
                print(
                    f"warning: {count} frames were decoded of the {announced} that {source} announces; it is cut or damaged.",
                    file=sys.stderr,
                )
            return
        count += 1
        yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if {{CHANNELS}} == "rgb" else image


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="a video, or a folder of images")
    parser.add_argument("--init", required=True, metavar="X,Y,W,H", help="the target's box in the first frame, pixels")
    parser.add_argument("-o", "--output", type=Path, help="file for the boxes (default: the terminal)")
    parser.add_argument("--threads", type=int, default=OPTIONS["threads"])
    arguments = parser.parse_args()
    box = np.array([float(word) for word in arguments.init.split(",")])
    if box.shape != (4,) or not (box[2:] > 0).all():
        parser.error("--init takes four numbers x,y,w,h, width and height above 0")
    cv2.setNumThreads(1)
    tracker = make_tracker(Path(__file__).resolve().parent, arguments.threads)
    boxes, seconds = [], 0.0
    for image in frames(arguments.source):
        if boxes:
            begin = time.perf_counter()
            box = tracker.update(image)
            seconds += time.perf_counter() - begin
        else:
            tracker.init(image, box)
        boxes.append(box)
    if not boxes:
        raise SystemExit(f"error: {arguments.source} holds no images.")
    text = "".join(",".join(f"{value:.3f}" for value in item) + "\\n" for item in boxes)
    if arguments.output:
        arguments.output.write_text(text)
    else:
        sys.stdout.write(text)
    if seconds:
        print(f"{len(boxes)} frames, {(len(boxes) - 1) / seconds:.1f} updates per second", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except TrackingError as error:
        raise SystemExit(f"error: {error}")
'''
