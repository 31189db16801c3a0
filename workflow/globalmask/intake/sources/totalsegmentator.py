"""TotalSegmentator, version 1: `s0001/ct.nii.gz`, `s0001/segmentations/heart_atrium_left.nii.gz`, `meta.csv`.

The chambers of the heart exist in version 1 alone; a later version has one file `heart.nii.gz` instead, and is
refused unless other structures are asked for by `--structures`. `split` in `meta.csv` becomes the role.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from globalmask.errors import UserError, raise_all
from globalmask.imaging.images import array_of, image_like, read_image, write_image
from globalmask.intake.sources.bring import Case, Found, LeftOut, Options
from globalmask.intake.sources.structures import Names, match, merge, missing, read_names
from globalmask.intake.volume_faults import grid_faults

if TYPE_CHECKING:
    import SimpleITK as sitk

HEART = Names(
    {
        "left_ventricle": ("heart_ventricle_left",),
        "right_ventricle": ("heart_ventricle_right",),
        "left_atrium": ("heart_atrium_left",),
        "right_atrium": ("heart_atrium_right",),
        "myocardium": ("heart_myocardium",),
        "aorta": ("aorta",),
        "pulmonary_artery": ("pulmonary_artery",),
    }
)
ROLES = {"train": "train", "val": "validation", "test": "test"}


def find(folder: Path, options: Options) -> Found:
    """Each subject that has all the structures; those where one is empty are left out."""
    names = read_names(options.structures) if options.structures else HEART
    subjects = sorted(path.parent for path in folder.rglob("ct.nii.gz") if (path.parent / "segmentations").is_dir())
    roles = _roles(folder)
    found = Found([], names.values)
    if not roles:
        found.notes.append("There is no meta.csv: the table has no roles.")
    for subject in subjects:
        found.cases.append(_case(subject, names, roles.get(subject.name, "")))
    if subjects:
        _refuse_later_versions(subjects[0], names)
    return found


def _roles(folder: Path) -> dict[str, str]:
    """The role of each subject by `meta.csv`: semicolons, a byte-order mark, `split` train, val or test."""
    file = next(iter(sorted(folder.rglob("meta.csv"))), None)
    if file is None:
        return {}
    with open(file, encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter=";"))
    wrong = [row for row in rows if row.get("split") not in ROLES or not row.get("image_id")]
    if wrong:
        raise UserError(
            "meta.csv is not that of the data set.",
            file=file,
            found=", ".join(wrong[0]),
            expected="columns image_id and split (train, val, test), separated by semicolons",
        )
    return {row["image_id"]: ROLES[row["split"]] for row in rows}


def _refuse_later_versions(subject: Path, names: Names) -> None:
    present = _masks(subject)
    chambers = [own for said in names.structures.values() for own in said if own.startswith("heart_")]
    if "heart" in present and chambers and not set(chambers) & set(present):
        raise UserError(
            "This is a later version of the data set, without the chambers of the heart.",
            file=subject,
            found="heart.nii.gz",
            expected=", ".join(f"{name}.nii.gz" for name in chambers),
            todo="Get version 1 (doi:10.5281/zenodo.6802614), or name other structures by --structures.",
        )


def _masks(subject: Path) -> dict[str, Path]:
    files = (subject / "segmentations").glob("[!.]*.nii.gz")
    return {path.name.removesuffix(".nii.gz"): path for path in files}


def _case(subject: Path, names: Names, role: str) -> Case:
    def make(folder: Path) -> dict[str, Path | str]:
        present = _masks(subject)
        chosen = match(names.wanted, present)
        raise_all(missing(names.wanted, chosen, present))
        ct = read_image(subject / "ct.nii.gz")
        masks = {name: _mask(present[own], ct) for name, own in chosen.items()}
        empty = [name for name, inside in masks.items() if not inside.any()]
        if empty:
            raise LeftOut("a structure lies outside the scan")
        folder.mkdir()
        fields: dict[str, Path | str] = {"ct": subject / "ct.nii.gz", "label": folder / "label.nii.gz", "role": role}
        label = merge([(value, masks[name]) for name, value in names.values.items()])
        write_image(image_like(label, ct), folder / "label.nii.gz")
        if "mask" in masks:
            write_image(image_like(masks["mask"], ct), folder / "mask.nii.gz")
            fields["mask"] = folder / "mask.nii.gz"
        return fields

    return Case(subject.name, make)


def _mask(path: Path, ct: sitk.Image) -> np.ndarray:
    image = read_image(path)
    raise_all(grid_faults(image, ct, name=f"mask '{path.name.removesuffix('.nii.gz')}'", other="CT"))
    return array_of(image) > 0.5
