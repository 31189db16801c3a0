"""Fabricated analyses and plans for the tests of verdicts; every number is written by the test that uses it."""

from __future__ import annotations

from typing import Any

import pandas as pd

STRUCTURES = {
    "brain": ["brain_stem", "left_eye", "right_eye"],
    "heart": ["Myo", "LA", "LV", "RA", "RV", "AA", "PA"],
}
SIZES = {"brain": [1, 2, 4, 8, 16, 26], "heart": [1, 2, 4, 8, 12]}
CASES = {"brain": 46, "heart": 20}
EMPTY = {
    **{"data": "real", "arm": "brain", "variant": "paper", "family": "", "quantity": "", "scenario": ""},
    **{"reference": "", "n_train": float("nan"), "structure": "", "space": "crop", "estimate": float("nan")},
    **{"low": float("nan"), "high": float("nan"), "level": 0.95, "p": float("nan"), "p_adjusted": float("nan")},
    **{"adjusted_by": "", "runs": 10, "cases": 10, "method": "", "notice": ""},
}


def analysis(*rows: dict[str, Any]) -> pd.DataFrame:
    """`analysis.csv` as read: each row is EMPTY with its own fields."""
    return pd.DataFrame([EMPTY | row for row in rows], columns=list(EMPTY))


def row(
    quantity: str, scenario: str, n: int | None, estimate: float, low: float, high: float, **rest: Any
) -> dict[str, Any]:
    """One estimate of `scenario`, or of `scenario - reference` written as `ct_mask-ct`."""
    scenario, _, reference = scenario.partition("-")
    given = {"quantity": quantity, "scenario": scenario, "reference": reference, "estimate": estimate}
    return given | {"n_train": float("nan") if n is None else n, "low": low, "high": high} | rest


def arm(name: str = "brain", **changes: Any) -> dict[str, Any]:
    """An arm as the paper's data set of that name."""
    return {
        "name": name,
        "published": name,
        "synthetic": False,
        "structures": STRUCTURES[name],
        "sizes": SIZES[name],
        "cases": [f"c{number}" for number in range(CASES[name])],
        "size_voxels": 128,
        "spacing_mm": 1.5,
        **changes,
    }


def variant(name: str = "paper", arms: tuple[str, ...] = ("brain", "heart"), **changes: Any) -> dict[str, Any]:
    """A variant that trains every scenario at every size, at a constant rate."""
    return {
        "name": name,
        "preset": name,
        "arms": list(arms),
        "scenarios": ["ct", "mask", "ct_mask"],
        "settings": {"schedule": "constant"},
        "replicates": {arm: {str(n): 10 for n in SIZES.get(arm, [1])} for arm in arms},
        "mask_sets": {arm: ["base"] for arm in arms},
        **changes,
    }


def plan(*arms: dict[str, Any], variants: tuple[dict[str, Any], ...] | None = None) -> dict[str, Any]:
    """A run of these arms (both of the paper's, when none is given)."""
    chosen = list(arms or (arm("brain"), arm("heart")))
    names = tuple(one["name"] for one in chosen)
    return {"run": "r", "arms": chosen, "variants": list(variants or (variant(arms=names),))}
