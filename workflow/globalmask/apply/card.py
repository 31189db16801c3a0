"""The model card that travels in an exported model: what its maker says, what the run knows, and its scores."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from globalmask.config import Section
from globalmask.errors import UserError, raise_all

Said = Annotated[str, Field(min_length=1)]
METRICS = {"dice": "Dice", "hd95_mm": "HD95 in mm", "com_mm": "centre of mass in mm"}


class Words(Section):
    """What only the maker of a model knows; a YAML file with these keys."""

    data: Said = Field(description="which scans and contours, of whom, from where")
    licence: Said = Field(description="of the data and of this model")
    citation: str = ""
    intended_use: Said
    limits: tuple[Said, ...] = Field(min_length=1)


def read_words(path: str | Path) -> Words:
    """The maker's words; raises one UserError that tells every missing, empty or unknown key."""
    import yaml

    try:
        return Words.model_validate(yaml.safe_load(Path(path).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError("The words of the model card are missing.", file=path, expected=_expected()) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError("The words of the model card cannot be read.", file=path, found=error) from None
    except ValidationError as invalid:
        faults = [
            UserError(f"The model card's '{'.'.join(map(str, error['loc'])) or 'file'}' does not fit.",
                      file=path, found=error["msg"], expected=_expected())
            for error in invalid.errors()
        ]  # fmt: skip
        raise_all(faults)
        raise


def _expected() -> str:
    return f"YAML with {', '.join(Words.model_fields)}"


def scores_of(path: str | Path) -> list[dict[str, Any]]:
    """Mean and 95 % t interval over test cases of each metric, structure and space of a cell's `scores.csv`.

    The interval holds for this one training: another would differ. A metric without a value in some case (an empty
    structure) is over the others, and `cases` counts them.
    """
    from globalmask.evidence.crossed import t_interval

    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = []
    for structure, space in dict.fromkeys((row["structure"], row["space"]) for row in rows):
        for metric in METRICS:
            here = [row[metric] for row in rows if (row["structure"], row["space"]) == (structure, space)]
            values = [float(value) for value in here if value]
            if not values:
                continue
            mean, _, low, high = t_interval(values)
            interval = None if math.isnan(low) else [round(low, 4), round(high, 4)]
            worst = min(values) if metric == "dice" else max(values)
            entry = {"structure": structure, "space": space, "metric": metric, "mean": round(mean, 4)}
            found.append(entry | {"interval95": interval, "worst": worst, "cases": len(values)})
    return found


def card_of(header: Mapping[str, Any], words: Words, scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The card: the maker's words, the budget of labels, what was trained, and the scores."""
    return {
        **words.model_dump(mode="json"),
        "kind_of_data": header["data"],
        "budget": {
            "train": len(header["train_cases"]),
            "validation": len(header["validation_cases"]),
            "mask": len(header.get("extra_networks", {}).get("mask", {}).get("cases", [])),
        },
        "scores": [dict(score) for score in scores],
    }


def text_of(header: Mapping[str, Any]) -> str:
    """A model's header for a reader: the card where it has one, what it needs, what it saw."""
    lines = [f"{', '.join(header.get('structures', ['a mask']))}: {_cell(header)}"]
    card = header.get("card")
    if card is None:
        lines += ["no model card: it was not exported (globalmask export)"]
    else:
        lines += [f"{name.replace('_', ' ')}: {card[name]}" for name in ("data", "licence", "citation", "intended_use")]
        lines += [f"limit: {limit}" for limit in card["limits"]]
        budget = card["budget"]
        lines += [f"labelled cases: {budget['train']} to train, {budget['validation']} to choose the weights, "
                  f"{budget['mask']} for the mask network"]  # fmt: skip
        lines += [_score_line(score) for score in card["scores"]]
    return "\n".join([*lines, *_needs(header)])


def _cell(header: Mapping[str, Any]) -> str:
    names = ("run", "arm", "variant", "scenario", "n", "replicate")
    return ", ".join(f"{name} {header[name]}" for name in names if name in header)


def _score_line(score: Mapping[str, Any]) -> str:
    interval = score["interval95"]
    shown = "" if interval is None else f" (95 % interval {interval[0]:.3f} to {interval[1]:.3f})"
    return (
        f"{METRICS[score['metric']]}, {score['structure']}, {score['space']}: {score['mean']:.3f}{shown}, "
        f"worst {score['worst']:.3f}, {score['cases']} test cases"
    )


def _needs(header: Mapping[str, Any]) -> list[str]:
    grid, template = header.get("grid", {}), header.get("template")
    lines = [f"grid: {grid.get('size_voxels')} voxels a side of {grid.get('spacing_mm')} mm, HU {header['clip_hu']}"]
    lines += [f"mask: recipe {header['mask']['recipe']}"] if "mask" in header else []
    if template:
        travels = "travels in this file" if template["file"] else "a patient's scan: predict needs --template"
        lines += [f"template: {template['name']} ({template['is']}), {travels}"]
    for name, (low, high) in header.get("saw", {}).get("ranges", {}).items():
        lines += [f"saw {name}: {low:g} to {high:g}"]
    return [*lines, f"weights sha256: {header['sha256']}"]
