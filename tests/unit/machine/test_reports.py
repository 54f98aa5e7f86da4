"""Libraries report nothing from processes of the harness."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT

from harness.machine import reports

ASKED = """
import sys
from openvino.tools.ovc import telemetry_utils
print(telemetry_utils.tm.__name__, sys.modules["openvino_telemetry"])
"""


def test_a_package_that_only_reports_seems_to_be_missing_and_one_that_was_loaded_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "REPORTERS", ("colorsys", "json"))
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    loaded = sys.modules["json"]
    reports.keep_quiet()
    with pytest.raises(ImportError):
        importlib.import_module("colorsys")
    monkeypatch.delitem(sys.modules, "colorsys")
    assert sys.modules["json"] is loaded


def test_openvino_reports_nothing_from_a_child_process(tmp_path: Path) -> None:
    (tmp_path / "asked.py").write_text(ASKED)
    command = [sys.executable, "-m", "harness.machine.tied", str(os.getpid()), "module", "asked"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["openvino.tools.ovc.telemetry_stub", "None"], done.stderr
