"""Reading what the statistics left: `analysis.csv`, `analysis.json`, `claims.csv`, `floors.csv`.

An empty cell is NaN in a column of numbers and "" in a column of words. Floors and ceilings exist only
where the config asks for them, so a missing `floors.csv` is an empty frame; the others must be there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from globalmask.errors import UserError
from globalmask.evidence import claims
from globalmask.present.results import read_json

CLAIM_NUMBERS = ("estimate", "low", "high", "p", "published_same_structures")
CLAIM_WORDS = (
    *("id", "dataset", "n_train", "claim", "kind_of_evidence", "arm", "variant", "verdict", "unit"),
    *("published_value", "rule", "level_agrees", "footnotes", "source"),
)
FLOOR_NUMBERS = ("n_train", "dice")
FLOOR_WORDS = ("arm", "method", "case", "structure", "space")


def read_analysis(run_dir: Path) -> pd.DataFrame:
    """`analysis.csv`: one row an estimate; `n_train` is NaN where all sizes enter."""
    path = Path(run_dir) / "analysis.csv"
    if not path.is_file():
        raise _absent(path)
    return claims.read_analysis(path)


def read_analysis_record(run_dir: Path) -> dict[str, Any]:
    """`analysis.json`: the plan's file and digest, departures from it, its power and that of the run."""
    path = Path(run_dir) / "analysis.json"
    record = read_json(path)
    if record is None:
        raise _absent(path)
    return dict(record)


def read_claims(run_dir: Path) -> pd.DataFrame:
    """`claims.csv`: one row a claim of the paper with its verdict."""
    return _read(Path(run_dir) / "claims.csv", CLAIM_WORDS, CLAIM_NUMBERS)


def read_floors(run_dir: Path) -> pd.DataFrame:
    """`floors.csv`: Dice of what learns nothing (atlas) and of what cannot be beaten; empty when not made."""
    path = Path(run_dir) / "floors.csv"
    if not path.is_file():
        return pd.DataFrame(columns=[*FLOOR_WORDS, *FLOOR_NUMBERS])
    return _read(path, FLOOR_WORDS, FLOOR_NUMBERS)


def pick(rows: pd.DataFrame, **wanted: object) -> pd.DataFrame:
    """Rows whose columns have exactly these values."""
    chosen = pd.Series(True, index=rows.index)
    for column, value in wanted.items():
        chosen &= rows[column] == value
    return rows[chosen]


def _read(path: Path, words: tuple[str, ...], numbers: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        raise _absent(path)
    rows = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    missing = [name for name in (*words, *numbers) if name not in rows]
    if missing:
        raise UserError("Columns are missing.", file=path, found=missing, expected=", ".join((*words, *numbers)))
    return rows.assign(**{name: pd.to_numeric(rows[name]) for name in numbers})


def _absent(path: Path) -> UserError:
    return UserError("A file of the evidence is not there.", file=path, todo="make the target `report`")
