"""From made-up scores with known answers to `analysis.csv`: estimates, families, notices, undefined values."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from scored import PLAN_OF_ANALYSIS, SCENARIOS, plan_of, rising, scores_of, write_run

from globalmask.errors import UserError
from globalmask.evidence.analysis import COLUMNS, ONE_STRUCTURE, analyse
from globalmask.evidence.gains import contrasts
from globalmask.evidence.statistics import adjusted

QUANTITIES = {
    *("dice_level", "com_mm_level", "dice_prediction", "com_mm_prediction", "dice_gain", "dice_gain_percent"),
    *("com_mm_gain", "nsd_3mm_gain", "hd95_mm_gain", "dice_gain_without_collapsed", "dice_gain_runs_only"),
    *("dice_equivalence", "rank_biserial", "share_improved", "collapse_share", "detection_rate", "equivalent_n"),
    *("area_gain", "gain_trend", "learning_gain", "steps_ratio", "hours_ratio", "hours_trend"),
}


def analysed(folder, scores, *, pace=None, robustness=None, facts=None, **plan):
    write_run(folder, scores, pace=pace, **(facts or {}))
    if robustness is not None:
        robustness.to_csv(folder / "robustness.csv", index=False)
    analyse(run_dir=folder, plan=plan_of(scores, **plan), plan_path=PLAN_OF_ANALYSIS)
    return pd.read_csv(folder / "analysis.csv", keep_default_na=False, na_values={name: [""] for name in NUMBERS})


NUMBERS = ("n_train", "estimate", "low", "high", "level", "p", "p_adjusted", "runs", "cases")


def pick(rows, quantity, scenario="ct_mask", reference="ct", n=None, structure="", space="crop"):
    found = rows[(rows["quantity"] == quantity) & (rows["scenario"] == scenario) & (rows["reference"] == reference)]
    found = found[(found["structure"] == structure) & (found["space"] == space)]
    found = found if n is None else found[found["n_train"] == n]
    assert len(found) == 1, (quantity, len(found))
    return found.iloc[0]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return analysed(tmp_path_factory.mktemp("run"), scores_of())


def test_columns_and_quantities_are_those_agreed(rows):
    assert tuple(rows.columns) == COLUMNS
    assert set(rows["quantity"]) == QUANTITIES


def test_known_answers(rows):
    assert pick(rows, "dice_gain", n=4).estimate == pytest.approx(0.05, abs=0.002)
    assert pick(rows, "dice_gain", n=4).p_adjusted < 0.001
    assert pick(rows, "dice_gain", "mask", n=4).estimate == pytest.approx(-0.05, abs=0.002)
    assert pick(rows, "dice_gain", "ct_mask", "mask", n=4).estimate == pytest.approx(0.1, abs=0.002)
    assert pick(rows, "com_mm_gain", n=4).estimate == pytest.approx(-0.5, abs=0.02)
    assert pick(rows, "share_improved", n=4).estimate == 1
    assert pick(rows, "rank_biserial", n=4).estimate == 1
    assert pick(rows, "equivalent_n", n=4).estimate == pytest.approx(4 * math.sqrt(2), rel=0.05)
    assert pick(rows, "equivalent_n", n=16).estimate == math.inf
    assert pick(rows, "area_gain").estimate == pytest.approx(4 * 0.05, abs=0.005)
    assert pick(rows, "gain_trend").estimate == pytest.approx(0, abs=0.002)
    assert pick(rows, "dice_level", "ct", "", n=1).estimate == pytest.approx(0.3 + 0.015 + 0.0125, abs=0.001)


def test_a_percentage_is_of_means_and_not_a_mean_of_percentages(rows):
    levels = [pick(rows, "dice_level", name, "", n=2).estimate for name in ("ct_mask", "ct")]
    found = pick(rows, "dice_gain_percent", n=2)
    assert found.estimate == pytest.approx(100 * (levels[0] - levels[1]) / levels[1], rel=1e-4)
    assert found.low < found.estimate < found.high
    assert math.isnan(found.p)


def test_the_primary_family_is_that_of_the_plan_adjusted_by_holm(rows):
    primary = rows[rows["family"] == "primary"]
    assert list(primary["n_train"]) == [1, 2, 4, 8]
    for name, value in {"quantity": "dice_gain", "scenario": "ct_mask", "reference": "ct", "structure": ""}.items():
        assert set(primary[name]) == {value}
    assert set(primary["space"]) == {"crop"}
    np.testing.assert_allclose(primary["p_adjusted"], adjusted(primary["p"], "holm"), rtol=1e-4)
    assert set(primary["adjusted_by"]) == {"holm"}


def test_equivalence_is_a_family_at_full_size_with_a_90_percent_interval(rows):
    family = rows[rows["family"] == "equivalence"]
    assert list(family["n_train"]) == [16]
    assert list(family["quantity"]) == ["dice_equivalence"]
    assert list(family["level"]) == [0.9]
    assert family["p"].iloc[0] > 0.99


def test_the_rest_is_exploratory_and_adjusted_inside_each_quantity(rows):
    rest = rows[(rows["family"] == "exploratory") & (rows["quantity"] == "com_mm_gain")]
    np.testing.assert_allclose(rest["p_adjusted"], adjusted(rest["p"], "bh"), rtol=1e-3)
    descriptive = rows[rows["reference"] == ""]
    assert set(descriptive["family"]) == {""}
    assert descriptive["p_adjusted"].isna().all()


def test_the_only_structure_repeats_the_mean_and_counts_in_no_family(rows):
    repeated = pick(rows, "dice_gain", n=4, structure="brain_stem")
    mean = pick(rows, "dice_gain", n=4)
    assert (repeated.estimate, repeated.p_adjusted, repeated.adjusted_by) == (mean.estimate, mean.p_adjusted, "holm")
    assert repeated.family == ""
    assert ONE_STRUCTURE in repeated.notice


def test_native_space_has_levels_and_gains_of_its_own(rows):
    assert pick(rows, "dice_gain", n=4, space="native").family == "exploratory"
    assert set(rows[rows["space"] == "native"]["quantity"]) == {"dice_level", "com_mm_level", "dice_gain"}


@pytest.mark.parametrize("replicates", [1, 3])
def test_few_replicates_give_intervals_and_notices_and_no_p(tmp_path, replicates):
    found = analysed(tmp_path, scores_of(replicates=replicates), schedule="constant")
    assert found["p"].isna().all()
    assert found["p_adjusted"].isna().all()
    primary = found[found["family"] == "primary"]
    assert primary["low"].notna().all()
    assert primary["notice"].str.contains("one run" if replicates == 1 else "3 runs: no p value under 5").all()
    silent = found[found["estimate"].isna() | found["low"].isna()]
    assert (silent["notice"] != "").all(), silent[silent["notice"] == ""]


def test_two_structures_two_arms_and_two_variants(tmp_path):
    parts = [
        scores_of(arm="brain", structures=("brain_stem", "left_eye"), sizes=(1, 2)),
        scores_of(arm="heart", sizes=(1, 2, 4)),
        scores_of(arm="heart", variant="paper", sizes=(1, 2, 4)),
    ]
    found = analysed(tmp_path, pd.concat(parts, ignore_index=True))
    primary = found[found["family"] == "primary"]
    assert sorted(zip(primary["arm"], primary["n_train"], strict=True)) == [
        *[("brain", 1), ("brain", 2)],
        *[("heart", 1), ("heart", 2), ("heart", 4)],
    ]
    assert set(primary["variant"]) == {"modern"}
    np.testing.assert_allclose(primary["p_adjusted"], adjusted(primary["p"], "holm"), rtol=1e-4)
    of_structure = found[(found["structure"] == "left_eye") & (found["quantity"] == "dice_gain")]
    assert set(of_structure["family"]) == {"exploratory"}
    assert set(found[found["family"] == "equivalence"]["n_train"]) == {2, 4}


def test_synthetic_and_real_data_form_families_apart(tmp_path):
    parts = [scores_of(arm="brain"), scores_of(arm="heart", data="synthetic")]
    found = analysed(tmp_path, pd.concat(parts, ignore_index=True))
    for _, primary in found[found["family"] == "primary"].groupby("data"):
        assert len(primary) == 4
        np.testing.assert_allclose(primary["p_adjusted"], adjusted(primary["p"], "holm"), rtol=1e-4)


def test_a_collapsed_run_is_counted_and_left_out(tmp_path):
    def dice(scenario, n, replicate, case):
        return 0.0 if (scenario, n, replicate) == ("ct", 2, 1) else rising(scenario, n, replicate, case)

    found = analysed(tmp_path, scores_of(dice))
    assert pick(found, "collapse_share", "ct", "", n=2).estimate == pytest.approx(1 / 6, rel=1e-4)
    assert pick(found, "collapse_share", "ct", "", n=4).estimate == 0
    assert pick(found, "dice_gain", n=2).estimate > 0.1
    without = pick(found, "dice_gain_without_collapsed", n=2)
    assert without.estimate == pytest.approx(0.05, abs=0.002)
    assert without.runs == 5
    assert "1 collapsed runs left out" in without.notice
    assert "no run collapsed" in pick(found, "dice_gain_without_collapsed", n=4).notice


def test_a_collapse_of_one_structure_is_that_structures_and_anys(tmp_path):
    scores = scores_of(structures=("brain_stem", "left_eye"), sizes=(1, 2))
    lost = (scores["structure"] == "left_eye") & (scores["scenario"] == "ct") & (scores["replicate"] < 3)
    found = analysed(tmp_path, scores.assign(dice=scores["dice"].mask(lost, 0.0)))
    shares = [pick(found, "collapse_share", "ct", "", n=1, structure=name).estimate for name in ("", "left_eye")]
    assert shares == [0.5, 0.5]
    assert pick(found, "collapse_share", "ct", "", n=1, structure="brain_stem").estimate == 0


def test_what_was_not_found_has_no_distance_and_is_counted(tmp_path):
    scores = scores_of(sizes=(1, 2))
    missed = (scores["scenario"] == "ct") & (scores["case"] == "c0") & (scores["n_train"] == 1)
    scores = scores.assign(
        com_mm=scores["com_mm"].mask(missed), status=scores["status"].mask(missed, "pred_empty")
    ).assign(dice=scores["dice"].mask(missed, 0.0))
    found = analysed(tmp_path, scores)
    assert pick(found, "detection_rate", "ct", "", n=1).estimate == pytest.approx(0.75)
    assert pick(found, "detection_rate", "ct_mask", "", n=1).estimate == 1
    level = pick(found, "com_mm_level", "ct", "", n=1)
    assert "found in 18 of 24" in level.notice
    diagonal = 200 * math.sqrt(3)
    assert f"{0.75 * level.estimate + 0.25 * diagonal:.1f}" in level.notice
    assert "both have a value in 18 of 24" in pick(found, "com_mm_gain", n=1).notice
    assert pick(found, "com_mm_gain", n=1).cases == 3


def test_a_structure_that_is_in_neither_image_is_left_out_of_dice(tmp_path):
    scores = scores_of(structures=("brain_stem", "left_eye"), sizes=(1, 2))
    absent = (scores["structure"] == "left_eye") & (scores["case"] == "c0")
    scores = scores.assign(dice=scores["dice"].mask(absent), status=scores["status"].mask(absent, "both_empty"))
    found = analysed(tmp_path, scores)
    assert pick(found, "dice_gain", n=1).cases == 4
    assert pick(found, "dice_gain", n=1, structure="left_eye").cases == 3
    assert pick(found, "detection_rate", "ct", "", n=1, structure="left_eye").cases == 3


def test_rotated_folds_cross_cases_and_runs_and_give_nadeau_bengio(tmp_path):
    found = analysed(tmp_path, scores_of(folds=3, cases=5), folds=3)
    gain = pick(found, "dice_gain", n=2)
    assert (gain.runs, gain.cases) == (6, 15)
    corrected = pick(found, "dice_gain_nadeau_bengio", n=2)
    assert "test share 0.143" in corrected.method  # 5 tested of 40
    plain = pick(found, "dice_gain_runs_only", n=2)
    assert corrected.high - corrected.low == pytest.approx((plain.high - plain.low) * math.sqrt(1 + 6 / 7), rel=1e-3)


def pace(scenario, n, replicate, case):
    return {"ct": 200.0, "mask": 400.0, "ct_mask": 100.0}[scenario] / n


def test_steps_and_hours_at_a_constant_rate(tmp_path):
    found = analysed(tmp_path, scores_of(sizes=(1, 2, 4)), pace=pace, schedule="constant")
    steps = pick(found, "steps_ratio", n=1, space="")
    assert steps.estimate == pytest.approx(2)
    assert "0.760" in steps.notice
    assert pick(found, "hours_ratio", "mask", n=2, space="").estimate == pytest.approx(0.5)
    assert pick(found, "hours_trend", "ct", "", space="").estimate == pytest.approx(-1)


@pytest.mark.parametrize(("shared", "power"), [(1, 1), (2, 2), (None, 2)])
def test_where_trainings_may_have_shared_a_gpu_their_steps_stand_for_hours(tmp_path, shared, power):
    facts = {"device": "cuda: Fake", "trainings_per_gpu": shared}
    found = analysed(tmp_path, scores_of(sizes=(1, 2, 4)), pace=pace, schedule="constant", facts=facts)
    ratio = pick(found, "hours_ratio", "mask", n=2, space="")
    trend = pick(found, "hours_trend", "ct", "", space="")
    assert (ratio.estimate, trend.estimate) == (pytest.approx(0.5**power), pytest.approx(-power))
    assert [("steps in place of hours" in row.notice) for row in (ratio, trend)] == [power == 2] * 2


@pytest.mark.parametrize("schedule", ["constant", "one_cycle"])
def test_the_gain_while_learning_is_the_mean_over_validations(tmp_path, schedule):
    found = analysed(tmp_path, scores_of(sizes=(1, 2)), pace=pace, schedule=schedule)
    early = pick(found, "learning_gain", n=1, space="")  # 0.7 more Dice in 10 of 100 validations
    assert (early.estimate, early.family) == (pytest.approx(0.07), "exploratory")
    assert pick(found, "learning_gain", "mask", n=1, space="").estimate == pytest.approx(-0.14)


def test_the_gain_while_learning_ends_with_the_shorter_training(tmp_path):
    scores = scores_of(sizes=(1, 2))
    write_run(tmp_path, scores, pace=pace)
    for path in tmp_path.glob("*/*/ct/n1/*/history.csv"):
        pd.read_csv(path).query("step <= 150").to_csv(path, index=False)
    analyse(run_dir=tmp_path, plan=plan_of(scores), plan_path=PLAN_OF_ANALYSIS)
    early = pick(pd.read_csv(tmp_path / "analysis.csv", keep_default_na=False), "learning_gain", n="1", space="")
    assert float(early.estimate) == pytest.approx(0.7 * 6 / 15)


def test_under_a_schedule_convergence_is_not_judged(rows):
    steps = pick(rows, "steps_ratio", n=1, space="")
    assert math.isnan(steps.estimate)
    assert "not constant (one_cycle)" in steps.notice
    assert "one_cycle" in pick(rows, "hours_ratio", n=1, space="").notice


def test_a_reference_that_never_learned_sets_no_target(tmp_path):
    def late(scenario, n, replicate, case):
        return 2000.0

    found = analysed(tmp_path, scores_of(sizes=(1, 2)), pace=late, schedule="constant")
    assert pick(found, "steps_ratio", n=1, space="").estimate == pytest.approx(1)
    missing = analysed_without_histories(tmp_path / "other")
    for quantity in ("steps_ratio", "learning_gain"):
        assert "no validation Dice" in pick(missing, quantity, n=1, space="").notice
    assert "no hours" in pick(missing, "hours_ratio", n=1, space="").notice


def analysed_without_histories(folder):
    folder.mkdir()
    scores = scores_of(sizes=(1, 2))
    scores.to_csv(folder / "scores.csv", index=False)
    analyse(run_dir=folder, plan=plan_of(scores, schedule="constant"), plan_path=PLAN_OF_ANALYSIS)
    return pd.read_csv(folder / "analysis.csv", keep_default_na=False, na_values={name: [""] for name in NUMBERS})


def shifted(**slopes):
    """Scores under two shifts: Dice falls by `slopes` of a scenario from no shift to the strongest."""
    clean = scores_of(sizes=(4,), replicates=5).query("space == 'crop'")
    parts = [
        clean.assign(
            shift=shift, masks=masks, strength=strength, dice=clean["dice"] + clean["scenario"].map(slopes) * part
        )
        for shift, strengths in {"noise": (0, 20, 40), "gamma": (0, 1, 2)}.items()
        for masks in ("frozen", "remade")
        for strength, part in zip(strengths, (0, 0.5, 1), strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def test_slopes_over_shifts(tmp_path):
    robustness = shifted(ct=-0.3, mask=-0.1, ct_mask=-0.2)
    found = analysed(tmp_path, scores_of(sizes=(4, 8), replicates=5), robustness=robustness)
    slopes = found[found["quantity"] == "intensity_slope_gain"]
    assert len(slopes) == len(contrasts(SCENARIOS)) * 2 * 2
    against_ct = slopes[(slopes["scenario"] == "mask") & (slopes["reference"] == "ct")]
    assert list(against_ct["estimate"]) == pytest.approx([0.2] * 4)
    assert sorted(method.split(";")[0] for method in against_ct["method"]) == [
        f"shift {shift}, masks {masks}" for shift in ("gamma", "noise") for masks in ("frozen", "remade")
    ]


def test_a_scenario_without_ct_has_levels_and_no_gain(tmp_path):
    found = analysed(tmp_path, scores_of(scenarios=("mask",)))
    assert {"dice_level", "collapse_share"} <= set(found["quantity"])
    assert not found["quantity"].str.contains("gain").any()


def test_the_record_tells_plan_departures_and_power(tmp_path):
    analysed(tmp_path, scores_of(cases=10))
    record = json.loads((tmp_path / "analysis.json").read_text(encoding="utf-8"))
    assert len(record["sha256"]) == 64
    assert "arm brain: 6 replicates at n = 1, planned are 10" in record["departures"]
    assert record["primary_variant"] == {"brain": "modern"}
    assert {(row["runs"], row["cases"], row["folds"]) for row in record["power_of_run"]} == {(6, 10, 1)}
    assert {row["n_train"] for row in record["power_of_run"]} == {1, 2, 4, 8}
    assert record["power_planned"]


def test_without_scores_it_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match="scores of this run"):
        analyse(run_dir=tmp_path, plan=plan_of(scores_of()), plan_path=PLAN_OF_ANALYSIS)


def test_the_real_run_of_the_docs_is_analysed(repository, tmp_path):
    docs = repository / "docs" / "openkbp"
    scores = pd.read_csv(docs / "scores.csv")
    plan = json.loads((docs / "plan.json").read_text(encoding="utf-8"))
    for variant in plan["variants"]:
        variant["replicates"] = {"brain": {str(n): 3 for n in plan["arms"][0]["sizes"]}}
    (tmp_path / "scores.csv").write_bytes((docs / "scores.csv").read_bytes())
    analyse(run_dir=tmp_path, plan=plan, plan_path=PLAN_OF_ANALYSIS)
    found = pd.read_csv(tmp_path / "analysis.csv", keep_default_na=False, na_values={name: [""] for name in NUMBERS})
    box = scores[(scores["space"] == "crop") & (scores["n_train"] == 4)]
    means = box.groupby("scenario")["dice"].mean()
    assert pick(found, "dice_gain", n=4).estimate == pytest.approx(means["ct_mask"] - means["ct"], rel=1e-4)
    assert set(found["data"]) == {"real"}


def test_contrasts_are_against_ct_and_of_ct_mask_against_controls():
    found = contrasts(["ct", "mask", "ct_mask", "ct_coords"])
    assert found[0] == ("ct_mask", "ct")
    assert set(found) == {
        *[("ct_mask", "ct"), ("mask", "ct"), ("ct_coords", "ct")],
        *[("ct_mask", "mask"), ("ct_mask", "ct_coords")],
    }
    assert contrasts(["mask"]) == []
