"""What all styles share: building the tracker, calling it by the clock, and reading boxes and scores."""

from __future__ import annotations

import importlib
import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from .processor import Processor

if TYPE_CHECKING:  # older Pythons have no such types at run time
    Recipe = dict[str, Any]
    Reply = dict[str, Any]
    Failures = type[Exception]
    Build = Callable[[], Any]
    Special = Callable[[Any, Recipe, Failures], Build | None]


def factory_of(recipe: Recipe, mistake: Failures, special: Special) -> Build:
    """A function without arguments that builds the tracker of ``recipe``.

    Args:
        recipe: see ``adapt``.
        mistake: the exception for what the user can correct.
        special: builds what is not simply called (OpenCV's classes), or returns None.
    """
    named = recipe["factory"]
    target = find(named, mistake, recipe.get("python"))
    build = special(target, recipe, mistake)
    if build is not None:
        return build
    if not callable(target):
        raise mistake(f"tracker.factory={named} is a {type(target).__name__}; name a class or a function.")
    arguments = dict(recipe["options"])
    if recipe["weights"] is not None and accepts(target, "weights"):
        arguments["weights"] = recipe["weights"]
    check_arguments(target, arguments, named, mistake)

    def call() -> Any:
        subject = target(**arguments)
        if subject is None or inspect.isclass(subject) or inspect.ismodule(subject):
            raise mistake(
                f"tracker.factory={named} returned {subject}; it must return a tracker that is built."
            )
        return subject

    return call


def find(named: str, mistake: Failures, python: str | None = None) -> Any:
    """What ``package.module:name`` names, in ``tracker.python``. Raises ``mistake`` if the module or the name is not there."""
    module_name, _, attribute = named.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise mistake(
                f"tracker.factory={named}: module {error.name!r} is not found; add its folder with tracker.path=[FOLDER]."
            ) from error
        remedy = (
            f"install it for {python}, which tracker.python names"
            if python
            else "name the Python that has it with tracker.python=PATH"
        )
        raise mistake(
            f"tracker.factory={named}: its code imports {error.name!r}, which is not found; add its folder with tracker.path=[FOLDER], or "
            f"{remedy}."
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise mistake(f"tracker.factory={named}: {module_name} has no {part!r}.")
        found = getattr(found, part)
    return found


def accepts(target: Any, name: str) -> bool:
    """Whether ``target`` can be called with an argument of that name; True if it does not tell."""
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):
        return False
    return name in parameters or any(item.kind is item.VAR_KEYWORD for item in parameters.values())


def check_arguments(target: Any, arguments: dict[str, Any], named: str, mistake: Failures) -> None:
    """Raises ``mistake`` where ``target`` cannot be called with ``arguments``."""
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise mistake(
            "tracker.factory={}{} cannot be called with tracker.options ({}): {}.".format(
                named, signature, ", ".join(arguments) or "none", error
            )
        ) from error


class Adapter(ABC):
    """A tracker behind two calls, each timed alone. Subclasses say how their style is called."""

    style = ""
    color = "rgb"
    """The channel order that trackers of this style are given unless ``tracker.color`` says otherwise."""
    fresh = True
    """Whether each sequence gets a tracker built anew, as this style's own evaluation does."""

    def __init__(
        self, recipe: Recipe, subject: Any, build: Build, mistake: Failures, processor: Processor | None = None
    ) -> None:
        self.recipe, self.build, self.mistake = recipe, build, mistake
        self.processor = processor or Processor(wanted=False)
        self.subject = self.processor.build(lambda: self.prepared(subject))
        self.used = False
        if not self.fits(self.subject):
            raise mistake(
                "tracker.style={} does not fit what tracker.factory={} made, a {}; leave tracker.style out to have it "
                "recognised.".format(self.style, recipe["factory"], type(self.subject).__name__)
            )

    @classmethod
    @abstractmethod
    def fits(cls, subject: Any) -> bool:
        """Whether ``subject`` can be called in this style."""

    def prepared(self, subject: Any) -> Any:
        """The tracker itself, where a factory returned what only leads to it."""
        return subject

    @abstractmethod
    def start(self, image: Any, box: list[float]) -> None:
        """Calls the tracker's own first function."""

    @abstractmethod
    def follow(self, image: Any) -> Any:
        """Calls the tracker's own update; returns what it returned."""

    @abstractmethod
    def read(self, answer: Any) -> Reply:
        """``box`` and ``confidence`` of what the update returned."""

    def convert(self, image: Any) -> Any:
        """The frame in the form that the tracker is given; outside the clock, as decoding is."""
        wanted = self.recipe["color"] or self.color
        return image if wanted == self.recipe["frames"] else np.ascontiguousarray(image[:, :, ::-1])

    def init(self, image: Any, box: list[float]) -> Reply:
        """Starts on a target; ``seconds`` are those of the tracker's own call."""
        fresh = self.fresh if self.recipe["fresh"] is None else self.recipe["fresh"]
        if self.used and fresh:
            self.subject = None  # frees the old one first: two networks may not fit
            self.subject = self.prepared(self.build())
        self.used = True
        given = self.convert(image)
        begin = perf_counter()
        self.start(given, list(box))
        return {"seconds": perf_counter() - begin, "facts": self.facts()}

    def update(self, image: Any) -> Reply:
        """Follows the target into ``image``."""
        given = self.convert(image)
        begin = perf_counter()
        answer = self.follow(given)
        seconds = perf_counter() - begin
        return dict(self.read(answer), seconds=seconds)

    def facts(self) -> dict[str, str]:
        """What is known of the tracker, for the record."""
        kind = type(self.subject)
        known = {"style": self.style, "tracker": f"{kind.__module__}.{kind.__qualname__}", **self.processor.facts()}
        if self.recipe["weights"] is not None and not self.takes_weights():
            known["weights"] = "tracker.weights is not used: the factory takes none"
        return known

    def takes_weights(self) -> bool:
        """Whether ``tracker.weights`` reached the tracker."""
        return accepts(find(self.recipe["factory"], self.mistake), "weights")

    def processes(self) -> list[int]:
        """The numbers of the processes that the tracker consists of beside this one."""
        return []

    def close(self) -> None:
        """Ends those processes."""
        return


def as_box(value: Any) -> list[float]:
    """Four floats of whatever a tracker calls a box (list, array, tensor). Raises TypeError."""
    array = as_array(value)
    if array is None or array.size != 4:
        raise TypeError(f"the tracker returned {value!r:.80}; a box is four numbers [x, y, w, h]")
    return [float(number) for number in array.ravel()]


def as_score(value: Any) -> float | None:
    """The largest of the numbers in ``value`` (a float, an array, a tensor, a list); None if there are none."""
    array = as_array(value)
    if array is None or not array.size:
        return None
    score = float(array.max())
    return None if math.isnan(score) else score


def as_array(value: Any) -> Any:
    """``value`` as float64 array, None if it holds anything but numbers; tensors of torch wherever they live."""
    if value is None:
        return None
    try:
        if isinstance(value, (list, tuple)):
            value = [as_array(item) if hasattr(item, "detach") else item for item in value]
        elif hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        return np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return None
