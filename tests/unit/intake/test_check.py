"""Every kind of bad volume gives a block of its own; good ones pass, odd ones warn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

import bad_volumes as bad
from bad_volumes import VALUES, contours, head, volume
from globalmask.errors import UserError
from globalmask.intake.check import check_case, check_cohort


class Place(bad.Place):
    """A case on disk that a test spoils, and what `check_case` says about it."""

    def check(self, case: str = "head_1", **options: Any) -> dict[str, Any]:
        facts, picture = self.folder / f"{case}.json", self.folder / f"{case}.png"
        given = {"ct": self.ct, "mask": self.mask, "values": VALUES, "needs_ct": True} | options
        check_case(case=case, label=self.label, out_json=facts, out_png=picture, **given)
        assert picture.read_bytes().startswith(b"\x89PNG")
        return json.loads(facts.read_text(encoding="utf-8"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.good(tmp_path)


def test_a_good_case_has_facts_and_no_fault(place: Place) -> None:
    found = place.check()

    assert found["faults"] == found["warnings"] == []
    ct, label = found["facts"]["ct"], found["facts"]["label"]
    assert ct["size_zyx"] == [16, 20, 24]
    assert ct["spacing_mm"] == [3.0, 2.0, 2.0]
    assert ct["orientation"] == "LPS"
    assert (ct["hu"]["min"], ct["hu"]["max"]) == (-1000, 44)
    assert len(ct["sha256"]) == 64
    # 3 x 3 x 2 voxels of 3 x 2 x 2 mm = 18 x 0.012 ml; centre at index (11.5, 11, 7) of (x, y, z).
    assert label["structures"]["brain_stem"] == {
        "value": 1,
        "voxels": 18,
        "ml": 0.216,
        "centre_lps_mm": [3.0, 7.0, 51.0],
        "touches": [],
    }


BAD = [
    (bad.cut_gzip, "The image is truncated", "bytes"),
    (bad.cut_content, "The image is truncated", "bytes"),
    (bad.zero_bytes, "The image cannot be read", ""),
    (bad.text, "The image cannot be read", ""),
    (bad.missing, "The label file does not exist", "labels.nii.gz"),
    (bad.flat, "The image is not one plain volume", "2 dimensions"),
    (bad.four_dimensions, "The image is not one plain volume", "4 dimensions"),
    (bad.colour, "The image is not one plain volume", "3 values a voxel"),
    (bad.one_slice, "The CT is no volume", "24 x 20 x 1 voxels"),
    (bad.nan, "The CT has voxels that are not numbers", "1 voxels"),
    (bad.infinite, "The CT has voxels that are not numbers", "2 voxels"),
    (bad.nan_nrrd, "The CT has voxels that are not numbers", "1 of 7680 voxels"),
    (bad.constant, "The CT is constant", "-1000 in every voxel"),
    (
        bad.unsigned,
        "The CT is not in Hounsfield units",
        "values 24 to 1068: air, which should be near -1000",
    ),
    (bad.scaled, "The CT is not in Hounsfield units", "scaled to 0 … 1"),
    (bad.grey, "The CT is not in Hounsfield units", "grey values of a picture"),
    (
        bad.intercept_twice,
        "The CT is not in Hounsfield units",
        "0.0 % of the voxels lie between -200 and 300",
    ),
    (bad.metres, "The voxel spacing of the CT is not plausible", "0.002 x 0.002 x 0.003 mm"),
    (bad.micrometres, "The voxel spacing of the CT is not plausible", "2000 x 2000 x 3000 mm"),
    (bad.one_spacing, "The voxel spacing of the CT is not plausible", "2 x 2 x 30 mm"),
    (bad.sheared, "The axes of the image are not orthogonal unit vectors", "orthonormal"),
    (bad.sheared_mha, "The axes of the CT are not orthogonal unit vectors", "direction"),
    (
        bad.label_shift,
        "The label and the CT lie on different grids",
        "origin differs by 3.2 mm foot-head",
    ),
    (bad.label_flip, "The label and the CT lie on different grids", "direction RPS against LPS"),
    (bad.label_order, "The label and the CT lie on different grids", "direction RAS against LPS"),
    (
        bad.label_size,
        "The label and the CT lie on different grids",
        "size (23, 20, 16) against (24, 20, 16)",
    ),
    (
        bad.label_spacing,
        "The label and the CT lie on different grids",
        "spacing 2 x 2 x 3.5 mm against 2 x 2 x 3 mm",
    ),
    (
        bad.fraction,
        "The label has values that are not whole numbers",
        "54 voxels, such as 0.999, 1.998, 2.997",
    ),
    (bad.label_nan, "The label has voxels that are not numbers", "1 voxels"),
    (bad.zero_spacing, "The voxel spacing of the CT is not positive", "2 x 2 x 0 mm"),
    (bad.negative_spacing, "The voxel spacing of the CT is not positive", "2 x -2 x 3 mm"),
    (bad.stray, "The label has unknown values", "421 (0.036 ml; nearest known value 3 = right_eye)"),
    (
        bad.absent,
        "The structure 'left_eye' is missing",
        "values 1 (brain_stem, 0.216 ml), 3 (right_eye, 0.216 ml)",
    ),
    (bad.empty, "The label is empty", "none of the structures' values"),
    (
        bad.sides,
        "Left and right are swapped: 'left_eye' lies to the patient's right",
        "18.0 mm further right",
    ),
    (bad.mask_empty, "The mask is empty", "0%"),
    (
        bad.mask_shift,
        "The mask and the CT lie on different grids",
        "origin differs by 20.0 mm left-right",
    ),
    (bad.no_dicom, "The folder does not hold exactly one DICOM series", "no DICOM image"),
]


@pytest.mark.parametrize(("spoil", "what", "found"), BAD, ids=[row[0].__name__ for row in BAD])
def test_a_bad_case_gives_its_block(place: Place, spoil: Callable[[Place], None], what: str, found: str) -> None:
    spoil(place)

    faults = place.check()["faults"]

    assert faults[0]["what"].startswith(what), faults
    assert found in (faults[0]["found"] or "")
    assert faults[0]["todo"]
    with pytest.raises(UserError) as told:
        check_cohort(jsons=[place.folder / "head_1.json"], arm="brain", counts=None, out_tsv=place.folder / "check.tsv")
    block = str(told.value)
    assert what in block and found in block
    assert "case: head_1" in block
    assert f"file: {place.folder}" in block
    assert "what to do: " in block


def test_a_case_without_ct_is_a_fault_only_where_a_ct_is_needed(place: Place) -> None:
    assert place.check(ct=None)["faults"][0]["what"] == "The case has no CT."
    assert place.check(ct=None, needs_ct=False)["faults"] == []


def test_several_faults_are_told_together(place: Place) -> None:
    bad.unsigned(place)
    bad.absent(place)
    place.write_label(np.where(contours() == 2, 0, contours()), origin=(0, 0, 0))

    whats = [fault["what"] for fault in place.check()["faults"]]

    assert whats == [
        "The CT is not in Hounsfield units.",
        "The label and the CT lie on different grids.",
        "The structure 'left_eye' is missing in the label.",
    ]


def test_ignored_values_are_no_fault_and_are_recorded(place: Place) -> None:
    bad.stray(place)

    found = place.check(ignored_values=(421, 500))

    assert found["faults"] == []
    assert found["facts"]["label"]["ignored_ml"] == {"421": 0.036}


def test_whole_numbers_stored_as_floats_are_accepted(place: Place) -> None:
    place.write_label(contours(np.float32) + np.float32(1e-6))

    assert place.check()["faults"] == []


def test_rounding_noise_of_the_header_is_accepted_and_recorded(place: Place) -> None:
    place.write_label(contours(), origin=(-20.0, -15.0, 30.05))

    found = place.check()

    assert found["faults"] == []
    assert found["facts"]["label"]["grid_difference_mm"] == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(("shift_mm", "faults"), [(0.19, 0), (0.21, 1)])
def test_the_grids_may_differ_by_a_tenth_of_a_voxel(place: Place, shift_mm: float, faults: int) -> None:
    place.write_label(contours(), origin=(-20.0, -15.0 + shift_mm, 30.0))

    assert len(place.check()["faults"]) == faults


def test_a_tilted_scan_is_a_warning(place: Place) -> None:
    cos, sin = np.cos(np.radians(8)), np.sin(np.radians(8))
    direction = [1, 0, 0, 0, cos, -sin, 0, sin, cos]
    place.write_ct(head(), direction=direction)
    place.write_label(contours(), direction=direction)

    found = place.check()

    assert found["faults"] == []
    assert found["warnings"] == ["The scan's axes are tilted by 8.0 degrees against the patient's."]


@pytest.mark.parametrize("code", ["LPS", "RAS", "LAI", "PSR", "ASL"])
def test_axis_orders_and_flips_do_not_swap_sides(place: Place, code: str) -> None:
    for path, array in ((place.ct, head()), (place.label, contours())):
        sitk.WriteImage(sitk.DICOMOrient(volume(array), code), str(path))

    found = place.check()

    assert found["faults"] == found["warnings"] == []
    assert found["facts"]["ct"]["orientation"] == code
    centre = found["facts"]["label"]["structures"]["left_eye"]["centre_lps_mm"]
    assert centre == pytest.approx([12.0, -3.0, 55.5], abs=0.01)


@pytest.mark.parametrize(("code", "side"), [("LPS", "top"), ("RAI", "top"), ("PSR", "top")])
def test_a_structure_at_the_border_is_a_warning(place: Place, code: str, side: str) -> None:
    label = contours()
    label[-1, 10, 11] = 1
    sitk.WriteImage(sitk.DICOMOrient(volume(label), code), str(place.label))
    sitk.WriteImage(sitk.DICOMOrient(volume(head()), code), str(place.ct))

    assert place.check()["warnings"] == [f"The structure 'brain_stem' touches the border of the scan ({side})."]


def test_a_tiny_structure_is_a_warning(place: Place) -> None:
    label = contours()
    label[label == 1] = 0
    label[7, 11, 11:13] = 1
    place.write_label(label)

    assert place.check()["warnings"] == ["The structure 'brain_stem' has only 2 voxels."]


def test_a_shifted_hu_offset_is_a_warning(place: Place) -> None:
    place.write_ct(head() + 230)

    assert "270 HU" in place.check()["warnings"][0]


def test_a_clipped_ct_is_a_warning(place: Place) -> None:
    place.write_ct(np.clip(head(), -200, 200))

    assert place.check()["warnings"][0].startswith("The CT has no air: its lowest value is -200 HU.")


def test_without_images_the_picture_is_the_same_for_every_patient(place: Place) -> None:
    pictures = []
    for array in (head(), head()[::-1, ::-1]):
        place.write_ct(array)
        assert place.check(images=False)["faults"] == []
        pictures.append((place.folder / "head_1.png").read_bytes())
    assert pictures[0] == pictures[1]


def test_markup_in_a_case_id_is_drawn_as_text(place: Place) -> None:
    assert place.check(case="a$b^{c$")["faults"] == []


def cohort(place: Place, *cases: str) -> list[Path]:
    for number, case in enumerate(cases):
        array = head()
        array[0, 0, number] = -999
        place.write_ct(array)
        place.check(case=case)
    return [place.folder / f"{case}.json" for case in cases]


def test_a_good_cohort_writes_its_table(place: Place) -> None:
    jsons = cohort(place, "head_2", "head_1", "head_3")
    failed = place.folder / "check.failed.tsv"
    failed.write_text("of an earlier run")

    check_cohort(jsons=jsons, arm="brain", counts=(1, 1, 1), out_tsv=place.folder / "check.tsv")

    lines = (place.folder / "check.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0].split("\t")[:4] == ["case", "verdict", "faults", "warnings"]
    assert lines[1] == "head_1\tok\t\t\t16 20 24\t3 2 2\tLPS\t-1000 to 44\t0.216\t0.216\t0.216"
    assert [line.split("\t")[0] for line in lines[1:]] == ["head_1", "head_2", "head_3"]
    assert not failed.exists()


def test_all_faults_of_all_cases_are_told_at_once(place: Place) -> None:
    jsons = cohort(place, "head_1")
    bad.stray(place)
    place.check(case="head_2")
    bad.empty(place)
    bad.unsigned(place)
    place.check(case="head_3")
    jsons += [place.folder / "head_2.json", place.folder / "head_3.json"]

    with pytest.raises(UserError) as told:
        check_cohort(jsons=jsons, arm="brain", counts=(4, 1, 1), out_tsv=place.folder / "check.tsv")

    block = str(told.value)
    assert block.startswith("5 faults were found.")
    for part in (
        "1. The label has unknown values.\n  case: head_2",
        "2. The CT is not in Hounsfield units.\n  case: head_3",
        "3. The label is empty.\n  case: head_3",
        "The CT of two cases has the same voxels.\n  case: head_1 and head_2",
        "Arm 'brain' has too few cases for its split.\n  found: 3 cases",
    ):
        assert part in block
    assert not (place.folder / "check.tsv").exists()
    rows = (place.folder / "check.failed.tsv").read_text(encoding="utf-8").splitlines()
    assert [row.split("\t")[1] for row in rows[1:]] == ["ok", "fault", "fault"]


def test_the_same_scan_in_another_file_format_is_found(place: Place) -> None:
    place.check(case="head_1")
    place.ct = place.folder / "copy.nrrd"
    place.write_ct(head(np.float32))
    place.check(case="head_2")

    with pytest.raises(UserError, match="The CT of two cases has the same voxels"):
        check_cohort(
            jsons=[place.folder / "head_1.json", place.folder / "head_2.json"],
            arm="brain",
            counts=None,
            out_tsv=place.folder / "check.tsv",
        )


def test_a_structure_of_unusual_size_is_a_warning(place: Place) -> None:
    jsons = cohort(place, "a", "b", "c", "d")
    label = contours()
    label[4:12, 9:15, 9:15] = 1
    place.write_label(label)
    place.write_ct(head() + 1)
    place.check(case="e")

    check_cohort(
        jsons=[*jsons, place.folder / "e.json"], arm="brain", counts=(3, 1, 1), out_tsv=place.folder / "check.tsv"
    )

    rows = [line.split("\t") for line in (place.folder / "check.tsv").read_text(encoding="utf-8").splitlines()]
    assert rows[5][1] == "warning"
    assert rows[5][3] == "The structure 'brain_stem' has 3.46 ml; the arm's median is 0.216 ml."


@pytest.mark.real
def test_a_real_planning_ct_is_in_order(place: Place, real_data: Path) -> None:
    place.ct = real_data / "openkbp" / "pt_101" / "ct.nii.gz"
    place.label = real_data / "openkbp" / "pt_101" / "labels.nii.gz"

    found = place.check(values={"brain_stem": 1}, ignored_values=range(2, 8))

    assert found["faults"] == found["warnings"] == []
    assert 15 < found["facts"]["label"]["structures"]["brain_stem"]["ml"] < 40
