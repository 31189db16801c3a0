"""Records of the benchmark and the table made of them.

A record is one figure of one line: what, against, goal, figure, spread, met, reason, and the facts it depends on.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

Record = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """What is compared, and when it is good enough.

    `least` and `most` bound the figure, or its size where `size` is set; without bounds it is only reported.
    `reason` says why the goal was missed and what is to be tried next; it is printed only while it is missed.
    """

    what: str
    against: str
    unit: str
    least: float | None = None
    most: float | None = None
    size: bool = False
    reason: str = ""

    @property
    def goal(self) -> str:
        unit = self.unit if self.unit in ("x", "") else f" {self.unit}"
        if self.least is not None:
            return f"at least {self.least:g}{unit}"
        if self.most is not None:
            return f"{'within ±' if self.size else 'at most '}{self.most:g}{unit}"
        return "reported"

    def met(self, figure: float) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        value = abs(figure) if self.size else figure
        if self.least is None and self.most is None:
            return None
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


def measured(line: Line, values: Sequence[float], *, spread: Sequence[float] | None = None, **facts: Any) -> Record:
    """The record of a line: median of `values`, their range (or `spread`), and what else is to be known."""
    figure = float(np.median(values))
    low, high = spread or (min(values), max(values))
    met = line.met(figure)
    return {
        **_head(line),
        "figure": _rounded(figure),
        "spread": [_rounded(low), _rounded(high)],
        "met": met,
        "reason": line.reason if met is False else "",
        "facts": {"repeats": len(values), **facts},
    }


def missing(line: Line, why: str) -> Record:
    """The record of a line that has no figure, and why."""
    return {**_head(line), "figure": None, "spread": None, "met": None, "reason": why, "facts": {}}


def versions(*names: str) -> dict[str, str]:
    """Versions of Python and of installed distributions."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def merged(lines: Mapping[str, Line], old: Mapping[str, Record], new: Mapping[str, Record]) -> dict[str, Record]:
    """One record for every line, in the order of `lines`: the new one, else the old one, else none yet.

    Texts and goals are those of the line now, so a reason written after the measurement is shown without another one.
    """
    found = {}
    for name, line in lines.items():
        record = new.get(name) or old.get(name) or missing(line, "not measured yet")
        if record["figure"] is not None:
            met = line.met(record["figure"])
            record = {**record, **_head(line), "met": met, "reason": line.reason if met is False else ""}
        found[name] = {**record, **_head(line)}
    return found


def read(path: Path) -> dict[str, Record]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def table(records: Mapping[str, Record]) -> str:
    """The records as a Markdown page: a table with every line, then the facts."""
    rows = [
        "| what | against | goal | figure | range | met | reason, next idea |",
        "|---|---|---|---:|---:|---|---|",
        *(_row(record) for record in records.values()),
    ]
    facts = [f"- **{name}**: {_told(record['facts'])}" for name, record in records.items() if record["facts"]]
    return "\n".join([*HEAD, *rows, "", "## Facts", "", *facts, ""])


HEAD = (
    "# Benchmarks",
    "",
    "Written by `make bench` from `results.json`. A figure is a median, its range the smallest and the largest value;",
    "`x` is a ratio of times taken by turns in one process, above 1 where this project is the faster one.",
    "",
)


def _head(line: Line) -> Record:
    return {"what": line.what, "against": line.against, "goal": line.goal, "unit": line.unit}


def _row(record: Record) -> str:
    unit = record["unit"] if record["unit"] in ("x", "") else f" {record['unit']}"
    figure = "" if record["figure"] is None else f"{record['figure']:g}{unit}"
    spread = "" if record["spread"] is None else " to ".join(f"{value:g}" for value in record["spread"])
    met = {True: "yes", False: "**no**", None: ""}[record["met"]]
    cells = (record["what"], record["against"], record["goal"], figure, spread, met, record["reason"])
    return f"| {' | '.join(' '.join(str(cell).split()).replace('|', '/') for cell in cells)} |"


def _told(facts: Mapping[str, Any]) -> str:
    return "; ".join(f"{name} {_plain(value)}" for name, value in facts.items())


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "[" + ", ".join(_plain(each) for each in value) + "]"
    return str(value)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
