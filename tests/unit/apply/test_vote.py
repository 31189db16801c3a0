"""Majority of models, voxel by voxel."""

from __future__ import annotations

import numpy as np

from globalmask.apply.vote import majority


def votes(*rows):
    return [np.array(row, np.uint8).reshape(1, 1, -1) for row in rows]


def test_three_models_by_hand():
    label, agreement = majority(votes([0, 1, 1, 1, 2], [0, 1, 1, 2, 2], [0, 1, 2, 0, 0]), 3)
    # All different: background, the lowest label.
    assert label.ravel().tolist() == [0, 1, 1, 0, 2]
    assert np.allclose(agreement.ravel(), [1, 1, 2 / 3, 1 / 3, 2 / 3])
    assert (label.dtype, agreement.dtype) == (np.uint8, np.float32)


def test_two_models_that_differ_find_nothing():
    label, agreement = majority(votes([1, 2, 1], [0, 1, 1]), 3)
    assert label.ravel().tolist() == [0, 1, 1]
    assert agreement.ravel().tolist() == [0.5, 0.5, 1.0]


def test_order_of_the_models_does_not_matter():
    rng = np.random.default_rng(0)
    labels = list(rng.integers(0, 4, (5, 6, 7, 8)).astype(np.uint8))
    first, second = majority(labels, 4), majority(labels[::-1], 4)
    assert (first[0] == second[0]).all() and (first[1] == second[1]).all()
