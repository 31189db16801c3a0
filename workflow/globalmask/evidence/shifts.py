"""Shifts of a CT's intensities, a few strengths each: does a model with a mask depend on them less (claim C37)?

All act on the raw scan in HU, before it is brought to a grid, clipped and scaled; geometry is never touched. They
act on the whole scan, body, table and air alike, and what would fall below air (-1024 HU) is air: no scanner stores
less. At these strengths air stays far below tissue (the threshold of a head mask is -200 HU), but for single voxels of
the strongest noise and near the sources of streaks. SimpleITK, SciPy and NumPy do the work; noise comes from NumPy's
generator, for ITK's depends on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy.interpolate import CubicSpline

from globalmask.imaging.images import array_of, image_like
from globalmask.imaging.intensity import AIR_HU
from globalmask.provenance import entropy

FROZEN, REMADE = "frozen", "remade"
"""Masks of the clean scan, and masks made again from the shifted one."""
NO_ATTENUATION_HU = -1000
TISSUE_ATTENUATION = 500
DENSE_HU = 300.0
STREAK_SOURCES = 12
STREAK_REACH_MM = 80.0
STREAK_HALF_MM = 20.0
BIAS_NODES = 4

Window = tuple[float, float]


@dataclass(frozen=True)
class Shift:
    """One kind of change: how it is called, its unit, its strengths (ascending, 0 left out) and what it does."""

    label: str
    unit: str
    strengths: tuple[float, ...]
    apply: Callable[[sitk.Image, float, Window, np.random.Generator], sitk.Image]


def shifted(image: sitk.Image, shift: str, strength: float, *, clip_hu: Window, rng: np.random.Generator) -> sitk.Image:
    """`image` (HU) as float32 under `shift` (a key of SHIFTS); unchanged at strength 0.

    `clip_hu` is the window that the networks see; gamma and inversion are told in it.
    """
    plain = sitk.Cast(image, sitk.sitkFloat32)
    if strength == 0:
        return plain
    return sitk.Cast(sitk.Maximum(SHIFTS[shift].apply(plain, strength, clip_hu, rng), AIR_HU), sitk.sitkFloat32)


def generator(seed: int, arm: str, case: str, shift: str, strength: float) -> np.random.Generator:
    """The random numbers of one shift of one scan: the same for every scenario, size, replicate and variant."""
    return np.random.default_rng(np.random.SeedSequence(entropy(seed, arm, case, shift, f"{strength:g}")))


def offset(image: sitk.Image, hu: float) -> sitk.Image:
    """Every voxel `hu` higher."""
    return image + hu


def scale(image: sitk.Image, factor: float) -> sitk.Image:
    """HU times `factor`, about water: 0 HU stays, contrast grows or shrinks. Air at 0.6 has -600 HU."""
    return image * factor


def gamma(image: sitk.Image, exponent: float, clip_hu: Window) -> sitk.Image:
    """The share of the window to the power of `exponent`; HU beyond the window, air among them, stay."""
    low, high = clip_hu
    hu = array_of(image)
    share = (np.clip(hu, low, high) - low) / np.float32(high - low)
    inside = (hu > low) & (hu < high)
    return image_like(np.where(inside, low + (high - low) * share**exponent, hu).astype(np.float32), image)


def invert(image: sitk.Image, share: float, clip_hu: Window) -> sitk.Image:
    """The scan blended with its inverse by `share`: 0.5 leaves no contrast inside the window, 1 is the inverse.

    The inverse maps the window onto itself reversed, and brighter voxels to its lower end. Voxels below the window
    stay (air is dark in MR, too), so fat becomes bright and bone dark while the outline of the body is kept.
    """
    low, high = clip_hu
    hu = array_of(image)
    inverse = np.where(hu < low, hu, low + high - np.clip(hu, low, high))
    return image_like(((1 - share) * hu + share * inverse).astype(np.float32), image)


def noise(image: sitk.Image, sd_hu: float, rng: np.random.Generator) -> sitk.Image:
    """Independent normal noise on the scan's own voxels."""
    grain = rng.standard_normal(image.GetSize()[::-1], dtype=np.float32)
    return image_like(array_of(image) + np.float32(sd_hu) * grain, image)


def blur(image: sitk.Image, sigma_mm: float) -> sitk.Image:
    """Gaussian blur in millimetres, whatever the voxel; the edge of the scan is continued."""
    return sitk.DiscreteGaussian(image, variance=[sigma_mm**2] * 3, maximumKernelWidth=128, maximumError=1e-3)


def shade(image: sitk.Image, share: float, rng: np.random.Generator) -> sitk.Image:
    """Attenuation times a smooth random field: a cubic along each axis that reaches 1 + or - `share` in tissue.

    As scatter and cupping do in cone-beam CT: soft tissue moves by up to 1000 `share` HU, air hardly. Where nothing
    is above -500 HU, the end is reached somewhere in the scan.
    """
    nodes = rng.standard_normal((BIAS_NODES,) * 3)
    spline = CubicSpline(np.linspace(0, 1, BIAS_NODES), np.eye(BIAS_NODES))
    weights = [spline(np.linspace(0, 1, count)).astype(np.float32) for count in image.GetSize()[::-1]]
    field = np.einsum("zi,yj,xk,ijk->zyx", *weights, nodes.astype(np.float32), optimize=True)
    attenuation = array_of(image) - np.float32(NO_ATTENUATION_HU)
    tissue = attenuation > TISSUE_ATTENUATION
    field *= np.float32(share) / np.abs(field[tissue] if tissue.any() else field).max()
    return image_like(attenuation * (1 + field) + np.float32(NO_ATTENUATION_HU), image)


def streaks(image: sitk.Image, hu: float, rng: np.random.Generator) -> sitk.Image:
    """Dark and bright fans around a few dense voxels, as metal gives, in the slices near each; the most is `hu`.

    The sources are drawn from voxels above 300 HU (the middle of a scan that has none); a fan fades over 80 mm in
    its slice and is gone 20 mm above and below. Slices are those of the image's third axis.
    """
    scan = array_of(image)
    spots = np.flatnonzero(scan > DENSE_HU)
    chosen = rng.choice(spots, STREAK_SOURCES) if len(spots) else [scan.size // 2]
    fans = np.zeros_like(scan)
    for spot in chosen:
        place = np.unravel_index(int(spot), scan.shape)
        z, y, x = (
            ((np.arange(count) - at) * spacing).astype(np.float32)
            for count, at, spacing in zip(scan.shape, place, image.GetSpacing()[::-1], strict=True)
        )
        angle = np.arctan2(y[:, None], x[None, :])
        waves = zip(rng.integers(3, 19, 4), rng.uniform(0, 2 * np.pi, 4), strict=True)
        fan = np.mean([np.cos(count * angle + phase) for count, phase in waves], axis=0)
        fan *= np.exp(-np.hypot(y[:, None], x[None, :]) / STREAK_REACH_MM)
        near = np.abs(z) < STREAK_HALF_MM
        weight = 1 - np.abs(z[near]) / STREAK_HALF_MM
        fans[near] += weight[:, None, None] * fan.astype(np.float32)
    return image_like(scan + np.float32(hu) / np.abs(fans).max() * fans, image)


SHIFTS: dict[str, Shift] = {
    "offset_up": Shift("Offset up", "HU", (50, 100, 200), lambda image, hu, window, rng: offset(image, hu)),
    "offset_down": Shift("Offset down", "HU", (50, 100, 200), lambda image, hu, window, rng: offset(image, -hu)),
    "scale_up": Shift(
        "Scale up", "fraction of HU", (0.1, 0.2, 0.4), lambda image, by, window, rng: scale(image, 1 + by)
    ),
    "scale_down": Shift(
        "Scale down", "fraction of HU", (0.1, 0.2, 0.4), lambda image, by, window, rng: scale(image, 1 - by)
    ),
    "gamma_up": Shift(
        "Gamma up", "log gamma", (0.2, 0.4, 0.8), lambda image, log, window, rng: gamma(image, np.exp(log), window)
    ),
    "gamma_down": Shift(
        "Gamma down",
        "minus log gamma",
        (0.2, 0.4, 0.8),
        lambda image, log, window, rng: gamma(image, np.exp(-log), window),
    ),
    "inversion": Shift(
        "Inversion", "fraction inverted", (0.25, 0.5, 1), lambda image, by, window, rng: invert(image, by, window)
    ),
    "noise": Shift("Noise", "SD in HU", (50, 100, 200), lambda image, sd, window, rng: noise(image, sd, rng)),
    "blur": Shift("Blur", "SD in mm", (2, 4, 8), lambda image, sigma, window, rng: blur(image, sigma)),
    "bias_field": Shift(
        "Bias field", "fraction of attenuation", (0.05, 0.1, 0.2), lambda image, by, window, rng: shade(image, by, rng)
    ),
    "streaks": Shift("Streaks", "HU at most", (200, 400, 800), lambda image, hu, window, rng: streaks(image, hu, rng)),
}
"""What has a sign is two shifts, so that strengths ascend from 0; downwards, fat falls under a mask's threshold."""
