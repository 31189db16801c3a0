"""What the first screen says: a hand-made analysis gives exactly the expected words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fake_evidence import analysis_of, analysis_row
from globalmask.present.answer import answers, estimate_text, headline, p_text, readings, sentence, typeset, verdict_of

TESTED = {"p": 0.001, "p_adjusted": 0.004, "adjusted_by": "holm"}
NOT_TESTED = {"runs": 3, "notice": "3 runs: no p value under 5"}
UNSURE = {"p": 0.2, "p_adjusted": 0.4}
EXPLORATORY = {"family": "exploratory", "adjusted_by": "bh"}


def gain(n: int, estimate: float, low: float, high: float, **more: Any) -> dict[str, Any]:
    return analysis_row("dice_gain", n, estimate, (low, high), **more)


def equivalence(n: int, p: float) -> dict[str, Any]:
    return analysis_row("dice_equivalence", n, -0.004, (-0.011, 0.003), level=0.9, p=p, family="equivalence")


@pytest.mark.parametrize(
    ("row", "test", "expected"),
    [
        (gain(1, 0.21, 0.12, 0.30, **TESTED), None, "helps"),
        (gain(1, -0.21, -0.30, -0.12, **TESTED), None, "harms"),
        (gain(1, 0.03, -0.01, 0.07, **UNSURE), None, "undecided"),
        (gain(1, 0.03, 0.001, 0.059, p=0.04, p_adjusted=0.09), None, "undecided"),  # the adjusted one decides
        (gain(1, -0.01, -0.035, 0.015, **UNSURE), None, "does not help"),
        (gain(1, -0.01, -0.04, 0.02, **UNSURE), None, "undecided"),  # a gain of the margin is still possible
        (gain(1, 0.21, 0.12, 0.30, **NOT_TESTED), None, "undecided"),
        (gain(26, -0.004, -0.013, 0.005, **UNSURE), equivalence(26, 0.01), "equivalent"),
        (gain(26, -0.004, -0.030, 0.022, **UNSURE), equivalence(26, 0.20), "undecided"),
        (gain(26, 0.012, 0.006, 0.018, **TESTED), equivalence(26, 0.01), "equivalent"),  # too small to count
    ],
)
def test_the_verdict_of_a_size(row: dict[str, Any], test: dict[str, Any] | None, expected: str) -> None:
    assert verdict_of(row, test) == expected


def test_every_size_is_a_sentence() -> None:
    rows = analysis_of(
        gain(26, -0.004, -0.013, 0.005, **UNSURE | EXPLORATORY),
        equivalence(26, 0.01),
        gain(16, -0.015, -0.04, 0.01, p=0.3, p_adjusted=0.5, **EXPLORATORY),
        gain(8, -0.05, -0.08, -0.02, p=0.002, p_adjusted=0.006),
        gain(4, 0.03, -0.01, 0.07, **UNSURE),
        gain(2, 0.10, -0.01, 0.21, **NOT_TESTED),
        gain(1, 0.2134, 0.1249, 0.3019, p=0.0001, p_adjusted=0.0004),
    )
    assert [sentence(reading) for reading in readings(rows, 26)] == [
        "With 1 training case, the mask helps: Dice +0.213 (95 % interval +0.125 to +0.302); adjusted p < 0.001; "
        "10 runs, 12 test cases.",
        "With 2 training cases, undecided: Dice +0.100 (95 % interval −0.010 to +0.210); 3 runs: no p value "
        "under 5; 3 runs, 12 test cases.",
        "With 4 training cases, undecided: Dice +0.030 (95 % interval −0.010 to +0.070); adjusted p = 0.400; "
        "10 runs, 12 test cases.",
        "With 8 training cases, the mask harms: Dice −0.050 (95 % interval −0.080 to −0.020); adjusted p = 0.006; "
        "10 runs, 12 test cases.",
        "With 16 training cases, the mask does not help: Dice −0.015 (95 % interval −0.040 to +0.010); "
        "adjusted p = 0.500, exploratory; 10 runs, 12 test cases.",
        "With 26 training cases, the mask makes no difference: Dice −0.004 (95 % interval −0.013 to +0.005); "
        "90 % interval −0.011 to +0.003 inside ±0.02; 10 runs, 12 test cases.",
    ]


def test_the_headline_names_every_size_once() -> None:
    rows = analysis_of(
        gain(1, 0.2, 0.1, 0.3, **TESTED),
        gain(2, 0.2, 0.1, 0.3, **TESTED),
        gain(4, 0.03, -0.01, 0.07, **UNSURE),
        gain(8, -0.05, -0.08, -0.02, **TESTED),
        gain(16, -0.01, -0.035, 0.015, **UNSURE),
        gain(26, -0.004, -0.013, 0.005, **UNSURE),
        equivalence(26, 0.01),
    )
    assert headline(readings(rows, 26), synthetic=False) == (
        "On these data the mask helps with 1 and 2 training cases; harms with 8; does not help with 16; makes no "
        "difference (within ±0.02 Dice) with 26; undecided with 4."
    )


def test_headlines_of_runs_that_decide_nothing() -> None:
    few = readings(analysis_of(*(gain(n, 0.2, 0.1, 0.3, **NOT_TESTED) for n in (1, 2, 4))), 4)
    assert headline(few, synthetic=True) == (
        "On these SYNTHETIC data there are too few runs to tell whether the mask helps with 1, 2 and 4 training cases."
    )
    unsure = [gain(1, 0.03, -0.01, 0.07, **UNSURE), gain(2, 0.2, 0.1, 0.3, **NOT_TESTED)]
    assert headline(readings(analysis_of(*unsure), 4), synthetic=False) == (
        "On these data it is undecided whether the mask helps with 1 training case; too few runs to tell with 2."
    )
    assert headline([], synthetic=False) == "On these data CT and CT + mask were not compared."


def test_only_the_mean_over_structures_on_the_prepared_grid_answers() -> None:
    plan = {
        "arms": [{"name": "brain", "synthetic": False, "sizes": [1, 4]}],
        "variants": [
            {"name": "modern", "arms": ["brain"], "scenarios": ["ct", "ct_mask"]},
            {"name": "masks", "arms": ["brain"], "scenarios": ["mask"]},
            {"name": "paper", "arms": ["brain"], "scenarios": ["ct", "mask", "ct_mask"]},
        ],
    }
    analysis = analysis_of(
        gain(1, 0.2, 0.1, 0.3, **TESTED),
        gain(1, 0.5, 0.4, 0.6, **TESTED, structure="left_eye"),
        gain(1, 0.5, 0.4, 0.6, **TESTED, space="native"),
        gain(1, 0.5, 0.4, 0.6, **TESTED, scenario="mask"),
        gain(1, -0.2, -0.3, -0.1, **TESTED, variant="paper"),
        analysis_row("dice_level", 1, 0.41, scenario="ct", reference=""),
        analysis_row("dice_level", 1, 0.61, reference=""),
        equivalence(1, 0.01),  # of no plan: 1 is not the full size
        analysis_row("dice_gain_without_collapsed", 1, 0.035, (-0.01, 0.08), runs=6),
    )
    modern, paper = answers(plan, analysis)
    assert (modern.variant, modern.primary, paper.variant, paper.primary) == ("modern", True, "paper", False)
    assert [(r.verdict, r.gain, r.unaided, r.masked) for r in modern.readings] == [("helps", 0.2, 0.41, 0.61)]
    assert modern.readings[0].without_collapsed == "+0.035 (6 runs)"
    assert [(r.verdict, r.gain) for r in paper.readings] == [("harms", -0.2)]
    assert np.isnan(paper.readings[0].unaided)


def test_numbers_in_words() -> None:
    assert [p_text(p) for p in (0.0009, 0.0123, 1.0)] == ["p < 0.001", "p = 0.012", "p = 1.000"]
    assert estimate_text(-0.0345, -0.1, 0.031, 2) == "−0.03 (−0.10\u00a0to\u00a0+0.03)"
    assert estimate_text(0.1, float("nan"), float("nan")) == "+0.100"
    assert estimate_text(float("nan"), 0.0, 0.0) == "–"
    assert estimate_text(7.4, 3.2, float("inf"), 1) == "+7.4 (+3.2\u00a0to\u00a0+∞)"
    assert typeset("[-inf, inf], infinite") == "[−∞, ∞], infinite"
    assert typeset("Holm-adjusted [-0.2, -.1], 3-5 cases, CT-1") == "Holm-adjusted [−0.2, −.1], 3-5 cases, CT-1"
