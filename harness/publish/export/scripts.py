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


def make_tracker(folder=None, threads=None):
    """A tracker over the model files in ``folder`` (default: beside this script), with ``threads`` threads.

    tracker.init(image, box)    takes the target at box [x, y, w, h] of the first image (uint8 [H, W, 3], channels in the order {{CHANNELS}})
    tracker.update(image)       returns its box [x, y, w, h] in the next image
    tracker.confidence          how sure it is of that box, higher is surer; None where it does not tell
    """
    folder = Path(__file__).resolve().parent if folder is None else Path(folder)
    threads = OPTIONS["threads"] if threads is None else threads
    sessions = {name: Session(GRAPHS[name], folder / file, threads) for name, file in OPTIONS["files"].items()}
    return {{CLASS}}(settings(SETTINGS), sessions)


def frames(source):
    """The images of a folder in the order of names, of a video, or of a camera (its number); channels as the tracker wants them."""
    flags = getattr(cv2, "IMREAD_{{COLOR}}") | cv2.IMREAD_IGNORE_ORIENTATION
    camera = str(source).isdigit() and not source.exists()
    if source.is_dir():
        for path in sorted(item for item in source.iterdir() if item.suffix.lower() in (".jpg", ".jpeg", ".png", ".bmp")):
            image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), flags)
            if image is None:
                raise SystemExit(f"error: {path} is not an image that can be read.")
            yield image
        return
    video = cv2.VideoCapture(int(str(source)) if camera else str(source))
    if not video.isOpened():
        raise SystemExit(f"error: {source} is neither a folder of images, nor a video that can be read, nor the number of a camera.")
    announced, count = 0 if camera else int(video.get(cv2.CAP_PROP_FRAME_COUNT)), 0
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


class Drawing:
    """Shows or films the images with the box, the milliseconds and the confidence."""

    def __init__(self, show, out):
        self.show, self.out, self.film = show, out, None

    def add(self, image, box, ms, confidence):
        """Draws one frame; returns False when the window's user wants to stop (key q or Esc)."""
        if not self.show and self.out is None:
            return True
        canvas = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if {{CHANNELS}} == "rgb" else image.copy()
        x, y, w, h = (int(round(float(value))) for value in np.clip(box, -30000, 30000))
        cv2.rectangle(canvas, (x, y), (x + w, y + h), (60, 220, 60), 2)
        words = f"{ms:.1f} ms" + ("" if confidence is None else f"  {confidence:.2f}")
        cv2.putText(canvas, words, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (60, 220, 60), 2)
        if self.out is not None:
            if self.film is None:
                size = canvas.shape[1], canvas.shape[0]
                self.film = cv2.VideoWriter(str(self.out), cv2.VideoWriter_fourcc(*"mp4v"), 25, size)
                if not self.film.isOpened():
                    raise SystemExit(f"error: {self.out} cannot be written as a video; give a name that ends in .mp4.")
            self.film.write(canvas)
        if self.show:
            try:
                cv2.imshow("tracker", canvas)
                return cv2.waitKey(1) & 0xFF not in (ord("q"), 27)
            except cv2.error as error:
                raise SystemExit("error: --show needs a screen and an OpenCV that can open windows; use --out.") from error
        return True

    def close(self):
        if self.film is not None:
            self.film.release()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="a video, a folder of images, or the number of a camera (0)")
    parser.add_argument("--init", required=True, metavar="X,Y,W,H", help="the target's box in the first frame, pixels")
    parser.add_argument("-o", "--output", type=Path, help="file for the boxes (default: the terminal)")
    parser.add_argument("--show", action="store_true", help="show the frames in a window; q ends it")
    parser.add_argument("--out", type=Path, metavar="FILM.mp4", help="write the frames with the box as a video")
    parser.add_argument("--threads", type=int, default=OPTIONS["threads"])
    arguments = parser.parse_args()
    box = np.array([float(word) for word in arguments.init.split(",")])
    if box.shape != (4,) or not (box[2:] > 0).all():
        parser.error("--init takes four numbers x,y,w,h, width and height above 0")
    cv2.setNumThreads(1)
    tracker = make_tracker(threads=arguments.threads)
    drawing = Drawing(arguments.show, arguments.out)
    boxes, sure, times = [], [], []
    for image in frames(arguments.source):
        begin = time.perf_counter()
        if boxes:
            box = tracker.update(image)
            times.append(time.perf_counter() - begin)
        else:
            tracker.init(image, box)
        boxes.append(box)
        sure.append(getattr(tracker, "confidence", None) if times else None)
        if not drawing.add(image, box, 1e3 * times[-1] if times else 0.0, sure[-1]):
            break
    drawing.close()
    if not boxes:
        raise SystemExit(f"error: {arguments.source} holds no images.")
    text = "".join(",".join(f"{value:.3f}" for value in item) + "\\n" for item in boxes)
    if arguments.output:
        arguments.output.write_text(text)
        if any(value is not None for value in sure):
            told = "".join("nan\\n" if value is None else f"{value:.8g}\\n" for value in sure)
            arguments.output.with_name(f"{arguments.output.stem}_confidence.value").write_text(told)
    else:
        sys.stdout.write(text)
    if times:
        ms = 1e3 * np.array(times)
        print(
            f"{len(boxes)} frames, {1e3 / ms.mean():.1f} updates per second; ms a frame: median {np.median(ms):.2f}, "
            f"p99 {np.percentile(ms, 99):.2f}, max {ms.max():.2f}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    try:
        main()
    except TrackingError as error:
        raise SystemExit(f"error: {error}")
'''
