"""From the raw files of a heart-sized case to its files on the network's grid; every side reads and writes files.

The product writes a box as a registered arm does (`prepare_ct` with a box). Its grid is the one that the others come
to: 1.5 mm, 128^3, in the middle of the scan. Each library's files are compared with the product's resampling onto their
own grid, so flips and half voxels are theirs to choose.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from benchmarks import data
from benchmarks.lines import LINES
from benchmarks.pairs import race, same_labels, same_numbers, same_value, same_volume
from benchmarks.record import Record, measured, versions
from globalmask.config import Grid
from globalmask.imaging.geometry import centre_of, resample
from globalmask.imaging.images import array_of, image_like, read_image, write_image
from globalmask.imaging.intensity import AIR_HU
from globalmask.prepare.grid import prepare_ct, prepare_label, renumber
from globalmask.provenance import write_json

MEAN_HU = 0.6
"""Allowed mean difference: all interpolate linearly; MONAI and TorchIO cut the fraction off where we round."""
DICE = {"ours": 0.9999, "torchio": 0.999, "monai": 0.99, "nnunet": 0.97}
"""MONAI takes float32 grids to the nearest voxel (0.995 at full size); nnU-Net interpolates each label and decides at
one half, which moves thin walls (0.993 at full size, 0.974 at the smoke's)."""
Paths = tuple[Path, Path]


def records(smoke: bool) -> dict[str, Record]:
    raw = data.heart_scan(size_xyz=(256, 256, 150) if smoke else (512, 512, 150))
    with tempfile.TemporaryDirectory() as folder:
        sides = _sides(raw, Path(folder), size=96 if smoke else 128)
        found = race(sides, same=lambda outputs: _same(outputs, raw), rounds=1 if smoke else 5)
    facts = {
        "seconds": found.medians(),
        "threads": 1,
        "versions": versions("SimpleITK", "monai", "torchio", "nnunetv2"),
    }
    pairs = {f"prepare.{peer}": found.ratios(peer, "ours") for peer in ("monai", "torchio", "nnunet")}
    pairs["prepare.files"] = found.ratios("ours", "files")
    return {name: measured(LINES[name], values, **facts) for name, values in pairs.items()}


def _sides(raw: Paths, folder: Path, *, size: int) -> dict[str, Callable[[], Paths]]:
    os.environ.update({f"nnUNet_{name}": str(folder) for name in ("raw", "preprocessed", "results")})
    from benchmarks.peers import monai_peer, nnunet_peer, torchio_peer

    ct, label = raw
    options: dict[str, Any] = {"values": data.HEART_VALUES, "spacing_mm": 1.5, "size_voxels": size}
    out = {name: folder / name for name in ("ours", "monai", "torchio", "nnunet", "files")}
    for path in out.values():
        path.mkdir()
    centre = list(centre_of(read_image(ct)))
    write_json(out["ours"] / "box.json", {"centre_lps_mm": centre, "spacing_mm": 1.5, "size_voxels": size})
    chains = {
        "monai": monai_peer.preparation(out["monai"], **options),
        "torchio": torchio_peer.preparation(**options),
    }

    def monai() -> Paths:
        chains["monai"]({"ct": ct, "label": label})
        return _paths(out["monai"])

    return {
        "ours": lambda: _ours(raw, out["ours"], size=size),
        "monai": monai,
        "torchio": lambda: torchio_peer.prepare(ct, label, out["torchio"], chains["torchio"]),
        "nnunet": lambda: nnunet_peer.prepare(ct, label, out["nnunet"], **options),
        "files": lambda: _files_alone(raw, _paths(out["ours"]), out["files"]),
    }


def _paths(folder: Path) -> Paths:
    return folder / "ct.nii.gz", folder / "label.nii.gz"


def _ours(raw: Paths, folder: Path, *, size: int) -> Paths:
    ct, label = _paths(folder)
    prepare_ct(raw[0], ct, grid=Grid(spacing_mm=1.5, size_voxels=size), template_box=folder / "box.json")
    prepare_label(raw[1], ct, label, values=data.HEART_VALUES)
    return ct, label


def _files_alone(raw: Paths, made: Paths, folder: Path) -> Paths:
    """Read both raw files, and write both results, which are read from memory in a real run."""
    for path in raw:
        read_image(path)
    for path, copy in zip(made, _paths(folder), strict=True):
        write_image(read_image(path), copy)
    return _paths(folder)


def _same(outputs: Mapping[str, Paths], raw: Paths) -> None:
    ct, label = (read_image(path) for path in raw)
    numbers = image_like(renumber(array_of(label), data.HEART_VALUES), label)
    ours = read_image(outputs["ours"][0])
    for name in ("ours", "monai", "torchio", "nnunet"):
        theirs, seg = (read_image(path) for path in outputs[name])
        same_value(f"size of {name}'s box", ours.GetSize(), theirs.GetSize())
        same_value(f"size of {name}'s label", ours.GetSize(), seg.GetSize())
        same_numbers(f"spacing of {name}'s box", ours.GetSpacing(), theirs.GetSpacing(), tolerance=1e-4)
        same_numbers(f"middle of {name}'s box in mm", centre_of(ours), centre_of(theirs), tolerance=0.76)
        hu = np.rint(array_of(resample(ct, theirs, outside=AIR_HU))).astype(np.int16)
        same_volume(f"{name}'s CT in HU", hu, array_of(theirs), mean=MEAN_HU)
        nearest: sitk.Image = resample(numbers, seg, interpolation="nearest", outside=0)
        same_labels(f"{name}'s label", array_of(nearest), array_of(seg), dice=DICE[name])
