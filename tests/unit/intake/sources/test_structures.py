"""The user's names for structures against the names in the data."""

from __future__ import annotations

import numpy as np
import pytest

from globalmask.errors import UserError
from globalmask.intake.sources.structures import match, merge, missing, read_names


def test_names_match_whatever_their_capitals_and_marks():
    wanted = {"brain_stem": ["Brainstem"], "left_eye": ["Orbit-Lt", "Eye L"]}
    assert match(wanted, ["BRAIN_STEM", "orbit_lt", "Cord"]) == {"brain_stem": "BRAIN_STEM", "left_eye": "orbit_lt"}


def test_an_exact_name_goes_before_a_like_one():
    assert match({"eye": ["Eye-L"]}, ["eye_l", "Eye-L"]) == {"eye": "Eye-L"}


def test_a_structure_that_is_there_twice_is_a_fault():
    with pytest.raises(UserError, match="'eye' is there 2 times"):
        match({"eye": ["Eye-L"]}, ["eye_l", "EYE L"])


def test_one_name_for_two_structures_is_a_fault():
    with pytest.raises(UserError, match="Two structures"):
        match({"eye": ["Eye"], "orbit": ["eye"]}, ["Eye"])


def test_a_missing_structure_comes_with_near_names():
    wanted = {"brain_stem": ["Brainstem"]}
    (fault,) = missing(wanted, {}, ["BrainStm", "Cord", "Lung"])
    assert "Did you mean 'BrainStm'?" in str(fault)
    assert "Lung" in str(fault)


def test_the_nearest_name_comes_first():
    (fault,) = missing({"left_eye": ["Eye_Lft"]}, {}, ["Eye R", "Eye_L", "Cord"])
    assert "Did you mean 'Eye_L' or 'Eye R'?" in str(fault)


def test_the_first_mask_wins():
    one, two = np.array([[[True, True, False]]]), np.array([[[False, True, True]]])
    assert merge([(1, one), (2, two)]).tolist() == [[[1, 1, 2]]]
    assert merge([(2, two), (1, one)]).tolist() == [[[1, 2, 2]]]


def test_order_gives_the_values(tmp_path):
    file = tmp_path / "structures.yaml"
    file.write_text("structures:\n  left_eye: [Eye L]\n  brain_stem: [Stem]\nmask: [BODY]\n", encoding="utf-8")
    names = read_names(file)
    assert names.values == {"left_eye": 1, "brain_stem": 2}
    assert names.mask == ("BODY",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "names no structure"),
        ("structures: []", "names no structure"),
        ("structures: {a: [x]}\nmaks: [y]", "Did you mean 'mask'?"),
        ("structures: {a: x}", "'a' has no list of names"),
        ("structures: {1a: [x]}", "cannot be used"),
        ("structures: {a: [x]\n", "cannot be read"),
    ],
)
def test_faults_of_the_file(tmp_path, text, told):
    file = tmp_path / "structures.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as fault:
        read_names(file)
    assert told in str(fault.value)
    assert "structures.yaml" in str(fault.value)


def test_all_faults_of_the_file_at_once(tmp_path):
    file = tmp_path / "structures.yaml"
    file.write_text("structures: {a: x, b: []}\nother: 1\n", encoding="utf-8")
    with pytest.raises(UserError, match="3 faults"):
        read_names(file)
