"""Mask-only networks against the label atlas, by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from globalmask.evidence.beyond_atlas import beyond_atlas

ABOUT = {"arm": "readers", "structure": "left_eye", "space": "crop", "replicate": 0}


def scores(dices, *, n=4, **other):
    about = ABOUT | {"variant": "shapes", "scenario": "mask", "n_train": n} | other
    return pd.DataFrame([about | {"case": case, "dice": dice} for case, dice in dices.items()])


def floors(dices, *, method="atlas", n=4, **other):
    """As `read_floors` gives them: a ceiling has no replicate, so that column is text."""
    about = ABOUT | {"method": method, "n_train": float(n), "replicate": "0"} | other
    return pd.DataFrame([about | {"case": case, "dice": dice} for case, dice in dices.items()])


def test_means_difference_and_readers_of_one_run():
    limits = [
        floors({"a": 0.5, "b": 0.5, "c": 0.5, "never_tested": 0.9}),
        floors({"a": 0.1, "b": 0.1, "c": 0.1}, n=8),
        floors({"a": 0.9, "b": 0.8}, method="readers", n=math.nan, space="native"),
    ]
    (found,) = beyond_atlas(scores({"a": 0.6, "b": 0.7, "c": 0.5}), pd.concat(limits))
    assert (found.arm, found.variant, found.structure, found.n_train) == ("readers", "shapes", "left_eye", 4)
    assert (found.network, found.atlas) == (pytest.approx(0.6), pytest.approx(0.5))
    assert found.readers == pytest.approx(0.85)
    half = 4.302653 * 0.1 / math.sqrt(3)  # t of 2 degrees of freedom; differences 0.1, 0.2, 0.0
    assert found.difference.low == pytest.approx(0.1 - half, abs=1e-6)
    assert (found.difference.cases, found.difference.runs) == (3, 1)


def test_only_the_mask_alone_in_the_box_and_its_own_structure_enter():
    ours = pd.concat(
        [
            scores({"a": 0.6, "b": 0.6}),
            scores({"a": 0.9, "b": 0.9}, scenario="ct_mask"),
            scores({"a": 0.1, "b": 0.1}, space="native"),
            scores({"a": 0.3, "b": 0.5}, structure="brain_stem"),
        ]
    )
    limits = pd.concat(
        [
            floors({"a": 0.5, "b": 0.5}),
            floors({"a": 0.0, "b": 0.0}, space="native"),
            floors({"a": 0.2, "b": 0.2}, structure="brain_stem"),
            floors({"a": 0.0, "b": 0.0}, arm="brain"),
        ]
    )
    found = {each.structure: each for each in beyond_atlas(ours, limits)}
    assert found["left_eye"].difference.estimate == pytest.approx(0.1)
    assert found["brain_stem"].difference.estimate == pytest.approx(0.2)
    assert math.isnan(found["left_eye"].readers)


def test_without_a_network_or_an_atlas_there_is_nothing_to_compare():
    assert beyond_atlas(scores({"a": 0.6}, scenario="ct"), floors({"a": 0.5})) == []
    assert beyond_atlas(scores({"a": 0.6}), floors({"a": 0.5}, arm="brain")) == []
