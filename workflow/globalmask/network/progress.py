"""How far a training is: a bar on a terminal, one plain line per validation in a log."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any


class Plain:
    """Plain lines on stderr."""

    def advance(self, step: int) -> None:
        """Called after every optimiser step."""

    def tell(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


class Bar:
    """A rich progress bar; lines are printed above it."""

    def __init__(self, progress: Any, task: Any) -> None:
        self._progress, self._task = progress, task

    def advance(self, step: int) -> None:
        self._progress.update(self._task, completed=step)

    def tell(self, line: str) -> None:
        self._progress.console.print(line, highlight=False)


@contextlib.contextmanager
def show(title: str, steps: int) -> Iterator[Plain | Bar]:
    """Yield a display for a training of `steps` optimiser steps, for a terminal or a log."""
    if not sys.stderr.isatty():
        yield Plain()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield Bar(progress, progress.add_task(title, total=steps))


def line_of(row: dict[str, Any], steps: int) -> str:
    """One validation, or one milestone of a training without validation, as a line."""
    text = f"step {row['step']}/{steps}  training loss {row['train_loss']:.4f}"
    if row["val_dice"] is not None:
        text += f"  validation loss {row['val_loss']:.4f}  Dice {row['val_dice']:.4f}"
        text += "  best so far" if row["best"] else ""
    return f"{text}  {row['train_seconds']:.0f} s"
