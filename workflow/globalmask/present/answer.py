"""Does the mask help? What the first screen of the report says, in words, from `analysis.csv`.

Of each size the paired gain in Dice (mean over structures) decides, by its adjusted p value:

- *equivalent*: the planned equivalence test at full size says that the gain lies inside the margin;
- *helps* or *harms*: the adjusted p value is below 0.05, and the gain is above or below 0;
- *does not help*: neither, but the whole interval lies below the margin, so no gain worth having is left;
- *undecided*: anything else, and every size that has too few runs for a test.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from globalmask.evidence.verdicts import ALPHA, MARGIN_DICE
from globalmask.present.evidence_files import pick
from globalmask.present.outputs import Plan, contrasted_variants, full_size
from globalmask.present.style import scenario_label

MASKED, UNAIDED = "ct_mask", "ct"
DASH = "–"
_NO_DIFFERENCE = f"makes no difference (within ±{MARGIN_DICE} Dice) with"
_SAID = {  # outcome: how a headline begins with it, and goes on with it
    "helps": ("the mask helps with", "helps with"),
    "harms": ("the mask harms with", "harms with"),
    "does not help": ("the mask does not help with", "does not help with"),
    "equivalent": (f"the mask {_NO_DIFFERENCE}", _NO_DIFFERENCE),
    "undecided": ("it is undecided whether the mask helps with", "undecided with"),
    "untested": ("there are too few runs to tell whether the mask helps with", "too few runs to tell with"),
}


@dataclass(frozen=True)
class Reading:
    """What the run says about one training size; Dice, NaN where not available."""

    n: int
    verdict: str
    gain: float
    low: float
    high: float
    level: float
    tested: bool
    certainty: str
    certainty_brief: str
    runs: int
    cases: int
    unaided: float
    masked: float
    without_collapsed: str

    @property
    def amount(self) -> str:
        """Gain with its interval."""
        return estimate_text(self.gain, self.low, self.high)


@dataclass(frozen=True)
class Answer:
    """What the run says about one variant of one arm."""

    arm: str
    variant: str
    synthetic: bool
    primary: bool
    headline: str
    readings: list[Reading]


def answers(plan: Plan, analysis: pd.DataFrame) -> list[Answer]:
    """An answer for each arm and each of its variants that has CT and CT + mask, the primary variant first."""
    found = []
    for arm in plan["arms"]:
        for place, variant in enumerate(contrasted_variants(plan, arm["name"])):
            mine = pick(analysis, arm=arm["name"], variant=variant, structure="", space="crop")
            sizes = readings(mine, full_size(arm))
            said = headline(sizes, arm["synthetic"])
            found.append(Answer(arm["name"], variant, arm["synthetic"], place == 0, said, sizes))
    return found


def readings(rows: pd.DataFrame, full: int) -> list[Reading]:
    """One reading a training size, from the rows of one arm and variant (mean over structures, prepared grid).

    The equivalence test is read at the full size alone, as planned.
    """
    gains = pick(rows, quantity="dice_gain", scenario=MASKED, reference=UNAIDED).dropna(subset=["n_train"])
    return [
        _reading(gain, rows[rows["n_train"] == gain["n_train"]], full) for gain in gains.sort_values("n_train").iloc
    ]


def verdict_of(gain: Mapping[str, Any], equivalence: Mapping[str, Any] | None) -> str:
    """One of the five words above from the row of the gain and, where planned, that of its equivalence test."""
    if equivalence is not None and _p(equivalence) < ALPHA:
        return "equivalent"
    p = gain["p_adjusted"]
    if math.isnan(p) or math.isnan(gain["estimate"]):
        return "undecided"
    if p < ALPHA:
        return "helps" if gain["estimate"] > 0 else "harms"
    return "does not help" if gain["high"] < MARGIN_DICE else "undecided"


def headline(sizes: Sequence[Reading], synthetic: bool) -> str:
    """One sentence over all sizes: where the mask helps, harms, makes no difference, and where nobody can tell."""
    where = "On these SYNTHETIC data" if synthetic else "On these data"
    if not sizes:
        return f"{where} CT and CT + mask were not compared."
    by_outcome: dict[str, list[int]] = {outcome: [] for outcome in _SAID}
    for reading in sizes:
        untested = reading.verdict == "undecided" and not reading.tested
        by_outcome["untested" if untested else reading.verdict].append(reading.n)
    (first, ns), *others = ((outcome, ns) for outcome, ns in by_outcome.items() if ns)
    parts = [f"{where} {_SAID[first][0]} {_cases(ns)}", *(f"{_SAID[other][1]} {_numbers(at)}" for other, at in others)]
    return "; ".join(parts) + "."


def sentence(reading: Reading) -> str:
    """One size in a full sentence: verdict, gain with interval, certainty, runs and cases."""
    said = {
        "helps": "the mask helps",
        "harms": "the mask harms",
        "does not help": "the mask does not help",
        "equivalent": "the mask makes no difference",
        "undecided": "undecided",
    }[reading.verdict]
    interval = f"{reading.low:+.3f} to {reading.high:+.3f}"
    return (
        f"With {_cases([reading.n])}, {said}: Dice {signed(reading.gain)}"
        f" ({100 * reading.level:.0f} % interval {typeset(interval)}); {reading.certainty};"
        f" {count(reading.runs, 'run')}, {count(reading.cases, 'test case')}."
    )


def certainty(gain: Mapping[str, Any], equivalence: Mapping[str, Any] | None, verdict: str) -> str:
    """Why the verdict is what it is: the p value that decided, or why there is none."""
    if verdict == "equivalent" and equivalence is not None:
        interval = typeset(f"{equivalence['low']:+.3f} to {equivalence['high']:+.3f}")
        return f"{100 * equivalence['level']:.0f} % interval {interval} inside ±{MARGIN_DICE}"
    if math.isnan(gain["p_adjusted"]):
        return str(gain["notice"]) or "no test"
    return f"adjusted {p_text(gain['p_adjusted'])}" + ("" if gain["family"] == "primary" else ", exploratory")


def certainty_brief(gain: Mapping[str, Any], equivalence: Mapping[str, Any] | None, verdict: str) -> str:
    """The same for a narrow column: `p < 0.001`, `90 %: −0.011 to +0.003`, `no test: 3 runs`."""
    if verdict == "equivalent" and equivalence is not None:
        return typeset(f"{100 * equivalence['level']:.0f} %: {equivalence['low']:+.3f} to {equivalence['high']:+.3f}")
    if math.isnan(gain["p_adjusted"]):
        return f"no test: {count(gain['runs'], 'run')}"
    return p_text(gain["p_adjusted"]) + ("" if gain["family"] == "primary" else ", exploratory")


def p_text(p: float) -> str:
    """`p = 0.013`, `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def estimate_text(estimate: float, low: float, high: float, digits: int = 3) -> str:
    """`+0.120 (+0.040 to +0.200)`, never broken inside the brackets.

    The estimate alone where there is no interval, a dash where there is no estimate.
    """
    if math.isnan(estimate):
        return DASH
    if math.isnan(low) or math.isnan(high):
        return signed(estimate, digits)
    return typeset(f"{estimate:+.{digits}f} ({low:+.{digits}f}\u00a0to\u00a0{high:+.{digits}f})")


def signed(value: float, digits: int = 3) -> str:
    """`+0.120`, `−0.034` with a true minus sign, or a dash."""
    return DASH if math.isnan(value) else typeset(f"{value:+.{digits}f}")


def typeset(text: str) -> str:
    """The text with true minus signs before its numbers, and `∞` for `inf`."""
    return re.sub(r"(?<![\w)])-(?=[\d.∞])", "−", re.sub(r"\binf\b", "∞", text))


def count(number: float, noun: str) -> str:
    """`1 run`, `10 runs`."""
    return f"{number:.0f} {noun}{'' if number == 1 else 's'}"


def _reading(gain: pd.Series, rows: pd.DataFrame, full: int) -> Reading:
    tested = _one(rows, quantity="dice_equivalence", scenario=MASKED, reference=UNAIDED)
    equivalence = tested if gain["n_train"] == full else None
    without = _one(rows, quantity="dice_gain_without_collapsed", scenario=MASKED, reference=UNAIDED)
    levels = [_one(rows, quantity="dice_level", scenario=scenario, reference="") for scenario in (UNAIDED, MASKED)]
    verdict = verdict_of(gain, equivalence)
    return Reading(
        n=int(gain["n_train"]),
        verdict=verdict,
        gain=gain["estimate"],
        low=gain["low"],
        high=gain["high"],
        level=gain["level"],
        tested=not math.isnan(gain["p_adjusted"]),
        certainty=certainty(gain, equivalence, verdict),
        certainty_brief=certainty_brief(gain, equivalence, verdict),
        runs=int(gain["runs"]),
        cases=int(gain["cases"]),
        unaided=math.nan if levels[0] is None else levels[0]["estimate"],
        masked=math.nan if levels[1] is None else levels[1]["estimate"],
        without_collapsed=_without(without, gain["runs"]),
    )


def _without(row: pd.Series | None, runs: float) -> str:
    if row is None:
        return DASH
    if math.isnan(row["estimate"]):
        return "no run is left"
    return "none collapsed" if row["runs"] == runs else f"{signed(row['estimate'])} ({count(row['runs'], 'run')})"


def _one(rows: pd.DataFrame, **wanted: object) -> pd.Series | None:
    found = pick(rows, **wanted)
    return None if found.empty else found.iloc[0]


def _p(row: Mapping[str, Any]) -> float:
    return float(row["p"] if math.isnan(row["p_adjusted"]) else row["p_adjusted"])


def _cases(sizes: Sequence[int]) -> str:
    return f"{_numbers(sizes)} training case{'' if list(sizes) == [1] else 's'}"


def _numbers(sizes: Sequence[int]) -> str:
    words = [str(n) for n in sizes]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def scenario_words(scenario: str, reference: str) -> str:
    """`CT + mask − CT`, or the scenario alone for a level."""
    return f"{scenario_label(scenario)} − {scenario_label(reference)}" if reference else scenario_label(scenario)
