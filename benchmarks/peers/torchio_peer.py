"""Preparation of a case as users of TorchIO 1.2 do it: one subject, one chain of transforms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torchio as tio


def preparation(*, values: Mapping[int, int], spacing_mm: float, size_voxels: int) -> tio.Compose:
    """Labels renumbered, RAS, even spacing, box in the middle; air and background where the scan ends."""
    return tio.Compose(
        [
            tio.RemapLabels(dict(values)),
            tio.ToCanonical(),
            tio.Resample(spacing_mm, image_interpolation="linear", label_interpolation="nearest"),
            tio.CropOrPad(size_voxels, padding_mode=0),
        ]
    )


def prepare(ct: Path, label: Path, out_dir: Path, chain: tio.Compose) -> tuple[Path, Path]:
    """Write `out_dir/ct.nii.gz` (int16) and `label.nii.gz` (uint8); returns their paths."""
    subject = chain(tio.Subject(ct=tio.ScalarImage(ct), label=tio.LabelMap(label)))
    paths = out_dir / "ct.nii.gz", out_dir / "label.nii.gz"
    subject.ct.set_data(subject.ct.data.round().to(torch.int16))
    subject.label.set_data(subject.label.data.to(torch.uint8))
    subject.ct.save(paths[0])
    subject.label.save(paths[1])
    return paths
