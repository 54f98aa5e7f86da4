"""A wheel of the package: it holds what it needs, and building it is quiet."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from command_line import ROOT
from doc_pages import PIP


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The wheel, and all that was printed while it was built."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("harness", "conf"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"} | PIP
    words = ["-m", "pip", "wheel", ".", "--no-deps", "--verbose", "--wheel-dir", str(folder)]
    done = subprocess.run([sys.executable, *words], cwd=source, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel, done.stdout + done.stderr


def test_building_warns_of_nothing(built: tuple[Path, str]) -> None:
    told = [line for line in built[1].splitlines() if "warning" in line.lower() or "deprecat" in line.lower()]
    assert told == []


def test_the_wheel_holds_every_file_of_package_and_configuration(built: tuple[Path, str]) -> None:
    names = set(zipfile.ZipFile(built[0]).namelist())
    own = {path.relative_to(ROOT).as_posix() for path in (ROOT / "harness").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    conf = {f"harness/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "conf").rglob("*.yaml")}
    assert len(conf) > 40 and sorted((own | conf) - names) == []


@pytest.mark.slow
def test_a_wheel_in_a_fresh_environment_is_quiet_and_tracks_from_any_folder(built: tuple[Path, str], tmp_path: Path, prepared: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False)
    scripts = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    own = sysconfig.get_path("purelib", "venv", {"base": str(tmp_path / "env"), "platbase": str(tmp_path / "env")})
    # the dependencies are those of the environment of the tests; a path in a .pth file does not bring the checkout that is installed there
    (Path(own) / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | PIP

    def done(*words: object) -> str:
        found = subprocess.run([str(word) for word in words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout + found.stderr

    said = done(sys.executable, "-m", "pip", "--python", scripts / "python", "install", built[0])
    assert [line for line in said.splitlines() if "warning" in line.lower() or "deprecat" in line.lower()] == []
    place = done(scripts / "python", "-c", "import harness, harness.core.config as c; print(harness.__file__); print(c.conf_folder())")
    assert [Path(line).is_relative_to(own) for line in place.splitlines()] == [True, True]
    caches = (f"prepare.cache={prepared}", f"dataset.cache={prepared}")
    said = done(scripts / "tracker-harness", "backend=onnx", "dataset.limit=1", "threads=1", "mlflow=off", *caches)
    # a busy machine is a warning of ours; Python's bear the name of their class
    assert re.findall(r"\w+Warning\b", said) == [] and len(list(tmp_path.glob("outputs/*/*/results.json"))) == 1
