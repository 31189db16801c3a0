"""The template of a registered arm as its models know it: by name, by digest, and whole where no patient is in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from globalmask.errors import UserError
from globalmask.imaging.images import array_of, read_image
from globalmask.network.model_file import read_file, read_header

FILES = ("template.nii", "template.nii.gz")
"""Names under which a template travels."""
SAME = 0.95
"""Overlap and similarity from which a scan is the template itself: a head laid on itself had 0.99 and 0.99, other
heads up to 0.97 and 0.89 (46 real heads on an average of 26 of them; synthetic ones less)."""


def template_of(path: str | Path, *, name: str, template_is: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What a model's header tells of its template, and the files that travel: the template unless it is a patient's.

    The entry has whose it `is`, its `name`, the digest of its voxels, and the `file` that travels, or None.
    Raises UserError where it shall travel and is no NIfTI file.
    """
    path = Path(path)
    entry = {"is": template_is, "name": Path(name).name, "voxels_sha256": digest_of_scan(path), "file": None}
    if template_is == "patient":
        return entry, {}
    if not path.name.endswith((".nii", ".nii.gz")):
        raise UserError(
            "A template that travels in models must be one NIfTI file.",
            file=path,
            todo="convert it, or write 'template_is: patient': predictions then need --template",
        )
    file = FILES[path.name.endswith(".gz")]
    return entry | {"file": file}, {file: path.read_bytes()}


def unpack_template(model: str | Path, folder: Path) -> Path | None:
    """Write the template that travels in a model to `folder` and return its path; None where none travels.

    Raises UserError for a name that this program never gives, which might lead out of the folder.
    """
    name = read_header(model)["template"]["file"]
    if name is None:
        return None
    content = read_file(model, name) if name in FILES else None
    if content is None:
        raise UserError(
            "The model file names a template that it cannot hold.",
            file=model,
            found=name,
            expected=" or ".join(FILES),
            todo="do not trust this file; get it again from its maker",
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def refuse_patient(registrations: Mapping[str, Mapping[str, Any]], *, template_is: str, file: object) -> None:
    """Raise UserError where a template that is said to be public or an average is the scan of one of these cases.

    `registrations` are the records of the run's cases, by case.
    """
    same = [case for case, record in registrations.items() if min(record["overlap"], record["similarity"]) >= SAME]
    if same and template_is != "patient":
        raise UserError(
            "The template is a patient's scan, and a model never holds one.",
            case=same[0],
            file=file,
            found=f"'template_is: {template_is}', but the scan of this case lies on the template voxel by voxel",
            todo="write 'template_is: patient', or make an average head: globalmask average-template",
        )


def digest_of_scan(path: str | Path) -> str:
    """SHA-256 of whole HU and of the grid to 0.01 mm: the same for a scan in another file format."""
    image = read_image(path)
    digest = hashlib.sha256(np.rint(array_of(image)).astype("<i4").tobytes())
    grid = [*image.GetSize(), *image.GetSpacing(), *image.GetOrigin(), *image.GetDirection()]
    digest.update(" ".join(f"{value + 0.0:.2f}" for value in np.round(grid, 2)).encode())
    return digest.hexdigest()
