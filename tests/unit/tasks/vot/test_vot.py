"""task=vot: runs by the toolkit's experiments, judged by the toolkit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmark_folders import frames, otb, text, write

from harness.core.errors import ConfigError, DataError
from harness.datasets.otb.dataset import Otb
from harness.datasets.vot.dataset import Vot
from harness.tasks.vot.task import VotChallenge
from harness.tasks.vot.workspace import Bench, read_analysis

FRAMES = 60


def challenge(root: Path, anchors: bool = True) -> Path:
    """Two sequences of a box that moves by 0.4 pixels a frame, with anchors at frames 0, 20 and (backwards) 59."""
    write(root / "list.txt", "ball\nfish\n")
    values = "".join(f"{ {0: 1, 20: 1, 59: -1}.get(frame, 0) }\n" for frame in range(FRAMES))
    for name in ("ball", "fish"):
        frames(root / name / "color", range(1, FRAMES + 1), 8)
        write(root / name / "groundtruth.txt", text(np.array([[5 + 0.4 * frame, 10, 15, 12] for frame in range(FRAMES)])))
        write(root / name / "sequence", f"channels.color=color/%08d.jpg\nfps=30\nname={name}\nformat=default\n")
        if anchors:
            write(root / name / "anchor.value", values)
    return root


class Slow:
    """A runner whose tracker follows at 0.1 pixels a frame: the overlap is 0 when it is 15 pixels behind, 50 frames on."""

    class spec:
        color = "bgr"

    def start(self) -> dict[str, np.ndarray]:
        return {}

    def process(self, tracker: dict[str, np.ndarray], image: Any, first: np.ndarray | None = None) -> tuple[np.ndarray, float]:
        del image
        tracker["box"] = np.array(first, float) if first is not None else tracker["box"] + np.array([0.1, 0, 0, 0])
        return tracker["box"], 0.01


def bench(tmp_path: Path, stack: str, root: Path | None = None) -> Bench:
    made = Bench(tmp_path / "vot", root or challenge(tmp_path / "data"), "mine", ["ball", "fish"])
    made.prepare(stack, "baseline", 1, 10, 40)
    return made


def test_supervised_run_is_begun_anew_after_the_overlap_is_gone(tmp_path: Path) -> None:
    pytest.importorskip("vot", reason="the extra vot is not installed")
    made = bench(tmp_path, "vot2018/shortterm")
    assert made.run("ball", Slow()) == 1  # type: ignore[arg-type]
    lines = (tmp_path / "vot" / "results" / "mine" / "baseline" / "ball" / "ball_001.txt").read_text().splitlines()
    assert len(lines) == FRAMES
    assert lines[0] == "1"
    failed = lines.index("2")
    assert 47 <= failed <= 50, "15 pixels behind, which the toolkit counts in whole pixels"
    assert lines[failed + 1 : failed + 5] == ["0"] * 4, "frames that are skipped"
    assert lines[failed + 5] == "1"


def test_the_toolkit_finds_accuracy_robustness_and_eao_of_a_supervised_experiment(tmp_path: Path) -> None:
    pytest.importorskip("vot", reason="the extra vot is not installed")
    made = bench(tmp_path, "vot2018/shortterm")
    for name in ("ball", "fish"):
        made.run(name, Slow())  # type: ignore[arg-type]
    metrics, _ = made.analyse()
    # by hand: each sequence fails once; accuracy is over frames 10 to 49 (ten are left out after each beginning)
    lag = 0.3 * np.arange(10, 50)
    assert metrics["vot/robustness"] == 1.0
    assert metrics["vot/accuracy"] == pytest.approx(((15 - lag) / (15 + lag)).mean(), abs=0.02), "the toolkit counts pixels"
    assert 0 < metrics["vot/eao"] < 1


def test_the_toolkit_finds_them_of_a_multistart_experiment(tmp_path: Path) -> None:
    pytest.importorskip("vot", reason="the extra vot is not installed")
    made = bench(tmp_path, "vot2022/shorttermbox")
    for name in ("ball", "fish"):
        assert made.run(name, Slow()) is None  # type: ignore[arg-type]
    place = tmp_path / "vot" / "results" / "mine" / "baseline" / "ball"
    assert [len((place / f"ball_{anchor:08d}.txt").read_text().splitlines()) for anchor in (0, 20, 59)] == [60, 40, 60]
    metrics, _ = made.analyse()
    assert set(metrics) == {"vot/accuracy", "vot/robustness", "vot/eao"}
    assert 0 < metrics["vot/robustness"] <= 1


def test_a_sequence_without_anchors_is_refused_by_a_multistart_experiment(tmp_path: Path) -> None:
    pytest.importorskip("vot", reason="the extra vot is not installed")
    made = bench(tmp_path, "vot2022/shorttermbox", challenge(tmp_path / "plain", anchors=False))
    with pytest.raises(DataError, match=r"ball has no anchors \(anchor.value\)"):
        made.run("ball", Slow())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stack", "experiment", "complaint"),
    [("vot1999", "baseline", "accepted: the path of a stack's file"), ("vot2018/shortterm", "realtime", "that can be run: baseline")],
)
def test_unknown_stacks_and_experiments_are_refused(stack: str, experiment: str, complaint: str, tmp_path: Path) -> None:
    pytest.importorskip("vot", reason="the extra vot is not installed")
    made = Bench(tmp_path / "vot", challenge(tmp_path / "data"), "mine", ["ball"])
    with pytest.raises(ConfigError, match=complaint):
        made.prepare(stack, experiment, 1, None, None)


def test_measures_are_read_from_the_toolkits_report() -> None:
    analyses = [{"type": "vot.analysis.supervised.EAOScore"}, {"type": "vot.analysis.supervised.AverageAccuracyRobustness"}]
    part = {"parameters": {"analyses": analyses}, "results": [[[0.25]], [[0.5, 2.0, [0.1, 0.5], 60.0]]]}
    metrics, told = read_analysis({"results": {"baseline": part}}, "baseline")
    assert metrics == {"vot/eao": 0.25, "vot/accuracy": 0.5, "vot/robustness": 2.0}
    assert told == part["results"]


def test_another_data_set_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    with pytest.raises(ConfigError, match="dataset=otb is not one; use dataset=vot"):
        VotChallenge().check({}, None, Otb(root=str(otb(tmp_path))))  # type: ignore[arg-type]


def test_without_the_toolkit_the_task_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"task=vot needs vot-toolkit, which is not installed; pip install"):
        VotChallenge().check({}, None, Vot(root=str(challenge(tmp_path))))  # type: ignore[arg-type]


@pytest.mark.parametrize(("settings", "complaint"), [({"low": 0}, "task.low is 0"), ({"low": 9, "high": 3}, r"task.low \(9\) or more")])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, int], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        VotChallenge(**settings)  # type: ignore[arg-type]
