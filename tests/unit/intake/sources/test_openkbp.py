"""OpenKBP's sparse CSV files: the two real patients as cloned, and what goes wrong."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from imports import rows, voxels

LACKING = (3, 4, 5, 6)
"""Structures whose files the two stored patients do not have."""


@pytest.mark.real
def test_the_two_stored_patients_exactly(real_data, bring_in):
    found = rows(bring_in("openkbp", real_data / "openkbp_raw"))
    assert list(found) == ["pt_30", "pt_119"]
    for case, row in found.items():
        for path, name in ((row.ct, "ct"), (row.label, "labels")):
            expected = sitk.ReadImage(str(real_data / "openkbp" / case / f"{name}.nii.gz"))
            image = sitk.ReadImage(path)
            assert image.GetPixelID() == expected.GetPixelID()
            for about in ("Size", "Spacing", "Origin", "Direction"):
                assert getattr(image, f"Get{about}")() == getattr(expected, f"Get{about}")(), about
            one, other = sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(expected)
            same = one == other
            assert same.all() if name == "ct" else same[~np.isin(other, LACKING)].all()
            assert set(np.unique(one)) == ({0, 1, 2, 7} if name == "labels" else set(np.unique(one)))


def patient(folder, *, structures=("Brainstem",), ct="5,1100.0\n2097151,5000.0\n", spacing="3.5\n3.5\n2.5\n"):
    folder.mkdir(parents=True)
    (folder / "ct.csv").write_text(",data\n" + ct, encoding="utf-8")
    (folder / "voxel_dimensions.csv").write_text(spacing, encoding="utf-8")
    for name in structures:
        (folder / f"{name}.csv").write_text(",data\n5,\n2097151,\n", encoding="utf-8")


def test_where_a_flat_index_comes_to_lie(tmp_path, bring_in):
    """Index 5 is (0, 0, 5): most anterior, right, sixth from the top; the last one most posterior, left, lowest."""
    patient(tmp_path / "data" / "pt_7")
    row = rows(bring_in("openkbp", tmp_path / "data"))["pt_7"]
    ct, label = voxels(row.ct), voxels(row.label)
    assert ct[122, 127, 127] == 1100 - 1024
    assert ct[0, 0, 0] == 4095 - 1024, "clipped to 12 bits"
    assert (ct == -1024).sum() == 128**3 - 2
    assert label[122, 127, 127] == label[0, 0, 0] == 1
    image = sitk.ReadImage(row.ct)
    right, front, top = image.TransformIndexToPhysicalPoint((127, 127, 122))
    assert right < 0 and front < 0 and top > 0, "LPS: negative is right and anterior"


def test_the_first_structure_wins(tmp_path, bring_in):
    patient(tmp_path / "data" / "pt_7", structures=("Mandible", "Brainstem", "Larynx"))
    assert set(np.unique(voxels(rows(bring_in("openkbp", tmp_path / "data"))["pt_7"].label))) == {0, 1}


def test_patients_without_a_brain_stem_are_left_out_and_told(tmp_path, bring_in):
    patient(tmp_path / "data" / "pt_7")
    patient(tmp_path / "data" / "pt_10", structures=("Mandible",))
    done = bring_in("openkbp", tmp_path / "data")
    assert list(rows(done)) == ["pt_7"]
    assert done.notes == ["Left out, no brain stem is contoured: 1 (pt_10)."]


def test_faults_of_all_patients_at_once(tmp_path, refused):
    patient(tmp_path / "data" / "pt_1")
    patient(tmp_path / "data" / "pt_2", ct="2097152,3.0\n")
    patient(tmp_path / "data" / "pt_3", spacing="3.5\n3.5\n")
    patient(tmp_path / "data" / "pt_4")
    (tmp_path / "data" / "pt_4" / "ct.csv").write_text("version https://git-lfs.github.com/spec/v1\n", encoding="utf-8")
    patient(tmp_path / "data" / "pt_5")
    (tmp_path / "data" / "pt_5" / "ct.csv").unlink()
    told = refused("openkbp", tmp_path / "data")
    assert "4 faults" in told
    for number in (2, 3, 4, 5):
        assert f"case: pt_{number}" in told


def test_half_a_file_is_refused(tmp_path, refused):
    patient(tmp_path / "data" / "pt_1")
    (tmp_path / "data" / "pt_1" / "Brainstem.csv").write_text(",data\n", encoding="utf-8")
    assert "The indices do not fit the volume." in refused("openkbp", tmp_path / "data")
