"""Rigid or affine registration of every head to one template (paper 2.2; the tool is ANTs).

A search over whole voxels first: masked normalized correlation of the template's head with the scan, for a handful
of head tilts, over all shifts at once by Fourier transforms (Padfield, IEEE TIP 2012, doi 10.1109/TIP.2011.2181402).
It needs no starting point, so cut vertices, shoulders and an off-centre patient do not lead it away. ANTs then refines
the best start, with its metric kept to the template's head and to what the scan really shows.
"""

from __future__ import annotations

import math
import os
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from scipy import fft, ndimage

os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"  # read once by ANTs' ITK: bit equality needs it

import ants

from globalmask import provenance
from globalmask.config import Grid, Registration
from globalmask.errors import UserError
from globalmask.imaging.geometry import as_affine, box_image, centre_of, inverse, resample, scan_grid
from globalmask.imaging.images import array_of, image_like, read_image, write_image
from globalmask.imaging.intensity import AIR_HU
from globalmask.imaging.silhouette import head_mask
from globalmask.prepare.grid import box_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPLATE_MM = 2.0
SEARCH_MM = 8.0
WINDOW_HU = (-300.0, 700.0)
REGION_MM = 10.0
SEED = 20
BONE_HU = 250.0
BLUR_MM = 4.0
LEAST_SIMILARITY = 0.4
"""46 real heads laid on a real template had 0.57 or more, synthetic ones 0.53; the same heads moved by 20 mm or 20
degrees had 0.45 at most, by more 0.35. The head-mask overlap alone does not find that: heads cut at the vertex still
had 0.8 to 0.9 when they stood upside down."""
TILTS_DEG = (
    *((pitch, 0, 0) for pitch in (0, -10, 10, -20, 20)),
    *((0, roll, 0) for roll in (-10, 10)),
    *((0, 0, turn) for turn in (-10, 10)),
)
"""About the x, y and z axis: heads differ most by how far the chin is lifted."""


def make_template(source_ct: str | Path, out_dir: str | Path, *, grid: Grid, registration: Registration) -> None:
    """Write ct.nii.gz (2 mm, identity direction), mask.nii.gz (its head mask) and box.json below `out_dir`.

    The box is centred on the head mask's centre of mass plus `registration.box_offset_mm`.
    Raises UserError when the CT shows no head or the box holds nothing of it.
    """
    out = Path(out_dir)
    source = read_image(source_ct, case=f"template {registration.template}")
    onto = scan_grid(source, spacing_mm=TEMPLATE_MM)
    ct = array_of(resample(source, onto, outside=AIR_HU))
    mask = head_mask(ct, TEMPLATE_MM)
    superior, posterior, left = registration.box_offset_mm
    middle = ndimage.center_of_mass(mask) if mask.any() else (0.0, 0.0, 0.0)
    centre = onto.TransformContinuousIndexToPhysicalPoint(middle[::-1])
    centre = (centre[0] + left, centre[1] + posterior, centre[2] + superior)
    box = box_image(centre, spacing_mm=grid.spacing_mm, size_voxels=grid.size_voxels)
    inside = resample(image_like(mask, onto), box, interpolation="nearest", outside=0)
    if not array_of(inside).any():
        raise UserError(
            "The box of the template holds no head.",
            file=source_ct,
            found=f"{mask.sum() * TEMPLATE_MM**3 / 1000:.0f} ml of tissue in the CT, none of it in the box",
            expected=f"a head CT, and a box of {grid.spacing_mm * grid.size_voxels:g} mm around the head",
            todo="choose another registration.template, or correct registration.box_offset_mm",
        )
    write_image(image_like(np.rint(ct).astype(np.int16), onto), out / "ct.nii.gz")
    write_image(image_like(mask, onto), out / "mask.nii.gz")
    provenance.write_json(
        out / "box.json",
        {"centre_lps_mm": centre, "spacing_mm": grid.spacing_mm, "size_voxels": grid.size_voxels},
    )


def register(
    ct: str | Path,
    template_dir: str | Path,
    out_dir: str | Path,
    *,
    registration: Registration,
    case: str,
    images: bool = True,
) -> None:
    """Write to_template.mat, registration.json and registration.png of `case` below `out_dir`.

    Without `images` the picture holds words alone. A failed registration is written with status `failed`;
    `prepare_ct` refuses it.
    """
    out = Path(out_dir)
    raw = read_image(ct, case=case)
    template = Template(Path(template_dir))
    start, tried = search(raw, template)
    transform = refine(raw, template, start, kind=registration.transform)
    quality, registered = judge(raw, template, transform)
    good = quality["overlap"] >= registration.least_overlap and quality["similarity"] >= LEAST_SIMILARITY
    record = {
        "case": case,
        "status": "ok" if good else "failed",
        **quality,
        "least_overlap": registration.least_overlap,
        "least_similarity": LEAST_SIMILARITY,
        **movement(transform, template.centre),
        "transform": registration.transform,
        "starts": tried,
        "versions": provenance.versions("antspyx", "SimpleITK"),
    }
    with provenance.atomic(out / "to_template.mat") as temporary:
        sitk.WriteTransform(transform, str(temporary))
    provenance.write_json(out / "registration.json", record)
    draw(registered if images else None, template, record, out / "registration.png")


class Template:
    """The template inside its box and a margin, at 2 mm: HU and head mask (z, y, x), and its middle."""

    def __init__(self, folder: Path) -> None:
        ct, mask = read_image(folder / "ct.nii.gz"), read_image(folder / "mask.nii.gz")
        self.box = box_of(folder / "box.json")
        self.centre = centre_of(self.box)
        size = math.ceil(self.box.GetSize()[0] * self.box.GetSpacing()[0] / TEMPLATE_MM)
        self.grid = box_image(self.centre, spacing_mm=TEMPLATE_MM, size_voxels=size)
        self.hu = array_of(resample(ct, self.grid, outside=AIR_HU))
        self.mask = array_of(resample(mask, self.grid, interpolation="nearest", outside=0)) > 0
        self.seen = array_of(resample(_ones(ct), self.grid, interpolation="nearest", outside=0)) > 0

    @cached_property
    def region(self) -> np.ndarray:
        """Where the metric looks (bool, z, y, x): the head and the air just around it."""
        return (ndimage.distance_transform_edt(~self.mask) * TEMPLATE_MM <= REGION_MM) & self.seen


def search(raw: sitk.Image, template: Template) -> tuple[sitk.Transform, list[dict[str, Any]]]:
    """The best of all shifts for each tilt; a rigid transform, template points to raw points, and what was tried."""
    onto = scan_grid(raw, spacing_mm=SEARCH_MM)
    scan = _window(array_of(resample(_block_means(raw), onto, outside=AIR_HU)))
    seen = array_of(resample(_ones(raw), onto, interpolation="nearest", outside=0)) > 0
    head = image_like(_window(template.hu), template.grid)
    blurred = sitk.SmoothingRecursiveGaussian(head, SEARCH_MM / 2.355)
    region = image_like(template.region, template.grid)
    reach = template.grid.GetSize()[0] * TEMPLATE_MM / SEARCH_MM
    small = box_image(template.centre, spacing_mm=SEARCH_MM, size_voxels=math.ceil(reach * 1.25))
    shape = [fft.next_fast_len(a + b - 1, real=True) for a, b in zip(scan.shape, small.GetSize(), strict=True)]
    spectra = [fft.rfftn(each, shape) for each in (seen.astype(np.float32), scan * seen, scan**2 * seen)]
    found = []
    for tilt in TILTS_DEG:
        turn = sitk.Euler3DTransform(template.centre, *(math.radians(value) for value in tilt))
        values = array_of(resample(blurred, small, transform=turn, outside=0.0))
        weight = array_of(resample(region, small, transform=turn, outside=0)) >= 0.5
        score, shift = _best_shift(spectra, values, weight, shape)
        corner = onto.TransformContinuousIndexToPhysicalPoint([float(value) for value in shift[::-1]])
        found.append((score, turn, np.array(corner) - np.array(small.GetOrigin())))
    _, turn, move = max(found, key=lambda each: each[0])
    # `turn` maps points of the tilted head to template points, so its inverse comes first, then the shift.
    start = as_affine(sitk.TranslationTransform(3, move.tolist()), inverse(turn))
    tried = [
        {"tilt_deg": list(tilt), "similarity": round(score, 4)}
        for tilt, (score, _, _) in zip(TILTS_DEG, found, strict=True)
    ]
    return start, tried


def _best_shift(
    spectra: list[np.ndarray], values: np.ndarray, weight: np.ndarray, shape: list[int]
) -> tuple[float, np.ndarray]:
    """Highest masked normalized correlation and the voxel shift (z, y, x) of the template's corner in the scan."""
    seen, first, second = spectra
    w = np.conj(fft.rfftn(weight.astype(np.float32), shape))
    t = np.conj(fft.rfftn(values * weight, shape))
    t2 = np.conj(fft.rfftn(values**2 * weight, shape))

    def back(product: np.ndarray) -> np.ndarray:
        return fft.irfftn(product, shape)

    count = np.maximum(back(seen * w), 1e-3)
    sum_scan, sum_head = back(first * w), back(seen * t)
    cross = back(first * t) - sum_scan * sum_head / count
    spread = np.maximum(back(second * w) - sum_scan**2 / count, 0) * np.maximum(
        back(seen * t2) - sum_head**2 / count, 0
    )
    score = np.where(count >= 0.6 * weight.sum(), cross / np.sqrt(spread + 1e-3), -1.0)
    place = np.array(np.unravel_index(int(score.argmax()), score.shape))
    return float(score.max()), np.where(place > np.array(shape) // 2, place - np.array(shape), place)


def refine(raw: sitk.Image, template: Template, start: sitk.Transform, *, kind: str) -> sitk.AffineTransform:
    """ANTs from `start`, between volumes on the template's 2 mm grid; returns template points to raw points."""
    moved = array_of(resample(raw, template.grid, transform=start, outside=AIR_HU))
    seen = array_of(resample(_ones(raw), template.grid, transform=start, interpolation="nearest", outside=0))
    with tempfile.TemporaryDirectory() as folder:
        result = ants.registration(
            fixed=_ants_image(_window(template.hu), template.grid),
            moving=_ants_image(_window(moved), template.grid),
            type_of_transform="Rigid" if kind == "rigid" else "Affine",
            initial_transform="Identity",
            mask=_ants_image(template.region.astype(np.float32), template.grid),
            moving_mask=_ants_image(seen.astype(np.float32), template.grid),
            mask_all_stages=True,
            aff_metric="mattes",
            aff_iterations=(100, 50),
            aff_shrink_factors=(4, 2),
            aff_smoothing_sigmas=(2, 1),
            aff_random_sampling_rate=0.2,
            random_seed=SEED,
            outprefix=str(Path(folder) / "ants"),
        )
        fine = sitk.ReadTransform(result["fwdtransforms"][0])
    return as_affine(start, fine)


def judge(raw: sitk.Image, template: Template, transform: sitk.Transform) -> tuple[dict[str, float], np.ndarray]:
    """Overlap (Dice of the head masks) and similarity, both where both scans see, and the moved HU (z, y, x).

    Similarity is the correlation of where the bones are (blurred, for skulls differ) in and around the head.
    """
    hu = array_of(resample(raw, template.grid, transform=transform, outside=AIR_HU))
    seen = resample(_ones(raw), template.grid, transform=transform, interpolation="nearest", outside=0)
    both = (array_of(seen) > 0) & template.seen
    mine, theirs = head_mask(hu, TEMPLATE_MM) & both, template.mask & both
    total = mine.sum() + theirs.sum()
    overlap = 2 * (mine & theirs).sum() / total if total else 0.0
    here = template.region & both
    a, b = _bones(hu, both)[here], _bones(template.hu, both)[here]
    similar = np.corrcoef(a, b)[0, 1] if a.size and a.std() > 0 and b.std() > 0 else 0.0
    return {"overlap": round(float(overlap), 4), "similarity": round(float(similar), 4)}, hu


def _bones(hu: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Share of bone around each voxel, counted over what was seen."""
    width = BLUR_MM / TEMPLATE_MM
    bone = ndimage.gaussian_filter(((hu > BONE_HU) & seen).astype(np.float32), width)
    return bone / np.maximum(ndimage.gaussian_filter(seen.astype(np.float32), width), 1e-3)


def movement(transform: sitk.AffineTransform, centre: tuple[float, float, float]) -> dict[str, Any]:
    """Angle in degrees of the rotation part and how far the middle of the box moves (x, y, z) in mm."""
    left, _, right = np.linalg.svd(np.array(transform.GetMatrix()).reshape(3, 3))
    cosine = (np.trace(left @ right) - 1) / 2
    shift = np.array(transform.TransformPoint(centre)) - np.array(centre)
    return {
        "rotation_deg": round(math.degrees(math.acos(min(1.0, max(-1.0, float(cosine))))), 3),
        "translation_mm": [round(float(value), 3) for value in shift],
    }


def draw(registered_hu: np.ndarray | None, template: Template, record: dict[str, Any], path: Path) -> None:
    """The registered CT in three planes with the template's head contour over it; words alone where it is None."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 4.0), layout="constrained")
    if registered_hu is not None:
        _draw_planes(figure, registered_hu, template.mask)
    figure.suptitle(
        f"{record['case']}: {record['status']}, overlap {record['overlap']:.3f}, "
        f"similarity {record['similarity']:.3f}, rotation {record['rotation_deg']:.1f} degrees"
    )
    with provenance.atomic(path) as temporary:
        figure.savefig(temporary, dpi=80)


def _draw_planes(figure: Figure, hu: np.ndarray, mask: np.ndarray) -> None:
    middle = [int(round(value)) for value in ndimage.center_of_mass(mask)]
    for axis, (name, place) in enumerate(zip(("axial", "coronal", "sagittal"), middle, strict=True)):
        axes = figure.add_subplot(1, 3, axis + 1)
        axes.imshow(hu.take(place, axis), cmap="gray", vmin=-200, vmax=300)
        axes.contour(mask.take(place, axis), [0.5], colors="#E69F00", linewidths=1.0)
        axes.set_title(name)
        if axis > 0:
            axes.invert_yaxis()
        axes.set_axis_off()


def _window(hu: np.ndarray) -> np.ndarray:
    """HU clipped to where heads differ from air and bone from soft tissue, as 0..1 float32."""
    low, high = WINDOW_HU
    return ((np.clip(hu, low, high) - low) / (high - low)).astype(np.float32)


def _ones(image: sitk.Image) -> sitk.Image:
    ones = sitk.Image(image.GetSize(), sitk.sitkUInt8) + 1
    ones.CopyInformation(image)
    return ones


def _block_means(image: sitk.Image) -> sitk.Image:
    """Made coarse by averaging, so that what lies between the voxels of the search grid still counts."""
    factors = [max(1, int(SEARCH_MM / spacing)) for spacing in image.GetSpacing()]
    return sitk.BinShrink(image, [min(factor, size) for factor, size in zip(factors, image.GetSize(), strict=True)])


def _ants_image(array_zyx: np.ndarray, grid: sitk.Image) -> Any:
    return ants.from_numpy(
        np.ascontiguousarray(array_zyx.T, dtype=np.float32),
        origin=list(grid.GetOrigin()),
        spacing=list(grid.GetSpacing()),
        direction=np.array(grid.GetDirection()).reshape(3, 3),
    )
