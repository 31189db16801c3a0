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

    A head cut off by the edge of the array stays whole up to that edge: holes are also filled slice by slice, so
    airways that leave through a cut neck and sinuses open to a cut vertex are inside. All False when there is no tissue.
    """
    tissue = np.asarray(ct_zyx_hu) > TISSUE_HU
    core = _largest(_away_from_air(tissue, OPENING_MM / spacing_mm))
    if not core.any():
        return core
    opened = _grown(core, OPENING_MM / spacing_mm) & tissue
    steps = max(1, round(REGROWTH_MM / spacing_mm))
    whole = ndimage.binary_dilation(opened, iterations=steps, mask=tissue)
    return _filled(_closed(whole, CLOSING_MM / spacing_mm))


def _away_from_air(mask: np.ndarray, radius: float) -> np.ndarray:
    """Voxels of `mask` more than `radius` voxels from the outside; the array's edge is no outside."""
    if mask.all():
        return mask
    return ndimage.distance_transform_edt(mask) > radius


def _grown(mask: np.ndarray, radius: float) -> np.ndarray:
    return ndimage.distance_transform_edt(~mask) <= radius


def _closed(mask: np.ndarray, radius: float) -> np.ndarray:
    """Closing by a ball; the array is continued beyond its edge, so a cut face is not eaten."""
    margin = int(np.ceil(radius)) + 1
    wide = np.pad(mask, margin, mode="edge")
    closed = _away_from_air(_grown(wide, radius), radius)
    inside = slice(margin, -margin)
    return closed[inside, inside, inside] | mask


def _filled(mask: np.ndarray) -> np.ndarray:
    slices = np.stack([ndimage.binary_fill_holes(each) for each in mask])
    return ndimage.binary_fill_holes(slices)


def _largest(mask: np.ndarray) -> np.ndarray:
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == sizes.argmax()
