"""The committed plan of analysis: closed, its power computed, and what a run lacks of it told."""

from __future__ import annotations

import hashlib
import re

import pytest
from scored import PLAN_OF_ANALYSIS, plan_of, scores_of

from globalmask.errors import UserError
from globalmask.evidence.analysis_plan import (
    PlannedDesign,
    departures,
    power_rows,
    primary_variant,
    read_analysis_plan,
    write_power,
)
from globalmask.evidence.crossed import FEWEST_RUNS
from globalmask.evidence.verdicts import ALPHA, MARGIN_DICE
from globalmask.provenance import sha256


@pytest.fixture(scope="module")
def plan():
    return read_analysis_plan(PLAN_OF_ANALYSIS)


def test_the_committed_power_is_what_the_command_computes(plan, tmp_path):
    assert list(plan.power) == power_rows(plan, plan.designs)
    copy = tmp_path / "plan.yaml"
    copy.write_bytes(PLAN_OF_ANALYSIS.read_bytes())
    write_power(copy)
    assert copy.read_bytes() == PLAN_OF_ANALYSIS.read_bytes()


def test_power_is_written_below_what_people_wrote(plan, tmp_path):
    copy = tmp_path / "plan.yaml"
    text = PLAN_OF_ANALYSIS.read_text(encoding="utf-8")
    copy.write_text(text.replace("rest_sd: 0.03", "rest_sd: 0.06"), encoding="utf-8")
    write_power(copy)
    found = read_analysis_plan(copy)
    assert all(new.alone <= old.alone for new, old in zip(found.power, plan.power, strict=True))
    assert found.power != plan.power
    assert "# The plan of analysis" in copy.read_text(encoding="utf-8")


def test_the_plan_says_what_the_code_does(plan):
    assert (plan.primary.alpha, plan.equivalence.margin_dice) == (ALPHA, MARGIN_DICE)
    assert plan.fewest_runs == FEWEST_RUNS
    assert (plan.primary.scenario, plan.primary.reference, plan.primary.sizes) == ("ct_mask", "ct", (1, 2, 4, 8))
    assert plan.equivalence.margin_dice == 0.02


def test_the_first_step_of_holm_has_the_level_of_the_whole_family(plan):
    alone, first = (row for row in power_rows(plan, [PlannedDesign(runs=10, cases=10)])[:2])
    assert alone.first_of_family < alone.alone
    assert (alone.gain, first.gain) == plan.gains


def test_digest_is_that_of_the_file():
    assert sha256(PLAN_OF_ANALYSIS) == hashlib.sha256(PLAN_OF_ANALYSIS.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("  alpha: 0.05", "  alhpa: 0.05", ["primary.alhpa", "primary.alpha"]),
        ("adjusted_by: holm              # over", "adjusted_by: none  #", ["primary.adjusted_by"]),
        ("fewest_runs: 5", "fewest_runs: 2", ["fewest_runs"]),
        ("margin_dice: 0.02", "margin_dice: -1", ["equivalence.margin_dice"]),
    ],
)
def test_a_faulty_plan_is_refused_with_every_fault(tmp_path, old, new, told):
    text = PLAN_OF_ANALYSIS.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "plan.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError, match=re.escape(told[0])) as caught:
        read_analysis_plan(path)
    assert all(word in str(caught.value) for word in [*told, "plan.yaml"])


def run_of(**given):
    return plan_of(scores_of(**{"sizes": (1, 2, 4, 8, 16, 26), "replicates": 10, "cases": 2} | given))


def test_a_run_as_planned_departs_in_nothing(plan):
    assert departures(plan, run_of()) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"replicates": 9}, "9 replicates at n = 1, planned are 10"),
        ({"replicates": 9}, "9 replicates at n = 26, planned are 10"),
        ({"replicates": 1}, "1 replicate at n = 26, planned are 10"),
        ({"sizes": (1, 2, 4, 26)}, "size 8 is not trained"),
        ({"variant": "paper"}, "the first variant is paper, planned is modern"),
        ({"scenarios": ("ct", "mask")}, "scenario ct_mask is not trained"),
        ({"data": "synthetic"}, "the data are synthetic, planned are real ones"),
    ],
)
def test_departures_are_told(plan, given, told):
    assert f"arm brain: {told}" in departures(plan, run_of(**given))


def test_a_size_outside_the_families_may_be_missing(plan):
    assert departures(plan, run_of(sizes=(1, 2, 4, 8, 26))) == []


def test_five_replicates_at_16_are_planned_unless_16_is_full(plan):
    run = run_of()
    run["variants"][0]["replicates"]["brain"]["16"] = 5
    assert departures(plan, run) == []
    run["arms"][0]["sizes"] = [1, 2, 4, 8, 16]
    assert departures(plan, run) == ["arm brain: 5 replicates at n = 16, planned are 10"]


def test_the_primary_variant_is_the_first_that_trains_on_the_arm():
    variants = [{"name": "a", "arms": ["heart"]}, {"name": "b", "arms": ["brain", "heart"]}]
    assert primary_variant({"variants": variants}, "brain")["name"] == "b"
    assert primary_variant({"variants": variants}, "knee") is None
