"""A trained cell as one file to give away: its model with a card, without the names of its cases or any image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from globalmask.apply.card import Words, card_of, scores_of
from globalmask.errors import UserError
from globalmask.learn.template import refuse_patient
from globalmask.network.model_file import read_header, rewrite_header

NAMES_OF_CASES = ("train_cases", "validation_cases", "mask_cases", "cases")


def export(cell: Path, out: Path, *, words: Words) -> None:
    """Write the model of `cell` (a folder of a finished run: n…/r…) with its card as `out`.

    Case names do not travel: a case table may name patients. Raises UserError where the cell has no scores, the
    file holds anything but networks and a template, or the template is the scan of one of the run's cases.
    """
    model, scores = cell / "model.safetensors", cell / "scores.csv"
    header = read_header(model)
    if not scores.is_file():
        raise UserError(
            "The cell has no scores, and a model without scores is not given away.",
            file=scores,
            todo="run the target `scores` first",
        )
    _refuse_patients_template(cell, header)
    card = card_of(header, words, scores_of(scores))
    rewrite_header(model, out, {**_without_names(header), "card": card})


def _refuse_patients_template(cell: Path, header: dict[str, Any]) -> None:
    template = header.get("template")
    if not (template and template["file"]):
        return
    arm = cell.resolve().parents[3]
    records = sorted(arm.glob("prepared/*/registration.json"))
    if not records:
        raise UserError(
            "A template travels in the model, and the run's registrations are not there to tell whose it is.",
            file=arm / "prepared",
            todo="export from the run's own folder: results/{run}/{arm}/{variant}/{scenario}/n{n}/r{r}",
        )
    found = {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in records}
    refuse_patient(found, template_is=template["is"], file=cell / "model.safetensors")


def _without_names(header: dict[str, Any]) -> dict[str, Any]:
    """The header without case names, in its extra networks too, and with the template's name instead of its path."""
    kept = {name: value for name, value in header.items() if name not in NAMES_OF_CASES}
    kept["extra_networks"] = {name: _without_names(extra) for name, extra in header.get("extra_networks", {}).items()}
    if kept.get("registration"):
        kept["registration"] = {**kept["registration"], "template": Path(kept["registration"]["template"]).name}
    return kept
