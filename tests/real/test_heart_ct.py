"""One real contrast-enhanced heart CT through prepare, the union mask, its box, and back to the scan.

TotalSegmentator's test case (Apache-2.0): 1 heart, 2 aorta, 3 pulmonary artery. The arm has 1 and 3; the
aorta is longer than the paper's box of 192 mm, which has to be told.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from globalmask.config import Grid
from globalmask.evidence.score import CONSTANT, score
from globalmask.imaging.geometry import cut
from globalmask.imaging.images import array_of, read_image, write_image
from globalmask.intake.check import check_case
from globalmask.learn.inputs import load_case
from globalmask.learn.predict import place
from globalmask.masks.quality import measure_mask
from globalmask.masks.record import read_box
from globalmask.masks.supplied import union_mask
from globalmask.prepare.grid import prepare_ct, prepare_label

pytestmark = pytest.mark.real

GRID = Grid(spacing_mm=1.5, size_voxels=128)
ARM = {"heart": 1, "pulmonary_artery": 3}
WITH_AORTA = {**ARM, "aorta": 2}
CASE = "ts_heart"


@pytest.fixture(scope="module")
def ct_path(real_data) -> Path:
    return real_data / "totalsegmentator_tests" / "aorta_report" / "ct_cropped.nii.gz"


@pytest.fixture(scope="module")
def label_path(real_data) -> Path:
    return real_data / "totalsegmentator_tests" / "combined_labels_on_aorta_crop.nii.gz"


@pytest.fixture(scope="module")
def folder(ct_path, label_path, tmp_path_factory) -> Path:
    """Prepared CT and label, and the union mask, as the workflow lays them."""
    folder = tmp_path_factory.mktemp("heart")
    prepared = folder / "prepared" / CASE
    prepare_ct(ct_path, prepared / "ct.nii.gz", grid=GRID)
    values = {value: number for number, value in enumerate(ARM.values(), 1)}
    prepare_label(label_path, prepared / "ct.nii.gz", prepared / "label.nii.gz", values=values)
    union_mask(
        prepared_label_path=prepared / "label.nii.gz",
        out_mask=folder / "masks" / f"{CASE}.nii.gz",
        out_json=folder / "masks" / f"{CASE}.json",
        size_voxels=GRID.size_voxels,
        case=CASE,
    )
    return folder


def quality(folder, label_path, values) -> dict:
    out = folder / "masks" / f"{CASE}.quality.json"
    measure_mask(
        mask_path=folder / "masks" / f"{CASE}.nii.gz",
        mask_json=folder / "masks" / f"{CASE}.json",
        prepared_label_path=folder / "prepared" / CASE / "label.nii.gz",
        raw_label_path=label_path,
        label_values=values,
        out_json=out,
        case=CASE,
        role="test",
    )
    return json.loads(out.read_text(encoding="utf-8"))


def test_prepared_scan_keeps_hu_and_place(folder, ct_path):
    raw, prepared = read_image(ct_path), read_image(folder / "prepared" / CASE / "ct.nii.gz")
    assert prepared.GetSpacing() == pytest.approx((1.5, 1.5, 1.5))
    assert prepared.GetDirection() == pytest.approx((1, 0, 0, 0, 1, 0, 0, 0, 1))
    for position in ([60, 60, 80], [30, 90, 40], [100, 20, 150]):
        point = raw.TransformIndexToPhysicalPoint(position)
        there = prepared.TransformPhysicalPointToIndex(point)
        assert prepared[there] == pytest.approx(raw[position], abs=60)


def test_volumes_survive_the_grid(folder, label_path):
    raw, label = array_of(read_image(label_path)), array_of(read_image(folder / "prepared" / CASE / "label.nii.gz"))
    for number, value in enumerate(ARM.values(), 1):
        assert (label == number).sum() == pytest.approx((raw == value).sum(), rel=0.02)


def test_box_holds_the_arm_s_structures(folder, label_path):
    found = quality(folder, label_path, ARM)
    assert (found["dice"], found["status"], found["warnings"]) == (1, "ok", [])
    assert max(found["ref_lost_share"].values()) < 0.005


def test_aorta_is_longer_than_the_box_and_that_is_told(folder, label_path):
    found = quality(folder, label_path, WITH_AORTA)
    assert found["ref_lost_share"]["aorta"] > 0.005
    (warning,) = found["warnings"]
    assert "of aorta lies outside the box" in warning


def test_box_has_contrast_and_the_heart_in_its_middle(folder):
    case = load_case(
        folder / "prepared", folder / "masks", CASE, clip_hu=(-200.0, 200.0), size_voxels=128, with_label=True
    )
    assert case.ct01.shape == case.mask.shape == case.label.shape == (128, 128, 128)
    assert (case.ct01.min(), case.ct01.max()) == (0, 1)
    assert case.ct01[case.mask == 1].mean() > 0.6
    centre = np.argwhere(case.mask).mean(axis=0)
    assert np.abs(centre - 63.5).max() <= 0.5 + 1e-6


def test_perfect_prediction_returns_to_the_scan(folder, ct_path, label_path):
    """The true label as a prediction: full marks on both grids for the arm, a cropped aorta beside it."""
    prepared = read_image(folder / "prepared" / CASE / "ct.nii.gz")
    values = {value: number for number, value in enumerate(WITH_AORTA.values(), 1)}
    label_file = folder / "all" / CASE / "label.nii.gz"
    prepare_label(label_path, folder / "prepared" / CASE / "ct.nii.gz", label_file, values=values)
    offset, size = read_box(folder / "masks" / f"{CASE}.json")
    label = cut(array_of(read_image(label_file)), offset_zyx=offset, size_zyx=size, fill=0)
    probabilities = np.stack([label == number for number in range(4)]).astype(np.float32)
    raw = read_image(ct_path)
    images = place(probabilities, prepared, offset_zyx=offset, raw=raw, transform=None)
    for name, image in zip(("predictions", "native"), images, strict=True):
        write_image(image, folder / name / f"{CASE}.nii.gz")
    score(
        predictions_dir=folder / "predictions",
        native_dir=folder / "native",
        prepared_dir=folder / "all",
        masks_dir=folder / "masks",
        raw_labels={CASE: label_path},
        label_values=WITH_AORTA,
        cases=[CASE],
        structures=list(WITH_AORTA),
        meta=dict.fromkeys(CONSTANT, "real"),
        out_path=folder / "scores.csv",
    )
    with open(folder / "scores.csv", encoding="utf-8", newline="") as file:
        rows = {(row["space"], row["structure"]): row for row in csv.DictReader(file)}
    for structure in ARM:
        assert float(rows["crop", structure]["dice"]) == 1
        assert float(rows["native", structure]["dice"]) > 0.98
        assert float(rows["native", structure]["com_mm"]) < 0.5
        assert rows["native", structure]["status"] == "ok"
    aorta = rows["native", "aorta"]
    assert aorta["status"] == rows["crop", "aorta"]["status"] == "ref_cropped"
    assert float(aorta["ref_lost_share"]) > 0.005
    assert float(aorta["dice"]) < float(rows["crop", "aorta"]["dice"]) == 1


def checked(ct_path, label_path, folder, **options) -> dict:
    out = folder / "check.json"
    check_case(
        case=CASE,
        ct=ct_path,
        label=label_path,
        values=ARM,
        needs_ct=True,
        out_json=out,
        out_png=folder / "check.png",
        **options,
    )
    return json.loads(out.read_text(encoding="utf-8"))


def test_the_case_passes_the_check_with_its_aorta_ignored(ct_path, label_path, tmp_path):
    assert checked(ct_path, label_path, tmp_path, ignored_values=(2,))["faults"] == []
    assert (tmp_path / "check.png").stat().st_size > 10_000


def test_the_check_names_a_value_that_no_structure_has(ct_path, label_path, tmp_path):
    faults = checked(ct_path, label_path, tmp_path)["faults"]
    assert ["2" in str(fault["found"]) for fault in faults] == [True]
