"""Small things that several sources do: files by name, without what other systems leave beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from globalmask.errors import UserError
from globalmask.imaging.images import array_of, read_image

if TYPE_CHECKING:
    import SimpleITK as sitk

LFS = b"version https://git-lfs"


def matching(folder: Path, pattern: str) -> Iterator[tuple[Path, re.Match[str]]]:
    """Files below `folder` whose whole name fits the regular expression; macOS's `._` copies are none."""
    for path in sorted(folder.rglob("*")):
        hit = re.fullmatch(pattern, path.name)
        if hit and path.is_file():
            yield path, hit


def is_lfs_pointer(path: Path) -> bool:
    """True for the few lines that Git leaves in place of a large file that was not fetched."""
    with open(path, "rb") as stream:
        return stream.read(len(LFS)) == LFS


def read_label(path: Path) -> tuple[sitk.Image, np.ndarray]:
    """A label file and its whole-number voxels (z, y, x); UserError where they are fractions."""
    image = read_image(path)
    voxels = array_of(image)
    whole = np.round(voxels)
    if not np.array_equal(whole, voxels):
        raise UserError("The label has values that are not whole numbers.", file=path)
    return image, whole.astype(np.int32)


def unknown_values(voxels: np.ndarray, known: set[int], path: Path) -> None:
    """Raise UserError where a label holds values that its data set does not define."""
    unknown = sorted({int(value) for value in np.unique(voxels)} - known - {0})
    if unknown:
        raise UserError(
            "The label has unknown values.",
            file=path,
            found=", ".join(map(str, unknown[:10])),
            expected=", ".join(map(str, sorted(known))),
            todo="Correct the label, or take the case out of the folder.",
        )
