"""The evidence in the report, as plain values: verdicts on the paper's claims, numbers behind, how sure. No HTML."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from globalmask.present.answer import (
    DASH,
    MASKED,
    UNAIDED,
    Answer,
    Reading,
    estimate_text,
    p_text,
    scenario_words,
    sentence,
    typeset,
)
from globalmask.present.evidence_files import pick
from globalmask.present.figures_context import METHOD_LABELS, floor_levels
from globalmask.present.outputs import Plan
from globalmask.present.report_sections import Grid
from globalmask.present.slips import Slip, names_in, slips_of

VERDICTS = ("supported", "contradicted", "undecided", "not testable on this data")
DICE_QUANTITIES = {
    "dice_gain_percent": ("Gain in %", 1),
    "dice_gain_without_collapsed": ("Gain without collapsed runs", 3),
    "share_improved": ("Share of cases improved", 2),
    "rank_biserial": ("Rank-biserial", 2),
}
OTHER_QUANTITIES = {
    "nsd_3mm_gain": ("Gain in NSD 3 mm", 3),
    "hd95_mm_gain": ("Change of HD95 (mm)", 2),
    "com_mm_gain": ("Change of centre distance (mm)", 2),
}
CURVE_QUANTITIES = {
    "equivalent_n": ("Equivalent n: CT cases that reach the Dice of CT + mask", 1),
    "area_gain": ("Gain in area under Dice over log2 n", 3),
    "gain_trend": ("Change of the gain per doubling of n", 3),
    "learning_gain": ("Gain in validation Dice, mean over all validations of a training", 3),
    "steps_ratio": ("Steps to a common validation Dice, CT / CT + mask", 2),
    "hours_ratio": ("Hours to the best validation Dice, CT / CT + mask", 2),
    "hours_trend": ("Change of log2 hours per doubling of n", 2),
}
UNSIGNED = ("equivalent_n", "steps_ratio", "hours_ratio", "share_improved", "collapse_share")
SENSITIVITY = {
    "dice_gain": "cases and runs (decides)",
    "dice_gain_runs_only": "runs only",
    "dice_gain_nadeau_bengio": "runs, corrected for shared training cases",
}


@dataclass(frozen=True)
class Judged:
    """One row of the verdicts: a claim of the paper judged in one arm and variant."""

    claim: str
    notes: list[str]
    words: str
    where: str
    estimate: str
    p: str
    published: str
    level_agrees: str
    kind: str
    rule: str
    source: str


def verdict_counts(claims: pd.DataFrame) -> list[tuple[str, int]]:
    """How many rows have each verdict, all verdicts named."""
    return [(verdict, int((claims["verdict"] == verdict).sum())) for verdict in VERDICTS]


def verdict_groups(claims: pd.DataFrame) -> list[tuple[str, list[Judged]]]:
    """Rows by verdict, in the order of `VERDICTS` and of the claims; empty groups are left out."""
    groups = [(verdict, [_judged(row) for row in pick(claims, verdict=verdict).iloc]) for verdict in VERDICTS]
    return [(verdict, rows) for verdict, rows in groups if rows]


def slips_in(groups: Sequence[tuple[str, list[Judged]]]) -> list[Slip]:
    """The slips of the paper that the rows name."""
    return slips_of({note for _, rows in groups for row in rows for note in row.notes})


def dice_numbers(answers: Sequence[Answer], analysis: pd.DataFrame) -> Grid:
    """One row an arm, variant and size: Dice of both inputs, the gain, and other views of it."""
    shown = _available(analysis, DICE_QUANTITIES)
    rows = []
    for answer, reading, at in _sizes(answers, analysis):
        levels = [DASH if math.isnan(level) else f"{level:.3f}" for level in (reading.unaided, reading.masked)]
        others = [_shown(at, quantity, digits) for quantity, (_, digits) in shown.items()]
        rows.append([*_about(answer, reading), *levels, reading.amount, *others, f"{reading.runs} × {reading.cases}"])
    note = (
        "Brackets: 95 % intervals. All but the gain in Dice at the planned sizes is exploratory. "
        "Collapsed: a run in which a structure has a mean Dice of about 0, as the paper prints it."
    )
    titles = [title for title, _ in shown.values()]
    header = ["Arm", "Variant", "n", "CT", "CT + mask", "Gain in Dice", *titles, "Runs × cases"]
    return Grid(header, rows, note=note)


def other_numbers(answers: Sequence[Answer], analysis: pd.DataFrame) -> Grid:
    """The same rows with surface and distance measures, CT + mask minus CT; empty where none was computed."""
    shown = _available(analysis, OTHER_QUANTITIES)
    rows = [
        [*_about(answer, reading), *(_shown(at, quantity, digits) for quantity, (_, digits) in shown.items())]
        for answer, reading, at in _sizes(answers, analysis)
    ]
    header = ["Arm", "Variant", "n", *(title for title, _ in shown.values())]
    return Grid(header, rows if shown else [], note="A distance that becomes smaller is an improvement. Exploratory.")


def curves(analysis: pd.DataFrame) -> Grid:
    """What the mask is worth in cases, over all sizes and in time: one row an estimate."""
    mine = analysis[(analysis["structure"] == "") & (analysis["space"] != "native")]
    mine = mine[(mine["reference"] == "") | ((mine["scenario"] == MASKED) & (mine["reference"] == UNAIDED))]
    rows = []
    for quantity, (words, digits) in CURVE_QUANTITIES.items():
        for row in pick(mine, quantity=quantity).iloc:
            about = [_named(row), row["variant"], words, _contrast(row), _size(row["n_train"])]
            rows.append([*about, _estimate(row, digits), _p(row), _runs(row), typeset(row["notice"])])
    header = ["Arm", "Variant", "What", "Of", "n", "Estimate (interval)", "p", "Runs × cases", "Notice"]
    return Grid(header, rows, note="p values are adjusted by Benjamini and Hochberg and exploratory.")


def shifts(analysis: pd.DataFrame) -> Grid:
    """Slopes of Dice over the strength of an intensity shift, differences of inputs; empty without shifts."""
    rows = []
    for row in pick(analysis, quantity="intensity_slope_gain").iloc:
        what = row["method"].partition(";")[0]  # "shift noise, masks frozen"
        about = [_named(row), row["variant"], what, _contrast(row), _size(row["n_train"])]
        rows.append([*about, _estimate(row), _p(row), _runs(row)])
    note = (
        "Slope: change of Dice from no shift to the strongest. A positive difference: the first input suffers less. "
        "p values are adjusted by Benjamini and Hochberg and exploratory."
    )
    header = ["Arm", "Variant", "Shift", "Inputs", "n", "Difference of slopes", "p", "Runs × cases"]
    return Grid(header, rows, note=note)


def other_contrasts(analysis: pd.DataFrame) -> Grid:
    """Gains in Dice of every other pair of inputs (mask alone, controls), one row an arm, variant, pair and size."""
    gains = pick(analysis, quantity="dice_gain", structure="", space="crop")
    gains = gains[(gains["scenario"] != MASKED) | (gains["reference"] != UNAIDED)]
    rows = [
        [_named(row), row["variant"], _contrast(row), _size(row["n_train"]), _estimate(row), _p(row), _runs(row)]
        for row in gains.iloc
    ]
    header = ["Arm", "Variant", "Inputs", "n", "Gain in Dice", "p", "Runs × cases"]
    return Grid(header, rows, note="p values are adjusted by Benjamini and Hochberg and exploratory.")


def sensitivity(analysis: pd.DataFrame) -> Grid:
    """The gain of CT + mask under each view of what is random: interval and unadjusted p."""
    gains = pick(analysis, scenario=MASKED, reference=UNAIDED, structure="", space="crop")
    rows = []
    for _, those in gains[gains["quantity"].isin(SENSITIVITY)].groupby(["arm", "variant", "n_train"], sort=False):
        for quantity, words in SENSITIVITY.items():
            for row in pick(those, quantity=quantity).iloc:
                about = [_named(row), row["variant"], _size(row["n_train"]), words]
                rows.append([*about, _estimate(row), _p_value(row["p"]), row["notice"]])
    header = ["Arm", "Variant", "n", "Random are", "Gain in Dice", "p, not adjusted", "Notice"]
    note = (
        "A test over runs alone takes these test patients for all patients; it is shown because the literature uses "
        "it, and decides nothing here."
    )
    return Grid(header, rows, note=note)


def collapses(analysis: pd.DataFrame) -> Grid:
    """Share of runs in which any structure collapsed, one row an arm, variant, size and input."""
    rows = [
        [_named(row), row["variant"], _size(row["n_train"]), _contrast(row), _estimate(row, 2), f"{row['runs']:.0f}"]
        for row in pick(analysis, quantity="collapse_share", structure="", space="crop").iloc
    ]
    header = ["Arm", "Variant", "n", "Input", "Share of runs with a collapse", "Runs"]
    note = (
        "Brackets: 95 % Wilson intervals. A structure can be found and have a Dice of 0, with chances under one half: "
        "the curves of Dice while training tell."
    )
    return Grid(header, rows, note=note)


def limits(plan: Plan, floors: pd.DataFrame) -> Grid:
    """Floors and ceilings: mean Dice of what learns nothing and of what cannot be beaten."""
    rows = []
    for arm in plan["arms"]:
        for row in floor_levels(floors, arm["name"]).iloc:
            words = METHOD_LABELS.get(row["method"], row["method"])
            name = _arm(arm["name"], arm["synthetic"])
            rows.append([name, words, _size(row["n_train"]), f"{row['dice']:.3f}", f"{row['cases']}"])
    return Grid(["Arm", "What", "n", "Mean Dice", "Cases"], rows)


def power_planned(record: Mapping[str, Any]) -> Grid:
    """The power of the plan: chance to find a gain of a given size, alone and as the first of the family."""
    rows = [_power(row) for row in record["power_planned"]]
    return Grid(list(_POWER_HEADER), rows, note=f"Spreads that are assumed: {_assumed(record)}.")


def power_of_run(record: Mapping[str, Any]) -> Grid:
    """The same with the runs and cases that this run has, for each arm and planned size."""
    rows = [[row["arm"], str(row["n_train"]), *_power(row)] for row in record["power_of_run"]]
    return Grid(["Arm", "n", *_POWER_HEADER], rows)


_POWER_HEADER = ("True gain in Dice", "Runs", "Test cases", "Folds", "Found alone", "Found as first of the family")


def _power(row: Mapping[str, Any]) -> list[str]:
    counts = [str(row[key]) for key in ("runs", "cases", "folds")]
    return [f"{row['gain']:.2f}", *counts, *(f"{100 * row[key]:.0f} %" for key in ("alone", "first_of_family"))]


def _assumed(record: Mapping[str, Any]) -> str:
    sds = {"runs": "run_sd", "cases": "case_sd", "case and run": "rest_sd"}
    assumed = record["assumed"]
    words = ", ".join(f"SD between {name} {assumed[key]:g}" for name, key in sds.items())
    return f"{words} (Dice; {assumed['source']})"


def _judged(row: pd.Series) -> Judged:
    size = f"n = {row['n_train']}" if row["n_train"].isdigit() else f"{row['n_train']} sizes"
    about = " / ".join(part for part in (row["arm"], row["variant"]) if part)
    return Judged(
        claim=row["id"],
        notes=names_in(row["footnotes"]),
        words=f"{row['claim']} ({row['dataset']}, {size})",
        where=about or DASH,
        estimate=_claimed(row),
        p=_p_value(row["p"]),
        published=_published(row),
        level_agrees=row["level_agrees"] or DASH,
        kind=row["kind_of_evidence"],
        rule=typeset(row["rule"]),
        source=row["source"],
    )


def _published(row: pd.Series) -> str:
    """As printed, and over the arm's structures where that is another number."""
    text, same = typeset(row["published_value"]) or DASH, row["published_same_structures"]
    if math.isnan(same) or f"{same:.{_digits(row['unit'])}f}".rstrip("0").rstrip(".") == row["published_value"]:
        return text
    return typeset(f"{text}; these structures: {same:.{_digits(row['unit'])}f}")


def _digits(unit: str) -> int:
    return {"%": 1, "mm": 2}.get(unit.partition(" ")[0], 3)


def _claimed(row: pd.Series) -> str:
    """Estimate, interval and unit; only negative numbers have a sign, for a claimed loss counts as positive."""
    text = estimate_text(row["estimate"], row["low"], row["high"], _digits(row["unit"])).replace("+", "")
    return text if text == DASH else f"{text} {row['unit']}".strip()


def _sizes(answers: Sequence[Answer], analysis: pd.DataFrame) -> Iterator[tuple[Answer, Reading, pd.DataFrame]]:
    """Every size of every answer with the rows of CT + mask against CT (mean over structures, prepared grid)."""
    rows = pick(analysis, structure="", space="crop", scenario=MASKED, reference=UNAIDED)
    for answer in answers:
        mine = pick(rows, arm=answer.arm, variant=answer.variant)
        for reading in answer.readings:
            yield answer, reading, mine[mine["n_train"] == reading.n]


def _available(analysis: pd.DataFrame, quantities: Mapping[str, tuple[str, int]]) -> dict[str, tuple[str, int]]:
    """The quantities that have a value anywhere."""
    there = set(analysis.loc[analysis["estimate"].notna(), "quantity"])
    return {quantity: shown for quantity, shown in quantities.items() if quantity in there}


def _about(answer: Answer, reading: Reading) -> list[str]:
    return [_arm(answer.arm, answer.synthetic), answer.variant, str(reading.n)]


def _shown(rows: pd.DataFrame, quantity: str, digits: int) -> str:
    found = pick(rows, quantity=quantity)
    return _estimate(found.iloc[0], digits) if len(found) else DASH


def _estimate(row: pd.Series, digits: int = 3) -> str:
    text = estimate_text(row["estimate"], row["low"], row["high"], digits)
    if row["quantity"] in UNSIGNED:
        text = text.replace("+", "")
    if row["level"] != 0.95 and "(" in text:
        text = text.replace(")", f"; {100 * row['level']:.0f} %)")
    return text


def _p(row: pd.Series) -> str:
    return _p_value(row["p_adjusted"])


def _p_value(p: float) -> str:
    return DASH if math.isnan(p) else p_text(p).removeprefix("p ").removeprefix("= ")


def _contrast(row: pd.Series) -> str:
    return scenario_words(row["scenario"], row["reference"]) if row["scenario"] else DASH


def _size(n: float) -> str:
    return "all" if math.isnan(n) else f"{n:.0f}"


def _runs(row: pd.Series) -> str:
    """`10 × 12`: runs and cases; runs alone where cases play no part (training time)."""
    return " × ".join(f"{row[key]:.0f}" for key in ("runs", "cases") if row[key] > 0) or DASH


def _named(row: pd.Series) -> str:
    return _arm(row["arm"], row["data"] == "synthetic")


def _arm(name: str, synthetic: bool) -> str:
    return f"{name} (SYNTHETIC)" if synthetic else name


def alternative(answer: Answer) -> str:
    """Words for those who do not see the small picture: every size in a sentence."""
    sizes = " ".join(sentence(reading) for reading in answer.readings)
    return f"Gain in Dice of CT + mask over CT against training size, {answer.arm}. {sizes}".strip()
