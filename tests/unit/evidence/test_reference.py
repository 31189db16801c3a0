"""A variant against the reference, by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from globalmask.evidence.reference import ENOUGH, WEAK, against_reference


def scores(variant, dices, *, n=4, replicate=0, scenario="ct", space="crop", structure="brain_stem", arm="brain"):
    """Rows of one run: Dice by case."""
    about = {"arm": arm, "variant": variant, "scenario": scenario, "n_train": n, "replicate": replicate}
    rows = [{"case": case, "structure": structure, "space": space, "dice": dice} for case, dice in dices.items()]
    return pd.DataFrame([about | row for row in rows])


def test_means_difference_and_interval_of_one_run():
    (found,) = against_reference(
        scores("modern", {"a": 0.70, "b": 0.80, "c": 0.75}), scores("nnunet", {"a": 0.71, "b": 0.79, "c": 0.78})
    )
    assert (found.arm, found.variant, found.reference, found.n_train) == ("brain", "modern", "nnunet", 4)
    assert found.variant_dice == pytest.approx(0.75)
    assert found.reference_dice == pytest.approx(0.76)
    assert found.difference.estimate == pytest.approx(-0.01)
    half = 4.302653 * 0.02 / math.sqrt(3)  # t of 2 degrees of freedom; differences -0.01, 0.01, -0.03
    assert found.difference.low == pytest.approx(-0.01 - half, abs=1e-6)
    assert (found.difference.cases, found.difference.runs) == (3, 1)
    assert math.isnan(found.difference.p)


@pytest.mark.parametrize(
    ("ours", "verdict"), [(0.70, WEAK), (0.7299, WEAK), (0.73, ENOUGH), (0.745, ENOUGH), (0.90, ENOUGH)]
)
def test_more_than_two_hundredths_below_is_weak(ours, verdict):
    (found,) = against_reference(scores("modern", {"a": ours, "b": ours}), scores("nnunet", {"a": 0.75, "b": 0.75}))
    assert found.verdict == verdict
    assert found.sentence.endswith(f"(2 cases, 1 run): {verdict}")


def test_only_tests_that_both_made_enter():
    ours = pd.concat(
        [
            scores("modern", {"a": 0.7, "b": 0.8, "only_ours": 0.1}),
            scores("modern", {"d": 0.1}, replicate=1),
            scores("modern", {"a": 0.2}, scenario="ct_mask"),
            scores("modern", {"a": 0.3}, space="native"),
            scores("modern", {"a": 0.4}, n=8),
        ]
    )
    (found,) = against_reference(ours, scores("nnunet", {"a": 0.6, "b": 0.6, "only_theirs": 0.9}))
    assert found.n_train == 4
    assert (found.variant_dice, found.reference_dice) == (pytest.approx(0.75), pytest.approx(0.6))


def test_every_variant_and_size_is_compared_and_other_arms_are_not():
    ours = pd.concat(
        [
            scores("paper", {"a": 0.1, "b": 0.2}, n=26),
            scores("modern", {"a": 0.8, "b": 0.9}, n=26),
            scores("modern", {"a": 0.5, "b": 0.6}, n=4),
            scores("shapes", {"a": 0.5, "b": 0.6}, arm="readers"),
        ]
    )
    reference = pd.concat([scores("nnunet", {"a": 0.8, "b": 0.8}, n=26), scores("nnunet", {"a": 0.8, "b": 0.8})])
    found = {(each.variant, each.n_train): each.verdict for each in against_reference(ours, reference)}
    assert found == {("paper", 26): WEAK, ("modern", 4): WEAK, ("modern", 26): ENOUGH}


def test_runs_and_structures_are_averaged_as_elsewhere():
    ours, theirs = (
        pd.concat(
            [
                scores(variant, {"a": dice}, replicate=replicate, structure=structure)
                for replicate in (0, 1)
                for structure, dice in (("left_eye", level), ("right_eye", level + 0.2))
            ]
        )
        for variant, level in (("modern", 0.5), ("nnunet", 0.51))
    )
    (found,) = against_reference(ours, theirs)
    assert found.difference.runs == 2
    assert found.variant_dice == pytest.approx(0.6)
    assert found.difference.estimate == pytest.approx(-0.01)
