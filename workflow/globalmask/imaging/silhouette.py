"""The outline of a head in a CT: what is tissue, joined and solid (paper 2.2: threshold-based segmentation).

HU above -200 (the lower end of the paper's window), the largest component, holes filled (REQUIREMENTS A-22).
A couch, a head holder and a thermoplastic shell are also above -200 HU, but thin: an opening wider than they
are takes them away, and what the opening took from the head itself (nose, ears) is grown back from inside.
The opening needs a grid of 2 mm or finer; it stands here because registration and the mask both need it.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

TISSUE_HU = -200.0
OPENING_MM = 3.5
"""Radius: sheets thinner than about 7 mm go; a shell is 2 to 4 mm thick, a couch's skin 2 to 3 mm."""
REGROWTH_MM = 5.0
CLOSING_MM = 3.0


def head_mask(ct_zyx_hu: np.ndarray, spacing_mm: float) -> np.ndarray:
    """The solid outline (bool, z, y, x) of the largest body in `ct_zyx_hu` (HU), on a grid of even spacing.

    A head cut off by the edge of the array stays whole up to that edge: holes are also filled in the slices of
    each direction, so airways that leave through a cut neck, a nose cut by the box and sinuses open to a cut
    vertex are inside. All False when there is no tissue.
    """
    tissue = np.asarray(ct_zyx_hu) > TISSUE_HU
    ball = _ball(OPENING_MM / spacing_mm)
    core = _largest(ndimage.binary_erosion(tissue, ball, border_value=1))
    if not core.any():
        return core
    opened = ndimage.binary_dilation(core, ball) & tissue
    steps = max(1, round(REGROWTH_MM / spacing_mm))
    whole = ndimage.binary_dilation(opened, iterations=steps, mask=tissue)
    return _filled(_closed(whole, _ball(CLOSING_MM / spacing_mm)))


def _ball(radius: float) -> np.ndarray:
    reach = int(radius)
    z, y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1, -reach : reach + 1]
    return z**2 + y**2 + x**2 <= radius**2


def _closed(mask: np.ndarray, ball: np.ndarray) -> np.ndarray:
    """Closing that does not eat a face cut by the edge of the array."""
    return ndimage.binary_erosion(ndimage.binary_dilation(mask, ball), ball, border_value=1)


def _filled(mask: np.ndarray) -> np.ndarray:
    whole = mask.copy()
    for axis in range(3):
        for target, each in zip(np.moveaxis(whole, axis, 0), np.moveaxis(mask, axis, 0), strict=True):
            target |= ndimage.binary_fill_holes(each)
    return ndimage.binary_fill_holes(whole)


def _largest(mask: np.ndarray) -> np.ndarray:
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == sizes.argmax()
