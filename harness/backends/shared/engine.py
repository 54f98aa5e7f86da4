"""What a quantiser of single graphs does, whatever its library."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence as Seq
from pathlib import Path
from typing import Any, ClassVar

from harness.core.config import suggestion
from harness.core.errors import ConfigError
from harness.core.interfaces import Arrays, Artifact, Backend, Progress, Session

QUANTISED_TYPES = ("FakeQuantize", "FakeConvert", "QuantizeLinear", "DequantizeLinear", "QLinearConv")


class Engine(ABC):
    """Quantises single graphs of ``parent``.

    ``settings`` are those of the ``quantization`` section, ``threads`` the job's.
    """

    no_control: ClassVar[str] = "its library has no accuracy control for these graphs"
    """Why ``controlled`` is not used; empty if it is."""

    def __init__(self, settings: Mapping[str, Any], threads: int, parent: Artifact, progress: Progress) -> None:
        self.settings, self.threads, self.parent, self.progress = settings, threads, parent, progress

    def open(self, artifact: Artifact) -> dict[str, Session]:
        """Sessions over an artifact of this engine's format."""
        return self.fresh().open(artifact)

    @abstractmethod
    def fresh(self, threads: int | None = None) -> Backend:
        """A backend that compiles anew, without the cache of compiled models; ``threads`` instead of the job's."""

    @abstractmethod
    def nodes(self, name: str) -> list[str]:
        """Names of the graph's operations (no constants), from inputs to outputs."""

    @abstractmethod
    def quantise(self, name: str, items: Seq[Arrays], ignored: Seq[str] = ()) -> Any:
        """An int8 model of graph ``name``; ``ignored`` operations stay fp32 beside those of the settings."""

    @abstractmethod
    def save(self, model: Any, name: str, folder: Path) -> Path:
        """Writes the model of graph ``name`` to ``folder``; returns the file that a backend opens."""

    @abstractmethod
    def session(self, model: Any, name: str) -> Session:
        """A session over a model that is not saved yet."""

    def controlled(
        self,
        name: str,
        items: Seq[Arrays],
        clips: Seq[Any],
        validate: Callable[[Session, list[Any]], tuple[float, list[float]]],
        max_drop: float,
        max_reverts: int,
    ) -> tuple[Any, dict[str, Any]]:
        """An int8 model by the library's own search for the layers to leave in fp32, and its ``layers``.

        ``validate(session, clips)`` gives the metric, whole and per clip. Raises ConfigError if the library has no such search
        (``no_control`` says why).
        """
        del name, items, clips, validate, max_drop, max_reverts
        raise ConfigError(f"this search for layers to leave in fp32 cannot run: {self.no_control}.")

    @abstractmethod
    def layers(self, path: Path) -> dict[str, Any]:
        """``{total, int8, fp32}``: layers of a saved model, how many are int8, and the names of those that are not."""

    @abstractmethod
    def describe(self) -> str:
        """The library and its version."""

    def refuse_quantised(self, name: str, types: set[str]) -> None:
        """Raises ConfigError if a graph holds quantisers already."""
        found = sorted(types.intersection(QUANTISED_TYPES))
        if found:
            raise ConfigError(
                f"graph {name} is quantised already (it holds {', '.join(found)}); quantise its fp32 original, or run it as it "
                "is with quantization=none."
            )

    def counted(self, name: str, items: Seq[Arrays]) -> Iterator[Arrays]:
        """``items`` one by one, with a bar."""
        self.progress.start(f"int8 statistics of {name}", len(items))
        for item in items:
            self.progress.step()
            yield item
        self.progress.close()


def check_scopes(settings: Mapping[str, Any], types: set[str], names: set[str]) -> None:
    """Raises ConfigError if an ignored name, type or pattern matches nothing in any graph: ``types``, ``names`` of all."""
    for key, known in (("ignored_names", names), ("ignored_types", types)):
        for word in settings[key]:
            if word not in known:
                raise ConfigError(
                    f"quantization.{key}: {word!r} is in no graph{suggestion(word, known)}; "
                    + (f"types here: {', '.join(sorted(types))}." if key == "ignored_types" else "see the IR's layer names.")
                )
    for pattern in settings["ignored_patterns"]:
        if not any(re.search(pattern, word) for word in names):
            raise ConfigError(f"quantization.ignored_patterns: {pattern!r} matches no operation of any graph.")
