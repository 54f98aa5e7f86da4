"""``tracker=native``: somebody's tracker as it is, called in the way it is made for, in a process of its own."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import util
from pathlib import Path
from typing import Any, ClassVar, Literal

from harness.core.config import at_least
from harness.core.errors import ConfigError, SkipJob, TrackingError
from harness.core.files import at_home
from harness.core.interfaces import Boxes, GraphSpec, Image, Session, Source, Tracker, TrackerSpec
from harness.trackers import RANDOM, weights_path
from harness.trackers.native import sources
from harness.trackers.native.recipe import STYLES

TRIAL = "cv2:TrackerMIL"
"""What runs where no tracker is named: a tracker that every OpenCV has, so that this can be tried."""
OPENCV = "cv2:"
DRAWING = ("cv2:TrackerMIL",)
"""Trackers known to draw random numbers that no seed reaches."""
OWN = "tracker"
CODE = tuple(f"{STYLES}{part}" for part in ("", ".common", ".got10k", ".opencv", ".processor", ".pytracking", ".trax"))
NAMED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@dataclass
class Native(TrackerSpec):
    """The fields are the keys of ``conf/tracker/native.yaml``, where each has its line."""

    style: Literal["got10k", "pytracking", "opencv", "trax"] | None = None
    factory: str | None = None
    command: list[str] | None = None
    options: dict[str, Any] | None = None
    weights: str | list[str] | None = None
    path: list[str] = field(default_factory=list)
    cwd: str | None = None
    python: str | None = None
    images: Literal["array", "pil"] | None = None
    color: Literal["rgb", "bgr"] | None = None  # type: ignore[assignment,misc]
    fresh: bool | None = None
    confidence: str | None = None
    deterministic: bool | None = None  # type: ignore[assignment,misc]
    code: list[str] | None = None
    start_timeout: float = 300.0
    timeout: float = 60.0
    seed: int = 0
    name: str = "native"
    _wanted_color: str | None = field(default=None, init=False, repr=False)

    per_frame: ClassVar[tuple[str, ...]] = ()
    placeable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self._wanted_color = self.color
        at_least(self.timeout, 0.001, "tracker.timeout")
        at_least(self.start_timeout, 0.001, "tracker.start_timeout")
        if self.weights == RANDOM:
            raise SkipJob(
                f"tracker {self.name} runs as it is, and the harness cannot draw weights for it; leave tracker.weights "
                "out, or name its files."
            )
        if self.command is not None or self.style == "trax":
            self._check_command()
        else:
            self._check_factory()
        if self.deterministic is None:
            self.deterministic = self.factory not in DRAWING  # type: ignore[misc]
        self.color = self.color or ("bgr" if self._opencv() else "rgb")  # type: ignore[misc]

    # ------------------------------------------------------------------------------------- checking

    def _check_command(self) -> None:
        if not self.command:
            raise ConfigError("tracker.style=trax runs a program: tracker.command=[PROGRAM,ARGUMENT,...].")
        if self.style not in (None, "trax"):
            raise ConfigError(f"tracker.command is for tracker.style=trax; style={self.style} takes tracker.factory.")
        for key in ("factory", "python", "images", "confidence"):
            if getattr(self, key) is not None:
                raise ConfigError(f"tracker.{key} has no meaning for a program (tracker.command); leave it out.")
        if util.find_spec("trax") is None:
            raise ConfigError("a TraX program needs the package vot-trax: pip install 'tracker-harness[trax]'.")
        if self._program() is None:
            raise ConfigError(f"tracker.command: there is no program {self.command[0]!r}; give its path.")

    def _check_factory(self) -> None:
        if self.factory is None:
            given = [key for key in ("style", "options", "path", "cwd", "python", "code") if getattr(self, key)]
            if given and not (given == ["style"] and self.style == "opencv"):
                raise ConfigError(
                    f"tracker.factory is missing, and tracker.{given[0]} is given; name the tracker's class or a function "
                    "that builds it, tracker.factory=package.module:name."
                )
            self.factory = TRIAL
        if not NAMED.fullmatch(self.factory):
            raise ConfigError(
                f"tracker.factory is {self.factory!r}; accepted: package.module:name, for example mytracker:MyTracker or "
                f"{TRIAL}."
            )
        for folder in self._folders():
            if not folder.is_dir():
                raise ConfigError(f"tracker.path names {folder}, which is not a folder.")
        if not self._cwd().is_dir():
            raise ConfigError(f"tracker.cwd is {self._cwd()}, which is not a folder.")
        if self.python is not None and shutil.which(self._python() or "") is None:
            raise ConfigError(f"tracker.python is {self.python}, which is not a program; give the path of a Python.")
        if self.python is None:
            self._check_module()

    def _check_module(self) -> None:
        """Raises ConfigError if our own Python would not find the module, or this OpenCV lacks the tracker."""
        assert self.factory is not None
        module, _, attribute = self.factory.partition(":")
        top = module.split(".")[0]
        if sources.module_file(top, self._import_path()) is None and util.find_spec(top) is None:
            raise ConfigError(
                f"tracker.factory={self.factory}: module {top!r} is not found; add its folder with tracker.path=[FOLDER]."
            )
        if not self._opencv():
            return
        import cv2

        if not hasattr(cv2, attribute.split(".")[0]):
            words = ", ".join(f"cv2:{item}" for item in dir(cv2) if re.fullmatch(r"Tracker[A-Z]\w*?", item) and "_" not in item)
            raise ConfigError(
                f"tracker.factory={self.factory}: this OpenCV ({cv2.__version__}) has no {attribute}; it has {words}. The "
                "package opencv-contrib-python has KCF and CSRT."
            )

    # ------------------------------------------------------------------------------------- its places

    def _opencv(self) -> bool:
        return self.style == "opencv" or (self.factory or "").startswith(OPENCV)

    def _cwd(self) -> Path:
        return at_home(self.cwd or ".").absolute()

    def _folders(self) -> list[Path]:
        return [at_home(folder).absolute() for folder in self.path]

    def _python(self) -> str | None:
        """The interpreter: a path as a path (never resolved, for a virtual environment's is a link), else as found."""
        if self.python is None:
            return None
        given = os.path.expanduser(self.python)
        return os.path.abspath(given) if os.sep in given else shutil.which(given)

    def _program(self) -> str | None:
        """The program of ``tracker.command``: a path relative to ``tracker.cwd``, or a name on the search path."""
        assert self.command is not None
        first = os.path.expanduser(self.command[0])
        return shutil.which(str(self._cwd() / first) if os.sep in first else first)

    def _import_path(self) -> list[Path]:
        return sources.import_path(self._folders(), self._cwd(), inherited=self.python is None)

    def _code(self) -> str:
        """The digest of the tracker's own code."""
        if self.code is not None:
            roots = [at_home(item).absolute() for item in self.code]
            missing = [str(root) for root in roots if not root.exists()]
            if missing:
                raise ConfigError(f"tracker.code names {missing[0]}, which does not exist.")
            return sources.digest(roots)
        if self.command is not None:
            program = Path(self._program() or "")
            named = [path for word in self.command[1:] if (path := self._cwd() / word).is_file()]
            return sources.digest([program, *named])
        module = (self.factory or "").partition(":")[0]
        found = sources.module_file(module, self._import_path())
        return sources.digest([*self._folders(), *([found] if found else [])])

    # --------------------------------------------------------------------------------- as a tracker

    @property
    def graphs(self) -> Mapping[str, GraphSpec]:
        """None: what runs is the tracker itself."""
        return {}

    def source(self) -> Source:
        """The recipe by which a process builds the tracker. Raises WeightsError, ConfigError."""
        given = [self.weights] if isinstance(self.weights, str) else self.weights or []
        advice = "Give a file, or leave tracker.weights out if the tracker's own code finds its weights."
        files = tuple(weights_path(str(item), advice) for item in given)
        options = {
            "style": self.style,
            "factory": self.factory,
            "command": [self._program(), *self.command[1:]] if self.command else None,
            "options": dict(self.options or {}),
            "several": isinstance(self.weights, list),
            "path": [str(folder) for folder in self._folders()],
            "cwd": str(self._cwd()),
            "python": self._python(),
            "images": self.images,
            "color": self._wanted_color,
            "frames": self.color,
            "fresh": self.fresh,
            "confidence": self.confidence,
            "start_timeout": self.start_timeout,
            "timeout": self.timeout,
            "code": self._code(),
        }
        return Source("native", "harness.trackers.native.recipe:build", files, options, self.seed, CODE)

    def start(self, sessions: Mapping[str, Session]) -> Tracker:
        return NativeTracker(sessions[OWN])


class NativeTracker(Tracker):
    """One target of a tracker that runs elsewhere."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def init(self, image: Image, box: Boxes) -> None:
        self.seconds = float(self._session.run({"image": image, "box": box})["seconds"][0])

    def update(self, image: Image) -> Boxes:
        found = self._session.run({"image": image})
        self.seconds = float(found["seconds"][0])
        self.confidence = float(found["confidence"][0]) if "confidence" in found else None
        return found["box"]

    def place(self, box: Boxes) -> None:
        del box
        raise TrackingError("a native tracker cannot be moved to another box.")
