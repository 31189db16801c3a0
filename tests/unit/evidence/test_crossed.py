"""Crossed means: hand-worked analyses of variance, designs that say little, properties that any design has."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from globalmask.evidence.crossed import FEWEST_RUNS, Design, crossed_mean, predicted_run, t_interval

SQUARE = {"case": ["a", "b", "a", "b"], "run": [0, 0, 1, 1], "value": [1.0, 2.0, 3.0, 5.0]}


def crossing(cases, runs):
    pairs = [(case, run) for run in range(runs) for case in range(cases)]
    return [case for case, _ in pairs], [run for _, run in pairs]


def test_two_cases_in_two_runs_by_hand():
    # mean squares: cases 2.25, runs 6.25, rest 0.25, each with one degree of freedom
    found = crossed_mean(**SQUARE)
    variance = (2.25 + 6.25 - 0.25) / 4
    df = (2.25 + 6.25 - 0.25) ** 2 / (2.25**2 + 6.25**2 + 0.25**2)
    assert found.estimate == 2.75
    assert found.error == pytest.approx(math.sqrt(variance))
    assert found.df == pytest.approx(df)
    half = stats.t.ppf(0.975, df) * math.sqrt(variance)
    assert (found.low, found.high) == pytest.approx((2.75 - half, 2.75 + half))
    assert (found.runs, found.cases) == (2, 2)


def test_the_variances_are_those_of_the_analysis_of_variance():
    fit = Design(SQUARE["case"], SQUARE["run"]).fit(SQUARE["value"])
    np.testing.assert_allclose(fit.components, [[(2.25 - 0.25) / 2, (6.25 - 0.25) / 2, 0.25]])


def test_without_a_difference_between_runs_it_is_the_t_over_cases():
    case, run = crossing(3, 2)
    found = crossed_mean(case, run, [1, 4, 5.5, 2, 3, 5.5])
    assert (found.estimate, found.error, found.low, found.high) == pytest.approx(
        (3.5, math.sqrt(4 / 3), *t_interval([1.5, 3.5, 5.5])[2:])
    )
    assert found.df == pytest.approx(2)


def test_without_a_difference_between_cases_it_is_the_t_over_runs():
    case, run = crossing(2, 3)
    found = crossed_mean(case, run, [1, 2, 4, 3, 5.5, 5.5])
    assert (found.low, found.high) == pytest.approx(t_interval([1.5, 3.5, 5.5])[2:])


def test_without_either_it_is_the_t_of_all_values():
    case, run = crossing(2, 2)
    found = crossed_mean(case, run, [3, 1, 1, 3])
    assert (found.low, found.high) == pytest.approx(t_interval([3, 1, 1, 3])[2:])
    assert found.df == pytest.approx(3)


def test_where_every_run_has_its_own_cases_it_is_the_t_over_runs():
    found = crossed_mean([0, 1, 2, 3, 4, 5], [0, 0, 1, 1, 2, 2], [1, 3, 2, 6, 9, 1])
    assert (found.estimate, found.low, found.high) == pytest.approx(
        (t_interval([2, 4, 5])[0], *t_interval([2, 4, 5])[2:])
    )
    assert found.df == 2


def test_two_runs_that_agree_by_chance_are_not_surer_than_their_cases():
    found = crossed_mean([0, 1, 2, 3], [0, 0, 1, 1], [1, 3, 0, 4.02])  # runs differ by 0.01, cases by far more
    over_cases = stats.sem([1, 3, 0, 4.02])
    assert found.error == pytest.approx(over_cases)
    assert found.high - found.low == pytest.approx(2 * stats.t.ppf(0.975, 3) * over_cases)
    five = crossed_mean(range(10), np.repeat(range(5), 2), [1, 3, 0, 4.02, 1, 3.01, 2, 2.02, -1, 5])
    assert five.error < stats.sem([1, 3, 0, 4.02, 1, 3.01, 2, 2.02, -1, 5]) / 10
    assert five.df == 4


def test_in_folds_the_variances_are_unbiased():
    rng = np.random.default_rng(4)
    case, run = np.array([0, 1, 2, 3, 0, 1, 2, 3]), np.array([0, 0, 1, 1, 2, 2, 3, 3])
    draws = 40_000
    of_cases, of_runs = 3 * rng.standard_normal((draws, 4)), 2 * rng.standard_normal((draws, 4))
    values = of_cases[:, case] + of_runs[:, run] + rng.standard_normal((draws, 8))
    design = Design(case, run)
    np.testing.assert_allclose(design._estimated((0, 1, 2), values)[:, :2].mean(0), [9, 4], rtol=0.04)
    assert values.mean(1).var() == pytest.approx(9 / 4 + 4 / 4 + 1 / 8, rel=0.03)
    assert design.spread(np.array([[9.0, 4.0, 1.0]]))[0] == pytest.approx(9 / 4 + 4 / 4 + 1 / 8)


@pytest.mark.parametrize("runs", [FEWEST_RUNS - 1, FEWEST_RUNS])
def test_p_needs_five_runs(runs):
    case, run = crossing(3, runs)
    value = np.random.default_rng(1).normal(size=3 * runs)
    found = crossed_mean(case, run, value)
    assert math.isfinite(found.low)
    assert math.isnan(found.p) == (runs < FEWEST_RUNS)
    assert bool(found.notice) == (runs < FEWEST_RUNS)


def test_p_and_interval_agree():
    case, run = crossing(6, 6)
    value = np.random.default_rng(2).normal(0.4, 1, 36)
    found = crossed_mean(case, run, value)
    at = crossed_mean(case, run, value, level=1 - found.p)
    assert min(abs(at.low), abs(at.high)) == pytest.approx(0, abs=1e-9)


def test_one_run_has_an_interval_over_cases_and_no_p():
    found = crossed_mean(["a", "b", "c"], [0, 0, 0], [1, 2, 6])
    assert (found.estimate, found.low, found.high) == pytest.approx((3, *t_interval([1, 2, 6])[2:]))
    assert math.isnan(found.p)
    assert "one run" in found.notice


def test_one_case_has_an_interval_over_runs_and_no_p():
    found = crossed_mean(["a"] * 6, range(6), [1, 2, 6, 3, 4, 5])
    assert (found.low, found.high) == pytest.approx(t_interval([1, 2, 6, 3, 4, 5])[2:])
    assert math.isnan(found.p)
    assert "one case" in found.notice


def test_one_value_and_no_value():
    alone = crossed_mean(["a"], [0], [3.0])
    assert alone.estimate == 3
    assert math.isnan(alone.low)
    assert alone.notice
    nothing = crossed_mean(["a"], [0], [math.nan])
    assert math.isnan(nothing.estimate)
    assert (nothing.runs, nothing.cases, nothing.notice) == (0, 0, "no value")


@pytest.mark.parametrize(("value", "p"), [(0.1, math.nan), (0.0, 1.0)])
def test_equal_values(value, p):
    case, run = crossing(3, 6)
    found = crossed_mean(case, run, [value] * 18)
    assert (found.estimate, found.low, found.high) == pytest.approx((value, value, value))
    assert found.p == pytest.approx(p, nan_ok=True)
    assert "equal" in found.notice


def test_pairs_without_a_value_are_left_out():
    case, run = [*SQUARE["case"], "c"], [*SQUARE["run"], 1]
    assert crossed_mean(case, run, [*SQUARE["value"], math.nan]) == crossed_mean(**SQUARE)


def test_a_case_twice_in_a_run_is_refused():
    with pytest.raises(ValueError, match="twice"):
        crossed_mean([0, 0, 1], [0, 0, 1], [1, 2, 3])


def test_one_new_run_by_hand():
    # Variances 1, 3, 0.25 as above. The new run tests two new cases: variance of the mean + 1 / 2 + 3 + 0.25 / 2,
    # in mean squares 0.5 x cases + 0.75 x runs - 0.5 x rest.
    found = predicted_run(**SQUARE)
    variance = (1 / 2 + 3 / 2 + 0.25 / 4) + (1 / 2 + 3 + 0.25 / 2)
    df = variance**2 / ((0.5 * 2.25) ** 2 + (0.75 * 6.25) ** 2 + (0.5 * 0.25) ** 2)
    half = stats.t.ppf(0.975, df) * math.sqrt(variance)
    assert (found.estimate, found.low, found.high) == pytest.approx((2.75, 2.75 - half, 2.75 + half))
    assert math.isnan(found.p)


def test_one_new_run_where_every_run_has_its_own_cases():
    found = predicted_run([0, 1, 2, 3, 4, 5], [0, 0, 1, 1, 2, 2], [1, 3, 2, 6, 9, 1])
    half = stats.t.ppf(0.975, 2) * np.std([2, 4, 5], ddof=1) * math.sqrt(1 + 1 / 3)
    assert (found.low, found.high) == pytest.approx((11 / 3 - half, 11 / 3 + half))


def test_one_run_foretells_no_other():
    found = predicted_run(["a", "b", "c"], [0, 0, 0], [1, 2, 6])
    assert found.estimate == 3
    assert math.isnan(found.low)
    assert "one run" in found.notice


@given(
    st.sets(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=3, max_size=20).filter(
        lambda pairs: len({case for case, _ in pairs}) > 1 and len({run for _, run in pairs}) > 1
    ),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=150, deadline=None)
def test_any_incidence_gives_an_interval_that_moves_with_the_values(pairs, seed):
    case, run = np.array(sorted(pairs)).T
    value = np.random.default_rng(seed).normal(size=len(case))
    found = crossed_mean(case, run, value)
    assert found.low <= found.estimate <= found.high
    assert found.df > 0
    order = np.random.default_rng(seed).permutation(len(case))
    moved = crossed_mean(case[order] * 10, run[order] + 7, 5 + 2 * value[order])
    assert (moved.low, moved.high) == pytest.approx((5 + 2 * found.low, 5 + 2 * found.high), rel=1e-5, abs=1e-7)


def test_many_vectors_at_once_are_each_fitted_alone():
    case, run = crossing(4, 3)
    values = np.random.default_rng(8).normal(size=(200, 12))
    design = Design(case, run)
    whole = design.fit(values)
    alone = [design.fit(value) for value in values]
    np.testing.assert_allclose(whole.variance, [fit.variance[0] for fit in alone])
    np.testing.assert_allclose(whole.df, [fit.df[0] for fit in alone])
