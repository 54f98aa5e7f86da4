"""The demo tracker's training in several processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from train_demo import Job, Plan, run

PLAN = Plan(samples=24, tail=8, batch=8, ranks=2, chunk=16, passes=2, head=16, warm=2, crowd=1, match=2)


@pytest.mark.slow
def test_two_ranks_resume_to_the_same_weights(tmp_path: Path) -> None:
    whole = run(Job(PLAN, tmp_path / "whole"))
    run(Job(PLAN, tmp_path / "parts", stop=1))
    assert run(Job(PLAN, tmp_path / "parts")).digest() == whole.digest()
