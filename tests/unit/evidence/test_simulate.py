"""The primary test keeps its level where seeds and cases both make noise; the tests it replaces do not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from globalmask.evidence.crossed import t_interval
from globalmask.evidence.simulate import DESIGNS, NOISES, STATED, Noise, markdown, power_found, rates, table
from globalmask.evidence.statistics import power


@pytest.fixture(scope="module")
def rows():
    return table(number=6000, seed=2022)


def test_the_primary_test_finds_nothing_in_3_to_7_percent_too_many(rows):
    assert len(rows) == len(DESIGNS) * (1 + len(NOISES))
    found = {(name, noise): rate.crossed for name, noise, rate in rows if noise is not STATED}
    assert all(0.03 <= rate <= 0.07 for rate in found.values()), found


def test_a_test_over_runs_alone_finds_far_too_much_when_scenarios_differ_by_case(rows):
    found = [rate.runs_only for name, noise, rate in rows if "10 runs, 10 cases" in name and noise.case_sd == 0.04]
    assert max(found) == pytest.approx(0.34, abs=0.05)
    assert min(found) > 0.15


def test_one_run_over_its_cases_finds_a_difference_in_36_percent(rows):
    found = [rate.one_run for name, noise, rate in rows if "10 cases" in name and noise is STATED]
    assert found == pytest.approx([0.36] * len(found), abs=0.02)


@pytest.mark.parametrize("shape", [(3, 4, 1), (4, 5, 1), (6, 10, 1), (8, 20, 4), (7, 45, 5), (10, 45, 1)])
@pytest.mark.parametrize("sds", [(0.02, 0.02, 0.03), (0.0, 0.0, 0.03), (0.04, 0.0, 0.03), (0.0, 0.04, 0.03)])
def test_no_other_design_or_noise_makes_it_find_more(shape, sds):
    assert rates(*shape, Noise(*sds), number=3000, seed=2022).crossed <= 0.07


def test_t_intervals_hold_the_truth_in_93_to_97_percent():
    samples = np.random.default_rng(2022).normal(0.7, 0.1, (4000, 8))
    ends = np.array([t_interval(sample)[2:] for sample in samples])
    assert 0.93 <= ((ends[:, 0] <= 0.7) & (ends[:, 1] >= 0.7)).mean() <= 0.97


@pytest.mark.parametrize(("runs", "cases", "folds"), DESIGNS.values())
@pytest.mark.parametrize("gain", [0.02, 0.05])
def test_the_power_formula_says_what_simulation_finds(runs, cases, folds, gain):
    noise = Noise(run_sd=0.02, case_sd=0.02, rest_sd=0.03)
    stated = power(gain, **vars(noise), runs=runs, cases=cases, folds=folds)
    found = power_found(gain, runs, cases, folds, noise, number=4000, seed=2022)
    assert found == pytest.approx(stated, abs=0.03)


def test_the_table_names_every_rate(rows):
    text = markdown(rows[:1])
    assert f"{100 * rows[0][2].crossed:.1f} %" in text
    assert text.count("\n") == 2


def test_a_run_shifts_all_its_cases_together():
    rate = rates(5, 10, 1, Noise(run_sd=1.0, case_sd=0.0, rest_sd=1e-9), number=4000, seed=1)
    assert rate.one_run == 1
    assert rate.crossed == pytest.approx(rate.runs_only, abs=0.005)
    assert stats.binom.sf(rate.crossed * 4000, 4000, 0.05) > 1e-4
