from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.machine import sensors


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_frequency_is_the_mean_of_the_cores_in_mhz(tmp_path: Path) -> None:
    put(tmp_path, "devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "2400000\n")
    put(tmp_path, "devices/system/cpu/cpufreq/policy1/scaling_cur_freq", "1600000\n")
    assert sensors.frequency_mhz(tmp_path) == 2000.0


def test_the_temperature_is_that_of_the_processors_hottest_sensor(tmp_path: Path) -> None:
    put(tmp_path, "class/hwmon/hwmon0/name", "nvme\n")
    put(tmp_path, "class/hwmon/hwmon0/temp1_input", "95000\n")
    put(tmp_path, "class/hwmon/hwmon1/name", "coretemp\n")
    put(tmp_path, "class/hwmon/hwmon1/temp1_input", "61000\n")
    put(tmp_path, "class/hwmon/hwmon1/temp2_input", "64500\n")
    assert sensors.temperature_c(tmp_path) == 64.5


def test_without_a_processors_sensor_the_thermal_zones_are_read_and_nonsense_left_out(tmp_path: Path) -> None:
    put(tmp_path, "class/thermal/thermal_zone0/temp", "-273000\n")
    put(tmp_path, "class/thermal/thermal_zone1/temp", "48000\n")
    assert sensors.temperature_c(tmp_path) == 48.0


def test_throttling_counts_cores_and_the_control_groups_quota_in_both_versions(tmp_path: Path) -> None:
    put(tmp_path, "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "3\n")
    put(tmp_path, "devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "4\n")
    put(tmp_path, "fs/cgroup/cpu.stat", "usage_usec 10\nnr_throttled 5\nthrottled_usec 2500000\n")
    assert sensors.throttling(tmp_path) == sensors.Throttling(7, 2.5)
    (tmp_path / "fs/cgroup/cpu.stat").unlink()
    put(tmp_path, "fs/cgroup/cpu/cpu.stat", "nr_periods 10\nnr_throttled 5\nthrottled_time 1500000000\n")
    assert sensors.throttling(tmp_path).quota_s == 1.5


def test_what_a_machine_does_not_tell_is_none(tmp_path: Path) -> None:
    assert sensors.frequency_mhz(tmp_path) is None
    assert sensors.temperature_c(tmp_path) is None
    assert sensors.throttling(tmp_path) == sensors.Throttling(None, None)


def card(**told: object) -> SimpleNamespace:
    """A stand-in of pynvml with one card; an exception stands for what the card does not support."""

    def answer(name: str) -> object:
        def ask(handle: object, *which: object) -> object:
            value = told[name]
            if isinstance(value, Exception):
                raise value
            return value

        return ask

    names = {
        "mhz": "nvmlDeviceGetClockInfo",
        "celsius": "nvmlDeviceGetTemperature",
        "reasons": "nvmlDeviceGetCurrentClocksThrottleReasons",
    }
    return SimpleNamespace(
        NVML_CLOCK_SM=1, NVML_TEMPERATURE_GPU=0, nvmlClocksThrottleReasonSwThermalSlowdown=0x20,
        nvmlClocksThrottleReasonHwThermalSlowdown=0x40, nvmlInit=lambda: None, nvmlDeviceGetHandleByIndex=lambda index: index,
        **{function: answer(key) for key, function in names.items()},
    )  # fmt: skip


def test_on_a_card_its_own_clock_temperature_and_heat_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = card(mhz=1980, celsius=71, reasons=0x40)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    found = sensors.sensors_of("cuda")
    assert (found.mhz(), found.celsius()) == (1980.0, 71.0)
    assert [found.throttling().thermal, found.throttling().thermal] == [1, 2]


def test_the_sensors_are_those_of_the_card_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = card(mhz=0, celsius=0, reasons=0)
    nvml.nvmlDeviceGetTemperature = lambda handle, which: 40 + handle
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    assert sensors.sensors_of("cuda").celsius() == 43.0


def test_a_card_that_holds_back_for_power_is_not_hot_and_one_that_does_not_tell_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", card(mhz=RuntimeError("not supported"), celsius=50, reasons=0x04))
    found = sensors.sensors_of("cuda")
    assert found.mhz() is None
    assert found.throttling().thermal == 0


def test_without_nvml_or_a_card_the_processor_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert isinstance(sensors.sensors_of("cuda"), sensors.ProcessorSensors)
    assert isinstance(sensors.sensors_of("cpu"), sensors.ProcessorSensors)
