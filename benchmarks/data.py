"""What the benchmark measures on: real heads where there are any, else synthetic scans. Kept below `build/benchmarks`.

A module of another environment has its data made by the product's own: `python -m benchmarks.data`.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from globalmask.config import Grid, Registration
from globalmask.errors import UserError
from globalmask.imaging.images import array_of, image_like, write_image
from globalmask.intake.phantom import make_case

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "benchmarks"
REAL = ROOT.parent / "shared" / "data" / "openkbp"
TEMPLATE = Registration(template="pt_222", box_offset_mm=(148.0, -25.0, 1.0))
"""As in workflow/config/evidence.yaml."""
FIELD_MM = (240.0, 390.0, 390.0)
"""Of a cardiac CT (z, y, x): whole voxels of 1.5 mm, so that every library comes to the same grid."""
AIR_HU, NOISE_HU = -1000, 8.0
HEART_VALUES = {205: 1, 420: 2, 500: 3, 550: 4, 600: 5, 820: 6, 850: 7}


@dataclass(frozen=True)
class Heads:
    """Real heads in the network's box: folders as the workflow lays them, and the case ids."""

    prepared: Path
    masks: Path
    cases: list[str]


def real_heads() -> list[str]:
    """Ids of the real heads but for the template's. Raises UserError where they are not beside the checkout."""
    found = sorted(path.name for path in REAL.glob("pt_*"))
    if not found:
        raise UserError("The real heads are not there.", file="../shared/data/openkbp", todo="See docs/openkbp.md.")
    return [case for case in found if case != TEMPLATE.template]


def heads(count: int, *, size_voxels: int, spacing_mm: float) -> Heads:
    """The first `count` real heads registered, prepared and masked by the workflow's own code (brain stem is 1).

    Needs antspyx: another environment asks `heads_of_product`.
    """
    from globalmask.masks.threshold import make_threshold_mask
    from globalmask.prepare.grid import prepare_ct, prepare_label
    from globalmask.prepare.register import make_template, register

    folder = BUILD / f"heads_{size_voxels}"
    found = Heads(folder / "prepared", folder / "masks", real_heads()[:count])
    template = folder / "template"
    if not (template / "box.json").is_file():
        grid = Grid(spacing_mm=spacing_mm, size_voxels=size_voxels)
        make_template(REAL / TEMPLATE.template / "ct.nii.gz", template, grid=grid, registration=TEMPLATE)
    for case in found.cases:
        if (found.masks / f"{case}.nii.gz").is_file():
            continue
        raw, out = REAL / case, found.prepared / case
        move = out / "to_template.mat"
        register(raw / "ct.nii.gz", template, out, registration=TEMPLATE, case=case)
        prepare_ct(
            raw / "ct.nii.gz",
            out / "ct.nii.gz",
            grid=Grid(spacing_mm=spacing_mm, size_voxels=size_voxels),
            template_box=template / "box.json",
            transform_path=move,
        )
        prepare_label(
            raw / "labels.nii.gz", out / "ct.nii.gz", out / "label.nii.gz", values={1: 1}, transform_path=move
        )
        mask = found.masks / f"{case}.nii.gz"
        make_threshold_mask(raw / "ct.nii.gz", move, out / "ct.nii.gz", mask, mask.with_name(f"{case}.json"), case=case)
    return found


def heads_of_product(count: int, *, size_voxels: int, spacing_mm: float) -> Heads:
    """`heads`, made by the product's own environment where they are missing."""
    folder = BUILD / f"heads_{size_voxels}"
    found = Heads(folder / "prepared", folder / "masks", real_heads()[:count])
    if any(not (found.masks / f"{case}.nii.gz").is_file() for case in found.cases):
        words = [str(count), str(size_voxels), str(spacing_mm)]
        subprocess.run([str(ROOT / ".venv/bin/python"), "-m", "benchmarks.data", *words], cwd=ROOT, check=True)
    return found


def heart_scan(*, size_xyz: tuple[int, int, int]) -> tuple[Path, Path]:
    """A synthetic cardiac CT (int16) and its label (uint16) as gzipped NIfTI of `size_xyz` voxels over `FIELD_MM`."""
    folder = BUILD / ("heart_" + "x".join(map(str, size_xyz)))
    paths = folder / "ct.nii.gz", folder / "label.nii.gz"
    if not all(path.is_file() for path in paths):
        onto = sitk.Image(size_xyz, sitk.sitkUInt8)
        onto.SetSpacing([mm / count for mm, count in zip(FIELD_MM[::-1], size_xyz, strict=True)])
        ct, label = make_case("heart", 0, seed=2022)
        middle = ct.TransformContinuousIndexToPhysicalPoint([(count - 1) / 2 for count in ct.GetSize()])
        half = [step * (count - 1) / 2 for step, count in zip(onto.GetSpacing(), size_xyz, strict=True)]
        onto.SetOrigin([place - away for place, away in zip(middle, half, strict=True)])
        hu = array_of(sitk.Resample(ct, onto, sitk.Transform(3, sitk.sitkIdentity), sitk.sitkLinear, AIR_HU))
        # Finer voxels are noisier, and noise is what gzip has to work on.
        noise = np.random.default_rng(0).normal(0, NOISE_HU, hu.shape)
        noisy = np.clip(np.rint(hu + noise), -1024, 3071).astype(np.int16)
        write_image(image_like(noisy, onto), paths[0])
        nearest = sitk.Resample(label, onto, sitk.Transform(3, sitk.sitkIdentity), sitk.sitkNearestNeighbor, 0)
        write_image(nearest, paths[1])
    return paths


if __name__ == "__main__":
    heads(int(sys.argv[1]), size_voxels=int(sys.argv[2]), spacing_mm=float(sys.argv[3]))
