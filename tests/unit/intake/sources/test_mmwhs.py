"""MM-WHS in its own layout: names, the seven values, and the stray 421."""

from __future__ import annotations

import numpy as np
import pytest

from imports import blocks, rows, voxels, write

SEVEN = (500, 600, 420, 550, 205, 820, 850)


@pytest.fixture
def data(tmp_path):
    """Three CTs, one of them without a label, one MR image, and a copy that macOS left behind."""
    folder = tmp_path / "data"
    for number in (1001, 1002):
        write(blocks(*SEVEN), folder / "ct_train" / f"ct_train_{number}_label.nii.gz")
    for name in ("ct_train/ct_train_1001", "ct_train/ct_train_1002", "ct_test/ct_test_2001", "mr_train/mr_train_1001"):
        write(blocks(*SEVEN), folder / f"{name}_image.nii.gz")
    (folder / "ct_train" / "._ct_train_1001_label.nii.gz").write_bytes(b"\0")
    return folder


def test_the_files_stay_where_they_are(data, bring_in):
    done = bring_in("mmwhs", data)
    found = rows(done)
    assert list(found) == ["ct_train_1001", "ct_train_1002"]
    assert found["ct_train_1001"].ct == str(data / "ct_train" / "ct_train_1001_image.nii.gz")
    assert found["ct_train_1001"].label == str(data / "ct_train" / "ct_train_1001_label.nii.gz")
    assert [path.name for path in done.table.parent.iterdir()] == ["cases.tsv"]
    assert set(done.structures.values()) == set(SEVEN)
    assert any("1 CTs without a label" in note for note in done.notes)
    assert any("1 MR images" in note for note in done.notes)


def test_the_stray_421_becomes_left_atrium_in_a_copy(data, bring_in):
    label = blocks(*SEVEN)
    label[3, 1, 1:3] = 421
    original = write(label, data / "ct_train" / "ct_train_1002_label.nii.gz")
    before = original.read_bytes()
    done = bring_in("mmwhs", data)
    found = rows(done)
    assert np.array_equal(voxels(found["ct_train_1002"].label), blocks(*SEVEN))
    assert "ct_train_1002: 2 voxels of 421 became 420." in done.notes
    assert found["ct_train_1001"].label.startswith(str(data))
    assert original.read_bytes() == before


def test_other_unknown_values_of_all_labels_are_told_at_once(data, refused):
    for number in (1001, 1002):
        write(blocks(*SEVEN, 422), data / "ct_train" / f"ct_train_{number}_label.nii.gz")
    told = refused("mmwhs", data)
    assert "2 faults" in told
    assert told.count("found: 422") == 2


def test_fractions_are_no_label(data, refused):
    write(blocks(*SEVEN).astype(np.float32) + 0.5, data / "ct_train" / "ct_train_1002_label.nii.gz")
    assert "not whole numbers" in refused("mmwhs", data)
