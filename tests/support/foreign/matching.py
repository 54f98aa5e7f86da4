"""Trackers in the got10k style, written as somebody would who knows nothing of the harness: NumPy alone."""

import numpy as np


class Matching:
    """Looks for the template's grey levels within a few pixels of the last place."""

    def __init__(self, reach=3):
        self.reach = reach

    def init(self, image, box):
        self.box = np.array(box, float)
        x, y, w, h = self.box.round().astype(int)
        self.template = self.grey(image)[y : y + h, x : x + w]

    def update(self, image):
        grey = self.grey(image)
        x, y = self.box[:2].round().astype(int)
        h, w = self.template.shape
        found = []
        for dy in range(-self.reach, self.reach + 1):
            for dx in range(-self.reach, self.reach + 1):
                part = grey[max(0, y + dy) : y + dy + h, max(0, x + dx) : x + dx + w]
                if part.shape == self.template.shape:
                    found.append((np.abs(part - self.template).mean(), dx, dy))
        _, dx, dy = min(found, default=(0, 0, 0))
        self.box[:2] += (dx, dy)
        return self.box

    @staticmethod
    def grey(image):
        return image.astype(float).mean(2)


class Echo:
    """Says what it was given: the box is [height, width, mean of channel 0, mean of channel 2] of the frame."""

    def init(self, image, box):
        print("initialised at", list(box))

    def update(self, image):
        print("a line on standard output that no protocol may take for its own", flush=True)
        image[:] = image  # it may write to its frame
        return [image.shape[0], image.shape[1], image[..., 0].mean(), image[..., 2].mean()]


class Counting:
    """Counts its updates over all sequences, so that it shows whether it was built anew."""

    def __init__(self):
        self.count = 0

    def init(self, image, box):
        pass

    def update(self, image):
        self.count += 1
        return (self.count, 0, 1, 1), 0.25


class Failing:
    """Fails at an update in the way that it is told: raise, kill, exit, hang, wrong."""

    def __init__(self, how, at=3):
        self.how, self.at, self.count = how, at, 0

    def init(self, image, box):
        self.box = list(box)

    def update(self, image):
        import os
        import signal
        import sys
        import time

        self.count += 1
        if self.count == self.at:
            print("the last words of a tracker")
            if self.how == "raise":
                raise RuntimeError("the weights melted")
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "exit":
                sys.exit(3)
            if self.how == "hang":
                time.sleep(600)
            if self.how == "wrong":
                return "nowhere"
        return self.box


class WantsPil:
    """Takes what got10k-toolkit hands over: PIL images, whose size is (width, height)."""

    def init(self, image, box):
        width, height = image.size
        self.box = [width, height, 1, 1]

    def update(self, image):
        return [*image.size, *image.getpixel((0, 0))[:2]]


def nothing():
    return None


def neither():
    return object()
