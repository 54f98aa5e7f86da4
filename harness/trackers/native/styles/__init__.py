"""How trackers of other people are called: a module a style, all with the same few functions.

This package runs in the tracker's own process, whose Python may be another and older one (3.7), with NumPy alone: nothing
here imports the harness, or at module level anything beyond the standard library and NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import got10k, opencv, pytracking, trax
from .common import Adapter, factory_of
from .processor import Processor

if TYPE_CHECKING:
    from .common import Failures, Recipe

ADAPTERS: dict[str, type[Adapter]] = {
    "opencv": opencv.OpenCv,
    "pytracking": pytracking.PyTracking,
    "got10k": got10k.Got10k,
}
"""The styles of trackers that are Python objects, in the order in which they are recognised."""


def adapt(recipe: Recipe, threads: int, mistake: Failures) -> Any:
    """The tracker of ``recipe``, built, behind the calls that the process makes.

    Args:
        recipe: ``style`` (or None), ``factory``, ``command``, ``path``, ``options``, ``weights``, ``images``, ``color``,
            ``fresh``, ``confidence``, ``start_timeout``, and ``device`` where it is known.
        threads: how many threads a tracker may use.
        mistake: the exception for what the user can correct.
    """
    if recipe["style"] == "trax" or recipe["command"]:
        return trax.Trax(recipe, mistake)
    processor = Processor(recipe.get("device") == "cpu")
    build = factory_of(recipe, mistake, opencv.creator)
    subject = processor.build(build)
    limit_threads(threads)
    style = recipe["style"] or recognise(subject, recipe, mistake)
    return ADAPTERS[style](recipe, subject, build, mistake, processor)


def recognise(subject: Any, recipe: Recipe, mistake: Failures) -> str:
    """The style of a tracker that is built. Raises ``mistake`` if it has none of the known ways to be called."""
    for name, adapter in ADAPTERS.items():
        if adapter.fits(subject):
            return name
    raise mistake(
        "tracker.factory={} made a {}, which has neither init and update (got10k) nor initialize and track (pytracking) "
        "and is none of OpenCV's; name a factory that returns such a tracker.".format(
            recipe["factory"], type(subject).__name__
        )
    )


def limit_threads(threads: int) -> None:
    """Keeps OpenCV, where the tracker uses it, to the job's threads: it reads no variable of the environment."""
    import sys

    cv2 = sys.modules.get("cv2")
    if cv2 is not None and hasattr(cv2, "setNumThreads"):
        cv2.setNumThreads(threads)
