"""The demo tracker's training, on few and small samples: it learns, and an interruption changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import demo_pairs
import numpy as np
import pytest
import torch
import train_demo
from train_demo import Job, Plan, Trainer, run

SMALL = Plan(samples=96, tail=24, batch=8, ranks=1, chunk=16, passes=2, head=16, warm=2, crowd=1, match=2)


@pytest.fixture
def small_banks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_pairs, "BANK_TEXTURES", 4)
    monkeypatch.setattr(demo_pairs, "BANK_FIGURES", 6)
    demo_pairs.bank.cache_clear()


@pytest.mark.usefixtures("small_banks")
def test_interrupted_and_resumed_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole = run(Job(SMALL, tmp_path / "whole"))
    assert whole.step == 12
    run(Job(SMALL, tmp_path / "parts", stop=3))  # within a chunk, between two passes, and once more in the tail
    run(Job(SMALL, tmp_path / "parts", stop=10))
    parts = run(Job(SMALL, tmp_path / "parts"))
    assert parts.digest() == whole.digest()
    assert train_demo.state_digest(parts.network.state_dict()) == train_demo.state_digest(whole.network.state_dict())
    assert Trainer(SMALL, "cpu").digest() != whole.digest()


@pytest.mark.usefixtures("small_banks")
def test_training_lowers_the_loss_on_a_chunk_seen_again() -> None:
    plan = replace(SMALL, samples=960, rate=2e-3)
    torch.set_num_threads(1)
    trainer, data = Trainer(plan, "cpu"), demo_pairs.pairs("test", 1, 0, 8)
    batch = train_demo.tensors(data, (np.arange(8), False, np.arange(3)), "cpu")
    losses = [trainer.train(*batch)["loss"] for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]
