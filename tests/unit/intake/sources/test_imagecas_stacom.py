"""ImageCAS with the labels of STACOM 2025, both unpacked below one folder."""

from __future__ import annotations

import numpy as np
import pytest

from imports import blocks, rows, write


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    for number in (1, 12, 90):
        write(np.full((5, 5, 6), 40, np.int16), folder / "1-200" / f"{number}.img.nii.gz")
        write(blocks(1, 1, 1).astype(np.uint8), folder / "1-200" / f"{number}.label.nii.gz")
    labels = folder / "ImageCAS-STACOM2025-02-10-2025"
    for number in (1, 12, 500):
        write(blocks(*range(1, 11)).astype(np.uint8), labels / "segmentations" / f"{number}.nii.gz")
    (labels / "info").mkdir()
    (labels / "info" / "all_segmentations_id.txt").write_text("1\n12\n500\n", encoding="utf-8")
    return folder


def test_numbers_pair_the_scans_with_the_heart_labels(data, bring_in):
    done = bring_in("imagecas-stacom", data)
    found = rows(done)
    assert list(found) == ["imagecas_0001", "imagecas_0012"]
    assert found["imagecas_0012"].ct.endswith("1-200/12.img.nii.gz")
    assert found["imagecas_0012"].label.endswith("segmentations/12.nii.gz"), "not the coronary arteries"
    assert done.structures["left_ventricle"] == 3
    assert done.notes == [
        "1 CTs have no label and are not in the table (90).",
        "1 labels have no CT and are not in the table (500).",
    ]


def test_unknown_values_are_refused(data, refused):
    write(blocks(1, 2, 11), data / "ImageCAS-STACOM2025-02-10-2025" / "segmentations" / "12.nii.gz")
    told = refused("imagecas-stacom", data)
    assert "found: 11" in told
    assert "case: imagecas_0012" in told
