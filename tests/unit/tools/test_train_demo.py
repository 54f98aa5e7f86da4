"""The demo tracker's training: losses, schedule, header."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import demo_pairs
import numpy as np
import pytest
import torch
import train_demo
from demo_loss import decode, focal_loss, giou, heat_map, matching_loss, tracking_loss
from safetensors import safe_open
from train_demo import Plan, Trainer, export, phase_batches

SMALL = Plan(samples=96, tail=24, batch=8, ranks=1, chunk=16, passes=2, head=16, warm=2, crowd=1, match=2)


def test_giou_of_known_boxes() -> None:
    one = torch.tensor([[0.5, 0.5, 1.0, 1.0]])
    apart = torch.tensor([[2.5, 0.5, 1.0, 1.0]])
    half = torch.tensor([[1.0, 0.5, 1.0, 1.0]])
    assert giou(one, one).item() == pytest.approx(1)
    assert giou(one, half).item() == pytest.approx(1 / 3)
    assert giou(one, apart).item() == pytest.approx(-1 / 3)  # union 2 in a hull of 3


def test_the_heat_map_peaks_at_the_centres_cell() -> None:
    heat, cell = heat_map(torch.tensor([[0.30, 0.80, 0.2, 0.2], [0.999, 0.0, 0.3, 0.3]]), 8)
    assert cell.tolist() == [[2, 6], [7, 0]]
    for number, (x, y) in enumerate([(2, 6), (7, 0)]):
        assert heat[number, y, x] == 1
        assert (heat[number] == 1).sum() == 1
    assert heat[0, 6, 3] == pytest.approx(np.exp(-0.5 / 0.45**2), rel=1e-5)


def test_decoding_inverts_the_maps() -> None:
    size, offset = torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 8, 8)
    size[0, :, 5, 2], offset[0, :, 5, 2] = torch.tensor([0.25, 0.5]), torch.tensor([0.4, 0.8])
    assert decode(size, offset)[0, :, 5, 2].tolist() == pytest.approx([2.4 / 8, 5.8 / 8, 0.25, 0.5])


def test_the_loss_vanishes_for_perfect_maps_and_grows_with_error() -> None:
    box = torch.tensor([[0.3, 0.8, 0.25, 0.5]])
    heat, _ = heat_map(box, 8)
    line = torch.arange(8.0)
    offset = torch.stack([(2.4 - line)[None].expand(8, 8), (6.4 - line)[:, None].expand(8, 8)])[None]
    size = torch.tensor([0.25, 0.5])[None, :, None, None].expand(1, 2, 8, 8)
    score = torch.where(heat == 1, 0.9999, 0.0001)[:, None]
    total, terms = tracking_loss(score, size, offset, box)
    assert total.item() == pytest.approx(0, abs=1e-3)
    assert terms["giou"] == pytest.approx(0, abs=1e-5)
    assert tracking_loss(score, size, offset + 0.5, box)[0] > total + 0.1
    assert tracking_loss(1 - score, size, offset, box)[0] > total + 1
    assert focal_loss(torch.full((1, 8, 8), 0.5), heat) > focal_loss(score[:, 0], heat)


def test_matching_features_lower_the_matching_loss() -> None:
    torch.manual_seed(0)
    box = torch.rand(6, 4) * 0.4 + 0.3
    x, z = torch.randn(6, 32, 6, 6), torch.randn(6, 32, 4, 4)
    before = matching_loss(x, z, box)
    _, cell = heat_map(box, 6)
    for number, (column, row) in enumerate(cell.int().tolist()):
        z[number, :, 1:3, 1:3] = x[number, :, row, column][:, None, None]
    after = matching_loss(x, z, box)
    assert before > 2.5
    assert after < 0.3
    assert matching_loss(x, z.roll(1, 0), box) > after + 1  # another's template finds another's target


def test_the_rate_warms_up_stays_and_falls() -> None:
    plan = Plan(samples=4800, tail=1440, batch=48, ranks=2, chunk=480, warm=10, rate=1e-3)
    rates = [plan.rate_at(step) for step in range(plan.steps)]
    assert rates[0] == pytest.approx(1e-4)
    assert rates[10:70] == [pytest.approx(1e-3)] * 60
    assert rates[85] == pytest.approx(1e-3 * (0.01 + 0.99 * 0.5))
    assert rates[-1] < 0.05e-3
    assert plan.rate_at(plan.steps + 5) == pytest.approx(1e-5)


def test_a_run_can_get_another_end_until_its_tail_begins() -> None:
    plan = replace(SMALL, samples=400, tail=80)
    shorter = replace(plan, samples=240)
    assert shorter.level == 20
    assert shorter.continues(plan, 20)
    assert not shorter.continues(plan, 21)
    assert plan.continues(plan, 49)
    assert not replace(plan, seed=2).continues(plan, 1)
    assert plan.phase == 4
    for stage in ("crowd", "match"):  # a stage may move as long as neither place of it was reached
        early, late = replace(plan, **{stage: 2}), replace(plan, **{stage: 5})
        assert late.continues(early, 8)
        assert not late.continues(early, 9)


def test_settings_that_do_not_divide_are_refused() -> None:
    with pytest.raises(SystemExit, match="must divide"):
        Plan(batch=48, ranks=5)


def test_every_sample_of_a_chunk_is_seen_once_a_pass() -> None:
    batches = phase_batches(SMALL, 0, 3)
    assert len(batches) == SMALL.phase == 4
    for turn in range(2):
        seen = np.concatenate([index for index, _, _ in batches[2 * turn : 2 * turn + 2]])
        assert sorted(seen) == list(range(16))
    assert [mirror for _, mirror, _ in batches] == [False, False, True, True]


def test_mirrored_batches_mirror_the_box() -> None:
    search = np.zeros((12, 96, 96, 3), np.uint8)
    search[:, 40:60, 10:30] = 200
    box = np.tile(np.array([20, 50, 20, 20], np.float32) / 96, (12, 1))
    data = demo_pairs.Pairs(np.zeros((12, 64, 64, 3), np.uint8), search, box)
    _, image, truth = train_demo.tensors(data, (np.arange(12), True, np.arange(3)), "cpu")
    assert image[0, 0, 50, 76] > 0.7
    assert image[0, 0, 50, 20] == 0
    assert truth[0].tolist() == pytest.approx([76 / 96, 50 / 96, 20 / 96, 20 / 96])
    np.testing.assert_array_equal(data.box, box)  # the chunk itself stays as it is


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    Trainer(SMALL, "cpu").save(tmp_path / "state")
    with pytest.raises(SystemExit, match="other settings"):
        Trainer(replace(SMALL, rate=1.0), "cpu").resume(tmp_path / "state")


def test_the_header_tells_the_weights_history(tmp_path: Path) -> None:
    trainer = Trainer(SMALL, "cpu")
    trainer.step, trainer.seconds = 7, 12.0
    export(trainer, tmp_path / "weights.safetensors")
    with safe_open(tmp_path / "weights.safetensors", framework="pt") as file:
        notes, names = file.metadata(), set(file.keys())
    assert notes["samples_seen"] == "56"
    assert notes["seed_space"] == "train"
    assert json.loads(notes["network"]) == {"width": 0.25, "template": 64, "search": 96, "head": 16}
    assert json.loads(notes["crop"]) == {"template_factor": 2.0, "search_factor": 3.0}
    assert notes["digest"] == trainer.digest()
    for key in ("commit", "machine", "made", "training_seconds", "seed"):
        assert notes[key]
    assert names == {k for k in trainer.network.state_dict() if not k.endswith("num_batches_tracked")}
