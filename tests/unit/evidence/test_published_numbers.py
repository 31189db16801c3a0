"""The published tables: what they are cut to, and the formula of the paper's percentages."""

from __future__ import annotations

import math

import pytest

from globalmask.evidence.published_numbers import percent_gain, published


def test_a_gain_is_relative_to_the_reference_and_undefined_over_nothing() -> None:
    assert percent_gain(0.6, 0.5) == pytest.approx(20.0)
    assert percent_gain(0.4, 0.5) == pytest.approx(-20.0)
    assert math.isnan(percent_gain(0.5, 0.0))


def test_a_table_is_cut_to_structures_in_their_spelling() -> None:
    assert set(published("dice", "brain", ["Brain_Stem"])["structure"]) == {"Brain_Stem"}
    assert published("com", "heart", ["AO", "LV"])["structure"].tolist() == ["LV", "AO"]  # the paper's AA is AO (I-14)
    assert published("dice", "brain", ["left_orbit"]).empty
    assert len(published("training_hours", "brain", ["brain_stem"])) == 12


def test_a_table_that_does_not_exist_is_told() -> None:
    with pytest.raises(KeyError, match="no published table"):
        published("nothing")
