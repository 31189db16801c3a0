"""Mask Dice and the share of each structure that the box loses."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import SimpleITK as sitk

from globalmask.errors import UserError
from globalmask.imaging.geometry import box_image
from globalmask.imaging.images import image_like, write_image
from globalmask.masks.quality import binary_dice, lost_shares, measure_mask
from globalmask.masks.record import write_mask


def test_binary_dice():
    one, none = np.array([True, False]), np.array([False, False])
    assert binary_dice(one, one) == 1
    assert binary_dice(one, none) == binary_dice(none, one) == 0
    assert binary_dice(none, none) is None
    assert binary_dice(np.array([1, 1, 0], bool), np.array([0, 1, 1], bool)) == 0.5


def raw_label() -> sitk.Image:
    """A row of ten voxels of 2 mm along x, centres at 0 .. 18 mm: four of value 7, four of value 9."""
    array = np.zeros((1, 1, 10), np.int16)
    array[0, 0, 0:4], array[0, 0, 6:10] = 7, 9
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((2.0, 2.0, 2.0))
    return image


def test_lost_share_counts_voxel_centres_outside_the_box():
    """Cube of 6 mm around x = 4: from 1 to 7 mm, so the centres 2, 4 and 6 of value 7 and none of 9."""
    box = box_image((4.0, 0.0, 0.0), spacing_mm=1.0, size_voxels=6)
    shares = lost_shares(raw_label(), box, values={"a": 7, "b": 9, "absent": 5})
    assert shares == {"a": 0.25, "b": 1.0, "absent": None}


def test_lost_share_at_the_very_edge_is_kept():
    box = box_image((3.0, 0.0, 0.0), spacing_mm=1.0, size_voxels=6)  # 0 .. 6 mm
    assert lost_shares(raw_label(), box, values={"a": 7})["a"] == 0


def test_lost_share_follows_a_turned_scan_and_a_transform():
    """A quarter turn about z and a shift, undone by the transform: the same answer."""
    turn = sitk.Euler3DTransform((0, 0, 0), 0.0, 0.0, math.pi / 2, (10.0, 20.0, 30.0))
    turned = raw_label()
    turned.SetDirection((0, -1, 0, 1, 0, 0, 0, 0, 1))
    turned.SetOrigin((10.0, 20.0, 30.0))
    box = box_image((4.0, 0.0, 0.0), spacing_mm=1.0, size_voxels=6)
    shares = lost_shares(turned, box, values={"a": 7, "b": 9}, transform=turn)
    assert shares == {"a": 0.25, "b": 1.0}


def measure(tmp_path, recipe="learned", **options) -> dict:
    """One case whose mask covers half of the label's union; its box of 4 voxels loses half of value 9."""
    label = np.zeros((4, 4, 8), np.uint8)
    label[1:3, 1:3, 2:4], label[1:3, 1:3, 4:8] = 1, 2
    like = sitk.GetImageFromArray(label)
    mask = label == 1
    mask[1:3, 1:3, 4] = True
    write_image(like, tmp_path / "label.nii.gz")
    write_image(image_like((label * 10).astype(np.int16), like), tmp_path / "raw.nii.gz")
    paths = {"out_mask": tmp_path / "m.nii.gz", "out_json": tmp_path / "m.json"}
    write_mask(mask, like, **paths, case="c", recipe=recipe, size_voxels=4, part="k2")
    before = (tmp_path / "m.nii.gz").read_bytes(), (tmp_path / "m.json").read_bytes()
    measure_mask(
        mask_path=paths["out_mask"],
        mask_json=paths["out_json"],
        prepared_label_path=tmp_path / "label.nii.gz",
        raw_label_path=tmp_path / "raw.nii.gz",
        label_values={"near": 10, "far": 20},
        out_json=tmp_path / "m.quality.json",
        case="c",
        **options,
    )
    assert before == ((tmp_path / "m.nii.gz").read_bytes(), (tmp_path / "m.json").read_bytes())
    return json.loads((tmp_path / "m.quality.json").read_text(encoding="utf-8"))


def test_measure_mask(tmp_path):
    """Mask 12 voxels inside the union of 24: Dice 24 / 36. Box x = 2 .. 5 holds two of far's four columns."""
    assert measure(tmp_path, role="test") == {
        "case": "c",
        "part": "k2",
        "status": "ok",
        "role": "test",
        "dice": 0.666667,
        "ref_lost_share": {"near": 0.0, "far": 0.5},
        "warnings": ["50.0 % of far lies outside the box"],
    }


@pytest.mark.parametrize("role", ["test", "validation", None])
def test_fixed_box_only_warns_where_the_case_does_not_train(tmp_path, role):
    assert measure(tmp_path, role=role, fixed_box=True)["warnings"]


def test_fixed_box_that_loses_a_training_structure_is_an_error(tmp_path):
    with pytest.raises(UserError, match="loses part of a training structure") as told:
        measure(tmp_path, role="train", fixed_box=True)
    assert "50.0 % of far" in str(told.value)
    assert not (tmp_path / "m.quality.json").exists()


def test_head_mask_has_no_dice_with_its_structures(tmp_path):
    assert measure(tmp_path, recipe="threshold")["dice"] is None
