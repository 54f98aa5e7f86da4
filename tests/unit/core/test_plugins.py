"""Products of other packages are found by entry point, without importing them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.core import plugins
from harness.core.errors import ConfigError


def package(folder: Path, name: str, entries: str, files: dict[str, str]) -> None:
    """A package as pip leaves it: its modules, and metadata with its entry points."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entries)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def test_a_package_on_the_path_is_found_and_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(
        tmp_path,
        "added",
        "[harness.metrics]\nmiles = added_package.numbers:Numbers.miles\n",
        {
            "added_package/__init__.py": "",
            "added_package/numbers.py": "class Numbers:\n    miles = 7\n",
            "added_package/conf/tracker/far.yaml": "# Far.\nname: far\n",
        },
    )
    before = plugins.found("metrics")
    monkeypatch.syspath_prepend(str(tmp_path))
    (plugin,) = set(plugins.found("metrics")) - set(before)
    assert plugin == plugins.Plugin("metrics", "miles", "added_package.numbers:Numbers.miles", "added")
    assert plugins.find("metrics", "miles") == plugin
    assert plugins.find("metrics", "furlongs") is None
    assert tmp_path / "added_package" / "conf" in plugins.conf_folders()
    assert "added_package" not in sys.modules
    assert plugin.load() == 7


@pytest.mark.parametrize("target", ["broken_package:missing", "broken_package.absent:x"])
def test_a_package_that_cannot_be_loaded_is_named(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, "broken", f"[harness.backends]\nbad = {target}\n", {"broken_package/__init__.py": ""})
    monkeypatch.syspath_prepend(str(tmp_path))
    found = plugins.find("backends", "bad")
    assert found is not None
    with pytest.raises(ConfigError, match=r"'bad' \(harness\.backends\) of package broken cannot be loaded"):
        found.load()


def test_one_name_of_two_packages_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first", "second"):
        package(tmp_path, name, f"[harness.tasks]\nwalk = {name}_package:Walk\n", {})
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"'walk' to harness\.tasks"):
        plugins.found("tasks")


def test_the_modules_of_a_folder_are_listed_without_importing_them() -> None:
    found = plugins.modules_in("harness.backends")
    assert {"onnx", "openvino", "torch"} <= set(found)
    assert found["onnx"] == "harness.backends.onnx"
