"""A tracker's own code that asks for a card, where there is none; each process loads torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from foreign_trackers import artifact_of, frame, native, session_of

from harness.backends.native import Native as Backend
from harness.core.errors import BackendError, TrackingError

BOX = np.array([3.25, 4.5, 10.0, 12.125])


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_code_that_speaks_of_cuda_alone_runs_on_the_processor_with_device_cpu(tmp_path: Path, device: str) -> None:
    backend, session = session_of(native("on_cuda:OnCuda", options={"device": device}), tmp_path)
    for start in (BOX, BOX + 1):  # the second tracker is built anew
        session.run({"image": frame(), "box": start})
        for number in (1, 2):
            found = session.run({"image": frame()})
            np.testing.assert_allclose(found["box"], start + np.array([1.0, 2.0, 0.0, 0.0]) * number)
    assert backend.describe()["cuda"] == "calls for CUDA stay on the processor (device=cpu)"
    backend.close()


def test_a_new_tensor_on_a_card_that_is_not_there_fails_in_torchs_words(tmp_path: Path) -> None:
    backend, session = session_of(native("on_cuda:AsksAnew"), tmp_path)
    session.run({"image": frame(), "box": BOX})
    with pytest.raises(TrackingError, match=r"(?i)cuda|nvidia"):
        session.run({"image": frame()})
    backend.close()


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="there is a card")
def test_with_device_cuda_a_missing_card_is_an_error(tmp_path: Path) -> None:
    spec = native("on_cuda:OnCuda")
    with pytest.raises(BackendError, match=r"(?i)cuda|nvidia"):
        Backend(device="cuda").open(artifact_of(spec, tmp_path))
