"""The synthetic patients: repeatable, whole, anatomically in place, and written like scans of many scanners."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from globalmask.errors import UserError
from globalmask.imaging.silhouette import TISSUE_HU, head_mask
from globalmask.intake import phantom
from globalmask.intake.phantom_canvas import Canvas, Pose, rotation

Case = tuple[sitk.Image, sitk.Image]

SEED = 3
HEADS, HEARTS = (1, 6), (1, 3)
STEM, LEFT_EYE, RIGHT_EYE = 1, 2, 3
LV, RV, LA, RA, MYOCARDIUM, AORTA, PULMONARY = 500, 600, 420, 550, 205, 820, 850
ML = {
    STEM: (20, 36), LEFT_EYE: (6.3, 9.8), RIGHT_EYE: (6.3, 9.8),
    LV: (60, 240), RV: (60, 280), LA: (40, 190), RA: (40, 190),
    MYOCARDIUM: (60, 260), AORTA: (15, 130), PULMONARY: (15, 130),
}  # fmt: skip
LABELS = {"head": {STEM, LEFT_EYE, RIGHT_EYE}, "heart": {LV, RV, LA, RA, MYOCARDIUM, AORTA, PULMONARY}}
CASES = [("head", index) for index in HEADS] + [("heart", index) for index in HEARTS]


@pytest.fixture(scope="module")
def case() -> Callable[[str, int], Case]:
    """One drawing a patient for the whole module: `case(anatomy, index)`."""
    drawn: dict[tuple[str, int], Case] = {}

    def get(anatomy: str, index: int) -> Case:
        if (anatomy, index) not in drawn:
            drawn[anatomy, index] = phantom.make_case(anatomy, index, seed=SEED)
        return drawn[anatomy, index]

    return get


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of a head: 8 x 9 x 10 voxels with one label off the centre, to the left, front and top."""

    def draw(rng: np.random.Generator) -> Canvas:
        pose = Pose(rotation((0, 0, 0)), (0, 0, 0), (1, 1, 1), 0.0, 50.0)
        canvas = Canvas((8, 9, 10), (3.0, 2.0, 1.0), pose=pose, rng=rng)
        canvas.label[6, 1, 7] = LEFT_EYE
        return canvas

    monkeypatch.setitem(phantom.DRAW, "head", draw)


def place(label: sitk.Image, value: int) -> np.ndarray:
    """Middle of a structure in physical mm (LPS), through the direction matrix."""
    zyx = ndimage.center_of_mass(sitk.GetArrayViewFromImage(label) == value)
    return np.array(label.TransformContinuousIndexToPhysicalPoint([float(i) for i in zyx[::-1]]))


def code(image: sitk.Image) -> str:
    return sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())


@pytest.mark.parametrize(("anatomy", "index"), [("head", HEADS[0]), ("heart", HEARTS[0])])
def test_drawing_again_gives_the_same_voxels_and_grid(
    case: Callable[[str, int], Case], anatomy: str, index: int
) -> None:
    for first, again in zip(case(anatomy, index), phantom.make_case(anatomy, index, seed=SEED), strict=True):
        assert first.GetOrigin() == again.GetOrigin()
        assert first.GetSpacing() == again.GetSpacing()
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(first), sitk.GetArrayViewFromImage(again))


def test_patients_differ_in_anatomy_and_grid(case: Callable[[str, int], Case]) -> None:
    for anatomy, indices in (("head", HEADS), ("heart", HEARTS)):
        grids = {case(anatomy, index)[0].GetSpacing() for index in indices}
        assert len(grids) == len(indices)
        for value in LABELS[anatomy]:
            assert len({volume_ml(case(anatomy, index)[1], value) for index in indices}) == len(indices)


@pytest.mark.usefixtures("tiny")
def test_another_seed_gives_another_patient() -> None:
    one, other = (sitk.GetArrayFromImage(phantom.make_case("head", 0, seed=seed)[0]) for seed in (1, 2))
    assert (one != other).mean() > 0.5


@pytest.mark.usefixtures("tiny")
def test_first_eight_patients_have_all_eight_orientations() -> None:
    seen = [phantom.make_case("head", index, seed=SEED) for index in range(8)]
    assert {code(ct) for ct, _ in seen} == set(phantom.ORIENTATIONS)
    assert len(set(phantom.ORIENTATIONS)) == 8
    for ct, label in seen:
        assert code(label) == code(ct)
        middle = ct.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in ct.GetSize()])
        # Voxel (6, 1, 7) of (8, 9, 10) at (3, 2, 1) mm: 2.5 mm left, 6 mm to the front, 7.5 mm up.
        np.testing.assert_allclose(place(label, LEFT_EYE) - middle, (2.5, -6, 7.5), atol=1e-6)


@pytest.mark.parametrize(("anatomy", "index"), CASES)
def test_labels_are_whole_connected_and_of_plausible_size(
    case: Callable[[str, int], Case], anatomy: str, index: int
) -> None:
    ct, label = case(anatomy, index)
    assert (ct.GetPixelID(), label.GetPixelID()) == (sitk.sitkInt16, sitk.sitkUInt16)
    values = sitk.GetArrayViewFromImage(label)
    assert set(np.unique(values).tolist()) == {0, *LABELS[anatomy]}
    inner = np.zeros(values.shape, bool)
    inner[2:-2, 2:-2, 2:-2] = True
    assert not values[~inner].any(), "a structure reaches the edge of the scan"
    for value in LABELS[anatomy]:
        low, high = ML[value]
        assert low <= volume_ml(label, value) <= high, value
        parts, _ = ndimage.label(values == value, np.ones((3, 3, 3)))
        sizes = np.bincount(parts.ravel())[1:]
        assert sizes.max() >= 0.99 * sizes.sum(), f"label {value} is in pieces"


def volume_ml(label: sitk.Image, value: int) -> float:
    return float((sitk.GetArrayViewFromImage(label) == value).sum() * np.prod(label.GetSpacing()) / 1000)


@pytest.mark.parametrize("index", HEADS)
def test_structures_of_the_head_lie_where_they_belong(case: Callable[[str, int], Case], index: int) -> None:
    label = case("head", index)[1]
    stem, left, right = (place(label, value) for value in (STEM, LEFT_EYE, RIGHT_EYE))
    assert 52 < left[0] - right[0] < 80
    assert right[0] < stem[0] < left[0]
    assert 45 < stem[1] - (left[1] + right[1]) / 2 < 95
    assert abs(volume_ml(label, LEFT_EYE) / volume_ml(label, RIGHT_EYE) - 1) < 0.3


@pytest.mark.parametrize("index", HEARTS)
def test_chambers_of_the_heart_lie_where_they_belong(case: Callable[[str, int], Case], index: int) -> None:
    label = case("heart", index)[1]
    at = {value: place(label, value) for value in LABELS["heart"]}
    assert at[RA][0] < at[LV][0]
    assert at[RV][1] < at[LA][1]
    assert min(at[AORTA][2], at[PULMONARY][2]) > at[LV][2] + 30


@pytest.mark.parametrize(("anatomy", "index"), CASES)
def test_ct_holds_air_soft_tissue_and_bone(case: Callable[[str, int], Case], anatomy: str, index: int) -> None:
    ct, label = case(anatomy, index)
    hu, values = sitk.GetArrayViewFromImage(ct), sitk.GetArrayViewFromImage(label)
    assert (hu < -900).mean() > 0.15
    assert (hu > 300).mean() > {"head": 0.03, "heart": 0.005}[anatomy]
    assert hu.min() >= -1024
    assert hu.max() > 500
    for value in LABELS[anatomy]:
        assert 0 < np.median(hu[values == value]) < 500


@pytest.mark.parametrize("index", HEADS)
def test_brain_stem_stands_out_only_a_little(case: Callable[[str, int], Case], index: int) -> None:
    ct, label = case("head", index)
    hu, stem = sitk.GetArrayViewFromImage(ct), sitk.GetArrayViewFromImage(label) == STEM
    away = ndimage.distance_transform_edt(~stem, sampling=ct.GetSpacing()[::-1])
    soft = (hu > -60) & (hu < 110)
    inside = hu[stem].mean()
    rim, brain = (hu[soft & (away > near) & (away < far)].mean() for near, far in ((1.5, 3.5), (12, 25)))
    assert 4 < inside - rim < 25
    assert 2 < brain - inside < 25


@pytest.mark.parametrize("index", HEADS)
def test_outline_of_the_head_leaves_couch_holder_and_shell_out(case: Callable[[str, int], Case], index: int) -> None:
    ct, label = (sitk.DICOMOrient(image, "LPS") for image in case("head", index))
    size = [int(n * step / 2.0) for n, step in zip(ct.GetSize(), ct.GetSpacing(), strict=True)]
    grid = (size, sitk.Transform())
    frame = (ct.GetOrigin(), (2.0, 2.0, 2.0), ct.GetDirection())
    hu = sitk.GetArrayFromImage(sitk.Resample(ct, *grid, sitk.sitkLinear, *frame, -1024))
    values = sitk.GetArrayFromImage(sitk.Resample(label, *grid, sitk.sitkNearestNeighbor, *frame, 0))
    mask, tissue = head_mask(hu, 2.0), hu > TISSUE_HU
    assert (tissue & ~mask).sum() * 0.008 > 5, "there is nothing for the outline to leave out"
    assert mask[values > 0].all()
    assert 2800 < mask.sum() * 0.008 < 5600
    assert not mask[:, [0, -1], :].any()
    assert not mask[:, :, [0, -1]].any()
    assert not mask[-2:].any(), "there is no air above the vertex"


@pytest.mark.parametrize(("anatomy", "index"), [("liver", 0), ("head", -1)])
def test_no_other_patients(anatomy: str, index: int) -> None:
    with pytest.raises(UserError, match=rf"(?s){anatomy} {index}"):
        phantom.make_case(anatomy, index, seed=SEED)
