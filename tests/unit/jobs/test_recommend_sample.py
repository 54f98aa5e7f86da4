"""A space too large to race: the sampler chooses what is tried."""

from __future__ import annotations

from pathlib import Path

import pytest
from search_lab import FakeLab, Killed, Truth

from harness.jobs.recommend import sample
from harness.jobs.recommend.run import recommend
from harness.jobs.recommend.state import Request, State

pytest.importorskip("optuna", reason="extra [search] is not installed")

LARGE = [
    {"backend": ["torch"], "threads": [1, 2]},
    {"backend": ["onnx"], **{f"backend.knob{number}": [0, 1, 2] for number in range(4)}},
    {"backend": ["openvino"], **{f"backend.knob{number}": [0, 1, 2] for number in range(4)}},
]
"""2 + 81 + 81 candidates."""
ASKED = Request(maximize=("fps",), search="wide", minutes=7)


class KnobLab(FakeLab):
    """The higher the knobs, the faster; openvino is faster than onnx: the best is openvino with all knobs at 2."""

    def truth_of(self, config: dict[str, object]) -> Truth:
        words = list(config["words"])  # type: ignore[call-overload]
        base = {"backend=torch": 0.05, "backend=onnx": 0.03, "backend=openvino": 0.02}[next(word for word in words if word.startswith("backend="))]
        return Truth(base * 0.85 ** sum(int(word[-1]) for word in words if "knob" in word), 0.7, kind="one")


def searched(folder: Path, lab: KnobLab, request: Request = ASKED) -> State:
    recommend(request, folder, lab, lambda text: None)
    state = State.load(folder, request)
    assert state is not None
    return state


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> State:
    """A search that was not killed."""
    return searched(tmp_path_factory.mktemp("sampled") / "whole", KnobLab(LARGE, {}))


def test_large_space_is_sampled_towards_what_is_fast(whole: State) -> None:
    state = whole
    tried = [entry for entry in state.entries if entry.kind]
    assert len(tried) < 120  # of 164
    untried = [entry for entry in state.entries if "not tried" in entry.reason]
    assert untried and len(untried) + len(tried) <= 164
    best = min(KnobLab(LARGE, {}).truth_of({"words": entry.overrides}).seconds for entry in tried)
    found = state.answer["overrides"]
    assert KnobLab(LARGE, {}).truth_of({"words": found}).seconds <= 1.05 * best
    assert "backend=openvino" in found and sum(int(word[-1]) for word in found if "knob" in word) >= 7  # of 8: 1 in 17 of the space


def test_sampled_search_that_was_killed_tries_the_same_candidates(tmp_path: Path, whole: State) -> None:
    lab = KnobLab(LARGE, {})
    lab.killed_at = 120
    with pytest.raises(Killed):
        searched(tmp_path / "cut", lab)
    cut = searched(tmp_path / "cut", KnobLab(LARGE, {}))
    assert [heat["numbers"] for heat in cut.heats[:3]] == [heat["numbers"] for heat in whole.heats[:3]]
    assert cut.answer["overrides"] == whole.answer["overrides"]


def test_small_space_or_long_time_needs_no_sampler() -> None:
    assert not sample.too_many(60, 10.0)  # few
    assert not sample.too_many(200, 1000.0)  # 200 times 5 s
    assert sample.too_many(200, 999.0)
