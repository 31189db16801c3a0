"""CT numbers as the networks see them (paper 2.3: HU [-200, 200] scaled to 0..1)."""

from __future__ import annotations

import numpy as np

AIR_HU = -1024
"""Outside every scan there is air."""


def scale_ct(ct_hu: np.ndarray, clip_hu: tuple[float, float]) -> np.ndarray:
    """CT in HU clipped to `clip_hu` and scaled to 0..1, float32, same shape."""
    low, high = clip_hu
    return (np.clip(ct_hu.astype(np.float32), low, high) - low) / np.float32(high - low)
