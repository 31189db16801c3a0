"""Losses against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from globalmask.network.loss import dice_ce_loss, dice_loss, hard_dice


def logits_of(chances: list[list[float]]) -> torch.Tensor:
    """`(1, classes, 1, 1, voxels)` whose softmax is `chances` (a list per class)."""
    return torch.tensor(chances).log()[None, :, None, None, :]


def label_of(values: list[int]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.uint8)[None, None, None, :]


def test_squared_denominator_dice_by_hand():
    # P = (0.8, 0.5), G = (1, 0): 1 - 2*0.8 / (0.64 + 0.25 + 1) = 1 - 1.6/1.89
    loss = dice_loss(logits_of([[0.2, 0.5], [0.8, 0.5]]), label_of([1, 0]))
    assert loss.item() == pytest.approx(1 - 1.6 / 1.89, abs=1e-5)


def test_dice_is_the_mean_over_foreground_structures():
    # structure 1: P = (0.7, 0.2), G = (1, 0); structure 2: P = (0.1, 0.6), G = (0, 1)
    loss = dice_loss(logits_of([[0.2, 0.2], [0.7, 0.2], [0.1, 0.6]]), label_of([1, 2]))
    first = 1 - 1.4 / (0.49 + 0.04 + 1)
    second = 1 - 1.2 / (0.01 + 0.36 + 1)
    assert loss.item() == pytest.approx((first + second) / 2, abs=1e-5)


def test_background_does_not_count():
    # Only the background differs in how sure it is; P of the structure is 0.5 in both voxels.
    loss = dice_loss(logits_of([[0.5, 0.5], [0.5, 0.5]]), label_of([0, 1]))
    assert loss.item() == pytest.approx(1 - 1 / 1.5, abs=1e-5)


def test_dice_ce_adds_the_mean_cross_entropy_of_classes_of_one_size():
    logits, label = logits_of([[0.2, 0.5], [0.8, 0.5]]), label_of([1, 0])
    expected = 1 - 1.6 / 1.89 - (math.log(0.8) + math.log(0.5)) / 2
    assert dice_ce_loss(logits, label).item() == pytest.approx(expected, abs=1e-5)


def test_voxels_weigh_one_over_the_root_of_their_class():
    # Four voxels of background at chance 0.5 weigh 1/2 each, the one of the structure at chance 0.8 weighs 1.
    logits = logits_of([[0.5, 0.5, 0.5, 0.5, 0.2], [0.5, 0.5, 0.5, 0.5, 0.8]])
    label = label_of([0, 0, 0, 0, 1])
    entropy = -(4 * 0.5 * math.log(0.5) + math.log(0.8)) / (4 * 0.5 + 1)
    found = dice_ce_loss(logits, label) - dice_loss(logits, label)
    assert found.item() == pytest.approx(entropy, abs=1e-5)


def test_absent_structure_costs_nothing_when_it_is_not_predicted():
    sure = torch.zeros(1, 2, 1, 1, 4)
    sure[:, 0] = 100.0
    assert dice_loss(sure, label_of([0, 0, 0, 0])).item() == pytest.approx(0.0, abs=1e-5)


def test_absent_structure_costs_one_when_it_is_predicted():
    sure = torch.zeros(1, 2, 1, 1, 4)
    sure[:, 1] = 100.0
    assert dice_loss(sure, label_of([0, 0, 0, 0])).item() == pytest.approx(1.0, abs=1e-4)


def test_hard_dice_by_hand():
    # predicted 1 1 0 2, true 1 0 0 2: structure 1: 2*1/(2+1), structure 2: 1, structure 3: not there
    scores = torch.zeros(1, 4, 1, 1, 4)
    for voxel, winner in enumerate([1, 1, 0, 2]):
        scores[0, winner, 0, 0, voxel] = 1.0
    dice = hard_dice(scores, label_of([1, 0, 0, 2]))
    assert dice[:2].tolist() == pytest.approx([2 / 3, 1.0])
    assert math.isnan(dice[2])


def test_hard_dice_of_a_missed_structure_is_zero():
    scores = torch.zeros(1, 2, 1, 1, 3)
    scores[:, 0] = 1.0
    assert hard_dice(scores, label_of([1, 0, 0])).tolist() == [0.0]


def independent(chances: list[list[float]]) -> torch.Tensor:
    """Logits of structures whose sigmoids are `chances` (a list per structure), the background's 0 before them."""
    logits = torch.tensor(chances).logit()
    return torch.cat([torch.zeros(1, logits.shape[1]), logits])[None, :, None, None, :]


def test_independent_structures_by_hand():
    # structure 1: P = (0.8, 0.5), G = (1, 0); structure 2: P = (0.6, 0.9), G = (0, 1); they need not sum to one
    loss = dice_loss(independent([[0.8, 0.5], [0.6, 0.9]]), label_of([1, 2]), "sigmoid")
    first, second = 1 - 1.6 / (0.64 + 0.25 + 1), 1 - 1.8 / (0.36 + 0.81 + 1)
    assert loss.item() == pytest.approx((first + second) / 2, abs=1e-5)


def test_cross_entropy_of_independent_structures_by_hand():
    # Structure 1 has one voxel (weight 1) and four others (1/2 each); structure 2 has two and three others.
    chances, values = [[0.8, 0.5, 0.5, 0.5, 0.5], [0.1, 0.6, 0.6, 0.2, 0.2]], [1, 2, 2, 0, 0]
    first = -(math.log(0.8) + 4 * 0.5 * math.log(0.5)) / (1 + 4 * 0.5)
    inside, outside = 2**-0.5, 3**-0.5
    second = -(2 * inside * math.log(0.6) + outside * (math.log(0.9) + 2 * math.log(0.8))) / (2 * inside + 3 * outside)
    logits, label = independent(chances), label_of(values)
    found = dice_ce_loss(logits, label, "sigmoid") - dice_loss(logits, label, "sigmoid")
    assert found.item() == pytest.approx((first + second) / 2, abs=1e-5)


@pytest.mark.parametrize("loss", [dice_loss, dice_ce_loss])
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_one_structure_alone_is_the_same_under_both_outputs(loss, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.cat([torch.zeros(1, 1, 3, 4, 5), torch.randn(1, 1, 3, 4, 5, generator=generator)], dim=1)
    label = torch.randint(0, 2, (1, 3, 4, 5), generator=generator, dtype=torch.uint8)
    assert loss(logits, label, "sigmoid").item() == pytest.approx(loss(logits, label, "softmax").item(), abs=1e-5)


def test_the_largest_independent_structure_above_one_half_decides_else_the_background():
    # voxels: structure 2 (0.7 over 0.6), background (0.4, 0.45), structure 1 (0.9)
    logits = independent([[0.6, 0.4, 0.9], [0.7, 0.45, 0.2]])
    assert hard_dice(logits, label_of([2, 0, 1])).tolist() == [1.0, 1.0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_dice_loss_lies_between_zero_and_one_and_half_precision_agrees(seed, classes):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(1, classes, 3, 4, 5, generator=generator).bfloat16()
    label = torch.randint(0, classes, (1, 3, 4, 5), generator=generator, dtype=torch.uint8)
    loss = dice_loss(logits, label).item()
    assert 0 <= loss <= 1
    assert loss == pytest.approx(dice_loss(logits.float(), label).item(), abs=1e-6)
