"""Style ``opencv``: trackers of OpenCV, ``init(image, rectangle)`` and ``update(image) -> (found, rectangle)``.

``tracker.factory=cv2:TrackerMIL`` names one; ``tracker.weights`` holds the model files of those that have a network, and
``tracker.options`` further fields of its parameters. What OpenCV calls not found leaves the box where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .common import Adapter, as_box

if TYPE_CHECKING:
    from .common import Build, Failures, Recipe, Reply

MODEL_FILES = {
    "TrackerNano": ("backbone", "neckhead"),
    "TrackerVit": ("net",),
    "TrackerDaSiamRPN": ("model", "kernel_cls1", "kernel_r1"),
    "TrackerGOTURN": ("modelTxt", "modelBin"),
}
"""The fields of the parameters that name model files, in the order of ``tracker.weights``."""


class OpenCv(Adapter):
    """A tracker built anew for every sequence: OpenCV's are not made to be initialised twice."""

    style = "opencv"
    color = "bgr"
    box: list[float]

    @classmethod
    def fits(cls, subject: Any) -> bool:
        modules = {item.__module__.split(".")[0] for item in type(subject).__mro__}
        return "cv2" in modules and hasattr(subject, "init") and hasattr(subject, "update")

    def start(self, image: Any, box: list[float]) -> None:
        self.box = box
        whole = "legacy" not in type(self.subject).__module__  # the main module's rectangles are of whole pixels
        first = tuple(round(value) for value in box) if whole else tuple(box)
        with_files(lambda: self.subject.init(image, first), self.recipe, self.mistake)

    def follow(self, image: Any) -> Any:
        return self.subject.update(image)

    def read(self, answer: Any) -> Reply:
        found, rectangle = answer
        if found:
            self.box = as_box(rectangle)
        score = getattr(self.subject, "getTrackingScore", None)
        return {"box": self.box, "confidence": float(score()) if score is not None else None}

    def takes_weights(self) -> bool:
        return self.recipe["factory"].partition(":")[2].split(".")[-1] in MODEL_FILES or super().takes_weights()


def creator(target: Any, recipe: Recipe, mistake: Failures) -> Build | None:
    """How one of OpenCV's own classes is built; None if ``target`` is not one."""
    if not isinstance(target, type) or not target.__module__.startswith("cv2") or not hasattr(target, "create"):
        return None
    values = fields(target.__name__, recipe, mistake)
    create: Build = target.create
    if not values:
        return create

    def build() -> Any:
        parameters = filled(target.__name__, values, mistake)
        return with_files(lambda: target.create(parameters), recipe, mistake)

    return build


def with_files(call: Build, recipe: Recipe, mistake: Failures) -> Any:
    """What ``call`` returns. Raises ``mistake`` if OpenCV cannot use the model files of ``tracker.weights``."""
    import cv2

    try:
        return call()
    except cv2.error as error:
        files = MODEL_FILES.get(recipe["factory"].partition(":")[2].split(".")[-1])
        if files is None or not recipe["weights"]:
            raise
        raise mistake(
            "{} cannot use its model files; tracker.weights is [{}], in this order. OpenCV says: {}".format(
                recipe["factory"], ",".join(files), " ".join(str(error).split())[:200]
            )
        ) from error


def fields(name: str, recipe: Recipe, mistake: Failures) -> dict[str, Any]:
    """The fields of the parameters that ``tracker.weights`` and ``tracker.options`` set."""
    values = dict(recipe["options"])
    files = MODEL_FILES.get(name)
    given = recipe["weights"]
    if files is None:
        return values
    paths = [given] if isinstance(given, str) else list(given or [])
    if not paths and not all(field in values for field in files):
        raise mistake("cv2.{} needs its model files: tracker.weights=[{}].".format(name, ",".join(files)))
    if paths and len(paths) != len(files):
        raise mistake(
            "cv2.{} takes {} model file(s), tracker.weights=[{}]; {} given.".format(
                name, len(files), ",".join(files), len(paths)
            )
        )
    values.update(zip(files, paths))  # noqa: B905 (strict= is not known to older Pythons; the lengths are checked)
    return values


def filled(name: str, values: dict[str, Any], mistake: Failures) -> Any:
    """OpenCV's parameters of the tracker ``name`` with ``values`` in them."""
    import cv2

    made: Any = getattr(cv2, name + "_Params", None) or getattr(getattr(cv2, name), "Params", None)
    if made is None:
        raise mistake(f"cv2.{name} has no parameters; leave tracker.options out.")
    parameters = made()
    for key, value in values.items():
        if not hasattr(parameters, key):
            known = ", ".join(item for item in dir(parameters) if not item.startswith("_"))
            raise mistake(f"cv2.{name} has no parameter {key!r}; it has: {known}.")
        setattr(parameters, key, value)
    return parameters
