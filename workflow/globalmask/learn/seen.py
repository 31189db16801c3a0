"""What a model saw in training, in its header, and in what a new scan differs from that."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from globalmask.errors import UserError

REGISTRATION = ("overlap", "similarity", "rotation_deg")


@dataclass(frozen=True)
class Fact:
    """One number of a scan: words for a reader, and how far beyond the training scans it may lie unnoticed."""

    words: str
    slack: float
    below: bool = True
    above: bool = True


FACTS = {
    "tilt_degrees": Fact("orientation: tilt of the scan's axes in degrees", 10, below=False),
    "covered": Fact("field of view: share of the network's box that the scan covers", 0.1, above=False),
    "height_mm": Fact("field of view: height of the scan in mm", 50),
    "depth_mm": Fact("field of view: depth of the scan in mm", 100),
    "width_mm": Fact("field of view: width of the scan in mm", 100),
    "lowest_hu": Fact("HU: lowest value", 150),
    "highest_hu": Fact("HU: 99th percentile in the network's field", 600),
    "tissue_hu": Fact("HU: median of soft tissue", 40),
    "overlap": Fact("registration: overlap (Dice) with the template's head", 0.05, above=False),
    "similarity": Fact("registration: similarity with the template's bones", 0.1, above=False),
    "rotation_deg": Fact("registration: rotation to the template in degrees", 15, below=False),
}


def facts_of(prepared_dir: str | Path, case: str) -> dict[str, Any]:
    """The facts of a prepared case (`prepare.facts`), with the quality of its registration where it has one."""
    folder = Path(prepared_dir) / case
    try:
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            "The facts of a prepared case are missing.",
            case=case,
            file=folder / "facts.json",
            todo="Run the target `prepared` again.",
        ) from None
    registration = folder / "registration.json"
    if registration.is_file():
        record = json.loads(registration.read_text(encoding="utf-8"))
        facts |= {name: record[name] for name in REGISTRATION}
    return facts


def summary(facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`cases`, the `orientations` met, and `ranges`: smallest and largest value of each fact."""
    known = {name: [each[name] for each in facts if each.get(name) is not None] for name in FACTS}
    return {
        "cases": len(facts),
        "orientations": sorted({each["orientation"] for each in facts}),
        "ranges": {name: [min(values), max(values)] for name, values in known.items() if values},
    }


def differences(saw: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    """One sentence for each fact of a new scan that lies beyond what the model saw, `summary` of its training scans."""
    found = []
    if facts["orientation"] not in saw["orientations"]:
        found.append(
            f"orientation: the scan's axes run {facts['orientation']}, those of the training scans "
            f"{' or '.join(saw['orientations'])}; the header is believed, so see that it is true"
        )
    for name, (low, high) in saw["ranges"].items():
        fact, value = FACTS[name], facts.get(name)
        shown = "none" if value is None else f"{value:g}"
        lowest = low - fact.slack if fact.below else -math.inf
        highest = high + fact.slack if fact.above else math.inf
        if value is None or not lowest <= value <= highest:
            found.append(f"{fact.words}: {shown}; training scans had {low:g} to {high:g}")
    return found
