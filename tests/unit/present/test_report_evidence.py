"""Rows of the report about the evidence: digits, signs, footnotes, and what is left out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from fake_evidence import CLAIM_COLUMNS, RECORD, analysis_of, analysis_row, claims
from globalmask.errors import UserError
from globalmask.present import report_evidence as evidence
from globalmask.present.answer import answers
from globalmask.present.evidence_files import read_analysis, read_analysis_record, read_claims

PLAN = {
    "arms": [{"name": "brain", "synthetic": True, "sizes": [1, 4]}],
    "variants": [{"name": "modern", "arms": ["brain"], "scenarios": ["ct", "mask", "ct_mask"]}],
}


@pytest.fixture
def judged(tmp_path: Path) -> pd.DataFrame:
    pd.DataFrame(claims(), columns=CLAIM_COLUMNS).to_csv(tmp_path / "claims.csv", index=False)
    return read_claims(tmp_path)


def test_a_verdict_shows_estimate_published_value_rule_and_footnotes(judged: pd.DataFrame) -> None:
    groups = dict(evidence.verdict_groups(judged))
    row = groups["supported"][0]
    assert row.estimate == "61.2 (30.1\u00a0to\u00a092.3) % of CT"
    assert (row.p, row.published, row.level_agrees) == ("< 0.001", "125.3; these structures: 42.5", "no")
    assert row.notes == ["I-05", "I-21"]
    assert row.words == "CT + mask raises the mean Dice over structures against CT (brain, n = 1)"
    assert groups["undecided"][0].published == "4.3"
    last = groups["not testable on this data"][1]
    assert (last.where, last.estimate, last.p, last.published) == ("–", "–", "–", "–")
    assert last.words.endswith("(both, all sizes)")


def test_counts_name_every_verdict(judged: pd.DataFrame) -> None:
    kept = judged[judged["verdict"] != "contradicted"]
    assert evidence.verdict_counts(kept) == [
        ("supported", 1),
        ("contradicted", 0),
        ("undecided", 1),
        ("not testable on this data", 3),
    ]
    assert "contradicted" not in dict(evidence.verdict_groups(kept))


def test_only_slips_that_are_named_are_explained(judged: pd.DataFrame) -> None:
    groups = evidence.verdict_groups(judged)
    assert [slip.name for slip in evidence.slips_in(groups)] == ["I-05", "I-16", "I-21"]
    assert evidence.slips_in(groups[1:2]) == []


def test_numbers_behind_show_only_measures_that_are_there() -> None:
    analysis = analysis_of(
        analysis_row("dice_gain", 4, 0.1, (0.05, 0.15)),
        analysis_row("dice_level", 4, 0.412, scenario="ct", reference=""),
        analysis_row("com_mm_gain", 4, -1.257, (-2.0, -0.5)),
        analysis_row("hd95_mm_gain", 4, float("nan"), notice="no pair in which both have a value"),
        analysis_row("share_improved", 4, 0.75, (0.5, 0.9)),
        analysis_row("share_improved", 4, 0.1, scenario="mask"),
    )
    found = answers(PLAN, analysis)
    dice, other = evidence.dice_numbers(found, analysis), evidence.other_numbers(found, analysis)
    assert dice.header[3:] == ["CT", "CT + mask", "Gain in Dice", "Share of cases improved", "Runs × cases"]
    share = "0.75 (0.50\u00a0to\u00a00.90)"
    assert dice.rows == [
        ["brain (SYNTHETIC)", "modern", "4", "0.412", "–", "+0.100 (+0.050\u00a0to\u00a0+0.150)", share, "10 × 12"]
    ]
    assert other.header[3:] == ["Change of centre distance (mm)"]
    assert other.rows == [["brain (SYNTHETIC)", "modern", "4", "−1.26 (−2.00\u00a0to\u00a0−0.50)"]]
    assert evidence.other_numbers(found, analysis[:2]).rows == []


def test_other_inputs_leave_the_primary_contrast_out() -> None:
    analysis = analysis_of(
        analysis_row("dice_gain", 1, 0.1),
        analysis_row("dice_gain", 1, -0.2, (-0.3, -0.1), scenario="mask", p=0.001, p_adjusted=0.02),
        analysis_row("dice_gain", 1, 0.3, reference="mask"),
        analysis_row("dice_gain", 1, 0.4, scenario="mask", space="native"),
    )
    rows = evidence.other_contrasts(analysis).rows
    assert [row[2] for row in rows] == ["Mask − CT", "CT + mask − Mask"]
    assert rows[0][4:6] == ["−0.200 (−0.300\u00a0to\u00a0−0.100)", "0.020"]


def test_ratios_have_no_sign_and_missing_ones_have_a_reason() -> None:
    analysis = analysis_of(
        analysis_row("steps_ratio", 4, 1.8, (1.2, 2.6), space="", cases=0),
        analysis_row("equivalent_n", 26, float("inf"), (22.56, float("inf")), data="synthetic"),
        analysis_row("steps_ratio", 8, float("nan"), space="", notice="the learning rate is not constant"),
        analysis_row("gain_trend", None, -0.05, (-0.09, -0.01), p_adjusted=0.03),
        analysis_row("equivalent_n", 4, 7.5, scenario="mask"),
    )
    rows = evidence.curves(analysis).rows
    assert [row[0] for row in rows] == ["brain (SYNTHETIC)", "brain", "brain", "brain"]
    assert [row[4:] for row in rows] == [
        ["26", "∞ (22.6\u00a0to\u00a0∞)", "–", "10 × 12", ""],
        ["all", "−0.050 (−0.090\u00a0to\u00a0−0.010)", "0.030", "10 × 12", ""],
        ["4", "1.80 (1.20\u00a0to\u00a02.60)", "–", "10", ""],
        ["8", "–", "–", "10 × 12", "the learning rate is not constant"],
    ]


def test_shifts_name_the_shift_and_the_masks() -> None:
    method = "shift noise, masks frozen; slope from no shift to the strongest; t"
    row = analysis_row("intensity_slope_gain", 4, 0.12, (0.05, 0.19), scenario="mask", method=method, p_adjusted=0.01)
    (shown,) = evidence.shifts(analysis_of(row)).rows
    assert shown[:5] == ["brain", "modern", "shift noise, masks frozen", "Mask − CT", "4"]
    assert shown[5:] == ["+0.120 (+0.050\u00a0to\u00a0+0.190)", "0.010", "10 × 12"]
    assert evidence.shifts(analysis_of(row)[:0]).rows == []


def test_each_view_of_what_is_random_stands_beside_the_other() -> None:
    analysis = analysis_of(
        analysis_row("dice_gain_runs_only", 1, 0.1, p=0.002),
        analysis_row("dice_gain", 1, 0.1, p=0.03, p_adjusted=0.12),
    )
    rows = evidence.sensitivity(analysis).rows
    assert [(row[3], row[5]) for row in rows] == [("cases and runs (decides)", "0.030"), ("runs only", "0.002")]


def test_power_is_in_percent_with_its_assumptions() -> None:
    planned = evidence.power_planned(RECORD)
    assert planned.rows == [["0.05", "10", "10", "1", "100 %", "75 %"]]
    assert "SD between runs 0.02" in planned.note
    assert evidence.power_of_run(RECORD).rows[0][:4] == ["brain", "4", "0.05", "5"]


def test_missing_files_and_columns_are_told_plainly(tmp_path: Path) -> None:
    for read in (read_analysis, read_analysis_record, read_claims):
        with pytest.raises(UserError, match="not there"):
            read(tmp_path)
    (tmp_path / "analysis.csv").write_text("arm,estimate\n", encoding="utf-8")
    with pytest.raises(UserError, match="Columns are missing"):
        read_analysis(tmp_path)
