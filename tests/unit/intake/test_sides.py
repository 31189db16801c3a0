"""Pairs of structures by their names."""

from __future__ import annotations

from globalmask.intake.sides import mirror_partners, side_pairs


def test_pairs_are_told_by_one_word():
    names = ["brain_stem", "right_eye", "left_eye", "lens_L", "lens_R", "left_lung", "RV", "LV"]
    assert side_pairs(names) == [("left_eye", "right_eye"), ("lens_L", "lens_R")]
    assert mirror_partners(names) == {
        **{"left_eye": "right_eye", "right_eye": "left_eye"},
        **{"lens_L": "lens_R", "lens_R": "lens_L"},
    }
