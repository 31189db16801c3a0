"""Floors and ceilings by hand: the label atlas, the way there and back, two readers, a silhouette that fixes all."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk

from globalmask.errors import UserError
from globalmask.evidence.floors import COLUMNS, floors, gather, label_atlas
from globalmask.imaging.images import write_image

META = {"run": "x", "data": "synthetic", "arm": "a", "replicate": 0, "fold": 0}


def line(*values: int) -> np.ndarray:
    """A (1, 1, x) array."""
    return np.array(values, np.uint8)[None, None]


def atlas(*labels: np.ndarray, structures: int = 1) -> list[int]:
    return label_atlas(labels, structures=structures)[0, 0].tolist()


def test_the_columns_are_the_contract():
    assert ",".join(COLUMNS) == "run,data,arm,method,n_train,replicate,fold,case,structure,space,dice"


def test_the_atlas_of_one_case_is_its_label():
    assert atlas(line(0, 2, 2, 1, 0), structures=2) == [0, 2, 2, 1, 0]


def test_the_threshold_with_the_best_dice_on_the_training_labels_is_taken():
    # Two of three share two voxels, the third has them and two more: k = 1 gives four voxels with Dice 2/3, 2/3, 1
    # (mean 0.78); k = 2 and k = 3 give two voxels with Dice 1, 1, 2/3 (mean 0.89); the smaller k is taken.
    small, large = line(0, 1, 1, 0, 0), line(1, 1, 1, 1, 0)
    assert atlas(small, small, large) == [0, 1, 1, 0, 0]
    # Two large ones of three: k = 1 and 2 give four voxels (mean 0.89), k = 3 two voxels (mean 0.78).
    assert atlas(small, large, large) == [1, 1, 1, 1, 0]


def test_the_union_wins_where_labels_share_little():
    # Intersection: 1 voxel, Dice 2/3 with each; union: 3 voxels, Dice 4/5 with each.
    assert atlas(line(1, 1, 0), line(0, 1, 1)) == [1, 1, 1]


def test_where_structures_meet_the_more_frequent_one_wins():
    # Structure 2 is in another voxel of each case, so its best map is all three; the first voxel is 1 in two cases.
    labels = [line(1, 0, 2), line(1, 2, 0), line(2, 0, 0)]
    assert atlas(*labels, structures=2) == [1, 2, 2]


def test_a_structure_that_no_training_label_has_is_nowhere():
    assert atlas(line(0, 1), line(0, 1), structures=3) == [0, 1]


def image(array: np.ndarray, spacing: float) -> sitk.Image:
    made = sitk.GetImageFromArray(array)
    made.SetSpacing([spacing] * 3)
    # The first voxel of every grid begins at 0 mm.
    made.SetOrigin([spacing / 2] * 3)
    return made


def cube(side: int, start: int, stop: int) -> np.ndarray:
    array = np.zeros((side,) * 3, np.uint8)
    array[start:stop, start:stop, start:stop] = 7
    return array


@pytest.fixture()
def study(tmp_path):
    """Raw labels of 2 mm (structure value 7), prepared labels of 4 mm (value 1), and boxes of 8 voxels."""

    def write(case: str, raw: np.ndarray, prepared: np.ndarray, *, offset=(0, 0, 0)):
        write_image(image(raw, 2.0), tmp_path / "raw" / f"{case}.nii.gz")
        write_image(image((prepared > 0).astype(np.uint8), 4.0), tmp_path / "prepared" / case / "label.nii.gz")
        (tmp_path / "masks").mkdir(exist_ok=True)
        record = {"offset_zyx": offset, "size_zyx": [8, 8, 8]}
        (tmp_path / "masks" / f"{case}.json").write_text(json.dumps(record), encoding="utf-8")

    write("train", cube(16, 4, 12), cube(8, 2, 6))
    write("same", cube(16, 4, 12), cube(8, 2, 6))
    write("odd", cube(16, 5, 12), cube(8, 2, 6))
    write("cut", cube(16, 4, 12), cube(8, 2, 6), offset=(4, 0, 0))
    return tmp_path


def measure(study, *cases, **options):
    values = {
        "prepared_dir": study / "prepared",
        "masks_dirs": {1: study / "masks"},
        "train_order": ["train"],
        "raw_labels": {case: study / "raw" / f"{case}.nii.gz" for case in cases},
        "second_labels": {},
        "label_values": {"organ": 7},
        "silhouette_fixes": False,
        "meta": META,
        "out_path": study / "floors.csv",
        **options,
    }
    floors(**values)
    with open(study / "floors.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {(row["case"], row["method"], row["space"]): row for row in rows}


def dice_of(rows, *key: str) -> float:
    return float(rows[key]["dice"])


def test_atlas_and_resampling_of_a_case_that_equals_the_training_case(study):
    rows = measure(study, "same")
    assert set(rows) == {("same", m, s) for m in ("atlas", "resampling") for s in ("crop", "native")}
    assert {dice_of(rows, "same", method, "crop") for method in ("atlas", "resampling")} == {1.0}
    # Back on the fine grid the cube of 8 voxels a side has lost its corners: there it has 0.75^3 of the weight.
    for method in ("atlas", "resampling"):
        assert dice_of(rows, "same", method, "native") == pytest.approx(2 * 504 / (512 + 504), abs=1e-6)
    assert rows["same", "atlas", "crop"]["n_train"] == "1"
    assert rows["same", "resampling", "crop"]["n_train"] == ""


def test_what_the_coarse_grid_cannot_hold_is_lost_in_native_space_alone(study):
    # 7 raw voxels a side became 4 prepared ones, which come back as 8 without the corners, one of them shared.
    rows = measure(study, "odd")
    assert dice_of(rows, "odd", "resampling", "native") == pytest.approx(2 * 342 / (343 + 504), abs=1e-6)
    assert dice_of(rows, "odd", "resampling", "crop") == 1


def test_what_the_box_cuts_off_lowers_the_ceiling(study):
    # The box begins in the middle of the structure: half of it, s = 0.5, so Dice is 2 * 0.5 / 1.5.
    rows = measure(study, "cut")
    assert dice_of(rows, "cut", "resampling", "crop") == pytest.approx(2 / 3, abs=1e-6)
    # Half of the cube comes back, without the four corners of its far side.
    assert dice_of(rows, "cut", "resampling", "native") == pytest.approx(2 * 252 / (512 + 252), abs=1e-6)
    # In this box the structure lies elsewhere: the map of the training case meets none of it.
    assert dice_of(rows, "cut", "atlas", "crop") == 0


def test_two_readers_are_compared_where_both_exist(study):
    write_image(image(cube(16, 4, 8), 2.0), study / "raw" / "second.nii.gz")
    rows = measure(study, "same", "odd", second_labels={"same": study / "raw" / "second.nii.gz"})
    assert [key for key in rows if key[1] == "readers"] == [("same", "readers", "native")]
    assert dice_of(rows, "same", "readers", "native") == pytest.approx(2 * 64 / (512 + 64), abs=1e-6)


def test_a_second_reader_on_another_grid_is_named(study):
    write_image(image(cube(15, 4, 8), 2.0), study / "raw" / "second.nii.gz")
    with pytest.raises(UserError, match="grid of the first"):
        measure(study, "same", second_labels={"same": study / "raw" / "second.nii.gz"})


def test_each_size_has_its_own_atlas(study):
    rows = measure(study, "same", masks_dirs={1: study / "masks", 2: study / "masks"}, train_order=["train", "cut"])
    # The last row of a key is the larger size: the union or one of two maps that share nothing.
    assert rows["same", "atlas", "crop"]["n_train"] == "2"
    assert dice_of(rows, "same", "atlas", "crop") < 1


def test_gathered_rows_keep_their_order_and_other_columns_are_refused(study):
    measure(study, "same")
    gather(paths=[study / "floors.csv", study / "floors.csv"], out_path=study / "all.csv")
    once, twice = ((study / name).read_text(encoding="utf-8") for name in ("floors.csv", "all.csv"))
    assert twice == once + once.split("\n", 1)[1]
    (study / "other.csv").write_text("run,dice\nx,1\n", encoding="utf-8")
    with pytest.raises(UserError, match="other columns"):
        gather(paths=[study / "other.csv"], out_path=study / "all.csv")
