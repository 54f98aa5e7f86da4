"""The account of a frame's time: arithmetic, verdicts, what benchmark_app counts, and the session that cuts an update."""

from __future__ import annotations

import numpy as np
import pytest

from harness.core.errors import ConfigError, DataError
from harness.core.interfaces import GraphSpec, Sequence
from harness.tasks.explain_gap import ladder as gap_ladder
from harness.tasks.explain_gap.bench import TURN, Cut, CuttingSession, choose, turns
from harness.tasks.explain_gap.ladder import AppRun, Round, account, what_is_counted
from harness.tasks.explain_gap.task import ExplainGap

RUNGS = dict(zip(gap_ladder.RUNGS, (30.0, 31.0, 40.0, 41.0, 41.5, 42.0, 42.6, 42.9, 44.0), strict=True))
TIMERS = {"inference": 42.0, "preprocess": 0.6, "postprocess": 0.3, "decode": 1.1}


def a_round(scale: float = 1.0, pipeline: float = 44.2, timers: dict[str, float] = TIMERS) -> Round:
    return Round(
        {key: value * scale for key, value in RUNGS.items()},
        pipeline * scale,
        {key: value * scale for key, value in timers.items()},
    )


def test_steps_add_up_to_the_whole_difference():
    found = account([a_round(scale) for scale in (1.0, 1.01, 0.99, 1.02, 0.98)])
    steps = [row["step_ms"] for row in found.rows if row["step_ms"] is not None]
    assert sum(steps) == pytest.approx(found.pipeline - found.rows[0]["ms"])
    assert found.rows[0]["fps"] == pytest.approx(1000 / 30)
    assert found.unexplained == pytest.approx(0.2)


def test_agreeing_timers_account_for_the_gap():
    found = account([a_round(scale) for scale in (1.0, 1.01, 0.99, 1.0, 1.0)])
    assert found.conclusive
    assert found.difference == pytest.approx(0.0, abs=1e-9)
    assert "is accounted for" in found.verdict


def test_timers_that_disagree_are_shown():
    slower = {**TIMERS, "inference": 45.0}
    found = account([a_round(timers=slower) for _ in range(5)])
    assert found.difference == pytest.approx(-3.0)
    assert "not wholly accounted for" in found.verdict
    row = next(item for item in found.stages if item["stage"] == "inference")
    assert row["difference_ms"] == pytest.approx(-3.0)


def test_differences_of_opposite_sign_are_not_hidden_by_each_other():
    crossed = {**TIMERS, "inference": 40.0, "decode": 3.1}
    found = account([a_round(timers=crossed) for _ in range(5)])
    assert found.difference == pytest.approx(0.0, abs=1e-9)
    assert found.stage_difference == pytest.approx(4.0)


def test_rounds_that_spread_are_inconclusive():
    found = account([a_round(scale) for scale in (1.0, 1.0, 1.06, 1.0, 1.0)])
    assert not found.conclusive
    assert found.verdict.startswith("Inconclusive")
    # a slow pipeline alone is enough
    assert not account([*[a_round() for _ in range(4)], a_round(pipeline=47.0)]).conclusive


def test_metrics_hold_every_rung_and_step():
    found = gap_ladder.metrics_of(account([a_round() for _ in range(5)]))
    assert found["gap/ms/session"] == 42.0
    assert found["gap/step_ms/one_request"] == pytest.approx(9.0)
    assert "gap/step_ms/benchmark_app" not in found
    assert found["gap/fps/pipeline"] == pytest.approx(1000 / 44.2)


def app_run(**changes: float) -> AppRun:
    fields = {
        "throughput": 25.0, "iterations": 50, "total_ms": 2000.0, "asked_ms": 2000.0, "first_ms": 90.0, "read_ms": 50.0,
        "compile_ms": 900.0, "min_ms": 35.0, "max_ms": 45.0,
    }  # fmt: skip
    return AppRun(**{**fields, **changes})  # type: ignore[arg-type]


def test_loading_and_first_inference_lie_outside_the_loop():
    found = what_is_counted([app_run(), app_run(first_ms=40.0)])
    assert found["throughput_is_the_loop"] is True
    assert found["counts_model_loading"] is False
    # one run whose first inference is slower than any counted suffices
    assert found["counts_first_inference"] is False


def test_what_the_figures_do_not_show_is_not_claimed():
    found = what_is_counted([app_run(first_ms=40.0)])
    assert found["counts_first_inference"] is None
    longer = what_is_counted([app_run(total_ms=2950.0, throughput=50 / 2.95)])
    assert longer["counts_model_loading"] is None
    other = what_is_counted([app_run(throughput=20.0)])
    assert (other["throughput_is_the_loop"], other["counts_model_loading"]) == (False, None)


class Session:
    spec = GraphSpec("search", (), ())

    def __init__(self) -> None:
        self.runs = 0

    def run(self, inputs):
        self.runs += 1
        return {}


def test_cutting_session_leaves_after_the_network_has_run():
    inner = Session()
    session = CuttingSession(inner)
    assert session.run({}) == {}
    session.cutting = True
    with pytest.raises(Cut):
        session.run({})
    assert inner.runs == 2
    assert session.end > 0


def sequence(name: str, frames: int) -> Sequence:
    return Sequence(name, tuple(f"{index}.jpg" for index in range(frames)), np.array([0.0, 0, 1, 1]))  # type: ignore[arg-type]


def test_sequence_with_enough_frames_is_chosen():
    items = [sequence("short", 5), sequence("long", 40), sequence("longer", 60)]
    assert choose(items, 30).name == "long"
    assert choose(items, 100).name == "longer"
    with pytest.raises(DataError):
        choose([sequence("one", 1)], 30)


@pytest.mark.parametrize("frames", [1, TURN, 2 * TURN + 1])
def test_turns_hold_every_frame_once(frames: int):
    found = turns(frames)
    assert [index for turn in found for index in turn] == list(range(frames))
    assert all(0 < len(turn) <= TURN for turn in found)


def test_fewer_than_five_rounds_are_refused():
    with pytest.raises(ConfigError, match=r"task\.rounds"):
        ExplainGap(rounds=4)
