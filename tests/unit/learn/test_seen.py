"""What a model saw, and the one sentence for each fact of a new scan that lies beyond it."""

from __future__ import annotations

import pytest

from globalmask.learn.seen import FACTS, differences, summary

HEAD = {
    "orientation": "RAS", "tilt_degrees": 2.0, "covered": 0.95, "lowest_hu": -1024.0, "highest_hu": 900.0,
    "tissue_hu": 30.0, "overlap": 0.92, "similarity": 0.8, "rotation_deg": 5.0,
}  # fmt: skip
SAW = summary([HEAD, HEAD | {"orientation": "LPS", "tilt_degrees": 6.0, "covered": 0.85, "tissue_hu": 40.0}])
CHEST = {name: value for name, value in HEAD.items() if name not in ("covered", "overlap", "similarity")}
CHEST |= {"height_mm": 250.0, "depth_mm": 350.0, "width_mm": 400.0}


def test_the_summary_has_the_range_of_each_fact():
    assert SAW["cases"] == 2
    assert SAW["orientations"] == ["LPS", "RAS"]
    assert SAW["ranges"]["covered"] == [0.85, 0.95]
    assert "height_mm" not in SAW["ranges"]


def test_a_scan_like_the_training_scans_is_no_news():
    assert differences(SAW, HEAD) == []
    assert differences(summary([CHEST]), CHEST) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"orientation": "SPL"}, "orientation"),
        ({"tilt_degrees": 17.0}, "orientation"),
        ({"covered": 0.7}, "field of view"),
        ({"lowest_hu": 0.0}, "HU"),
        ({"highest_hu": 4000.0}, "HU"),
        ({"highest_hu": 1.0}, "HU"),
        ({"tissue_hu": -60.0}, "HU"),
        ({"tissue_hu": None}, "HU"),
        ({"overlap": 0.8}, "registration"),
        ({"similarity": 0.6}, "registration"),
        ({"rotation_deg": 40.0}, "registration"),
    ],
)
def test_each_kind_of_difference_is_one_sentence(change, word):
    (sentence,) = differences(SAW, HEAD | change)
    assert sentence.startswith(word)


def test_a_scan_that_shows_more_or_less_than_any_training_scan():
    for height in (100.0, 1800.0):
        (sentence,) = differences(summary([CHEST]), CHEST | {"height_mm": height})
        assert sentence == f"field of view: height of the scan in mm: {height:g}; training scans had 250 to 250"


def test_better_than_the_training_scans_is_no_warning():
    assert differences(SAW, HEAD | {"covered": 1.0, "overlap": 0.99, "similarity": 0.99, "rotation_deg": 0.0}) == []


def test_a_fact_just_within_its_slack_is_no_warning():
    fact = FACTS["tissue_hu"]
    assert differences(SAW, HEAD | {"tissue_hu": 30.0 - fact.slack}) == []
    assert differences(SAW, HEAD | {"tissue_hu": 30.0 - fact.slack - 1})
