"""What ITK mends in silence when it reads a NIfTI file, and a user wants to know.

Tried with SimpleITK 2.5.7: NaN and infinity become 0, and a spacing of zero or less becomes another.
Layout of the headers: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h and nifti2.h.
"""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from globalmask.errors import UserError

FLOATS = {16: "f4", 64: "f8"}
BLOCK_BYTES = 1 << 22


def nifti_faults(path: str | Path, name: str) -> tuple[list[UserError], list[UserError]]:
    """Faults of the grid and of the numbers in a NIfTI file that `read_image` has accepted; none for other formats."""
    path = Path(path)
    if not path.name.endswith((".nii", ".nii.gz")):
        return [], []
    with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as stream:
        spacing, code, order, offset = _header(stream.read(540))
        if code not in FLOATS:
            return _spacing_faults(spacing, name), []
        stream.seek(offset)
        return _spacing_faults(spacing, name), _number_faults(stream, np.dtype(order + FLOATS[code]), name)


def _header(raw: bytes) -> tuple[tuple[float, ...], int, str, int]:
    """Spacing (x, y, z), number code, byte order and offset of the voxels."""
    order = "<" if struct.unpack("<i", raw[:4])[0] in (348, 540) else ">"
    if struct.unpack(order + "i", raw[:4])[0] == 348:
        spacing = struct.unpack(order + "3f", raw[80:92])
        return (
            spacing,
            struct.unpack(order + "h", raw[70:72])[0],
            order,
            int(struct.unpack(order + "f", raw[108:112])[0]),
        )
    spacing = struct.unpack(order + "3d", raw[112:136])
    return spacing, struct.unpack(order + "h", raw[12:14])[0], order, struct.unpack(order + "q", raw[168:176])[0]


def _spacing_faults(spacing: tuple[float, ...], name: str) -> list[UserError]:
    if all(side > 0 for side in spacing):
        return []
    return [
        UserError(
            f"The voxel spacing of the {name} is not positive.",
            found=" x ".join(f"{side:g}" for side in spacing) + " mm in the NIfTI header (pixdim)",
            expected="the size of a voxel in mm",
            todo="Correct the header, or export the volume again with its true spacing in mm.",
        )
    ]


def _number_faults(stream: BinaryIO | gzip.GzipFile, kind: np.dtype, name: str) -> list[UserError]:
    bad = 0
    while block := stream.read(BLOCK_BYTES):
        whole = len(block) - len(block) % kind.itemsize
        bad += int(np.count_nonzero(~np.isfinite(np.frombuffer(block[:whole], kind))))
    if not bad:
        return []
    return [
        UserError(
            f"The {name} has voxels that are not numbers (NaN or infinite).",
            found=f"{bad} voxels",
            expected="a finite number in every voxel",
            todo="Export the volume again, or fill these voxels (a CT with -1024, a label with 0).",
        )
    ]
