"""dataset=auto: recognises the layout of a folder and reads it as the matching data set."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.core import plugins
from harness.core.config import conf_folder, load_class
from harness.core.errors import DataError
from harness.core.files import at_home
from harness.core.interfaces import Checked, Dataset, Sequence, Track


@dataclass
class Auto(Dataset):
    """The data set under ``dataset.root``, of any known layout; ``name`` becomes its name.

    All other keys are optional keys of the data set that is found. The known layouts are those of ``conf/dataset`` and
    of data sets in installed packages with ``has_layout``.
    """

    root: str = ""
    split: str | int = ""  # type: ignore[assignment]
    sequences: list[str] | None = None
    exclude: list[str] | None = None
    limit: int | None = None
    protocol: str | list[str] | None = None
    invalid_truth: Literal["own", "exclude"] = "own"
    cache: str = "outputs/cache"
    truth_only: bool = False
    name: str = "auto"
    has_truth: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        if not self.root or not at_home(self.root).is_dir():
            where = f"{self.root} does not exist" if self.root else "dataset.root is not set"
            raise DataError(f"{where}; set dataset.root to the folder of a data set: {', '.join(sorted(layouts()))}.")
        name, cls, split = recognise(at_home(self.root))
        passed = ("sequences", "exclude", "limit", "protocol", "invalid_truth", "cache", "truth_only")
        given = {key: getattr(self, key) for key in passed}
        given |= {"root": self.root, "name": name} | {"split": self.split if self.split != "" else split}
        known = {item.name for item in dataclasses.fields(cls) if item.init}  # type: ignore[arg-type]
        self.found: Dataset = cls(**{key: value for key, value in given.items() if key in known})
        self.name, self.split, self.has_truth = name, str(self.found.split), self.found.has_truth
        self.truth_rule = self.found.truth_rule

    def __iter__(self) -> Iterator[Sequence]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def digest(self) -> str:
        return self.found.digest()

    def whole(self) -> Dataset:
        return self.found.whole()

    def toolkit_root(self) -> Path | None:
        return self.found.toolkit_root()

    def submits(self) -> bool:
        return self.found.submits()

    def used_names(self) -> list[str]:
        return self.found.used_names()

    def all_names(self) -> list[str]:
        return self.found.all_names()

    def shared_with(self, other: Dataset) -> dict[str, str]:
        return self.found.shared_with(other)

    def chosen_protocols(self) -> tuple[str, ...]:
        return self.found.chosen_protocols()

    def notes(self) -> list[str]:
        split = f", split {self.split}" if self.split else ""
        return [f"dataset=auto: {self.root} has the layout of {self.name}{split} ({len(self.found)} sequences).", *self.found.notes()]

    def check(self, *, decode: bool = True, workers: int = 1, on_sequence: Callable[[str], None] | None = None) -> Checked:
        return self.found.check(decode=decode, workers=workers, on_sequence=on_sequence)

    def pack(self, tracks: Iterable[Track], archive: Path) -> list[Path]:
        return self.found.pack(tracks, archive)


def layouts() -> dict[str, type[Dataset]]:
    """Returns the data sets of ``conf/dataset`` and of installed packages that can recognise their layout, by name."""
    import yaml

    found: dict[str, type[Dataset]] = {}
    for path in sorted((conf_folder() / "dataset").glob("*.yaml")):
        section: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        if path.stem == "auto":
            continue
        cls = load_class(str(section["target"]), Dataset, f"dataset={path.stem}")
        if cls.has_layout:
            found[path.stem] = cls
    for plugin in plugins.found("datasets"):
        own = plugin.load()
        if isinstance(own, type) and issubclass(own, Dataset) and own.has_layout:
            found[plugin.name] = own
    return found


def recognise(root: Path) -> tuple[str, type[Dataset], str]:
    """Returns name, class and split of the data set with the layout of ``root``.

    Raises DataError if none or several fit.
    """
    fitting = candidates(root)
    if not fitting:
        raise DataError(
            f"{root} has none of the layouts that are known ({', '.join(sorted(layouts()))}); name the data set by dataset=..., whose "
            "error then says what is missing."
        )
    if len(fitting) > 1:
        names = " or ".join(name for name, _, _ in fitting)
        raise DataError(f"{root} may be {names}; say which by dataset=... and dataset.root={root}.")
    return fitting[0]


def candidates(root: Path) -> list[tuple[str, type[Dataset], str]]:
    """Returns name, class and split of every data set whose layout fits ``root`` best; empty if none fits."""
    known = layouts()
    found = {name: cls.recognise(root) for name, cls in known.items()}
    best = max((item.rank for item in found.values()), default=0)
    return [(name, known[name], item.split) for name, item in found.items() if item.rank == best > 0]
