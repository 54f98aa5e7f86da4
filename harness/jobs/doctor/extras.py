"""Finds which optional parts are installed: the package's extras, and system programs that some commands use."""

from __future__ import annotations

import re
import shutil
import tomllib
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

PACKAGE = "tracker-harness"
PROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"
"""The project file of a checkout; a package that was installed from a wheel has none beside it."""
NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
EXTRA = re.compile(r"extra\s*==\s*['\"]([\w-]+)['\"]")
PROGRAMS = {
    "git": (("git",), "records the commit of a run", "install git"),
    "ffmpeg": (("ffmpeg",), "render writes films that every player shows", "install ffmpeg (Debian: apt install ffmpeg)"),
    "chromium": (
        ("chromium", "chromium-browser", "google-chrome"),
        "looks at pages in the tests of the user interface",
        "install chromium (Debian: apt install chromium)",
    ),
}
"""Program -> the names of its executable, what it is for, how to get it."""


@dataclass(frozen=True)
class Part:
    """Something that may be installed.

    Attributes:
        name: Its name.
        there: Whether all of it is installed.
        said: Versions, or what is missing.
        get: How to get it; empty if it is installed.
    """

    name: str
    there: bool
    said: str
    get: str = ""
    missing: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, object]:
        """Returns the part as JSON values."""
        return asdict(self)


def extras(requirements: list[str] | None = None) -> list[Part]:
    """Returns the package's extras and which of their packages are installed.

    Args:
        requirements: In the form of package metadata; by default those of the installed package. Empty if there are
            none.
    """
    requirements = _requirements() if requirements is None else requirements
    wanted: dict[str, list[str]] = {}
    for text in requirements:
        extra, name = EXTRA.search(text), NAME.match(text)
        if extra and name and name[0] != PACKAGE:
            wanted.setdefault(extra[1], []).append(name[0])
    return [_extra(name, packages) for name, packages in sorted(wanted.items())]


def _requirements(project: Path = PROJECT) -> list[str]:
    """Returns the package's requirements: from pyproject.toml in a checkout, else from the installed metadata."""
    try:
        found = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        if found["name"] == PACKAGE:
            return [f'{text}; extra == "{name}"' for name, texts in found["optional-dependencies"].items() for text in texts]
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        pass
    try:
        return metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return []


def _extra(name: str, packages: list[str]) -> Part:
    known = {package: version_of(package) for package in packages}
    missing = [package for package, version in known.items() if not version]
    said = ", ".join(f"{package} {version or 'missing'}" for package, version in known.items())
    return Part(name, not missing, said, f"pip install '{PACKAGE}[{name}]'" if missing else "", missing)


def version_of(package: str) -> str:
    """The installed version; empty if there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def programs() -> list[Part]:
    """The programs that some commands use."""
    found = []
    for name, (words, purpose, get) in PROGRAMS.items():
        path = next((place for word in words if (place := shutil.which(word))), "")
        found.append(Part(name, bool(path), path or f"not found; {purpose}", "" if path else get))
    return found
