"""Test cases for the viewer of the report: CT, truth, mask and predictions in the network's box, packed as text.

A packed case is one gzip stream in base64: first the CT in 256 steps of `LEVELS_HU` (4 HU apart where soft tissue
is), then a byte a voxel for each of its layers, everything in (z, y, x). As many cases are packed as fit.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd

from globalmask.imaging.geometry import cut
from globalmask.imaging.intensity import AIR_HU
from globalmask.masks.record import read_box
from globalmask.present import style
from globalmask.present.outputs import (
    Plan,
    arm_of,
    cell_folder,
    full_size,
    pictured_arms,
    tested,
    variant_of,
    variants_of,
)
from globalmask.present.results import mask_set_of_case
from globalmask.present.sheets import MASK_COLOUR, TRUTH_COLOUR
from globalmask.present.summary import median_and_worst
from globalmask.present.volumes import Volume, fullest_slice, load_volume

VIEWER_BYTES = 16_000_000  # of all packed cases together, shared equally by the arms
LEVELS_HU = np.concatenate([np.arange(-1000, -200, 20), np.arange(-200, 400, 4), np.linspace(400, 1800, 66).round()])
_BETWEEN_HU = (LEVELS_HU[1:] + LEVELS_HU[:-1]) / 2


@dataclass(frozen=True)
class Packed:
    """A case for the viewer: `about` goes into the page as JSON, `text` beside it as it is."""

    arm: str
    case: str
    about: dict[str, Any]
    text: str


def packed_cases(run_dir: Path, plan: Plan, scores: pd.DataFrame, most_bytes: int = VIEWER_BYTES) -> list[Packed]:
    """Cases of every arm in the order of `by_interest`, until the arm's share of `most_bytes` is used up.

    None where the run shows no picture of a patient.
    """
    found = []
    for arm in pictured_arms(plan):
        left = most_bytes // len(plan["arms"])
        for case in by_interest(plan, arm["name"], scores):
            packed = pack_case(run_dir, plan, arm["name"], case, scores)
            if packed is None:
                continue
            left -= len(packed.text)
            if left < 0:
                break
            found.append(packed)
    return found


def by_interest(plan: Plan, arm: str, scores: pd.DataFrame) -> list[str]:
    """Test cases of an arm: the worst, the best and the median, then all others from the worst up.

    By mean Dice over structures and scenarios of the primary variant at the largest size; cases without a score last.
    """
    cases = list(tested(plan, arm))
    rows = _shown_scores(plan, arm, scores)
    dice = rows.groupby("case")["dice"].mean().reindex(cases).dropna()
    ranked = sorted(dice.index, key=lambda case: (dice[case], case))
    first = [*ranked[:1], *ranked[-1:], *median_and_worst(dice)[:1]]
    return list(dict.fromkeys([*first, *ranked, *cases]))


def pack_case(run_dir: Path, plan: Plan, arm: str, case: str, scores: pd.DataFrame) -> Packed | None:
    """One test case, cut to the network's box; None when CT, truth or mask is not there."""
    run_dir, variant = Path(run_dir), variants_of(plan, arm)[0]
    mask_set = mask_set_of_case(scores, arm, variant, case)
    prepared, masks = run_dir / arm / "prepared" / case, run_dir / arm / "masks" / str(mask_set)
    ct, truth = load_volume(prepared / "ct.nii.gz"), load_volume(prepared / "label.nii.gz")
    mask = load_volume(masks / f"{case}.nii.gz")
    if ct is None or truth is None or mask is None:
        return None
    offset, size = read_box(masks / f"{case}.json")
    layers = [("Ground truth", TRUTH_COLOUR, truth), ("Input mask", MASK_COLOUR, mask)]
    layers += _predictions(run_dir, plan, arm, case)
    boxed = [cut(volume.array, offset_zyx=offset, size_zyx=size, fill=0).astype(np.uint8) for *_, volume in layers]
    steps = _steps(cut(ct.array, offset_zyx=offset, size_zyx=size, fill=AIR_HU))
    structures = arm_of(plan, arm)["structures"]
    about = {
        "arm": arm,
        "case": case,
        "synthetic": arm_of(plan, arm)["synthetic"],
        "shape": list(size),
        "spacing_mm": list(ct.spacing_mm),
        "clip_hu": list(arm_of(plan, arm)["clip_hu"]),
        "structures": [style.structure_label(name) for name in structures],
        "layers": [{"name": name, "colour": colour} for name, colour, _ in layers],
        "start": [fullest_slice(boxed[0], len(structures), axis=axis) for axis in range(3)],
        "dice": _dice(plan, arm, case, scores),
    }
    stream = gzip.compress(np.stack([steps, *boxed]).tobytes(), compresslevel=6, mtime=0)
    return Packed(arm, case, about, base64.b64encode(stream).decode("ascii"))


def choice_words(plan: Plan, packed: list[Packed]) -> list[str]:
    """For each arm, which cases the viewer has and why these."""
    said = []
    for arm in plan["arms"]:
        name, variant = arm["name"], variants_of(plan, arm["name"])[:1]
        shown, there = sum(item.arm == name for item in packed), len(tested(plan, name))
        text = f"{name}: {shown} of {there} test cases"
        text += f", variant {variant[0]}, n = {full_size(arm)}" if variant else ""
        if shown < there:
            text += "; the worst, the best and the median first, then from the worst up, as many as the page can carry"
        said.append(text + ".")
    return said


def _steps(ct_hu: np.ndarray) -> np.ndarray:
    """The CT as places in `LEVELS_HU` (uint8), the nearest level each."""
    return np.searchsorted(_BETWEEN_HU, ct_hu).astype(np.uint8)


def _predictions(run_dir: Path, plan: Plan, arm: str, case: str) -> Iterator[tuple[str, str, Volume]]:
    variant, n = variants_of(plan, arm)[0], full_size(arm_of(plan, arm))
    for scenario in variant_of(plan, variant)["scenarios"]:
        folder = cell_folder(run_dir, (arm, variant, scenario, n), tested(plan, arm)[case]) / "predictions"
        volume = load_volume(folder / f"{case}.nii.gz")
        if volume is not None:
            yield style.scenario_label(scenario), _on_dark(style.scenario_colour(scenario)), volume


def _on_dark(colour: str) -> str:
    """A colour a third of the way to white: the same hue, seen on a dark slice too."""
    red, green, blue = (channel + (1 - channel) / 3 for channel in matplotlib.colors.to_rgb(colour))
    return matplotlib.colors.to_hex((red, green, blue))


def _shown_scores(plan: Plan, arm: str, scores: pd.DataFrame) -> pd.DataFrame:
    """The rows of what the viewer shows: primary variant, largest size, the box's grid."""
    mine = scores[(scores["arm"] == arm) & (scores["space"] == "crop")]
    mine = mine[mine["variant"].isin(variants_of(plan, arm)[:1])]
    return mine[mine["n_train"] == full_size(arm_of(plan, arm))]


def _dice(plan: Plan, arm: str, case: str, scores: pd.DataFrame) -> dict[str, list[float | None]]:
    """Dice of each structure by scenario label, of the replicate that the viewer shows."""
    rows = _shown_scores(plan, arm, scores)
    rows = rows[(rows["case"] == case) & (rows["replicate"] == tested(plan, arm)[case])]
    found = {}
    for scenario, those in rows.groupby("scenario", sort=False):
        values = those.set_index("structure")["dice"].reindex(arm_of(plan, arm)["structures"])
        found[style.scenario_label(str(scenario))] = [None if pd.isna(v) else round(float(v), 3) for v in values]
    return found
