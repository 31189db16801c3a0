"""One's own files, paired by patterns."""

from __future__ import annotations

import pytest

from imports import blocks, rows, write


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    for name in ("imagesTr/anna_01_0000", "imagesTr/bert_0000", "labelsTr/anna_01", "labelsTr/bert"):
        write(blocks(1, 2), folder / f"{name}.nii.gz")
    return folder


PAIRS = {"ct": "imagesTr/{case}_0000.nii.gz", "label": "labelsTr/{case}.nii.gz"}


def test_pairs_by_pattern(data, bring_in):
    found = rows(bring_in("folder", data, **PAIRS))
    assert list(found) == ["anna_01", "bert"]
    assert found["anna_01"].ct == str(data / "imagesTr" / "anna_01_0000.nii.gz")
    assert found["bert"].label == str(data / "labelsTr" / "bert.nii.gz")


def test_a_folder_a_case_and_a_star(tmp_path, bring_in):
    for case in ("p1", "p2"):
        (tmp_path / "data" / case / "scan").mkdir(parents=True)
        write(blocks(1), tmp_path / "data" / case / f"seg_v{case[1]}.nii.gz")
    found = rows(bring_in("folder", tmp_path / "data", ct="{case}/scan", label="{case}/seg_v*.nii.gz"))
    assert found["p2"].ct == str(tmp_path / "data" / "p2" / "scan")
    assert found["p2"].label.endswith("p2/seg_v2.nii.gz")


def test_every_missing_file_is_told(data, refused):
    (data / "labelsTr" / "bert.nii.gz").unlink()
    (data / "imagesTr" / "anna_01_0000.nii.gz").unlink()
    told = refused("folder", data, **PAIRS)
    assert "2 faults" in told
    assert "A case has no label." in told and "A case has no ct." in told


def test_two_files_of_one_case_are_refused(data, refused):
    write(blocks(1), data / "labelsTr" / "bert_old.nii.gz")
    write(blocks(1), data / "labelsTr" / "bert_new.nii.gz")
    assert "Two files fit one case." in refused("folder", data, label="labelsTr/{case}_*.nii.gz")


@pytest.mark.parametrize("pattern", ["labelsTr/*.nii.gz", "{case}/{case}.nii.gz", "../{case}.nii.gz", "/etc/{case}"])
def test_patterns_that_do_not_fit(data, refused, pattern):
    assert "A pattern does not fit." in refused("folder", data, ct=PAIRS["ct"], label=pattern)


def test_without_a_label_pattern(data, refused):
    assert "needs --label" in refused("folder", data, ct=PAIRS["ct"])
