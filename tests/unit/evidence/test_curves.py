"""Curves over training sizes and over steps: hand-worked points, censored runs, bounds that are not extrapolated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from globalmask.evidence.crossed import t_interval
from globalmask.evidence.curves import (
    Reached,
    area_weights,
    drawn_interval,
    draws,
    equivalent_n,
    paired_ratio,
    reaching_size,
    restricted_mean,
    slope_weights,
    steps_ratio,
    steps_to,
    weighted_means,
)

SIZES = [1, 2, 4, 8]


def reached(*steps, never=()):
    return Reached(np.array([*steps, *never], float), np.array([True] * len(steps) + [False] * len(never)))


def test_area_is_the_trapezoid_over_doublings():
    assert area_weights([1, 2, 8]) == pytest.approx([0.5, 1.5, 1.0])
    assert area_weights([1, 2, 8]) @ [1, 1, 1] == pytest.approx(3)


def test_slope_is_the_change_per_doubling():
    assert slope_weights(SIZES) @ (0.4 + 0.1 * np.log2(SIZES)) == pytest.approx(0.1)
    assert slope_weights(SIZES).sum() == pytest.approx(0)


@pytest.mark.parametrize(
    ("level", "size"),
    [(0.2, 0), (0.3, 1), (0.4, math.sqrt(2)), (0.5, 2), (0.55, 4 * math.sqrt(2)), (0.6, 8), (0.61, math.inf)],
)
def test_the_size_that_reaches_a_level(level, size):
    assert reaching_size(SIZES, np.array([0.3, 0.5, 0.5, 0.6]), level) == pytest.approx(size)


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4).map(sorted), st.floats(0, 1))
def test_a_reached_size_is_inside_the_sizes_or_no_size(curve, level):
    size = reaching_size(SIZES, np.array(curve), level)
    assert size in (0, math.inf) or 1 <= size <= 8


def test_weighted_means_of_draws_by_hand():
    values = np.array([[[1.0, 2.0], [3.0, np.nan]]])
    runs, cases = np.array([[1, 1], [2, 0], [0, 2]]), np.array([[1, 1], [0, 2], [0, 2]])
    assert weighted_means(values, runs, cases)[:, 0] == pytest.approx([2, 2, math.nan], nan_ok=True)


def test_draws_are_as_many_as_there_are_units_and_repeat():
    found = draws(50, 7, seed=1)
    assert (found.sum(1) == 7).all()
    np.testing.assert_array_equal(found, draws(50, 7, seed=1))


def cubes(rng, gain_doublings=1.0, noise=0.0, runs=6, cases=8):
    unaided = 0.3 + 0.1 * np.log2(SIZES)
    shape = (4, runs, cases)
    common = noise * rng.standard_normal((1, runs, 1)) + noise * rng.standard_normal((1, 1, cases))
    pair = [unaided[:, None, None] + 0.1 * more + common for more in (0, gain_doublings)]
    return [level + noise / 3 * rng.standard_normal(shape) for level in pair]


def test_a_mask_worth_one_doubling_is_worth_twice_the_cases():
    found = equivalent_n(SIZES, *cubes(np.random.default_rng(0)))
    assert [row.estimate for row in found] == pytest.approx([2, 4, 8, math.inf])
    assert [row.low for row in found[:3]] == pytest.approx([2, 4, 8])
    assert "more than the largest" in found[3].notice
    assert (found[0].runs, found[0].cases) == (6, 8)


def test_a_mask_worth_nothing_is_worth_n_itself_and_its_interval_says_so():
    inside = 0
    for seed in range(40):
        row = equivalent_n(SIZES, *cubes(np.random.default_rng(seed), gain_doublings=0.0, noise=0.02))[1]
        inside += row.low <= 2 <= row.high
    assert inside >= 36


def test_below_the_smallest_size_is_a_bound_too():
    found = equivalent_n(SIZES, *cubes(np.random.default_rng(0), gain_doublings=-0.5))
    assert [row.estimate for row in found] == pytest.approx([0, math.sqrt(2), 2 * math.sqrt(2), 4 * math.sqrt(2)])
    assert "fewer than the smallest" in found[0].notice


def test_only_pairs_that_both_scenarios_tested_count():
    unaided, aided = cubes(np.random.default_rng(0))
    aided[:, 5] = np.nan
    unaided[:, 5] = 0.9
    assert [row.estimate for row in equivalent_n(SIZES, unaided, aided)[:3]] == pytest.approx([2, 4, 8])


def test_drawn_intervals():
    assert drawn_interval(np.append(np.arange(1001.0), np.nan)) == pytest.approx((25, 975))
    assert np.isnan(drawn_interval([math.nan])).all()


def test_the_first_step_that_reaches_a_dice():
    assert steps_to([50, 100, 150], [0.1, 0.5, 0.4], 0.5) == (100, True)
    assert steps_to([50, 100, 150], [0.1, 0.5, 0.4], 0.6) == (150, False)


@pytest.mark.parametrize(
    ("runs", "mean"),
    [
        (reached(100, 200), 150),
        (reached(100, 200, never=(300,)), 200),
        (reached(never=(300, 300)), 300),
        # One run left the study at 150: the other half of the remaining weight goes on to 250.
        (reached(100, 250, never=(150,)), 100 + 2 / 3 * 150),
    ],
)
def test_restricted_means_by_hand(runs, mean):
    assert restricted_mean(runs, 300) == pytest.approx(mean)


def test_a_scenario_twice_as_fast():
    found = steps_ratio(reached(100, 200, 300), reached(50, 100, 150), horizon=400)
    assert (found.estimate, found.low, found.high) == pytest.approx((2, 2, 2))


def test_the_jackknife_of_two_pairs_by_hand():
    found = steps_ratio(reached(100, 300), reached(100, 100), horizon=400)
    # all: log 2; without the first pair: log 3; without the second: log 1
    pseudo = 2 * math.log(2) - np.array([math.log(3), 0.0])
    half = stats.t.ppf(0.975, 1) * t_interval(pseudo)[1]
    assert found.estimate == pytest.approx(2)
    assert (found.low, found.high) == pytest.approx((2 * math.exp(-half), 2 * math.exp(half)))
    assert math.isnan(found.p)


def test_runs_that_never_arrive_count_as_late_and_are_told():
    found = steps_ratio(reached(100, never=(400,)), reached(100, 100), horizon=400)
    assert found.estimate == pytest.approx(250 / 100)
    assert "never reached by 1 runs of the reference and 0 of the scenario" in found.notice
    nobody = steps_ratio(reached(never=(400,)), reached(never=(400,)), horizon=400)
    assert math.isnan(nobody.estimate)
    assert "no run" in nobody.notice


def test_one_pair_has_no_interval():
    found = steps_ratio(reached(200), reached(100), horizon=400)
    assert found.estimate == pytest.approx(2)
    assert math.isnan(found.low)
    assert "one run" in found.notice


def test_paired_ratio_is_geometric():
    found = paired_ratio(np.array([2.0, 8.0] * 3), np.ones(6))
    assert found.estimate == pytest.approx(4)
    assert (math.log(found.low), math.log(found.high)) == pytest.approx(t_interval(np.log([2, 8] * 3))[2:])
    assert found.p == pytest.approx(stats.ttest_1samp(np.log([2, 8] * 3), 0).pvalue)
