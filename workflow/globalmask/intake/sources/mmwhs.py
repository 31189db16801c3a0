"""MM-WHS: `ct_train_1001_image.nii.gz` beside `ct_train_1001_label.nii.gz`; the seven values of the challenge.

One label of the challenge holds a stray 421 among its 420 (left atrium); such voxels become 420 in a copy of
the label. Every other unknown value is a fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from globalmask.imaging.images import image_like, write_image
from globalmask.intake.sources.bring import Case, Found, Options
from globalmask.intake.sources.catalogue import SOURCES
from globalmask.intake.sources.files import matching, read_label, unknown_values

IMAGE = r"(ct_(?:train|test)_\d{4})_image\.nii(?:\.gz)?"
LABEL = r"(ct_(?:train|test)_\d{4})_label\.nii(?:\.gz)?"
MRI = r"mr_(?:train|test)_\d{4}_image\.nii(?:\.gz)?"
STRAY = {421: 420}


def find(folder: Path, options: Options) -> Found:
    """Each CT below `folder` that has a label anywhere below it."""
    values = SOURCES["mmwhs"].structures
    labels = {hit[1]: path for path, hit in matching(folder, LABEL)}
    found = Found([], values)
    bare = []
    for path, hit in matching(folder, IMAGE):
        if hit[1] in labels:
            found.cases.append(_case(hit[1], path, labels[hit[1]], values, found.notes))
        else:
            bare.append(hit[1])
    if bare:
        found.notes.append(f"{len(bare)} CTs without a label are not in the table ({bare[0]}, …).")
    if mri := sum(1 for _ in matching(folder, MRI)):
        found.notes.append(f"{mri} MR images are not in the table: globalmask is for CT.")
    return found


def _case(name: str, ct: Path, label: Path, values: Mapping[str, int], notes: list[str]) -> Case:
    def make(folder: Path) -> dict[str, Path | str]:
        image, voxels = read_label(label)
        stray = {old: int(np.count_nonzero(voxels == old)) for old in STRAY}
        for old, new in STRAY.items():
            voxels[voxels == old] = new
        unknown_values(voxels, set(values.values()), label)
        if not any(stray.values()):
            return {"ct": ct, "label": label}
        folder.mkdir()
        write_image(image_like(voxels.astype(np.int16), image), folder / "label.nii.gz")
        notes.extend(f"{name}: {count} voxels of {old} became {STRAY[old]}." for old, count in stray.items() if count)
        return {"ct": ct, "label": folder / "label.nii.gz"}

    return Case(name, make)
