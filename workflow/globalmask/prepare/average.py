"""An average head as a template: the mean of registered scans is no patient's image, so it may travel in a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from globalmask.errors import UserError
from globalmask.imaging.images import array_of, image_like, read_image, write_image
from globalmask.imaging.intensity import AIR_HU

FEWEST = 10
"""Scans in an average, so that no single head can be made out in it."""
STEP_HU = 8
"""Finer steps are noise to a registration and double the file."""
WINDOW_HU = (AIR_HU, 1500)


def average_head(prepared_dir: Path, cases: Sequence[str], out_path: Path) -> None:
    """Write the mean HU (int16) of the prepared scans of `cases`, of one registered arm, in the box of template space.

    A scan counts in the axial slices that it shows; slices that fewer than half of the scans show are cut off.
    Raises UserError for fewer than `FEWEST` scans.
    """
    if len(cases) < FEWEST:
        raise UserError(
            "Too few scans for an average head.",
            file=prepared_dir,
            found=f"{len(cases)} scans",
            expected=f"at least {FEWEST}, so that no patient can be made out in it",
        )
    first = read_image(Path(prepared_dir) / cases[0] / "ct.nii.gz", case=cases[0])
    total = np.zeros(first.GetSize()[::-1])
    shown = np.zeros(len(total), int)
    for case in cases:
        ct = np.clip(array_of(read_image(Path(prepared_dir) / case / "ct.nii.gz", case=case)), *WINDOW_HU)
        seen = (ct > AIR_HU).any(axis=(1, 2))
        total[seen] += ct[seen]
        shown += seen
    mean = total / np.maximum(shown, 1)[:, None, None]
    kept = np.flatnonzero(2 * shown >= len(cases))
    average = image_like((STEP_HU * np.rint(mean / STEP_HU)).astype(np.int16), first)
    write_image(average[:, :, int(kept[0]) : int(kept[-1]) + 1], out_path)
