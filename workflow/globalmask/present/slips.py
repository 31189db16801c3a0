"""The paper's slips (where it disagrees with itself), as footnotes of the numbers that they touch."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from globalmask.evidence.published_numbers import DATA

SLIPS = DATA / "published_slips.csv"  # id, touches (claims, tables, figures), sentence


@dataclass(frozen=True)
class Slip:
    """One slip: `I-04` and the sentence about it."""

    name: str
    sentence: str

    @property
    def title(self) -> str:
        """What a footnote begins with."""
        return f"Slip {self.name} of the paper"


def slips_of(names: Collection[str], path: Path | None = None) -> list[Slip]:
    """The slips of these names, in the order of the file."""
    rows = _read(path or SLIPS)
    return [Slip(row["id"], row["sentence"]) for row in rows.iloc if row["id"] in names]


def slips_that_touch(place: str, path: Path | None = None) -> list[Slip]:
    """The slips that touch a table, figure or claim (`table1`, `fig4`, `C05`)."""
    rows = _read(path or SLIPS)
    return [Slip(row["id"], row["sentence"]) for row in rows.iloc if place in row["touches"].split()]


def names_in(text: str) -> list[str]:
    """Names of slips in a cell such as `I-05; I-21`."""
    return re.findall(r"I-\d\d", text)


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
