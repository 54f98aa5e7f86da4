from __future__ import annotations

from pathlib import Path

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
