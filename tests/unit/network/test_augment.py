"""Augmentation: masks stay masks, label and image move together, and the draws repeat."""

from __future__ import annotations

import math

import pytest
import torch
from helpers import make_sample

from globalmask.network import augment as module
from globalmask.network.augment import augment


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture()
def always(monkeypatch):
    monkeypatch.setattr(module, "SPATIAL_SHARE", 1.1)


def test_same_generator_state_same_result(always):
    sample = make_sample(0, with_mask=True)
    first = augment(sample.inputs, sample.label, generator(3), kept=(1,))
    second = augment(sample.inputs, sample.label, generator(3), kept=(1,))
    other = augment(sample.inputs, sample.label, generator(4), kept=(1,))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("share", [0.0, 1.1])
def test_inputs_are_not_changed_in_place(monkeypatch, share):
    monkeypatch.setattr(module, "SPATIAL_SHARE", share)
    sample = make_sample(0, with_mask=True)
    inputs, label = sample.inputs.clone(), sample.label.clone()
    augment(sample.inputs, sample.label, generator(), kept=(1,))
    assert torch.equal(sample.inputs, inputs) and torch.equal(sample.label, label)


@pytest.mark.parametrize("seed", range(5))
def test_mask_stays_binary_and_moves_as_the_label_does(always, seed):
    sample = make_sample(seed)
    body = (sample.label > 0).float()[None]
    moved, label = augment(torch.cat([sample.inputs, body]), sample.label, generator(seed), kept=(1,))
    assert set(moved[1].unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(moved[1], (label > 0).float())
    assert set(label.unique().tolist()) <= {0, 1, 2}
    assert label.dtype == torch.uint8


def test_ct_moves_with_the_label(always, monkeypatch):
    monkeypatch.setattr(module, "_intensity", lambda ct01, draws, generator: ct01)
    sample = make_sample(0)
    moved, label = augment(sample.label.float()[None] / 2, sample.label, generator(1), kept=())
    assert not torch.equal(label, sample.label)
    assert (moved[0] * 2 - label).abs().mean() < 0.05


def test_coordinates_tell_where_each_label_came_from_and_draw_nothing(always):
    side = 16
    places = torch.linspace(-1, 1, side)
    z = places[:, None, None].expand(side, side, side)
    label = torch.arange(side, dtype=torch.uint8)[:, None, None].expand(side, side, side)
    ct = torch.rand(1, side, side, side, generator=generator(9))
    moved, whence = augment(torch.cat([ct, z[None]]), label, generator(2), kept=(1,))
    assert not torch.equal(whence, label)
    assert torch.equal(moved[1], places[whence.long()])
    alone, _ = augment(ct, label, generator(2), kept=())
    assert torch.equal(moved[:1], alone)


def test_mask_only_input_keeps_its_values(always):
    body = (make_sample(0).label > 0).float()[None]
    moved, _ = augment(body, make_sample(0).label, generator(), kept=(0,))
    assert set(moved.unique().tolist()) == {0.0, 1.0}


def test_scenarios_of_a_replicate_move_alike(always):
    sample = make_sample(0, with_mask=True)
    both = augment(sample.inputs, sample.label, generator(5), kept=(1,))
    alone = augment(sample.inputs[:1], sample.label, generator(5), kept=())
    mask = augment(sample.inputs[1:], sample.label, generator(5), kept=(0,))
    assert torch.equal(both[0][:1], alone[0])
    assert torch.equal(both[0][1:], mask[0])
    assert torch.equal(both[1], alone[1])


def test_ct_stays_between_zero_and_one():
    for seed in range(5):
        moved, _ = augment(torch.rand(1, 16, 16, 16), torch.zeros(16, 16, 16), generator(seed), kept=())
        assert moved.min() >= 0 and moved.max() <= 1


def test_no_turn_no_scale_no_shift_is_no_change():
    sample = make_sample(0, with_mask=True)
    moved, label = module._move(sample.inputs, sample.label, torch.zeros(7), (1,))
    assert torch.allclose(moved, sample.inputs, atol=1e-5)
    assert torch.equal(label, sample.label)


def test_affine_shift_moves_content_by_its_share_of_the_box():
    # The affine says where each voxel is fetched from: +x by SHIFT of the box moves content to lower x.
    line = torch.zeros(1, 1, 1, 100)
    line[..., 50] = 1.0
    draws = torch.tensor([0.0, 0, 0, 0, 1, 0, 0])
    moved, _ = module._move(line, torch.zeros(1, 1, 100), draws, (0,))
    assert moved[0, 0, 0].argmax().item() == 50 - round(100 * module.SHIFT)


def test_quarter_turn_would_be_a_rotation(monkeypatch):
    monkeypatch.setattr(module, "ROTATION_DEGREES", 90.0)
    affine = module._affine(torch.tensor([0.0, 0, 1, 0, 0, 0, 0]))
    expected = torch.tensor([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]])
    assert torch.allclose(affine, expected, atol=1e-6)
    assert math.isclose(torch.linalg.det(affine[:, :3]).item(), 1.0, abs_tol=1e-5)
