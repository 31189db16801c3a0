"""Scores: counts, empty structures, physical distances and the share that a box loses, by hand."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
import SimpleITK as sitk

from globalmask.errors import UserError
from globalmask.evidence.score import COLUMNS, CONSTANT, compare, dice, gather, score, status
from globalmask.imaging.images import image_like, write_image

META = dict.fromkeys(CONSTANT, "x") | {"n_train": 4, "fold": 0}


def image(array, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0), turn=None) -> sitk.Image:
    made = sitk.GetImageFromArray(np.asarray(array, np.uint8))
    made.SetSpacing(spacing)
    made.SetOrigin(origin)
    if turn is not None:
        made.SetDirection(np.asarray(turn, float).ravel().tolist())
    return made


def line(*values: int) -> np.ndarray:
    """A (1, 1, x) array."""
    return np.array(values, np.uint8)[None, None]


def read_rows(path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_columns_are_those_of_the_design():
    assert ",".join(COLUMNS) == (
        "run,data,arm,variant,preset,mask_recipe,mask_set,scenario,n_train,replicate,fold,case,structure,"
        "space,dice,com_mm,hd95_mm,assd_mm,nsd_1p5mm,nsd_3mm,mirror_dice,ref_ml,pred_ml,ref_lost_share,status,"
        "labels_train,labels_val,labels_mask"
    )


def test_dice_by_hand():
    assert dice(2, 3, 5) == 0.5
    assert dice(0, 3, 0) == 0
    assert dice(0, 0, 3) == 0
    assert math.isnan(dice(0, 0, 0))


@pytest.mark.parametrize(
    ("reference", "prediction", "lost", "expected"),
    [
        (9, 9, 0.0, "ok"),
        (9, 9, None, "ok"),
        (9, 9, 0.005, "ok"),
        (9, 9, 0.0051, "ref_cropped"),
        (9, 0, 0.9, "pred_empty"),
        (0, 9, 1.0, "ref_empty"),
        (0, 0, None, "both_empty"),
    ],
)
def test_status(reference, prediction, lost, expected):
    assert status(reference, prediction, lost) == expected


def test_compare_counts_volumes_and_distance():
    reference = image(line(1, 1, 0, 0, 2, 0), spacing=(2.0, 5.0, 10.0))
    prediction = image(line(0, 1, 1, 1, 0, 2), spacing=(2.0, 5.0, 10.0))
    rows = compare(reference, prediction, structures=["a", "b"], lost={"a": 0.0, "b": 0.0})
    first, second = rows
    assert first["structure"] == "a"
    assert first["dice"] == pytest.approx(2 * 1 / (2 + 3))
    assert first["com_mm"] == pytest.approx(1.5 * 2)
    assert (first["ref_ml"], first["pred_ml"]) == pytest.approx((0.2, 0.3))
    assert second["dice"] == 0
    assert second["com_mm"] == pytest.approx(2)
    assert second["status"] == "ok"


def test_distance_honours_direction_and_spacing():
    """One voxel along each axis of a turned grid is sqrt(1 + 4 + 16) mm, whatever the direction."""
    array = np.zeros((4, 4, 4), np.uint8)
    array[1, 1, 1] = 1
    angle = math.radians(20)
    turn = [
        [math.cos(angle), -math.sin(angle), 0],
        [math.sin(angle), math.cos(angle), 0],
        [0, 0, -1],
    ]
    geometry = {"spacing": (1.0, 2.0, 4.0), "origin": (7.0, -3.0, 50.0), "turn": turn}
    reference, prediction = image(array, **geometry), image(np.roll(array, 1, (0, 1, 2)), **geometry)
    (row,) = compare(reference, prediction, structures=["a"], lost={"a": 0.0})
    assert row["com_mm"] == pytest.approx(math.sqrt(21))


@pytest.mark.parametrize(
    ("reference", "prediction", "expected"),
    [
        ([1, 1], [0, 0], ("pred_empty", 0.0, 0.002, 0.0)),
        ([0, 0], [1, 1], ("ref_empty", 0.0, 0.0, 0.002)),
        ([0, 0], [0, 0], ("both_empty", math.nan, 0.0, 0.0)),
        ([1, 1], [1, 1], ("ok", 1.0, 0.002, 0.002)),
    ],
)
def test_the_four_cases_of_emptiness(reference, prediction, expected):
    (row,) = compare(image(line(*reference)), image(line(*prediction)), structures=["a"], lost={"a": 0.0})
    found = (row["status"], row["dice"], row["ref_ml"], row["pred_ml"])
    assert found[0] == expected[0]
    assert found[1:] == pytest.approx(expected[1:], nan_ok=True)
    for name in ("com_mm", "hd95_mm", "assd_mm"):
        assert math.isnan(row[name]) == (expected[0] != "ok")
    for name in ("nsd_1p5mm", "nsd_3mm"):
        assert row[name] == pytest.approx(expected[1], nan_ok=True)


def test_surfaces_are_measured_in_mm_along_each_axis():
    """A box that moves one voxel along x, y or z is 2, 3 or 5 mm away."""
    array = np.zeros((12, 12, 12), np.uint8)
    array[3:8, 3:8, 3:8] = 1
    for axis, step in ((2, 2.0), (1, 3.0), (0, 5.0)):
        pair = (image(each, spacing=(2.0, 3.0, 5.0)) for each in (array, np.roll(array, 1, axis)))
        (row,) = compare(*pair, structures=["a"], lost={"a": 0.0})
        assert row["hd95_mm"] == pytest.approx(step)
        assert row["nsd_3mm"] < 1 if step > 3 else row["nsd_3mm"] == 1


def test_mirror_dice_tells_swapped_sides():
    """Predictions of the eyes are exchanged, but for one voxel; the stem has no other side."""
    reference = image(line(1, 1, 0, 2, 2, 3, 3))
    prediction = image(line(2, 2, 0, 1, 0, 3, 3))
    names = ["left_eye", "right_eye", "stem"]
    left, right, stem = compare(reference, prediction, structures=names, lost=dict.fromkeys(names, 0.0))
    assert (left["dice"], right["dice"]) == (0, 0)
    assert left["mirror_dice"] == pytest.approx(2 * 1 / (1 + 2))
    assert right["mirror_dice"] == 1
    assert "mirror_dice" not in stem


@pytest.mark.parametrize(
    ("reference", "prediction", "expected"),
    [([1, 1], [1, 1], 0.0), ([2, 2], [0, 0], 0.0), ([1, 1], [0, 0], math.nan)],
    ids=["partner absent", "nothing predicted", "neither"],
)
def test_mirror_dice_of_empty_sides(reference, prediction, expected):
    """Of the left eye: its prediction against the reference of the right one."""
    pair = (image(line(*values)) for values in (reference, prediction))
    left, _ = compare(*pair, structures=["left_eye", "right_eye"], lost={"left_eye": 0.0, "right_eye": 0.0})
    assert left["mirror_dice"] == pytest.approx(expected, nan_ok=True)


def lay_out(tmp_path, *, raw, label, predicted, native, offset, size) -> dict:
    """Files of one case `c` as the workflow lays them; returns the arguments of `score`."""
    write_image(raw, tmp_path / "raw.nii.gz")
    write_image(label, tmp_path / "prepared/c/label.nii.gz")
    write_image(predicted, tmp_path / "predictions/c.nii.gz")
    write_image(native, tmp_path / "native/c.nii.gz")
    record = {"offset_zyx": offset, "size_zyx": size, "status": "ok"}
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks/c.json").write_text(json.dumps(record))
    return {
        "predictions_dir": tmp_path / "predictions",
        "native_dir": tmp_path / "native",
        "prepared_dir": tmp_path / "prepared",
        "masks_dir": tmp_path / "masks",
        "raw_labels": {"c": tmp_path / "raw.nii.gz"},
        "label_values": {"near": 500, "far": 205},
        "cases": ["c"],
        "structures": ["near", "far"],
        "meta": META,
        "out_path": tmp_path / "scores.csv",
    }


def two_structures() -> tuple[sitk.Image, sitk.Image]:
    """A (2, 2, 8) raw label with values of MMWHS and the same voxels numbered 1 and 2."""
    raw = np.zeros((2, 2, 8), np.uint16)
    raw[:, :, 1:3] = 500
    raw[:, :, 5:8] = 205
    label = (raw == 500) + 2 * (raw == 205)
    return image_like(raw, image(label)), image(label)


def test_score_in_both_spaces(tmp_path):
    """The box holds x = 0..5: all of `near`, one of the three columns of `far`."""
    raw, label = two_structures()
    predicted = sitk.GetArrayFromImage(label)
    predicted[:, :, 6:] = 0
    arguments = lay_out(
        tmp_path,
        raw=raw,
        label=label,
        predicted=image(predicted),
        native=image(predicted),
        offset=[0, 0, -2],
        size=[2, 2, 8],
    )
    score(**arguments)
    rows = read_rows(tmp_path / "scores.csv")
    found = {(row["space"], row["structure"]): row for row in rows}
    assert [(row["space"], row["structure"]) for row in rows] == [
        ("crop", "near"),
        ("crop", "far"),
        ("native", "near"),
        ("native", "far"),
    ]
    far = found["crop", "far"]
    assert far["status"] == "ref_cropped"
    assert float(far["dice"]) == 1
    assert float(far["ref_lost_share"]) == pytest.approx(2 / 3, abs=1e-6)
    native = found["native", "far"]
    assert float(native["dice"]) == pytest.approx(2 * 4 / (4 + 12))
    assert float(native["com_mm"]) == pytest.approx(1)
    assert found["crop", "near"]["status"] == found["native", "near"]["status"] == "ok"
    assert [float(far[name]) for name in ("hd95_mm", "assd_mm", "nsd_1p5mm", "nsd_3mm")] == [0, 0, 1, 1]
    assert 1.5 < float(native["hd95_mm"]) <= 2
    assert far["mirror_dice"] == native["mirror_dice"] == ""
    assert (rows[0]["run"], rows[0]["n_train"]) == ("x", "4")


def test_structure_wholly_outside_the_box(tmp_path):
    """In the box there is nothing to find; in native space it was missed."""
    raw, label = two_structures()
    nothing = image(np.zeros((2, 2, 8)))
    arguments = lay_out(
        tmp_path, raw=raw, label=label, predicted=nothing, native=nothing, offset=[0, 0, 0], size=[2, 2, 4]
    )
    score(**arguments)
    found = {(row["space"], row["structure"]): row for row in read_rows(tmp_path / "scores.csv")}
    assert found["crop", "far"]["status"] == "both_empty"
    assert found["crop", "far"]["dice"] == found["crop", "far"]["com_mm"] == ""
    assert float(found["crop", "far"]["ref_lost_share"]) == 1
    assert found["native", "far"]["status"] == "pred_empty"
    assert float(found["native", "far"]["dice"]) == 0


def test_registered_arm_loses_by_the_scan_not_by_the_prepared_label(tmp_path):
    """The prepared image is the box and no longer knows what lies outside it: 2 of 3 columns of `far`."""
    raw, label = two_structures()
    raw.SetOrigin((100.0, 0.0, 0.0))
    box = label[0:6, :, :]
    move = sitk.TranslationTransform(3, (100.0, 0.0, 0.0))
    sitk.WriteTransform(sitk.AffineTransform(np.eye(3).ravel().tolist(), move.GetOffset()), tmp_path / "t.mat")
    native = sitk.GetArrayFromImage(label)
    arguments = lay_out(
        tmp_path,
        raw=raw,
        label=box,
        predicted=box,
        native=image(native, origin=(100.0, 0.0, 0.0)),
        offset=[0, 0, 0],
        size=[2, 2, 6],
    )
    score(**arguments, transforms={"c": tmp_path / "t.mat"})
    found = {(row["space"], row["structure"]): row for row in read_rows(tmp_path / "scores.csv")}
    assert float(found["crop", "near"]["ref_lost_share"]) == 0
    assert float(found["crop", "far"]["ref_lost_share"]) == pytest.approx(2 / 3, abs=1e-6)


def test_prediction_on_another_grid_is_refused(tmp_path):
    raw, label = two_structures()
    arguments = lay_out(
        tmp_path,
        raw=raw,
        label=label,
        predicted=image(np.zeros((2, 2, 7))),
        native=label,
        offset=[0, 0, 0],
        size=[2, 2, 8],
    )
    with pytest.raises(UserError, match="does not lie on the grid"):
        score(**arguments)
    assert not (tmp_path / "scores.csv").exists()


def test_meta_must_be_complete(tmp_path):
    raw, label = two_structures()
    arguments = lay_out(tmp_path, raw=raw, label=label, predicted=label, native=label, offset=[0, 0, 0], size=[2, 2, 8])
    with pytest.raises(ValueError, match="meta must hold"):
        score(**arguments | {"meta": {"run": "x"}})


def test_gather_keeps_order_and_bytes(tmp_path):
    header = ",".join(COLUMNS)
    blank = "," * (len(COLUMNS) - 1)
    for name in ("b", "a"):
        (tmp_path / name).write_text(f"{header}\n{name}{blank}\n")
    gather(score_paths=[tmp_path / "b", tmp_path / "a"], out_path=tmp_path / "all.csv")
    assert (tmp_path / "all.csv").read_text(encoding="utf-8") == f"{header}\nb{blank}\na{blank}\n"


def test_gather_refuses_other_columns(tmp_path):
    (tmp_path / "a").write_text("run,dice\nx,1\n")
    with pytest.raises(UserError, match="other columns"):
        gather(score_paths=[tmp_path / "a"], out_path=tmp_path / "all.csv")
