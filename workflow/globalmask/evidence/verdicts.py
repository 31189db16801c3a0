"""The rules that turn estimates into verdicts on the paper's claims (STATISTICS.md section 4, last notes).

A directed claim is supported when the interval lies wholly on the claimed side of a threshold and contradicted
when it lies wholly on the other; in the primary family the Holm-adjusted p decides instead of the interval. A claim
about every size needs every size. Equivalence is by two one-sided tests. What the interval leaves open is undecided,
and so is everything with one run or one case, whose interval holds for that run or case alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from globalmask.errors import UserError
from globalmask.evidence.clock import STEPS_FOR_HOURS

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
NOT_TESTABLE = "not testable on this data"
ALPHA = 0.05
MARGIN_DICE = 0.02  # smaller differences count as none; both as in workflow/config/analysis_plan.yaml
NOTHING = float("nan")


@dataclass(frozen=True)
class Claim:
    """One of C01 to C37; `n` is None for a claim about all sizes, `structure` empty for the mean over structures."""

    id: str
    kind: str
    n: int | None
    scenario: str
    reference: str
    quantity: str
    structure: str = ""

    @property
    def scenarios(self) -> tuple[str, ...]:
        """The scenarios that must have been trained."""
        return tuple(name for name in (self.scenario, self.reference) if name)


@dataclass(frozen=True)
class Outcome:
    """A verdict, the rule that decided in words, and the estimate shown with it."""

    verdict: str
    rule: str
    estimate: float = NOTHING
    low: float = NOTHING
    high: float = NOTHING
    p: float = NOTHING
    unit: str = ""


@dataclass(frozen=True)
class Rule:
    """A directed claim: the estimate that decides, its threshold (times n where `times_n`), the side (+1 above).

    `shown` is the estimate to show instead; rows with the word `skip` in their method do not count. A claim
    about every size needs `least` of them to be supported.
    """

    quantity: str
    side: int
    threshold: float
    unit: str
    words: str
    shown: str = ""
    times_n: bool = False
    skip: str = ""
    least: int = 1


_GAIN = Rule("dice_gain", +1, 0.0, "% of CT", "Dice difference", shown="dice_gain_percent")
# The share is of runs, the paper has one: is the collapse what a typical run does? Equivalent n: the threshold
# is halfway on the log scale between a mask worth nothing (n) and one that doubles the labels (2 n). Frozen masks
# make the mask-only model independent of intensity by construction, so they say nothing.
RULES = {
    "gain": _GAIN,
    "loss": replace(_GAIN, side=-1),
    "collapse": Rule("collapse_share", +1, 0.5, "share of runs", "share of runs that lose the structure (Wilson)"),
    "label efficiency": Rule("equivalent_n", +1, math.sqrt(2), "cases", "equivalent unaided cases", times_n=True),
    "training time": Rule("steps_ratio", +1, 1.0, "ratio of steps", "steps of CT / steps of CT + mask", least=2),
    "training time trend": Rule(
        "hours_trend", -1, 0.0, "log2 hours a doubling of n", "slope of log2 hours over log2 n"
    ),
    "trend": Rule("gain_trend", -1, 0.0, "Dice a doubling of n", "slope of the gain over log2 n"),
    "robustness": Rule(
        *("intensity_slope_gain", +1, 0.0, "Dice from no shift to the strongest"),
        "slope over the shift, mask less CT, masks made again",
        skip="frozen",
    ),
}


class Estimates:
    """Rows of `analysis.csv` of one arm and variant, in the box (`space` crop) or of no space."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.only_real = bool((rows["data"] == "real").all())
        self._rows = list(rows[rows["space"].isin(["crop", ""])].itertuples(index=False))

    def all(self, quantity: str, claim: Claim) -> list[Any]:
        """Rows of a quantity that fit the claim's scenarios, structure and size (any, when it is about all).

        UserError where several fit a claim about one size: none of them may be picked by chance.
        """
        wanted = (quantity, claim.scenario, claim.reference, claim.structure.lower())
        found = [
            row
            for row in self._rows
            if (row.quantity, row.scenario, row.reference, row.structure.lower()) == wanted
            and claim.n in (None, row.n_train)
        ]
        if claim.n is not None and len(found) > 1:
            raise UserError(
                f"Claim {claim.id}: several estimates fit where one is expected.",
                found=[tuple(row) for row in found],
                expected=f"one row {quantity}, {claim.scenario}, n = {claim.n}",
            )
        return found

    def one(self, quantity: str, claim: Claim) -> Any | None:
        """The row that fits a claim about one size; None where there is none."""
        return next(iter(self.all(quantity, claim)), None)

    def prediction(self, claim: Claim, scenario: str, n: int | None) -> Any | None:
        """The row that foretells one new run: of Dice, or of the distance where the claim is about it."""
        level = replace(claim, scenario=scenario, reference="", n=n)
        return self.one("com_mm_prediction" if "COM" in claim.quantity else "dice_prediction", level)


def decide(claim: Claim, found: Estimates, published: float, blind: float) -> Outcome:
    """The verdict on a claim by the estimates of one arm and variant.

    `published` is the paper's level in the arm's structures, `blind` a level that an interval must exclude to say
    anything (see `claims.levels`); both are used by claims of level alone.
    """
    if claim.kind == "level":
        return _level(found.prediction(claim, claim.scenario, claim.n), published, blind, claim)
    if claim.kind == "equivalence":
        return _equivalence(found.one("dice_equivalence", claim))
    return _directed(claim, RULES[claim.kind], found)


def _level(row: Any | None, published: float, blind: float, claim: Claim) -> Outcome:
    if row is None or math.isnan(row.estimate):
        return _missing("prediction of one run", row)
    unit = "mm" if "COM" in claim.quantity else "Dice"
    shown = Outcome("", "", row.estimate, row.low, row.high, NOTHING, unit)
    if math.isnan(published):
        return replace(shown, verdict=NOT_TESTABLE, rule="the paper prints no level of these structures")
    if _open(row):
        return replace(shown, verdict=UNDECIDED, rule=f"no prediction interval that counts{_notice(row)}")
    rule = f"published {published:.3g} against the {_percent(row)} interval of one run {_interval(row)}"
    low, high = _bounds(row)
    if not low <= published <= high:
        return replace(shown, verdict=CONTRADICTED, rule=f"{rule}: outside")
    if low <= blind <= high:
        return replace(
            shown, verdict=UNDECIDED, rule=f"{rule}: inside, but so is {blind:.3g}, so it is too wide to tell"
        )
    return replace(shown, verdict=SUPPORTED, rule=f"{rule}: inside")


def _equivalence(row: Any | None) -> Outcome:
    if row is None or math.isnan(row.estimate):
        return _missing("dice_equivalence", row)
    shown = Outcome("", "", row.estimate, row.low, row.high, _p(row), "Dice")
    if _open(row):
        return replace(shown, verdict=UNDECIDED, rule=f"no interval that counts{_notice(row)}")
    rule = f"TOST: {_percent(row)} interval {_interval(row)} of the Dice difference against ±{MARGIN_DICE}"
    low, high = _bounds(row)
    if low > -MARGIN_DICE and high < MARGIN_DICE:
        return replace(shown, verdict=SUPPORTED, rule=f"{rule}: inside")
    outside = high < -MARGIN_DICE or low > MARGIN_DICE
    verdict, words = (CONTRADICTED, "wholly outside") if outside else (UNDECIDED, "crosses the margin")
    return replace(shown, verdict=verdict, rule=f"{rule}: {words}")


def _directed(claim: Claim, rule: Rule, found: Estimates) -> Outcome:
    rows = [row for row in found.all(rule.quantity, claim) if not (rule.skip and rule.skip in row.method)]
    known = [row for row in rows if not math.isnan(row.estimate)]
    if not known:
        wanted = f"{rule.quantity} of {claim.structure}" if claim.structure else rule.quantity
        return _missing(wanted, rows[0] if rows else None)
    threshold = rule.threshold * (claim.n or 1) if rule.times_n else rule.threshold
    judged = [_side(row, threshold, rule.side) for row in known]
    weakest = min(range(len(known)), key=lambda place: _margin(known[place], threshold, rule.side))
    row, (verdict, reason) = known[weakest], judged[weakest]
    if STEPS_FOR_HOURS in row.notice:
        words, unit = (text.replace("hours", "steps") for text in (rule.words, rule.unit))
        rule = replace(rule, words=f"{words} ({STEPS_FOR_HOURS})", unit=unit)
    words = f"{rule.words} {reason}"
    if max(len(rows), rule.least) > 1:
        verdict, counted = _together([verdict for verdict, _ in judged], max(len(rows), rule.least))
        size = "" if math.isnan(row.n_train) else f", n = {row.n_train:.0f}"
        words = f"{counted}; shown the weakest{size}: {words}"
    return _shown(claim, rule, found, row, Outcome(verdict, words, p=_p(row), unit=rule.unit))


def _side(row: Any, threshold: float, side: int) -> tuple[str, str]:
    """Verdict on one estimate, and why: by the Holm-adjusted p in the primary family, else by the interval."""
    claimed = f"claimed {'above' if side > 0 else 'below'} {threshold:.3g}"
    if row.family == "primary":
        if math.isnan(row.p_adjusted):
            return UNDECIDED, f"{row.estimate:.3g}, {claimed}; primary family: no Holm-adjusted p{_notice(row)}"
        place = f"{row.estimate:.3g} {_interval(row)}, {claimed}; primary family: "
        decisive = row.p_adjusted < ALPHA
        verdict = _where(row.estimate, row.estimate, threshold, side) if decisive else UNDECIDED
        return verdict, f"{place}Holm-adjusted p {row.p_adjusted:.2g} {'<' if decisive else '>='} {ALPHA} decides"
    if _open(row):
        return UNDECIDED, f"{row.estimate:.3g}, {claimed}; no interval that counts{_notice(row)}"
    others = "" if math.isnan(row.p_adjusted) else f"; {row.adjusted_by.upper()}-adjusted p {row.p_adjusted:.2g}"
    exploratory = "exploratory, " if row.family == "exploratory" else ""
    words = f"{row.estimate:.3g} {_interval(row)}, {claimed}; {exploratory}the {_percent(row)} interval decides{others}"
    return _where(*_bounds(row), threshold, side), words


def _where(low: float, high: float, threshold: float, side: int) -> str:
    if low <= threshold <= high:
        return UNDECIDED
    return SUPPORTED if (low > threshold) == (side > 0) else CONTRADICTED


def _together(verdicts: Sequence[str], expected: int) -> tuple[str, str]:
    """Verdict on a claim about every size (or shift): all must support it, one against it contradicts it."""
    supporting, against = verdicts.count(SUPPORTED), verdicts.count(CONTRADICTED)
    counted = f"every one of {expected} must agree: {supporting} support it, {against} contradict it"
    if against:
        return CONTRADICTED, counted
    return (SUPPORTED if supporting == expected else UNDECIDED), counted


def _shown(claim: Claim, rule: Rule, found: Estimates, row: Any, outcome: Outcome) -> Outcome:
    """The outcome with its numbers: in the published unit where there is one, a loss counted as positive."""
    percent = found.one(rule.shown, claim) if rule.shown else None
    if percent is not None and not math.isnan(percent.estimate):
        row = percent
    elif rule.shown:
        outcome = replace(outcome, unit="Dice")
    if claim.kind == "loss":
        return replace(outcome, estimate=-row.estimate, low=-row.high, high=-row.low)
    return replace(outcome, estimate=row.estimate, low=row.low, high=row.high)


def _margin(row: Any, threshold: float, side: int) -> float:
    """How far the interval's nearer end (minus infinity, without interval) lies on the claimed side."""
    low, high = _bounds(row)
    return (low - threshold) if side > 0 else (threshold - high)


def _missing(quantity: str, row: Any | None) -> Outcome:
    reason = f"the analysis has no {quantity} here" if row is None else f"no {quantity}{_notice(row)}"
    return Outcome(NOT_TESTABLE, reason)


def _p(row: Any) -> float:
    """The p that belongs to the deciding rule: adjusted in the primary family, else as it is."""
    return float(row.p_adjusted if row.family == "primary" else row.p)


def _open(row: Any) -> bool:
    """Whether the interval says nothing: there is none, or it is that of one run or one case."""
    return (math.isnan(row.low) and math.isnan(row.high)) or row.runs < 2 or row.cases == 1


def _bounds(row: Any) -> tuple[float, float]:
    """The interval; a missing end is unbounded (an equivalent n beyond the largest size has no upper end)."""
    return (-math.inf if math.isnan(row.low) else row.low), (math.inf if math.isnan(row.high) else row.high)


def _interval(row: Any) -> str:
    return "[no interval]" if _open(row) else "[{:.3g}, {:.3g}]".format(*_bounds(row))


def _percent(row: Any) -> str:
    return f"{100 * row.level:.0f} %"


def _notice(row: Any) -> str:
    alone = "one run" if row.runs == 1 and "run" not in row.notice else ""
    reasons = [row.notice, alone, "one case" if row.cases == 1 else ""]
    told = "; ".join(filter(None, reasons))
    return f": {told}" if told else ""
