"""OpenVINO's settings: a person's own properties, and how those in force are compared with those asked for."""

from __future__ import annotations

from harness.backends.openvino.backend import OpenVino, unmet


def test_a_persons_own_properties_win_on_every_device() -> None:
    own = {"DEVICE_PROPERTIES": {"CPU": {"INFERENCE_NUM_THREADS": 2}, "GPU": {"NUM_STREAMS": "2"}}}
    chosen = OpenVino(threads=1, device="auto", properties=own).settings()
    assert chosen["DEVICE_PROPERTIES"] == {"CPU": {"INFERENCE_NUM_THREADS": 2}, "GPU": {"NUM_STREAMS": "2"}}
    plain = OpenVino(threads=1, device="multi", properties={"INFERENCE_NUM_THREADS": 2}).settings()
    assert plain["DEVICE_PROPERTIES"]["CPU"]["INFERENCE_NUM_THREADS"] == 2
    assert "DEVICE_PROPERTIES" not in OpenVino(threads=1, device="auto", priorities=["GPU"]).settings()


def test_properties_are_compared_whatever_their_spelling() -> None:
    asked = {"INFERENCE_PRECISION_HINT": "bf16", "ENABLE_CPU_PINNING": True, "CACHE_DIR": "x", "DEVICE_PROPERTIES": {"CPU": {"A": 1}}}
    same = {"INFERENCE_PRECISION_HINT": "<Type: 'bfloat16'>", "ENABLE_CPU_PINNING": "YES", "CACHE_DIR": "", "A": "1"}
    assert unmet(asked, same) == []
    assert unmet({"NUM_STREAMS": "AUTO", "B": -1}, {"NUM_STREAMS": "2", "B": "7"}) == []
    assert unmet(asked, {"A": "2", "INFERENCE_PRECISION_HINT": "float32"}) == [
        "precision: bfloat16 asked for, the device runs with float32.",
        "A: 1 asked for, the device runs with 2.",
    ]
