"""Cases packed for the viewer: what comes out is what went in, and no more than fits."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from globalmask.present import packing
from globalmask.present.results import read_scores

Run = tuple[Path, dict[str, Any]]


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Run:
    return make_run(arms=("brain",), sizes=(1, 4))


def unpacked(packed: packing.Packed) -> np.ndarray:
    """Layers of a packed case, (layer, z, y, x)."""
    raw = gzip.decompress(base64.b64decode(packed.text))
    return np.frombuffer(raw, np.uint8).reshape(-1, *packed.about["shape"])


def volume(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_a_packed_case_gives_back_its_layers_and_its_ct_within_a_step(run: Run) -> None:
    run_dir, plan = run
    packed = packing.pack_case(run_dir, plan, "brain", "brain_09", read_scores(run_dir))
    assert packed is not None
    layers = unpacked(packed)
    assert [layer["name"] for layer in packed.about["layers"]] == [
        "Ground truth",
        "Input mask",
        "CT",
        "Mask",
        "CT + mask",
    ]
    prepared = run_dir / "brain" / "prepared" / "brain_09"
    cell = run_dir / "brain" / "modern" / "ct_mask" / "n4" / "r0" / "predictions" / "brain_09.nii.gz"
    assert np.array_equal(layers[1], volume(prepared / "label.nii.gz"))
    assert np.array_equal(layers[2], volume(run_dir / "brain" / "masks" / "base" / "brain_09.nii.gz"))
    assert np.array_equal(layers[5], volume(cell))
    ct = volume(prepared / "ct.nii.gz")
    soft = (ct >= -200) & (ct <= 396)
    assert np.abs(packing.LEVELS_HU[layers[0]] - ct)[soft].max() <= 2
    assert packed.about["dice"]["CT + mask"] == [
        round(value, 3) for value in _dice(read_scores(run_dir), "ct_mask", "brain_09")
    ]


def _dice(scores: pd.DataFrame, scenario: str, case: str) -> list[float]:
    rows = scores[(scores["scenario"] == scenario) & (scores["case"] == case) & (scores["n_train"] == 4)]
    return rows["dice"].tolist()


def test_the_box_is_cut_where_the_mask_says(run: Run) -> None:
    run_dir, plan = run
    record = run_dir / "brain" / "masks" / "base" / "brain_09.json"
    record.write_text('{"offset_zyx": [4, -2, 6], "size_zyx": [32, 32, 32]}', encoding="utf-8")
    packed = packing.pack_case(run_dir, plan, "brain", "brain_09", read_scores(run_dir))
    assert packed is not None
    truth = volume(run_dir / "brain" / "prepared" / "brain_09" / "label.nii.gz")
    assert np.array_equal(unpacked(packed)[1][:, 2:], truth[4:36, :30, 6:38])
    assert not unpacked(packed)[1][:, :2].any()
    assert (unpacked(packed)[0][:, :2] == 0).all()  # air


def test_the_levels_are_ascending_and_fine_where_soft_tissue_is() -> None:
    steps = np.diff(packing.LEVELS_HU)
    assert len(packing.LEVELS_HU) == 256
    assert (steps > 0).all()
    assert (steps[(packing.LEVELS_HU[:-1] >= -200) & (packing.LEVELS_HU[:-1] < 396)] == 4).all()


def test_the_worst_best_and_median_come_first_and_the_page_does_not_overflow(run: Run) -> None:
    run_dir, plan = run
    scores = read_scores(run_dir)
    for case, dice in {"brain_08": 0.5, "brain_09": 0.9, "brain_10": 0.2, "brain_11": 0.6}.items():
        scores.loc[scores["case"] == case, "dice"] = dice
    assert packing.by_interest(plan, "brain", scores) == ["brain_10", "brain_09", "brain_08", "brain_11"]
    one = packing.pack_case(run_dir, plan, "brain", "brain_10", scores)
    assert one is not None
    packed = packing.packed_cases(run_dir, plan, scores, most_bytes=int(2.5 * len(one.text)))
    assert [item.case for item in packed] == ["brain_10", "brain_09"]
    assert "brain: 2 of 4 test cases" in packing.choice_words(plan, packed)[0]
    assert "the worst, the best and the median first" in packing.choice_words(plan, packed)[0]
    assert len(packing.packed_cases(run_dir, plan, scores)) == 4


def test_a_case_whose_mask_is_missing_is_left_out(run: Run) -> None:
    run_dir, plan = run
    (run_dir / "brain" / "masks" / "base" / "brain_08.nii.gz").unlink()
    packed = packing.packed_cases(run_dir, plan, read_scores(run_dir))
    assert sorted(item.case for item in packed) == ["brain_09", "brain_10", "brain_11"]
