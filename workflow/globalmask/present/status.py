"""How far a run is: every training's state, Dice and curve, from its files alone.

Nothing of Snakemake or SLURM is asked, so it works beside either, and over a shared file system. A training runs where
the heartbeat of its lock is fresh; its log has one line a validation, its record the end.
"""

from __future__ import annotations

import csv
import json
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from globalmask import matrix
from globalmask.config import Config
from globalmask.intake.cohort import cohorts_of
from globalmask.network.lock import STALE_SECONDS

if TYPE_CHECKING:
    from rich.console import RenderableType

BARS = "▁▂▃▄▅▆▇█"
VALIDATED = re.compile(r"^step (\d+)/\d+ .*?(?:Dice ([\d.]+).*?)?  (\d+) s$", re.MULTILINE)
State = Literal["done", "running", "stopped", "waiting"]
COLOURS = {"done": "green", "running": "cyan", "stopped": "red", "waiting": "dim"}


@dataclass(frozen=True)
class Place:
    """Where one training leaves its files, and how long it is at most; a mask network has no Dice."""

    name: str
    folder: Path
    log: Path
    lock: Path
    steps: int


@dataclass(frozen=True)
class Training:
    """One training as its files tell it.

    `dice` holds every validation so far; `said` is the last line of the log of one that stopped.
    """

    place: Place
    state: State
    step: int = 0
    seconds: float = 0.0
    dice: tuple[float, ...] = ()
    said: str = ""


def places(config: Config, root: Path) -> list[Place]:
    """Every training of a run below the folder `root`: the mask networks, then the cells.

    Raises UserError where a case table is missing or unfit.
    """
    cohorts = cohorts_of(config)
    cells = list(matrix.cells(config, {name: cohort.sizes for name, cohort in cohorts.items()}))
    run, logs = root / "results" / config.run, root / "logs" / config.run
    learned = matrix.learned_sets(matrix.mask_sets(config, cells))
    return [
        *(
            Place(
                f"{arm}/masks/{mask_set}/{part}",
                run / arm / "masks" / mask_set / "networks" / part,
                logs / arm / "masks" / mask_set / f"train_{part}.log",
                run / "checkpoints" / arm / "masks" / mask_set / part / "lock.json",
                config.arms[arm].mask_network.settings.max_steps,
            )
            for (arm, mask_set), cell in learned.items()
            for part in cohorts[arm].mask_parts(cell)
        ),
        *(
            Place(
                cell.path,
                run / cell.path,
                logs / cell.path / "train.log",
                run / "checkpoints" / cell.path / "lock.json",
                config.variants[cell.variant].settings.max_steps,
            )
            for cell in cells
        ),
    ]


def look(place: Place) -> Training:
    """State of one training now."""
    record = _record(place.folder / "run.json")
    text = place.log.read_text(encoding="utf-8", errors="replace") if place.log.is_file() else ""
    lines = VALIDATED.findall(text)
    dice = tuple(float(value) for _, value, _ in lines if value)
    if record and (place.folder / "model.safetensors").is_file():
        seconds = 3600 * record.get("total_hours", 0.0)
        return Training(place, "done", record.get("steps", place.steps), seconds, _history(place.folder))
    step, seconds = (int(lines[-1][0]), float(lines[-1][2])) if lines else (0, 0.0)
    if _beats(place.lock):
        return Training(place, "running", step, seconds, dice)
    if not text:
        return Training(place, "waiting")
    return Training(place, "stopped", step, seconds, dice, text.strip().splitlines()[-1])


def seconds_left(trainings: Sequence[Training]) -> float | None:
    """Remaining steps at this run's own pace, shared by as many trainings as run now; None before any pace is known."""
    known = [training for training in trainings if training.step and training.seconds]
    if not known:
        return None
    pace = statistics.median(training.seconds / training.step for training in known)
    left = sum(training.place.steps - training.step for training in trainings if training.state != "done")
    return left * pace / max(1, sum(training.state == "running" for training in trainings))


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """The last `width` values between 0 and 1 as a row of bars."""
    return "".join(BARS[min(7, max(0, int(value * 8)))] for value in values[-width:])


def screen(trainings: Sequence[Training], *, everything: bool = False) -> RenderableType:
    """Counts, time left, and a line for each training that runs or stopped; with `everything`, for all."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    counts = {state: sum(training.state == state for training in trainings) for state in COLOURS}
    head = Text("   ").join(Text(f"{count} {state}", COLOURS[state]) for state, count in counts.items())
    left = seconds_left(trainings)
    if left and counts["running"]:
        head.append(f"   about {_duration(left)} left for the trainings")
    table = Table("training", "state", "step", "Dice", "validations", "time", box=None, pad_edge=False)
    for training in trainings:
        if everything or training.state in ("running", "stopped"):
            table.add_row(*_row(training))
    return Group(head, table) if table.row_count else head


def _row(training: Training) -> tuple[Any, ...]:
    from rich.text import Text

    best = f"{max(training.dice):.3f}" if training.dice else ""
    said = Text(training.said, overflow="ellipsis", no_wrap=True) if training.said else sparkline(training.dice)
    return (
        Text(training.place.name),
        Text(training.state, COLOURS[training.state]),
        f"{training.step}/{training.place.steps}" if training.step else "",
        best,
        said,
        _duration(training.seconds) if training.seconds else "",
    )


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min" if minutes else f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _beats(lock: Path) -> bool:
    try:
        return time.time() - lock.stat().st_mtime < STALE_SECONDS
    except FileNotFoundError:
        return False


def _record(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def _history(folder: Path) -> tuple[float, ...]:
    """Validation Dice of a finished training."""
    try:
        with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
            return tuple(float(row["val_dice"]) for row in csv.DictReader(file) if row["val_dice"])
    except FileNotFoundError:
        return ()
