"""Shifts by hand on tiny scans: what each does in the window, above it, in air, and at strength 0."""

from __future__ import annotations

import typing

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from globalmask import config
from globalmask.evidence.shifts import SHIFTS, blur, generator, invert, noise, shade, shifted, streaks
from globalmask.imaging.images import array_of, image_like

WINDOW = (-200.0, 200.0)
HU = [-1024, -1000, -300, -200, -100, 0, 40, 100, 200, 1000]


def row(values, dtype=np.int16) -> sitk.Image:
    return sitk.GetImageFromArray(np.array(values, dtype)[None, None])


def head(hu: float = 40, size: int = 12) -> sitk.Image:
    """A block of tissue in air, 2 x 2 x 3 mm voxels."""
    scan = np.full((size,) * 3, -1000, np.int16)
    scan[3:-3, 3:-3, 3:-3] = hu
    image = sitk.GetImageFromArray(scan)
    image.SetSpacing((2.0, 2.0, 3.0))
    return image


def under(image, shift, strength, seed=1) -> np.ndarray:
    rng = generator(seed, "brain", "case", shift, strength)
    return array_of(shifted(image, shift, strength, clip_hu=WINDOW, rng=rng))


@pytest.mark.parametrize(
    ("shift", "strength", "expected"),
    [
        ("offset_up", 100, [-924, -900, -200, -100, 0, 100, 140, 200, 300, 1100]),
        ("offset_down", 100, [-1024, -1024, -400, -300, -200, -100, -60, 0, 100, 900]),
        ("scale_up", 0.2, [-1024, -1024, -360, -240, -120, 0, 48, 120, 240, 1200]),
        ("scale_down", 0.4, [-614.4, -600, -180, -120, -60, 0, 24, 60, 120, 600]),
        # the window onto itself reversed, bone to its lower end, air where it was
        ("inversion", 1, [-1024, -1000, -300, 200, 100, 0, -40, -100, -200, -200]),
        # half the inverse: no contrast is left in the window
        ("inversion", 0.5, [-1024, -1000, -300, 0, 0, 0, 0, 0, 0, 400]),
    ],
)
def test_values_by_hand(shift, strength, expected):
    assert under(row(HU), shift, strength).ravel() == pytest.approx(expected, abs=1e-3)


def test_gamma_is_a_power_of_the_share_of_the_window():
    """0 HU is half of the window; to the power of 2 a quarter (-100 HU), of 1/2 the root (82.84 HU)."""
    assert under(row(HU), "gamma_up", np.log(2)).ravel()[[0, 1, 2, 3, 5, 8, 9]] == pytest.approx(
        [-1024, -1000, -300, -200, -100, 200, 1000], abs=1e-3
    )
    assert under(row([0]), "gamma_down", np.log(2)).item() == pytest.approx(400 * np.sqrt(0.5) - 200, abs=1e-3)


def test_twice_inverted_is_as_before_inside_the_window():
    values = np.linspace(-199, 200, 50)
    twice = invert(invert(row(values, np.float32), 1.0, WINDOW), 1.0, WINDOW)
    assert array_of(twice).ravel() == pytest.approx(values, abs=1e-3)


def test_noise_has_the_asked_spread_and_no_mean():
    grain = array_of(noise(sitk.Image([40] * 3, sitk.sitkFloat32), 50.0, np.random.default_rng(0)))
    assert grain.mean() == pytest.approx(0, abs=1)
    assert grain.std() == pytest.approx(50, abs=1)


def test_blur_is_told_in_millimetres_whatever_the_voxel():
    point = np.zeros((31, 31, 31), np.float32)
    point[15, 15, 15] = 1
    image = sitk.GetImageFromArray(point)
    image.SetSpacing((1.0, 2.0, 4.0))
    spread = array_of(blur(image, 4.0))
    for axis, spacing in enumerate((4.0, 2.0, 1.0)):
        profile = spread.sum(axis=tuple({0, 1, 2} - {axis}))
        away = (np.arange(31) - 15) * spacing
        assert (profile * away**2).sum() / profile.sum() == pytest.approx(16, rel=0.02)
    assert spread.sum() == pytest.approx(1, abs=1e-3)


def test_a_wide_blur_is_not_cut_short():
    """8 mm in voxels of half a millimetre: ITK's default kernel of 32 voxels would leave half of it."""
    edge = sitk.GetImageFromArray(np.repeat(np.arange(200) >= 100, 16).reshape(200, 4, 4).astype(np.float32))
    edge.SetSpacing((0.5, 0.5, 0.5))
    expected = ndimage.gaussian_filter1d((np.arange(200) >= 100).astype(float), 16.0, mode="nearest", truncate=6)
    assert array_of(blur(edge, 8.0))[:, 2, 2] == pytest.approx(expected, abs=0.01)


def test_a_bias_field_is_smooth_reaches_its_share_in_tissue_and_spares_air():
    image = sitk.Cast(head(hu=0, size=24), sitk.sitkFloat32)
    ratio = (array_of(shade(image, 0.2, np.random.default_rng(4))) + 1000) / 1000
    tissue = array_of(image) == 0
    assert np.abs(ratio[tissue] - 1).max() == pytest.approx(0.2, abs=1e-4)
    assert (ratio[~tissue] == 0).all()
    steps = np.abs(np.diff(ratio[3:-3, 3:-3, 3:-3], axis=0))
    assert 0 < steps.max() < 0.1
    assert np.ptp(ratio[tissue]) > 0.05


def test_streaks_go_out_from_dense_voxels_and_fade():
    """One dense voxel in water: fans go out from it in its slices, at most as strong as asked, none 20 mm above."""
    scan = np.zeros((21, 41, 41), np.float32)
    scan[10, 20, 20] = 2000
    image = sitk.GetImageFromArray(scan)
    image.SetSpacing((4.0, 4.0, 4.0))
    change = array_of(streaks(image, 100.0, np.random.default_rng(2))) - scan
    assert (change[:6] == 0).all()
    assert (change[15:] == 0).all()
    middle = change[10]
    assert np.abs(change).max() == np.abs(middle).max() == pytest.approx(100)
    assert middle.min() < -20 < 20 < middle.max()
    assert np.abs(middle[18:23, 18:23]).mean() > 2 * np.abs(middle[[0, -1]]).mean()


def test_streaks_of_a_scan_without_anything_dense_start_in_its_middle():
    change = array_of(streaks(sitk.Image([9, 9, 9], sitk.sitkFloat32), 10.0, np.random.default_rng(0)))
    assert np.abs(change[4]).max() > np.abs(change[2]).max() > 0


@given(st.sampled_from(list(SHIFTS)), st.lists(st.integers(-2000, 3000), min_size=8, max_size=8))
def test_strength_0_changes_nothing(shift, values):
    """Not even what lies below air."""
    image = image_like(np.array(values, np.int16).reshape(2, 2, 2), sitk.Image([2, 2, 2], sitk.sitkUInt8))
    assert (under(image, shift, 0.0) == array_of(image)).all()


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_hair_of_strength_changes_a_hair(shift):
    """No shift jumps at its start; geometry, type and the floor of air hold at its end."""
    image = head()
    hair = under(image, shift, 1e-4 * max(SHIFTS[shift].strengths))
    assert np.abs(hair - array_of(image)).max() < 0.5
    most = shifted(
        image, shift, max(SHIFTS[shift].strengths), clip_hu=WINDOW, rng=generator(1, "brain", "case", shift, 1)
    )
    assert most.GetSpacing() == image.GetSpacing()
    assert most.GetPixelID() == sitk.sitkFloat32
    assert array_of(most).min() >= -1024
    assert (array_of(most) != array_of(image)).any()


@pytest.mark.parametrize("shift", ["offset_up", "scale_down", "gamma_down", "inversion", "bias_field"])
def test_air_stays_below_the_threshold_of_a_head_mask(shift):
    image = head()
    air = array_of(image) == -1000
    assert under(image, shift, max(SHIFTS[shift].strengths))[air].max() <= -500


def test_draws_depend_on_the_case_and_the_strength_and_on_nothing_else():
    def draw(*words):
        return generator(*words).random()

    first = draw(1, "brain", "a", "noise", 50)
    assert draw(1, "brain", "a", "noise", 50.0) == first
    others = [(2, "brain", "a", "noise", 50), (1, "heart", "a", "noise", 50), (1, "brain", "b", "noise", 50)]
    others += [(1, "brain", "a", "streaks", 50), (1, "brain", "a", "noise", 100)]
    assert len({first, *(draw(*words) for words in others)}) == 6


def test_the_config_knows_every_shift():
    assert typing.get_args(config.Shift) == tuple(SHIFTS)


@pytest.mark.parametrize("shift", SHIFTS.values(), ids=SHIFTS)
def test_strengths_ascend_from_above_0(shift):
    assert list(shift.strengths) == sorted(set(shift.strengths))
    assert min(shift.strengths) > 0
