"""Verdicts on the paper's claims C01 to C37: one row a claim, arm and variant that it can concern.

An arm concerns the claims about the data set it is `published:` as; a variant those whose scenarios and size it
trains, so preset `paper` and preset `modern` can disagree. A claim that nothing of the run concerns keeps one row.
`kind_of_evidence` says what the estimate is evidence of:
- `same quantity`: real data with the paper's structures, number of cases and grid. (That they are the paper's
  patients is the config's word.)
- `analogue`: real data that differ in one of these, or another measure of the same thing; the rule says which.
- `synthetic`: no patient. Never supports or contradicts the paper; nor do masks made of the test cases' labels.
- `none`: no estimate.
`published_same_structures` is the published value recomputed from the paper's tables over the arm's structures; where
these show the reverse of what the paper claims over all of its own, the arm does not judge the claim. `level_agrees`:
every published mean that the claim rests on lies inside our prediction interval of one new run, because the paper has
one run (STATISTICS.md section 4).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from globalmask.errors import UserError
from globalmask.evidence.published_numbers import percent_gain, published
from globalmask.evidence.verdicts import NOT_TESTABLE, NOTHING, Claim, Estimates, Outcome, decide
from globalmask.provenance import atomic

Plan = Mapping[str, Any]

COLUMNS = (
    *("id", "dataset", "n_train", "claim", "kind_of_evidence", "arm", "variant", "verdict", "estimate", "low", "high"),
    *("p", "unit", "published_value", "published_same_structures", "rule", "level_agrees", "footnotes", "source"),
)
_TEXT = (
    *("data", "arm", "variant", "family", "quantity", "scenario", "reference", "structure", "space"),
    *("adjusted_by", "method", "notice"),
)
_NUMBERS = ("n_train", "estimate", "low", "high", "level", "p", "p_adjusted", "runs", "cases")
_PAPER_CASES = {"brain": 46, "heart": 20}
_PAPER_GRID = (1.5, 128)  # mm, voxels
# The subject and reference of these claims are words in the table; here are the scenarios that are compared.
_SCENARIOS = {"trend": ("ct_mask", "ct"), "label efficiency": ("ct_mask", "ct")}
_OTHER_MEASURE = {"training time": "optimiser steps to a common validation Dice, not hours"}
_CONVERGENCE = ("training time", "training time trend")


def judge_claims(*, analysis_path: Path, plan: Plan, out_path: Path) -> None:
    """Write `claims.csv` from `analysis.csv` and the run's plan (`plan.json`, see `present.outputs`)."""
    with atomic(out_path) as temporary:
        found = judge(read_analysis(analysis_path), plan)
        found.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n", encoding="utf-8")


def read_analysis(path: Path) -> pd.DataFrame:
    """`analysis.csv`, one row an estimate: words as text (empty where there is none), numbers as float (NaN)."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    missing = [name for name in (*_TEXT, *_NUMBERS) if name not in frame]
    if missing:
        raise UserError("Columns are missing in the analysis.", file=path, found=missing, todo="make it again")
    return frame.assign(**{name: pd.to_numeric(frame[name].replace("", None)) for name in _NUMBERS})


def judge(analysis: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Every claim's rows, in the order of the claims, the plan's arms and its variants."""
    nothing = Estimates(analysis[:0])
    estimates = {pair: Estimates(rows) for pair, rows in analysis.groupby(["arm", "variant"])}
    rows = []
    for given in published("claims").itertuples(index=False):
        claim = read_claim(given)
        pairs = list(concerned(claim, given.dataset, plan))
        common = {
            "id": claim.id,
            "dataset": given.dataset,
            "n_train": given.n_train,
            "claim": in_words(claim),
            "published_value": given.published_value,
            "footnotes": footnotes(claim.id),
            "source": given.source,
        }
        for arm, variant in pairs:
            found = estimates.get((arm["name"], variant["name"]), nothing)
            rows.append(common | _row(claim, arm, variant, found))
        if not pairs:
            rows.append(common | _row_of_none(claim, given.dataset, plan))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def read_claim(given: Any) -> Claim:
    """A row of `published_claims.csv` as the rules read it."""
    subject, reference = _SCENARIOS.get(given.claim_type, (given.subject, given.reference))
    size = None if given.n_train == "all" else int(given.n_train)
    lost = given.quantity.removesuffix(" Dice").replace(" ", "_") if given.claim_type == "collapse" else ""
    other = "" if pd.isna(reference) else reference
    return Claim(given.id, given.claim_type, size, subject, other, given.quantity, lost)


def in_words(claim: Claim) -> str:
    """`CT + mask raises the mean Dice over structures against CT`; data set and size have columns of their own."""
    words = {"ct": "CT", "mask": "the mask alone", "ct_mask": "CT + mask"}
    first, second = words[claim.scenario], words.get(claim.reference, "")
    double = 2 * claim.n if claim.n else 0
    text = {
        "level": f"{first} reaches this {claim.quantity.replace('COM distance mm', 'distance of centres of mass')}",
        "gain": f"{first} raises the mean Dice over structures against {second}",
        "loss": f"{first} lowers the mean Dice over structures against {second}",
        "equivalence": f"{first} and {second} reach the same mean Dice over structures",
        "collapse": f"{first} loses the structure {claim.structure} (Dice 0)",
        "label efficiency": f"{first} is as good as {second} with {double} cases",
        "training time": f"{first} trains faster than {second} at each size",
        "training time trend": f"the training time of {first} falls as n grows",
        "trend": f"the gain of {first} over {second} shrinks as n grows",
        "robustness": f"{first} suffers less from shifts of intensity than {second}",
    }[claim.kind]
    return text[0].upper() + text[1:]


def footnotes(claim: str) -> str:
    """Ids of the paper's slips that touch a claim (`published_slips.csv`), `; ` between them."""
    slips = published("slips")
    return "; ".join(
        id_ for id_, touched in zip(slips["id"], slips["touches"], strict=True) if claim in touched.split()
    )


def concerned(claim: Claim, dataset: str, plan: Plan) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Arms and variants of the plan that train what the claim compares."""
    for arm in _arms(dataset, plan):
        for variant in plan["variants"]:
            if arm["name"] not in variant["arms"] or not set(claim.scenarios) <= set(variant["scenarios"]):
                continue
            if claim.n is None or claim.n in map(int, variant["replicates"][arm["name"]]):
                yield arm, variant


def levels(claim: Claim, arm: Mapping[str, Any]) -> dict[tuple[str, int], float]:
    """Published means that a claim rests on, by scenario and size, over the arm's structures.

    Empty where the arm has a structure that the paper lacks, and for claims about all sizes or one structure.
    """
    if claim.n is None or claim.structure:
        return {}
    cells = _paper_means("com" if "COM" in claim.quantity else "dice", arm["published"], tuple(arm["structures"]))
    if not cells:
        return {}
    sizes = dict.fromkeys(claim.scenarios, claim.n)
    if claim.kind == "label efficiency":
        sizes["ct"] = 2 * claim.n
    return {(scenario, n): cells[scenario, n] for scenario, n in sizes.items()}


@functools.cache
def _paper_means(name: str, dataset: str, structures: tuple[str, ...]) -> dict[tuple[str, int], float]:
    paper = published(name, dataset, structures)
    if set(paper["structure"]) != set(structures):
        return {}
    means = paper.groupby(["scenario", "n_train"])["mean_mm" if name == "com" else "mean"].mean()
    return {(scenario, int(n)): float(mean) for (scenario, n), mean in means.items()}


@functools.cache
def _has_the_papers(structures: tuple[str, ...], dataset: str) -> bool:
    """Whether these are the structures of the paper's data set, all of them and no other."""
    theirs = published("dice", dataset)["structure"].nunique()
    return published("dice", dataset, structures)["structure"].nunique() == theirs == len(structures)


def evidence_kind(claim: Claim, arm: Mapping[str, Any], *, only_real: bool) -> tuple[str, str]:
    """The kind of evidence that an arm's estimates are, and in what they differ from the paper's."""
    if arm["synthetic"] or not only_real:
        return "synthetic", ""
    same_structures = _has_the_papers(tuple(arm["structures"]), arm["published"])
    differences = [
        "" if same_structures else f"structures {', '.join(arm['structures'])}",
        f"{len(arm['cases'])} cases" if len(arm["cases"]) != _PAPER_CASES[arm["published"]] else "",
        f"grid {arm['size_voxels']} at {arm['spacing_mm']} mm"
        if (arm["spacing_mm"], arm["size_voxels"]) != _PAPER_GRID
        else "",
        _OTHER_MEASURE.get(claim.kind, ""),
    ]
    told = "; ".join(filter(None, differences))
    return ("analogue", told) if told else ("same quantity", "")


def _row(claim: Claim, arm: Mapping[str, Any], variant: Mapping[str, Any], found: Estimates) -> dict[str, Any]:
    paper = levels(claim, arm)
    main = paper.get((claim.scenario, claim.n or 0), NOTHING)
    outcome = decide(claim, found, main, _blind(claim, arm))
    kind, differences = evidence_kind(claim, arm, only_real=found.only_real)
    if barrier := _barrier(claim, arm, variant, kind) or _not_claimed_here(claim, paper):
        outcome = replace(outcome, verdict=NOT_TESTABLE, rule=f"{barrier} ({outcome.rule})")
    elif differences and not math.isnan(outcome.estimate):
        outcome = replace(outcome, rule=f"{outcome.rule}. Unlike the paper: {differences}")
    return {
        "kind_of_evidence": "none" if math.isnan(outcome.estimate) else kind,
        "arm": arm["name"],
        "variant": variant["name"],
        "published_same_structures": _published_here(claim, paper),
        "level_agrees": "" if kind == "synthetic" else _level_agrees(claim, found, paper),
        **vars(outcome),
    }


def _row_of_none(claim: Claim, dataset: str, plan: Plan) -> dict[str, Any]:
    arms = ", ".join(arm["name"] for arm in _arms(dataset, plan))
    size = "" if claim.n is None else f" at n = {claim.n}"
    wanted = f"no variant of the arm {arms} trains {' and '.join(claim.scenarios)}{size}"
    reason = wanted if arms else f"no arm of this run is published as {dataset}"
    return {"kind_of_evidence": "none", "level_agrees": "", **vars(Outcome(NOT_TESTABLE, reason))}


def _arms(dataset: str, plan: Plan) -> list[Mapping[str, Any]]:
    wanted = ("brain", "heart") if dataset == "both" else (dataset,)
    return [arm for arm in plan["arms"] if arm["published"] in wanted]


def _barrier(claim: Claim, arm: Mapping[str, Any], variant: Mapping[str, Any], kind: str) -> str:
    """Why an estimate may not judge the paper; empty where it may."""
    if kind == "synthetic":
        return "synthetic data never supports or contradicts the paper"
    if "oracle" in variant.get("mask_sets", {}).get(arm["name"], ()):
        return "the masks are made of the test cases' labels"
    if claim.kind in _CONVERGENCE and variant.get("settings", {}).get("schedule", "constant") != "constant":
        return "convergence is judged at a constant learning rate only"
    return ""


def _not_claimed_here(claim: Claim, paper: Mapping[tuple[str, int], float]) -> str:
    """Told where the paper's own tables, cut to the arm's structures, do not show what it claims over all of its own.

    Its brain stem, say, gets worse with the mask alone at n = 4, where the mean over structures gets better.
    """
    here = _published_here(claim, paper)
    if claim.kind in ("gain", "loss") and here <= 0:
        return f"the paper claims it over all its structures; in these its own {claim.kind} is {here:.3g} %"
    return ""


def _blind(claim: Claim, arm: Mapping[str, Any]) -> float:
    """The level that an interval must exclude to tell full size from one case, or a distance from none."""
    if claim.kind != "level":
        return NOTHING
    if "COM" in claim.quantity:
        return 0.0
    return levels(replace(claim, n=1), arm).get((claim.scenario, 1), NOTHING)


def _published_here(claim: Claim, paper: Mapping[tuple[str, int], float]) -> float:
    if claim.kind in ("level", "equivalence"):
        return paper.get((claim.scenario, claim.n or 0), NOTHING)
    if claim.kind not in ("gain", "loss") or not paper:
        return NOTHING
    sign = 1 if claim.kind == "gain" else -1
    return sign * percent_gain(paper[claim.scenario, claim.n or 0], paper[claim.reference, claim.n or 0])


def _level_agrees(claim: Claim, found: Estimates, paper: Mapping[tuple[str, int], float]) -> str:
    inside = []
    for (scenario, n), value in paper.items():
        row = found.prediction(claim, scenario, n)
        if row is None or math.isnan(row.low) or math.isnan(row.high):
            return ""
        inside.append(row.low <= value <= row.high)
    return ("yes" if all(inside) else "no") if inside else ""
