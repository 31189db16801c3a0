"""Deterministic synthetic head and cardiac CTs, written like raw scans of many scanners.

Issue: the embedded cohort of `make demo` (DESIGN.md sections 1 and 6). Nothing here is a patient. The
anatomy is drawn analytically (`phantom_head`, `phantom_heart`); this module gives it what a scanner adds:
spacing, axis order and flips, HU offset, blur, noise. The same (seed, anatomy, index) gives the same voxels.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from globalmask.errors import UserError
from globalmask.intake.phantom_canvas import Canvas
from globalmask.intake.phantom_head import draw_head
from globalmask.intake.phantom_heart import draw_heart
from globalmask.intake.phantom_worlds import draw_world
from globalmask.provenance import entropy

# Letters name the patient direction in which each stored axis runs (ITK: LPS is the identity).
ORIENTATIONS = ("LPS", "RAS", "LPI", "PSR", "LSP", "RAI", "ASL", "SPL")
HU_RANGE = (-1024, 3071)

DRAW = {"head": draw_head, "heart": draw_heart}
# Standard deviation: a planning CT of the head is made with more dose a slice than a gated cardiac CT.
NOISE_HU = {"head": (2.7, 5.0), "heart": (6.0, 11.0)}


def make_case(anatomy: Literal["head", "heart"], index: int, *, seed: int) -> tuple[sitk.Image, sitk.Image]:
    """Draw synthetic patient `index`: `(ct, label)` on one grid, CT int16 HU, label uint16.

    Head labels: 1 brain stem, 2 left eye, 3 right eye (the patient's left, +x in LPS). Heart labels are the
    MM-WHS values 500 LV, 600 RV, 420 LA, 550 RA, 205 myocardium, 820 ascending aorta and arch up to its
    top, 850 pulmonary artery. All structures lie whole inside the scan. The axis order and flips follow
    `ORIENTATIONS[index % 8]`; the direction matrix keeps every physical position. UserError for another
    anatomy or a negative index.
    """
    if anatomy not in DRAW or index < 0:
        raise UserError(
            "There is no such synthetic patient.",
            found=f"{anatomy} {index}",
            expected=f"one of {', '.join(DRAW)}, index 0 or more",
        )
    rng = np.random.default_rng(np.random.SeedSequence(entropy(seed, anatomy, index)))
    canvas = DRAW[anatomy](rng)
    hu = _scanned(canvas, rng, noise_hu=rng.uniform(*NOISE_HU[anatomy]))
    code = ORIENTATIONS[index % len(ORIENTATIONS)]
    centre = rng.uniform(-200, 200, 3)
    return (
        _image(hu, canvas.spacing, centre, code),
        _image(canvas.label, canvas.spacing, centre, code),
    )


def make_body(world: Literal["free", "fixed"], index: int, *, seed: int) -> tuple[sitk.Image, sitk.Image, sitk.Image]:
    """Draw synthetic body `index` of a world (`phantom_worlds`): `(ct, label, mask)` on one grid, as `make_case`.

    CT int16 HU, label uint16 (1 and 2), mask uint8 0/1: the body's silhouette, known by construction.
    """
    rng = np.random.default_rng(np.random.SeedSequence(entropy(seed, world, index)))
    canvas, silhouette = draw_world(world, rng)
    hu = _scanned(canvas, rng, noise_hu=rng.uniform(*NOISE_HU["head"]))
    arrays = (hu, canvas.label, silhouette.astype(np.uint8))
    code = ORIENTATIONS[index % len(ORIENTATIONS)]
    centre = rng.uniform(-200, 200, 3)
    ct, label, mask = (_image(array, canvas.spacing, centre, code) for array in arrays)
    return ct, label, mask


def _scanned(canvas: Canvas, rng: np.random.Generator, *, noise_hu: float) -> np.ndarray:
    """What the scanner makes of the anatomy: blur, correlated noise, gain and offset; int16 HU."""
    width = rng.uniform(0.45, 0.7)
    hu = ndimage.gaussian_filter(canvas.hu, [width / step for step in canvas.spacing], truncate=3)
    noise = rng.standard_normal(canvas.shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, (0.3, 0.7, 0.7), truncate=2)
    noise *= np.float32(noise_hu / noise.std())
    # A thick body starves the detector: noise grows with the share of the slice that is not air.
    filled = (hu > -400).mean(axis=(1, 2))
    noise *= (0.6 + 0.9 * filled / max(float(filled.mean()), 1e-3)).astype(np.float32)[:, None, None]
    hu += noise
    hu *= np.float32(rng.uniform(0.985, 1.015))
    hu += np.float32(rng.uniform(-8, 8))
    return np.clip(np.rint(hu), *HU_RANGE).astype(np.int16)


def _image(array: np.ndarray, spacing_zyx: tuple[float, ...], centre: np.ndarray, code: str) -> sitk.Image:
    """An LPS array `(z, y, x)` as an image stored in the axis order `code`, centred on `centre` (mm)."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing_zyx[::-1])
    extent = (np.array(array.shape[::-1]) - 1) * np.array(spacing_zyx[::-1])
    image.SetOrigin([float(value) for value in centre - extent / 2])
    return sitk.DICOMOrient(image, code)
