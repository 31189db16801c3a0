"""Nothing is timed before both sides were shown to do the same; sides run by turns."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import SimpleITK as sitk

from benchmarks import prepare, score, step
from benchmarks.pairs import Clocked, UnequalWork, race, same_labels, same_numbers, same_volume
from globalmask.imaging.images import write_image


def test_unequal_outputs_are_refused_before_anything_is_timed():
    calls = []

    def side(name, value):
        calls.append(name)
        return np.full((2, 3), value)

    sides = {"a": partial(side, "a", 1.0), "b": partial(side, "b", 1.1)}
    same = lambda outputs: same_numbers("outputs", outputs["a"], outputs["b"], tolerance=0.05)  # noqa: E731
    with pytest.raises(UnequalWork, match=r"outputs: differs by 0\.1"):
        race(sides, same=same, rounds=3)
    assert calls == ["a", "b"]


def test_sides_run_by_turns_and_the_first_call_does_not_count():
    calls = []

    def side(name):
        calls.append(name)
        return Clocked(name, float(len(calls)))

    found = race({"a": partial(side, "a"), "b": partial(side, "b")}, same=lambda outputs: None, rounds=3)
    assert calls == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert found.seconds == {"a": [3, 6, 7], "b": [4, 5, 8]}
    assert found.ratios("b", "a") == [4 / 3, 5 / 6, 8 / 7]


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), "shape"),
        (np.zeros(0), np.zeros(0), "nothing to compare"),
        (np.array([0.0, np.nan]), np.array([0.0, 1.0]), "differs by nan"),
        (np.array([0.0]), np.array([0.2]), r"differs by 0\.2"),
    ],
)
def test_numbers_that_differ_are_told(ours, theirs, told):
    with pytest.raises(UnequalWork, match=told):
        same_numbers("values", ours, theirs, tolerance=0.1)


def test_numbers_within_the_tolerance_pass():
    same_numbers("values", [1.0, np.nan], [1.05, np.nan], tolerance=0.1)


def test_a_volume_of_another_type_or_other_voxels_is_refused():
    ours = np.zeros((4, 4, 4), np.int16)
    same_volume("CT", ours, ours.copy(), mean=0)
    with pytest.raises(UnequalWork, match="type of CT: int16 against float32"):
        same_volume("CT", ours, ours.astype(np.float32), mean=0)
    with pytest.raises(UnequalWork, match="mean absolute difference 2"):
        same_volume("CT", ours, ours + np.int16(2), mean=1)


def test_labels_that_moved_or_are_missing_are_refused():
    label = np.zeros((8, 8, 8), np.uint8)
    label[2:6, 2:6, 2:6] = 1
    same_labels("label", label, label.copy(), dice=1.0)
    with pytest.raises(UnequalWork, match=r"label 1: Dice 0\.7500"):
        same_labels("label", label, np.roll(label, 1, axis=0), dice=0.8)
    with pytest.raises(UnequalWork, match="values of label"):
        same_labels("label", label, label * 2, dice=0.8)


def test_a_bare_loop_that_makes_a_step_less_is_refused(monkeypatch):
    whole = step.bare

    def shorter(network, case, settings):
        return whole(network, case, settings.model_copy(update={"max_steps": 1}))

    step._overhead(32, 2, 2, rounds=0)
    monkeypatch.setattr(step, "bare", shorter)
    with pytest.raises(UnequalWork, match="weights after the steps"):
        step._overhead(32, 2, 2, rounds=0)


def scan(kind, tmp_path):
    """A ball of HU, or of the label 500, in a small scan with even voxels of 1.6 mm."""
    z, y, x = np.mgrid[:40, :40, :40]
    ball = (z - 19.5) ** 2 + (y - 19.5) ** 2 + (x - 19.5) ** 2 < 8**2
    image = sitk.GetImageFromArray(np.where(ball, 500, 0).astype(np.int16 if kind == "ct" else np.uint16))
    image.SetSpacing((1.6,) * 3)
    write_image(image, tmp_path / f"{kind}.nii.gz")
    return tmp_path / f"{kind}.nii.gz"


@pytest.mark.parametrize(("file", "told"), [("ct", "CT in HU"), ("label", "label 3: Dice")])
def test_a_prepared_case_that_was_moved_is_refused(tmp_path, file, told):
    raw = scan("ct", tmp_path), scan("label", tmp_path)
    (tmp_path / "out").mkdir()
    centre = prepare.centre_of(prepare.read_image(raw[0]))
    box = {"centre_lps_mm": list(centre), "spacing_mm": 1.5, "size_voxels": 32}
    prepare.write_json(tmp_path / "out" / "box.json", box)
    paths = prepare._ours(raw, tmp_path / "out", size=32)
    outputs = dict.fromkeys(("ours", "monai", "torchio", "nnunet"), paths)
    prepare._same(outputs, raw)
    image = prepare.read_image(paths[file == "label"])
    moved = sitk.GetImageFromArray(np.roll(sitk.GetArrayFromImage(image), 3, axis=0))
    moved.CopyInformation(image)
    write_image(moved, tmp_path / "moved.nii.gz")
    wrong = (tmp_path / "moved.nii.gz", paths[1]) if file == "ct" else (paths[0], tmp_path / "moved.nii.gz")
    with pytest.raises(UnequalWork, match=f"monai's {told}"):
        prepare._same({**outputs, "monai": wrong}, raw)


def test_scores_that_disagree_or_miss_a_structure_are_refused():
    ours = {name: np.array([0.5, 0.6]) for name in ("dice", "hd95_mm", "nsd_3mm")}
    outputs = {"ours": ours, "monai": ours, "surface_distance": ours}
    score._same(outputs, score.TOLERANCE)
    with pytest.raises(UnequalWork, match="dice of monai"):
        score._same({**outputs, "monai": ours | {"dice": np.array([0.5, 0.61])}}, score.TOLERANCE)
    with pytest.raises(UnequalWork, match="metrics of surface_distance"):
        score._same({**outputs, "surface_distance": {"dice": ours["dice"]}}, score.TOLERANCE)
    empty = ours | {"hd95_mm": np.array([1.0, np.nan])}
    with pytest.raises(UnequalWork, match="a structure is missing"):
        score._same(dict.fromkeys(outputs, empty), score.TOLERANCE)
