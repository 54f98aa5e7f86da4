"""A tracker in a process of its own: what passes unchanged, what may go wrong, and that nothing of it is left."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from foreign_trackers import artifact_of, frame, native, python_with_numpy_alone, session_of

from harness.backends.native import Native as Backend, child
from harness.core.errors import BackendError, ConfigError, SkipJob, TrackingError
from harness.trackers.native import styles

BOX = np.array([3.25, 4.5, 10.0, 12.125])


def test_box_and_frame_arrive_as_they_were_sent_whatever_the_tracker_prints(tmp_path: Path) -> None:
    backend, session = session_of(native("matching:Echo"), tmp_path)
    assert session.run({"image": frame(), "box": BOX})["seconds"] > 0
    for height, width in ((40, 60), (90, 120), (20, 30)):  # the memory grows and may be larger than a frame
        image = frame(height, width, (1, 2, 7))
        found = session.run({"image": image})
        np.testing.assert_array_equal(found["box"], [height, width, 1, 7])
        assert image[0, 0].tolist() == [1, 2, 7]
    backend.close()


def test_a_strided_frame_is_sent_as_it_looks(tmp_path: Path) -> None:
    backend, session = session_of(native("matching:Echo"), tmp_path)
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, ::2] = (5, 6, 7)
    session.run({"image": wide[:, ::2], "box": BOX})
    np.testing.assert_array_equal(session.run({"image": wide[:, ::2, ::-1]})["box"], [40, 60, 7, 5])
    backend.close()


@pytest.mark.parametrize(("color", "sent", "seen"), [(None, "rgb", [1, 3]), ("bgr", "bgr", [1, 3])])
def test_a_tracker_gets_the_channel_order_it_asks_for(tmp_path: Path, color: str, sent: str, seen: list[int]) -> None:
    spec = native("matching:Echo", color=color)
    assert spec.color == sent  # so it is decoded
    backend, session = session_of(spec, tmp_path)
    session.run({"image": frame(), "box": BOX})
    assert session.run({"image": frame(8, 9, (1, 2, 3))})["box"].tolist()[2:] == seen
    backend.close()


def test_confidence_is_there_where_the_tracker_tells_it(tmp_path: Path) -> None:
    backend, session = session_of(native("matching:Counting"), tmp_path)
    session.run({"image": frame(), "box": BOX})
    assert session.run({"image": frame()})["confidence"].tolist() == [0.25]
    other, plain = session_of(native("matching:Echo"), tmp_path)
    plain.run({"image": frame(), "box": BOX})
    assert "confidence" not in plain.run({"image": frame()})
    backend.close()
    other.close()


def test_every_session_has_a_tracker_of_its_own_and_close_leaves_no_process(tmp_path: Path) -> None:
    before = {item.pid for item in psutil.Process().children()}
    backend, first = session_of(native("matching:Counting"), tmp_path)
    second = backend.open(artifact_of(native("matching:Counting"), tmp_path))["tracker"]
    for session in (first, second):
        session.run({"image": frame(), "box": BOX})
    first.run({"image": frame()})
    assert first.run({"image": frame()})["box"][0] == 2
    assert second.run({"image": frame()})["box"][0] == 1
    assert len({item.pid for item in psutil.Process().children()} - before) == 2
    backend.close()
    assert {item.pid for item in psutil.Process().children()} == before
    assert backend.outside_rss_mb() > 5  # two Pythons with NumPy


@pytest.mark.parametrize(("fresh", "counted"), [(None, 2), (True, 1)])
def test_a_got10k_tracker_serves_all_sequences_unless_it_is_to_be_built_anew(
    tmp_path: Path, fresh: bool | None, counted: int
) -> None:
    backend, session = session_of(native("matching:Counting", fresh=fresh), tmp_path)
    for _ in range(2):
        session.run({"image": frame(), "box": BOX})
        found = session.run({"image": frame()})
    assert found["box"][0] == counted
    backend.close()


# --------------------------------------------------------------------------------------------- failing


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raise", "update raised RuntimeError: the weights melted"),
        ("kill", r"the tracker's process was ended by SIGKILL \(out of memory\?\); its last words: the last words of a tracker"),
        ("exit", r"the tracker's code called sys.exit\(3\)"),
        ("hang", r"update took more than 1 s, and the tracker's process was ended; tracker.timeout sets the limit"),
        ("wrong", r"update raised TypeError: the tracker returned 'nowhere'; a box is four numbers"),
    ],
)
def test_a_tracker_that_fails_is_reported_with_its_last_words(tmp_path: Path, how: str, said: str) -> None:
    backend, session = session_of(native("matching:Failing", options={"how": how}, timeout=1.0), tmp_path)
    session.run({"image": frame(), "box": BOX})
    for _ in range(2):
        session.run({"image": frame()})
    with pytest.raises(TrackingError, match=said) as failed:
        session.run({"image": frame()})
    assert "tracker: the last words of a tracker" in failed.value.__notes__
    backend.close()


def test_a_process_killed_from_outside_while_it_waits_is_reported(tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    backend, session = session_of(native("matching:Echo"), tmp_path)
    (process,) = set(psutil.Process().children()) - before
    process.kill()
    with pytest.raises(TrackingError, match=r"init: the tracker's process was ended by SIGKILL"):
        session.run({"image": frame(), "box": BOX})
    backend.close()


def test_a_session_that_nobody_holds_any_more_ends_its_process(tmp_path: Path) -> None:
    before = {item.pid for item in psutil.Process().children()}
    held = session_of(native("matching:Echo"), tmp_path)
    assert {item.pid for item in psutil.Process().children()} != before
    del held
    until = time.monotonic() + 10
    while {item.pid for item in psutil.Process().children()} != before and time.monotonic() < until:
        time.sleep(0.05)
    assert {item.pid for item in psutil.Process().children()} == before


@pytest.mark.parametrize(
    ("factory", "settings", "said"),
    [
        ("matching:Missing", {}, "tracker.factory=matching:Missing: matching has no 'Missing'"),
        ("matching:Failing", {}, r"cannot be called with tracker.options \(none\): missing a required argument: 'how'"),
        ("matching:nothing", {}, "tracker.factory=matching:nothing returned None; it must return a tracker that is built"),
        ("matching:neither", {}, "made a object, which has neither init and update"),
        ("matching:Echo", {"style": "pytracking"}, "tracker.style=pytracking does not fit what tracker.factory=matching:Echo made"),
        ("matching:np", {}, "tracker.factory=matching:np is a module; name a class or a function"),
    ],
)
def test_what_a_person_can_mend_is_a_sentence_about_the_settings(
    tmp_path: Path, factory: str, settings: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        session_of(native(factory, **settings), tmp_path)


def test_a_module_that_imports_what_is_not_there_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "wanting.py").write_text("import a_package_that_nobody_has\n")
    with pytest.raises(ConfigError, match="its code imports 'a_package_that_nobody_has', which is not found"):
        session_of(native("wanting:Tracker", path=[str(tmp_path)]), tmp_path)


def test_a_tracker_that_cannot_be_built_is_failed_work(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def make():\n    raise ValueError('no checkpoint')\n")
    with pytest.raises(BackendError, match="building the tracker failed: ValueError: no checkpoint"):
        session_of(native("broken:make", path=[str(tmp_path)]), tmp_path)


# --------------------------------------------------------------------------------------------- another Python


def test_another_python_needs_numpy_alone_and_sees_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "elsewhere.py").write_text(
        "import importlib.util, sys\n"
        "class Elsewhere:\n"
        "    def init(self, image, box): pass\n"
        "    def update(self, image):\n"
        "        ours = [name for name in ('harness', 'cv2', 'torch') if importlib.util.find_spec(name)]\n"
        "        return [len(ours), sys.prefix != sys.base_prefix, 1, 1]\n"
    )
    python = python_with_numpy_alone(tmp_path / "venv")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    spec = native("elsewhere:Elsewhere", path=[], cwd=str(tmp_path / "code"), python=str(python))
    backend, session = session_of(spec, tmp_path / "cache")
    session.run({"image": frame(), "box": BOX})
    assert session.run({"image": frame()})["box"].tolist() == [0, 1, 1, 1]
    assert backend.describe()["numpy"] == np.__version__
    backend.close()


def test_what_runs_in_the_trackers_python_is_written_for_python_3_7() -> None:
    files = [Path(child.__file__), *Path(styles.__file__).parent.glob("*.py")]
    assert len(files) == 8
    for path in files:
        tree = ast.parse(path.read_text(), feature_version=(3, 7))
        outer = [item for item in tree.body if isinstance(item, (ast.Import, ast.ImportFrom))]
        modules = {name.name for item in outer if isinstance(item, ast.Import) for name in item.names}
        modules |= {str(item.module) for item in outer if isinstance(item, ast.ImportFrom) and item.level == 0}
        assert not {name.partition(".")[0] for name in modules} & {"harness", "cv2", "PIL", "trax", "torch"}, path


# --------------------------------------------------------------------------------------------- the backend


def test_settings_that_say_nothing_about_a_foreign_tracker_are_skipped() -> None:
    with pytest.raises(SkipJob, match="hint=latency is OpenVINO's"):
        Backend(hint="latency")
    with pytest.raises(SkipJob, match="device=npu"):
        Backend(device="npu")


def test_the_trackers_libraries_get_the_jobs_threads_shared_by_what_is_in_flight(tmp_path: Path) -> None:
    (tmp_path / "asking.py").write_text(
        "import os\n"
        "class Asking:\n"
        "    def init(self, image, box): pass\n"
        "    def update(self, image):\n"
        "        return [int(os.environ['OMP_NUM_THREADS']), os.environ['CUDA_VISIBLE_DEVICES'] == '', 1, 1]\n"
    )
    spec = native("asking:Asking", path=[str(tmp_path)])
    for requests, each in ((1, 4), (2, 2)):
        backend = Backend(threads=4)
        assert backend.parallel_requests(artifact_of(spec, tmp_path)) == 4
        backend.prepare_parallel(requests)
        session = backend.open(artifact_of(spec, tmp_path))["tracker"]
        session.run({"image": frame(), "box": BOX})
        assert session.run({"image": frame()})["box"].tolist() == [each, 1, 1, 1]
        told = backend.describe()
        assert (told["runtime"], told["threads"], told["style"]) == ("native", str(each), "got10k")
        backend.close()


def test_what_a_tracker_without_cuda_calls_is_left_as_it_is(tmp_path: Path) -> None:
    backend, session = session_of(native("matching:Echo"), tmp_path)
    session.run({"image": frame(), "box": BOX})
    assert "cuda" not in backend.describe()
    backend.close()
