"""TotalSegmentator, version 1, in its own layout; masks and CT of the project's tests, which are real."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from imports import rows, voxels, write

V1 = (
    "heart_ventricle_left", "heart_ventricle_right", "heart_atrium_left", "heart_atrium_right", "heart_myocardium",
    "aorta", "pulmonary_artery",
)  # fmt: skip


def subject(folder, *, empty=(), names=V1):
    write(np.full((9, 5, 6), 40, np.int16), folder / "ct.nii.gz", spacing=(1.5, 1.5, 1.5))
    for number, name in enumerate(names, 1):
        mask = np.zeros((9, 5, 6), np.uint8)
        mask[number, 1:4, 1:5] = name not in empty
        write(mask, folder / "segmentations" / f"{name}.nii.gz", spacing=(1.5, 1.5, 1.5))


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data" / "Totalsegmentator_dataset"
    subject(folder / "s0001")
    subject(folder / "s0002", empty=("aorta",))
    subject(folder / "s0003")
    (folder / "meta.csv").write_text(
        "image_id;age;gender;institute;study_type;split\n"
        "s0001;50;m;A;ct thorax;train\ns0002;60;f;B;ct pelvis;test\ns0003;70;f;B;ct heart;val\n",
        encoding="utf-8-sig",
    )
    return tmp_path / "data"


def test_masks_become_one_label_and_the_split_the_role(data, bring_in):
    done = bring_in("totalsegmentator", data)
    found = rows(done)
    assert {case: row.role for case, row in found.items()} == {"s0001": "train", "s0003": "validation"}
    label = voxels(found["s0001"].label)
    assert [set(np.unique(label[z])) - {0} for z in range(9)] == [set(), *({value} for value in range(1, 8)), set()]
    assert list(done.structures)[:2] == ["left_ventricle", "right_ventricle"]
    assert done.notes == ["Left out, a structure lies outside the scan: 1 (s0002)."]


def test_a_later_version_is_refused(tmp_path, refused):
    subject(tmp_path / "data" / "s0001", names=("heart", "aorta", "pulmonary_vein"))
    told = refused("totalsegmentator", tmp_path / "data")
    assert "later version" in told
    assert "version 1" in told


def test_a_missing_mask_is_told_for_every_subject(data, refused):
    for name in ("s0001", "s0003"):
        (data / "Totalsegmentator_dataset" / name / "segmentations" / "heart_atrium_left.nii.gz").unlink()
    told = refused("totalsegmentator", data)
    assert "2 faults" in told
    assert "case: s0003" in told


def test_another_meta_is_refused(data, refused):
    (data / "Totalsegmentator_dataset" / "meta.csv").write_text("image_id,split\ns0001,train\n", encoding="utf-8")
    assert "meta.csv is not that of the data set" in refused("totalsegmentator", data)


def test_without_meta_there_are_no_roles(data, bring_in):
    (data / "Totalsegmentator_dataset" / "meta.csv").unlink()
    done = bring_in("totalsegmentator", data)
    assert {row.role for row in rows(done).values()} == {None}
    assert "There is no meta.csv: the table has no roles." in done.notes


@pytest.fixture
def real(real_data, tmp_path):
    """A real CT with real masks, in the layout of the data set."""
    source, subject_ = real_data / "totalsegmentator_tests" / "aorta_report", tmp_path / "data" / "s0001"
    (subject_ / "segmentations").mkdir(parents=True)
    shutil.copy(source / "ct_cropped.nii.gz", subject_ / "ct.nii.gz")
    for name in ("aorta", "aorta_true_lumen", "brachiocephalic_trunk"):
        shutil.copy(source / f"{name}.nii.gz", subject_ / "segmentations")
    names = tmp_path / "structures.yaml"
    names.write_text(
        "structures: {lumen: [aorta_true_lumen], trunk: [brachiocephalic_trunk]}\nmask: [aorta]\n", encoding="utf-8"
    )
    return tmp_path / "data", names


@pytest.mark.real
def test_real_masks_with_structures_of_ones_own(real, real_data, bring_in):
    row = rows(bring_in("totalsegmentator", real[0], structures=real[1]))["s0001"]
    source = real_data / "totalsegmentator_tests" / "aorta_report"
    label = voxels(row.label)
    assert np.array_equal(label == 1, voxels(source / "aorta_true_lumen.nii.gz") > 0)
    assert np.array_equal(voxels(row.mask) == 1, voxels(source / "aorta.nii.gz") > 0)
    assert (label == 2).any()


@pytest.mark.real
def test_a_real_mask_of_another_grid_is_refused(real, real_data, refused):
    heart = real_data / "totalsegmentator_tests" / "pulmonary_report" / "heart.nii.gz"
    target = real[0] / "s0001" / "segmentations" / "aorta.nii.gz"
    target.chmod(0o644)
    shutil.copy(heart, target)
    told = refused("totalsegmentator", real[0], structures=real[1])
    assert "lie on different grids" in told
    assert "case: s0001" in told
