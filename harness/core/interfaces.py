"""The types, values and protocols that all other modules use. Read this first.

Conventions in the whole package:

- a box is ``[x, y, w, h]`` in pixels, float64, ``x`` and ``y`` the top-left corner (0-based);
- an image is uint8 ``[H, W, 3]``, in the channel order that the tracker asks for (``TrackerSpec.color``);
- times are in seconds unless a name ends in ``_ms``;
- a graph's tensors are static in shape, batch first. Image inputs are uint8 NHWC: the conversion to float
  and NCHW is part of the graph, so that every backend can fold it into its first convolution.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence as Seq
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from harness.core.arrays import Array as Array, Arrays as Arrays, Boxes as Boxes, Image as Image, Metrics as Metrics
from harness.core.backend import Backend as Backend, Session as Session
from harness.core.errors import DataError
from harness.core.metric import Better as Better, Metric as Metric, Need as Need, Place as Place
from harness.core.models import (
    SOURCES as SOURCES,
    Artifact as Artifact,
    GraphSpec as GraphSpec,
    Source as Source,
    TensorSpec as TensorSpec,
    misfit as misfit,
    missing_input as missing_input,
)
from harness.core.records import Record

# ------------------------------------------------------------------------------ sequences and tracks


@dataclass(frozen=True)
class Sequence:
    """One video: paths of its frames, the first box, and the ground truth as far as it is known.

    ``size`` is (width, height) of the frames in pixels, or None if no images are at hand. ``truth`` is
    ``[T, 4]``; ``visible`` is a bool ``[T]``, False for frames in which the target is fully covered or absent.
    ``attributes`` are the benchmark's short names of what makes the sequence hard (OTB's ``IV``, ``OCC``...).
    """

    name: str
    frames: tuple[Path, ...]
    init_box: Boxes
    size: tuple[int, int] | None = None
    truth: Boxes | None = None
    visible: npt.NDArray[np.bool_] | None = None
    meta: Mapping[str, str] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frames)

    def first_box_fault(self) -> str:
        """Returns why no tracker can start: the first box lies outside the image.

        Empty if it does not, or if the size is unknown.
        """
        x, y, w, h = self.init_box
        if self.size is None or (x < self.size[0] and y < self.size[1] and x + w > 0 and y + h > 0):
            return ""
        words = ", ".join(f"{value:g}" for value in self.init_box)
        return f"{self.name}: the first box [{words}] lies outside the image, which is {self.size[0]}x{self.size[1]} pixels"


@dataclass(frozen=True)
class Track:
    """The result of tracking a sequence.

    ``boxes`` is ``[T, 4]`` with the given box first; ``seconds`` is ``[T]``, the time of ``init`` first, then one per
    update; ``stages`` maps ``decode``, ``preprocess``, ``inference``, ``postprocess`` to seconds ``[T]``; ``confidence`` is ``[T]``,
    NaN in frames without a value (always in frame 0), or None if the tracker reports no confidence.
    """

    sequence: str
    boxes: Boxes
    seconds: npt.NDArray[np.float64]
    stages: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    repetition: int = 1
    confidence: npt.NDArray[np.float64] | None = None


@dataclass
class Checked:
    """The result of checking a data set: what was checked, faults (sentences that name the file), unusual findings."""

    sequences: int = 0
    frames: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Recognised:
    """How well a folder fits a layout (0 means not at all), and the split that fits."""

    rank: int
    split: str = ""


class Dataset(ABC):
    """An ordered set of sequences with methods to score, check and pack results.

    ``protocols`` are the protocols by which its results are scored, its own first; ``truth_rule`` names how a frame without a
    valid truth counts under OPE (``harness.scoring.ope.TRUTH_RULES``).
    """

    name: str
    split: str
    has_truth: bool
    calibration_split: ClassVar[str | None] = None
    """The split that int8 is calibrated on if no sequences are named."""
    protocols: ClassVar[tuple[str, ...]] = ("got10k", "ope")
    truth_rule: str = "exclude"
    has_layout: ClassVar[bool] = False
    """Whether it is read from folders in its own layout, which ``recognise`` knows."""

    @abstractmethod
    def __iter__(self) -> Iterator[Sequence]: ...

    @abstractmethod
    def __len__(self) -> int: ...

    def whole(self) -> Dataset:
        """Returns the same data set without filters on its sequences (``sequences``, ``exclude``, ``limit``)."""
        return self

    def notes(self) -> list[str]:
        """Returns notes on the data for readers of the results, such as a clip that ends before its announced end."""
        return []

    def submits(self) -> bool:
        """Whether results on it go to an evaluation server as one archive."""
        return False

    @abstractmethod
    def digest(self) -> str:
        """SHA-256 over names, frame counts, image sizes in bytes and annotations of all sequences used."""

    def used_names(self) -> list[str]:
        """Names of the sequences used, in order; without reading them if that is possible."""
        return [item.name for item in self]

    def all_names(self) -> list[str]:
        """Names of the whole split, used or not; empty if sequences cannot be chosen by name."""
        return []

    def shared_with(self, other: Dataset) -> dict[str, str]:
        """Sequences that ``other`` uses too, as own name to its name there.

        Compared by name, or by content if that is available.
        """
        theirs = set(other.used_names())
        return {name: name for name in self.used_names() if name in theirs}

    def chosen_protocols(self) -> tuple[str, ...]:
        """The protocols to score by: those that the setting ``protocol`` names, by default the data set's own."""
        return self.protocols[:1]

    def check(self, *, decode: bool = True, workers: int = 1, on_sequence: Callable[[str], None] | None = None) -> Checked:
        """Checks everything, with ``decode`` every image too, and returns all faults. Raises DataError if it cannot."""
        raise DataError(f"dataset={self.name} has no check; check-dataset knows the layouts of benchmarks.")

    @classmethod
    def recognise(cls, root: Path) -> Recognised:
        """Returns how well the folder ``root`` fits this layout: 0 if it does not, more for each sequence that fits."""
        del root
        return Recognised(0)

    def toolkit_root(self) -> Path | None:
        """Returns the folder that vot-toolkit loads as a challenge's data set; None if this is not a challenge."""
        return None

    def pack(self, tracks: Iterable[Track], archive: Path) -> list[Path]:
        """Writes the files that the benchmark's server or toolkit takes; returns them.

        Raises DataError if it takes none.
        """
        del tracks, archive
        raise DataError(f"dataset={self.name} has no server or toolkit to pack results for.")


# ------------------------------------------------------------------------------- trackers


class Tracker(ABC):
    """A running tracker of one target. Created by ``TrackerSpec.start``.

    ``confidence`` may be set by ``update``: how sure the tracker is of the box that it returned; higher is surer. If a
    network scores cells, it is the chosen cell's score after its activation, before window and penalty. None means that
    the tracker reports no confidence. ``seconds`` is the time of the last ``init`` or ``update`` by the tracker's own
    clock, for a tracker in another process, so that passing frames does not count. None means that the time of the call
    counts.
    """

    confidence: float | None = None
    seconds: float | None = None

    @abstractmethod
    def init(self, image: Image, box: Boxes) -> None:
        """Takes the template from ``image`` at ``box`` (``[4]``)."""

    @abstractmethod
    def update(self, image: Image) -> Boxes:
        """Returns the target's box ``[4]`` in the next frame."""

    @abstractmethod
    def place(self, box: Boxes) -> None:
        """Sets the previous box without touching the template (truth feedback, teacher forcing)."""


class TrackerSpec(ABC):
    """A tracker with its settings: its graphs, their source, and how to start it.

    Subclasses are dataclasses whose fields are the keys of the tracker's YAML file (``name`` and ``target`` aside).
    """

    name: str
    color: ClassVar[Literal["rgb", "bgr"]] = "rgb"
    deterministic: ClassVar[bool] = True
    placeable: ClassVar[bool] = True
    """Whether ``Tracker.place`` works."""

    @property
    def per_frame(self) -> tuple[str, ...]:
        """The graphs that run on every frame; the others run once a sequence.

        Either all of them run, or one for each tracker in ``variants``; the usual one comes last. A plain attribute
        of a subclass is enough.
        """
        return ("search",)

    @property
    @abstractmethod
    def graphs(self) -> Mapping[str, GraphSpec]:
        """The graphs by name, each before those that read its outputs."""

    @abstractmethod
    def source(self) -> Source:
        """Where the graphs come from. Raises WeightsError, which states what to get and where to put it."""

    @abstractmethod
    def start(self, sessions: Mapping[str, Session]) -> Tracker:
        """Returns a tracker over these sessions; cheap, called once per sequence."""

    def variants(self) -> Seq[TrackerSpec]:
        """Trackers over the same graphs that together run every graph on any sequence.

        Only itself if it runs all of them.
        """
        return (self,)

    def for_int8(self) -> TrackerSpec:
        """Returns the same tracker with the form of its graphs that OpenVINO runs fastest in int8 on this processor."""
        return self

    @property
    def random_weights(self) -> bool:
        """True if the weights are random: speed is measured, but accuracy has no meaning."""
        return False


# ------------------------------------------------------------------------------------------ tasks


class Progress(Protocol):
    """Shows the progress of a job; writes nothing while a frame is being timed."""

    def start(self, title: str, total: int) -> None:
        """Begins a phase of ``total`` steps under ``title``."""

    def step(self, amount: int = 1, note: str = "") -> None:
        """Advances by ``amount`` steps; ``note`` is shown beside the count."""

    def say(self, text: str) -> None:
        """Prints a line without disturbing the display."""

    def close(self) -> None:
        """Ends the phase."""


@dataclass
class Context:
    """All that a task needs. ``folder`` is the job's own; everything a task writes lies under it."""

    config: Mapping[str, Any]
    artifact: Artifact
    backend: Backend
    tracker: TrackerSpec
    dataset: Dataset
    folder: Path
    threads: int
    seed: int
    progress: Progress
    round: int = 1
    measured: Callable[[], None] = lambda: None
    """A task may call it as soon as it times nothing more, before it scores and writes; when a task has ended, it is called in any case."""


@dataclass
class TaskResult:
    """The result of a task.

    ``files`` are paths relative to the job's folder; ``sequences`` are scores per sequence; ``record`` holds all
    results that are not metrics, in the task's own type.
    """

    metrics: Metrics = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    sequences: dict[str, Metrics] = field(default_factory=dict)
    record: Record = field(default_factory=Record)
    warnings: list[str] = field(default_factory=list)

    @property
    def details(self) -> dict[str, Any]:
        """Returns the record as it is written to results.json."""
        return self.record.details()


class Stand(Protocol):
    """A loaded task that waits idle for its turn to be measured."""

    def turn(self, number: int, seconds: float) -> npt.NDArray[np.float64]:
        """Runs turn ``number`` for at least ``seconds``; returns the seconds of each update ``[N]``."""
        ...

    def boxes(self, number: int) -> Boxes:
        """Returns the boxes ``[N, 4]`` of turn ``number``'s part of the video.

        They show whether two stands compute the same.
        """
        ...


class Task(ABC):
    """One kind of measurement. Subclasses are dataclasses whose fields are the keys of the task's YAML file."""

    name: str
    uses_backend: ClassVar[bool] = True
    """False if the task runs the model files itself; it then chooses device and hint itself."""

    def check(self, config: Mapping[str, Any], tracker: TrackerSpec, dataset: Dataset) -> None:
        """Raises SkipJob or ConfigError if the task does not fit the rest of the job."""
        del config, tracker, dataset

    @abstractmethod
    def run(self, context: Context) -> TaskResult:
        """Measures.

        Args:
            context: All that the task needs: the prepared model, backend, tracker, data set, and the job's folder.

        Returns:
            Values by metric name, the files written, scores per sequence, and the task's own record.

        Raises:
            HarnessError: The measurement failed; the job is then recorded as failed with this message.
        """

    def stand(self, context: Context) -> Stand | None:
        """Loads what a sweep's measurement in turns runs of this task; None if its speed is not measured that way."""
        del context
        return None

    def takes_turns(self) -> bool:
        """Whether ``stand`` returns something; the parent asks this because it loads nothing itself."""
        return False


NamedArrays = Mapping[str, Array]
Names = Seq[str]
