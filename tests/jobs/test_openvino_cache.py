"""OpenVINO's compiled-model cache, which several processes share: one at a time compiles with it."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from filelock import FileLock
from small_jobs import small_experiment

from harness.backends.openvino.backend import OpenVino


def test_who_compiles_has_the_cache_to_itself(tmp_path: Path, prepared: Path) -> None:
    experiment, artifact = small_experiment(prepared, "backend=openvino")
    backend = replace(experiment.backend, cache=str(tmp_path))
    folder = Path(backend.settings()["CACHE_DIR"])
    opened = threading.Event()

    def open_it() -> None:
        backend.open(artifact)
        opened.set()

    other = FileLock(folder / ".compiling.lock")
    with other:
        thread = threading.Thread(target=open_it)
        thread.start()
        assert not opened.wait(1.0), "compiled while another process did"
        assert not list(folder.glob("*.blob"))
    assert opened.wait(60)
    thread.join()
    assert list(folder.glob("*.blob"))


def test_without_a_cache_nobody_waits(prepared: Path) -> None:
    experiment, artifact = small_experiment(prepared, "backend=openvino", "backend.model_cache=false")
    backend = experiment.backend
    assert isinstance(backend, OpenVino)
    assert "CACHE_DIR" not in backend.settings()
    assert backend.open(artifact)
