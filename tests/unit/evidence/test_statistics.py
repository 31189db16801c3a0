"""Tests, effect sizes, shares and power, each against an answer worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from globalmask.evidence.crossed import Estimate, crossed_mean, t_interval
from globalmask.evidence.statistics import (
    adjusted,
    crossed_share,
    equivalence,
    incidence,
    nadeau_bengio,
    over_runs,
    power,
    rank_biserial,
    share,
    sign_flip,
)


def crossing(cases, runs, seed=0, mean=0.0, sd=0.01):
    value = np.random.default_rng(seed).normal(mean, sd, cases * runs)
    return crossed_mean(np.tile(np.arange(cases), runs), np.repeat(np.arange(runs), cases), value)


@pytest.mark.parametrize(
    ("values", "p"),
    [
        ([1, 2, 3, 4, 5], 2 / 2**5),
        (range(1, 11), 2 / 2**10),
        ([1, 1, -1], 1.0),
        # Of the 16 sums of +-1 +-2 +-3 +-4, two are 8 or more.
        ([-1, 2, 3, 4], 4 / 16),
    ],
)
def test_sign_flip_counts_the_signs(values, p):
    assert sign_flip(values) == pytest.approx(p)
    assert sign_flip([-value for value in values]) == pytest.approx(p)


def test_sign_flip_of_many_runs_is_drawn_and_repeats():
    values = np.random.default_rng(3).normal(0.5, 1, 20)
    assert sign_flip(values) == sign_flip(values)
    assert sign_flip(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.02)


def test_over_runs_has_p_from_five_runs_on():
    found = over_runs([1, 2, 3, 4, 5], 10)
    assert (found.estimate, found.low, found.high) == pytest.approx((3, *t_interval([1, 2, 3, 4, 5])[2:]))
    assert found.p == pytest.approx(0.0625)
    few = over_runs([1, 2, 3], 10)
    assert math.isnan(few.p)
    assert "3 runs" in few.notice


def test_nadeau_bengio_by_hand():
    found = nadeau_bengio([1, 2, 3, 4, 5], 10, tested_share=0.25)
    error = math.sqrt((1 / 5 + 0.25) * 2.5)
    assert found.error == pytest.approx(error)
    assert found.p == pytest.approx(2 * stats.t.sf(3 / error, 4))
    assert found.high == pytest.approx(3 + stats.t.ppf(0.975, 4) * error)
    assert math.isnan(nadeau_bengio([1], 10, tested_share=0.25).low)


def test_equivalence_is_the_90_percent_interval_inside_the_margin():
    difference = crossing(10, 6, mean=0.003)
    found = equivalence(difference, 0.02)
    assert found.level == 0.90
    half = stats.t.ppf(0.95, difference.df) * difference.error
    assert (found.low, found.high) == pytest.approx((difference.estimate - half, difference.estimate + half))
    assert found.p == pytest.approx(stats.t.sf((0.02 - abs(difference.estimate)) / difference.error, difference.df))
    edge = equivalence(difference, max(abs(found.low), abs(found.high)))
    assert edge.p == pytest.approx(0.05)


def test_equivalence_without_runs_enough_keeps_its_interval():
    found = equivalence(crossing(10, 3), 0.02)
    assert math.isfinite(found.low)
    assert math.isnan(found.p)
    assert "3 runs" in found.notice
    assert math.isnan(equivalence(Estimate(math.nan), 0.02).low)


@pytest.mark.parametrize(("gain", "p"), [(0.01, 0.0), (0.03, 1.0)])
def test_equivalence_of_equal_differences(gain, p):
    found = equivalence(crossing(4, 5, mean=gain, sd=0), 0.02)
    assert (found.p, found.low) == pytest.approx((p, gain))


@pytest.mark.parametrize(
    ("method", "expected"), [("holm", [0.03, math.nan, 0.06, 0.06]), ("bh", [0.03, math.nan, 0.04, 0.04])]
)
def test_adjusted_leaves_out_what_has_no_p(method, expected):
    assert adjusted([0.01, math.nan, 0.04, 0.03], method) == pytest.approx(expected, nan_ok=True)


def test_adjusting_nothing():
    assert np.isnan(adjusted([math.nan, math.nan], "holm")).all()


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([1, 2, -3], 0.0),
        ([1, -1, 2, 3], (-1.5 + 1.5 + 3 + 4) / 10),
        ([0, 0, 2, -1], (2 - 1) / 3),
        ([0.1 + 0.2 - 0.3, 1.0], 1.0),
        ([5, 6, 7], 1.0),
        ([0, 0], math.nan),
    ],
)
def test_rank_biserial_by_hand(differences, expected):
    assert rank_biserial(differences) == pytest.approx(expected, nan_ok=True)


def test_rank_biserial_of_rows():
    assert rank_biserial([[1, 2, -3], [0, 2, -1]]) == pytest.approx([0, 1 / 3])


def test_wilson_by_hand():
    z = stats.norm.ppf(0.975)
    assert share(0, 10) == pytest.approx((0, 0, z**2 / (10 + z**2)))
    centre, half = (0.4 + z**2 / 20) / (1 + z**2 / 10), z * math.sqrt(0.024 + z**2 / 400) / (1 + z**2 / 10)
    assert share(4, 10) == pytest.approx((0.4, centre - half, centre + half))
    assert np.isnan(share(0, 0)).all()


def test_a_share_of_rows_that_only_cases_differ_in_counts_cases():
    found = np.tile([1.0, 0, 1, 1, 0, 1, 1, 1, 0, 1], 8)
    mean = crossed_mean(np.tile(np.arange(10), 8), np.repeat(np.arange(8), 10), found)
    counted = crossed_share(mean)
    # p (1 - p) over the sample variance of ten cases: nine effective ones
    assert (counted.low, counted.high) == pytest.approx(share(0.7 * 9, 9)[1:])
    whole = crossed_mean(np.tile(np.arange(10), 8), np.repeat(np.arange(8), 10), np.ones(80))
    assert crossed_share(whole).low == pytest.approx(share(10, 10)[1])


def test_incidence_of_folds():
    design = incidence(10, 45, 5)
    assert (design.runs, design.cases, design.size) == (10, 45, 90)
    assert set(design.case[design.run == 7]) == set(range(18, 27))
    with pytest.raises(ValueError, match="equal size"):
        incidence(5, 46, 5)


SDS = {"run_sd": 0.02, "case_sd": 0.01, "rest_sd": 0.03}


def test_power_is_the_level_without_a_gain_and_grows():
    given = SDS | {"runs": 10, "cases": 10}
    assert power(0, **given) == pytest.approx(0.05)
    assert power(0.05, **given) > power(0.02, **given) > 0.05
    assert power(0.02, **given) > power(0.02, **given, alpha=0.05 / 4)
    assert power(0.02, **given) > power(0.02, **given | {"runs": 5})


def test_power_of_separate_folds_is_that_of_the_t_over_runs():
    # Five runs with nine cases each: variance of a run's mean 0.02^2 + (0.01^2 + 0.03^2) / 9, t with 4 df
    variance = (0.02**2 + (0.01**2 + 0.03**2) / 9) / 5
    limit, shift = stats.t.ppf(0.975, 4), 0.03 / math.sqrt(variance)
    expected = stats.nct.sf(limit, 4, shift) + stats.nct.cdf(-limit, 4, shift)
    assert power(0.03, **SDS, runs=5, cases=45, folds=5) == pytest.approx(expected)


def test_power_without_noise():
    assert power(0.01, run_sd=0, case_sd=0, rest_sd=0, runs=5, cases=5) == 1
