"""What the time of trainings is counted in: hours where each had its GPU to itself, else optimiser steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

STEPS_FOR_HOURS = "steps in place of hours, because trainings may have shared a GPU"


def clock(records: Iterable[Mapping[str, Any]]) -> str:
    """The field of `run.json` to compare trainings by, all by the same one: `hours`, or `best_step`.

    On a GPU a training had it to itself where it says so; one that nobody counted (`device: auto`) may have shared it.
    """
    alone = (
        not str(record.get("device", "")).startswith("cuda") or record.get("trainings_per_gpu") == 1
        for record in records
    )
    return "hours" if all(alone) else "best_step"
