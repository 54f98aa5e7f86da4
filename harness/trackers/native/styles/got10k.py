"""Style ``got10k``: ``init(image, box)`` and ``update(image) -> box``, as got10k-toolkit calls its trackers.

The toolkit hands over PIL images, and many trackers written for themselves take arrays; ``tracker.images`` says which, and
without it the toolkit's own subclasses get PIL, others an array, or PIL where an array makes ``init`` fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .common import Adapter, as_box, as_score

if TYPE_CHECKING:
    from .common import Reply


class Got10k(Adapter):
    """One tracker for all sequences, as the toolkit's experiments have it."""

    style = "got10k"
    fresh = False
    images = ""

    @classmethod
    def fits(cls, subject: Any) -> bool:
        return callable(getattr(subject, "init", None)) and callable(getattr(subject, "update", None))

    def start(self, image: Any, box: list[float]) -> None:
        self.subject.init(image, as_given(box))

    def init(self, image: Any, box: list[float]) -> Reply:
        if self.images:
            return super().init(image, box)
        wanted = self.recipe["images"]
        self.images = wanted or ("pil" if derives_from_toolkit(self.subject) else "array")
        try:
            return super().init(image, box)
        except (AttributeError, TypeError, ValueError):
            if wanted or self.images == "pil" or not has_pillow():
                raise
            self.images = "pil"
            try:
                return super().init(image, box)
            except Exception:  # then it is not for want of a PIL image: the first error tells more
                self.images = ""
            raise

    def convert(self, image: Any) -> Any:
        image = super().convert(image)
        if self.images != "pil":
            return image
        if not has_pillow():
            raise self.mistake(
                "tracker.images=pil needs Pillow in the tracker's Python; install it there, or give tracker.images=array."
            )
        from PIL import Image

        return Image.fromarray(image)

    def follow(self, image: Any) -> Any:
        return self.subject.update(image)

    def read(self, answer: Any) -> Reply:
        if isinstance(answer, tuple) and len(answer) == 2:  # some return (box, score)
            return {"box": as_box(answer[0]), "confidence": as_score(answer[1])}
        return {"box": as_box(answer), "confidence": None}

    def facts(self) -> dict[str, str]:
        return dict(super().facts(), images=self.images) if self.images else super().facts()


def as_given(box: list[float]) -> Any:
    """The first box as the toolkit gives it: a float array."""
    import numpy as np

    return np.array(box, np.float64)


def derives_from_toolkit(subject: Any) -> bool:
    """Whether the tracker is a subclass of got10k-toolkit's own."""
    return any(item.__module__.split(".")[0] == "got10k" for item in type(subject).__mro__)


def has_pillow() -> bool:
    """Whether this Python has Pillow."""
    import importlib.util

    return importlib.util.find_spec("PIL") is not None
