"""NVIDIA's cards: what the driver's files say, and which card is in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.machine import cards, environment

UUIDS = ["GPU-aaaa1111", "GPU-bbbb2222", "GPU-bbcc3333"]


def driver(root: Path, version: str, *models: str) -> Path:
    """A folder as the driver has it."""
    (root / "version").write_text(f"NVRM version: NVIDIA UNIX {version}  Thu Oct  1 00:00:00 UTC 2026\nGCC version:  gcc version 13.3.0\n")
    for number, model in enumerate(models):
        folder = root / "gpus" / f"0000:0{number}:00.0"
        folder.mkdir(parents=True)
        (folder / "information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 42\nGPU UUID: \t {UUIDS[number]}\n")
    return root


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("x86_64 Kernel Module  535.129.03", "535.129.03"),
        ("Open Kernel Module for x86_64  580.159.04  Release Build", "580.159.04"),
        ("Open Kernel Module for aarch64  570.86", "570.86"),
    ],
)
def test_the_drivers_files_name_the_cards_and_its_version(version: str, wanted: str, tmp_path: Path) -> None:
    root = driver(tmp_path, version, "NVIDIA H100 80GB HBM3", "NVIDIA A1")
    assert cards.names(root) == ["NVIDIA H100 80GB HBM3", "NVIDIA A1"]
    assert cards.driver(root) == wanted


def test_without_a_driver_there_is_no_card_and_no_version(tmp_path: Path) -> None:
    assert (cards.names(tmp_path), cards.driver(tmp_path)) == ([], "")


def test_another_card_is_another_machine_and_none_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for models in ((), ("NVIDIA A1",), ("NVIDIA H100",)):
        monkeypatch.setattr(cards, "names", lambda models=models: list(models))
        found[models] = environment.machine()
        assert environment.describe().get("cards") == (list(models) or None)
    assert len(set(found.values())) == 3
    facts = {key: value for key, value in environment.describe().items() if key == "cards"}
    assert facts == {"cards": ["NVIDIA H100"]}


def test_the_record_names_the_cards_driver_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "driver", lambda: "")
    assert "card_driver" not in environment.describe()
    monkeypatch.setattr(cards, "driver", lambda: "580.1")
    assert environment.describe()["card_driver"] == "580.1"


class Nvml:
    """NVML with three cards; a handle is its number. ``uuid_type`` as of the package's age: older ones give bytes."""

    def __init__(self, uuid_type: type = str) -> None:
        self._bytes = uuid_type is bytes

    def nvmlDeviceGetCount(self) -> int:
        return len(UUIDS)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return range(len(UUIDS))[index]

    def nvmlDeviceGetUUID(self, handle: int) -> str | bytes:
        return UUIDS[handle].encode() if self._bytes else UUIDS[handle]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> int:
        raise RuntimeError(f"no {uuid}")


@pytest.mark.parametrize("kind", [str, bytes])
@pytest.mark.parametrize(
    ("card", "shown", "wanted"),
    [
        ("", None, 0),
        ("", "", 0),
        ("", "2,0", 2),
        ("", "GPU-bbbb2222", 1),
        ("", "GPU-bbc,0", 2),  # CUDA takes the beginning of a UUID
        ("GPU-bbbb2222", "2", 1),  # the runtime knows best
    ],
)
def test_the_card_in_use_is_the_one_that_the_runtime_or_cuda_names(card: str, shown: str | None, wanted: int, kind: type) -> None:
    assert cards.handle(Nvml(kind), card, {} if shown is None else {cards.VISIBLE: shown}) == wanted


@pytest.mark.parametrize("shown", ["7", "GPU-0000"])
def test_a_card_that_is_not_there_is_not_another(shown: str) -> None:
    with pytest.raises((IndexError, RuntimeError)):
        cards.handle(Nvml(), "", {cards.VISIBLE: shown})
