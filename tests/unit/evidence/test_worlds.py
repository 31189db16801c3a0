"""The bounds by which two synthetic worlds are told apart; `make worlds` makes the worlds themselves."""

from __future__ import annotations

import pandas as pd
import pytest

from globalmask.errors import UserError
from globalmask.evidence.worlds import compare_worlds, report


def tables(*, free: tuple[float, float], fixed: tuple[float, float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores and floors of one case a world: mask-only and atlas, mask-only and ceiling."""
    scores = [("free", "mask", "crop", free[0]), ("fixed", "mask", "crop", fixed[0])]
    scores += [("free", "ct", "crop", 1.0), ("fixed", "mask", "native", 0.0)]
    known = [("free", "atlas", "crop", free[1]), ("fixed", "atlas", "crop", 0.5)]
    known += [("fixed", "silhouette", "crop", fixed[1]), ("free", "resampling", "crop", 1.0)]
    return (
        pd.DataFrame(scores, columns=["arm", "scenario", "space", "dice"]),
        pd.DataFrame(known, columns=["arm", "method", "space", "dice"]),
    )


@pytest.mark.parametrize(
    ("free", "fixed", "holds"),
    [
        ((0.62, 0.60), (0.91, 0.95), [True, True]),
        ((0.30, 0.60), (0.91, 0.95), [True, True]),
        ((0.64, 0.60), (0.91, 0.95), [False, True]),
        ((0.62, 0.60), (0.89, 0.95), [True, False]),
        ((0.62, 0.60), (0.88, 0.90), [True, False]),
    ],
)
def test_bounds(free, fixed, holds):
    means = compare_worlds(*tables(free=free, fixed=fixed))
    assert means["holds"].tolist() == holds
    assert means["mask_only"].tolist() == [free[0], fixed[0]]


def test_a_network_near_the_atlas_does_not_tell_the_worlds_apart():
    scores, known = tables(free=(0.62, 0.60), fixed=(0.91, 0.95))
    known.loc[(known["arm"] == "fixed") & (known["method"] == "atlas"), "dice"] = 0.82
    assert compare_worlds(scores, known)["holds"].tolist() == [True, False]


def test_a_broken_bound_is_an_error_and_the_numbers_are_printed(tmp_path, capsys):
    for name, table in zip(("scores", "floors"), tables(free=(0.7, 0.6), fixed=(0.9, 0.92)), strict=True):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    with pytest.raises(UserError, match="tell the two phantom worlds apart"):
        report(tmp_path)
    assert "+0.100" in capsys.readouterr().out
