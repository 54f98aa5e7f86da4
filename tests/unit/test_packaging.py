"""What pyproject.toml promises is what lies there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "harness").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_every_pinned_package_is_a_dependency_within_its_range() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name = line.partition("==")[0]
            assert re.search(rf'"{re.escape(name)}[<>=]', text), name


def test_the_version_is_the_packages_own() -> None:
    import harness

    assert project()["project"]["version"] == harness.__version__  # type: ignore[index]
