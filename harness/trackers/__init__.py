"""Trackers: what surrounds a network, in NumPy and OpenCV, the same for every backend. No runtime is imported here."""

from __future__ import annotations

from pathlib import Path

from harness.core.errors import WeightsError, in_words
from harness.core.files import at_home

RANDOM = "random"
PACKAGE = "package:"


def weights_path(weights: str, advice: str) -> Path:
    """The file that ``tracker.weights`` names; ``package:`` means the installed package's folder.

    Raises WeightsError, which ends in ``advice`` (what to get and where to put it), if there is no such file.
    """
    if weights.startswith(PACKAGE):
        path = Path(__file__).resolve().parent.parent / weights.removeprefix(PACKAGE)
    else:
        path = at_home(weights).absolute()
    try:
        there = path.is_file()
    except OSError as error:  # a name that is too long
        raise WeightsError(f"tracker.weights: {in_words(error, 'give the path of a file')} {advice}") from error
    if not there:
        raise WeightsError(f"tracker.weights is {weights}, but there is no file {path}. {advice}")
    return path
