"""What disturbs measurements is found in the system's files, and told with what to do."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from harness.machine import environment, noise, sensors
from harness.machine.load import Load
from harness.machine.noise import Finding, Moment

QUIET = Moment(Load(0.01, 0.0, 0.0), 0.0)


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(autouse=True)
def _plain_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four cores of a machine of its own, without a quota, connected to power."""
    monkeypatch.setattr(environment, "cpu_info", lambda: {"virtual": False, "features": [], "model": ""})
    monkeypatch.setattr(environment, "cgroup_cpu_limit", lambda: None)
    monkeypatch.setattr(environment, "thread_budget", lambda: 4)
    monkeypatch.setattr(environment, "allowed_cores", lambda: [0, 1, 2, 3])
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 4)
    monkeypatch.setattr(psutil, "sensors_battery", lambda: None, raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=8 * 2**30))
    monkeypatch.setattr(noise, "busiest", lambda: ["backup"])


def found(root: Path, moment: Moment = QUIET) -> dict[str, Finding]:
    return {item.what: item for item in noise.findings(moment, root)}


def test_a_quiet_machine_has_no_warning(tmp_path: Path) -> None:
    put(tmp_path, "devices/system/cpu/cpufreq/policy0/scaling_governor", "performance\n")
    put(tmp_path, "devices/system/cpu/intel_pstate/no_turbo", "1\n")
    assert {item.level for item in noise.findings(QUIET, tmp_path)} == {"ok"}


def test_other_load_is_named(tmp_path: Path) -> None:
    item = found(tmp_path, Moment(Load(1.5, 0.3, 0.3), 0.0))["other load"]
    assert item.level == "warning" and "1.5 cores (backup)" in item.said and item.mend


@pytest.mark.parametrize(
    ("file", "text", "what", "level", "mend"),
    [
        ("cpufreq/policy0/scaling_governor", "powersave", "frequency governor", "warning", "cpupower frequency-set --governor performance"),
        ("intel_pstate/no_turbo", "0", "turbo", "note", "echo 1 | sudo tee"),
        ("cpufreq/boost", "1", "turbo", "note", "echo 0 | sudo tee"),
        ("cpufreq/boost", "0", "turbo", "ok", ""),
    ],
)
def test_the_clock_is_read_from_the_system(tmp_path: Path, file: str, text: str, what: str, level: str, mend: str) -> None:
    put(tmp_path, f"devices/system/cpu/{file}", f"{text}\n")
    item = found(tmp_path)[what]
    assert item.level == level and mend in item.mend


def test_threads_that_share_a_core_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 2)
    put(tmp_path, "devices/system/cpu/smt/active", "1\n")
    assert "threads=2" in found(tmp_path)["hyper-threads"].mend
    put(tmp_path, "devices/system/cpu/smt/active", "0\n")
    assert "hyper-threads" not in found(tmp_path)


def test_a_quota_that_stopped_threads_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "cgroup_cpu_limit", lambda: 2.0)
    monkeypatch.setattr(sensors, "throttling", lambda *_: sensors.Throttling(None, 12.0))
    item = found(tmp_path)["control group"]
    assert item.level == "warning" and "2 cores" in item.said and "12 s" in item.said


def test_stolen_time_of_a_virtual_machine_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "cpu_info", lambda: {"virtual": True, "features": [], "model": ""})
    assert found(tmp_path)["virtual machine"].level == "note"
    item = found(tmp_path, Moment(QUIET.others, 0.08))["virtual machine"]
    assert item.level == "warning" and "8%" in item.said


def test_battery_heat_and_little_memory_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "sensors_battery", lambda: SimpleNamespace(power_plugged=False), raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=100 * 2**20))
    put(tmp_path, "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "7\n")
    items = found(tmp_path)
    assert [items[name].level for name in ("battery", "heat", "memory")] == ["warning"] * 3
    assert "7 times" in items["heat"].said
