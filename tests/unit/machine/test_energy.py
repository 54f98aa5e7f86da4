from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.machine import energy

RANGE = 262_143_328_850
"""max_energy_range_uj of many processors: 32 bits of 61.04 microjoules."""


def zone(root: Path, folder: str, name: str, microjoules: int) -> Path:
    path = root / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "max_energy_range_uj").write_text(f"{RANGE}\n")
    (path / "energy_uj").write_text(f"{microjoules}\n")
    return path


def test_a_package_counts_from_where_the_meter_was_made(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    meter = energy.meter(root=tmp_path)
    assert meter.joules() == {"package-0": 0.0}
    (package / "energy_uj").write_text("7500000")
    assert meter.joules() == {"package-0": 2.5}
    assert meter.reason == ""


def test_a_counter_that_starts_again_from_zero_goes_on_counting(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", RANGE - 1_000_000)
    meter = energy.meter(root=tmp_path)
    (package / "energy_uj").write_text("3000000")  # 1 J to the end of its range, 3 J after it
    assert meter.joules() == {"package-0": 4.0}
    (package / "energy_uj").write_text("4500000")
    assert meter.joules() == {"package-0": 5.5}
    (package / "energy_uj").write_text("500000")  # once round again: 5.5 J and the range, less 4 J
    assert meter.joules()["package-0"] == pytest.approx(5.5 + RANGE / 1e6 - 4.0, abs=1e-9)


def test_packages_and_their_memory_are_counted_and_nothing_twice(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 0)
    zone(tmp_path, "intel-rapl:0:0", "core", 0)  # within the package
    zone(tmp_path, "intel-rapl:0:1", "dram", 0)
    zone(tmp_path, "intel-rapl:1", "package-1", 0)
    zone(tmp_path, "intel-rapl:2", "psys", 0)  # the platform: packages and all
    zone(tmp_path, "intel-rapl-mmio:0", "package-0", 0)  # the same counter by another way
    assert energy.meter(root=tmp_path).names == ["package-0", "package-0 dram", "package-1"]


def test_a_machine_without_counters_says_so_and_gives_no_joules(tmp_path: Path) -> None:
    meter = energy.meter(root=tmp_path / "missing")
    assert meter.joules() == {}
    assert meter.reason.startswith("no energy counter here: ")


def test_a_counter_that_may_not_be_read_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    readable = Path.read_text

    def refused(self: Path, *arguments: object, **options: object) -> str:
        if self.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(self))
        return readable(self)

    monkeypatch.setattr(Path, "read_text", refused)
    meter = energy.meter(root=tmp_path)
    assert meter.counters == []
    assert meter.reason == f"no energy counter here: {package / 'energy_uj'} cannot be read by this user; ask for read access to it"


def test_a_counter_that_vanishes_is_left_out_and_the_reason_reported(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    meter = energy.meter(root=tmp_path)
    (package / "energy_uj").unlink()
    assert not meter.lost
    assert meter.joules() == {}
    assert meter.lost and "package-0 could not be read any more" in meter.reason


class FakeNvml(SimpleNamespace):
    """Two cards; each reading is 500 mJ above the last."""

    def __init__(self) -> None:
        super().__init__(readings={0: 1_000_000, 1: 2_000_000}, started=False)

    def nvmlInit(self) -> None:
        self.started = True

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetIndex(self, handle: int) -> int:
        return handle

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return f"GPU-{handle}{handle}"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
        assert self.started
        self.readings[handle] += 500
        return self.readings[handle]


def test_the_card_in_use_is_counted_where_the_measurement_runs_on_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    zone(tmp_path, "intel-rapl:0", "package-0", 0)
    assert energy.meter("cpu", tmp_path).names == ["package-0"]
    assert energy.meter("cuda", tmp_path).joules() == {"package-0": 0.0, "gpu-0": 0.5}
    assert energy.meter("cuda", tmp_path, "GPU-11").joules() == {"package-0": 0.0, "gpu-1": 0.5}


def test_a_gpu_that_the_runtime_does_not_name_may_be_any_of_the_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    assert energy.meter("gpu", tmp_path).names == ["gpu-0", "gpu-1"]


def test_a_card_without_nvml_says_which_extra_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    meter = energy.meter("cuda", tmp_path / "missing")
    assert meter.counters == []
    assert "tracker-harness[nvidia]" in meter.reason


def test_a_card_that_counts_no_energy_is_not_a_counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", nvml)

    def unsupported(handle: int) -> int:
        raise RuntimeError("Not Supported")

    monkeypatch.setattr(nvml, "nvmlDeviceGetTotalEnergyConsumption", unsupported)
    meter = energy.meter("gpu", tmp_path / "missing")
    assert meter.counters == []
    assert meter.reason.startswith("no energy counter here: ") and "NVML counts no energy here (Not Supported)" in meter.reason
