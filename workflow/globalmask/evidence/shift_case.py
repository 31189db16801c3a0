"""One test case under every shift, cut and masked as its clean scan was: what the networks of all cells then see.

Each shifted scan goes through the run's own stages (grid, mask), so that strength 0 is the clean case bit for bit.
The transform of the registration is the clean scan's. Masks are of two kinds: `frozen`, made from the clean scan,
and `remade` from the shifted one (recipes `threshold`, `unfilled`, `learned`; a supplied mask cannot be). No label is
read. One file a case and mask set, shared by scenarios, sizes, replicates and variants.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from globalmask.config import Grid
from globalmask.evidence.shifts import FROZEN, REMADE, SHIFTS, generator, shifted
from globalmask.imaging.geometry import cut
from globalmask.imaging.images import array_of, read_image
from globalmask.imaging.intensity import AIR_HU
from globalmask.masks.coarse import coarsen_ct
from globalmask.masks.learned import predict_masks
from globalmask.masks.record import read_box
from globalmask.masks.threshold import make_threshold_mask
from globalmask.prepare.grid import prepare_ct
from globalmask.provenance import atomic

UNSHIFTED = "none"
REMADE_RECIPES = ("threshold", "unfilled", "learned")
WHAT = ("ct", "mask", "offset")
Step = tuple[str, float]


@dataclass(frozen=True)
class Seen:
    """A case as a network sees it under one shift: HU int16 and mask uint8, `(z, y, x)`, of the box at `offset_zyx`.

    HU beyond the networks' window are cut off already, which makes the file small.
    `masks` is FROZEN or REMADE; shift UNSHIFTED has strength 0.
    """

    shift: str
    strength: float
    masks: str
    ct_hu: np.ndarray
    mask: np.ndarray
    offset_zyx: tuple[int, int, int]


@dataclass(frozen=True)
class CaseFiles:
    """The clean files of a case: raw CT, folder of its mask set, and, in a registered arm, template box and transform.

    `mask_network` is the model file that makes its learned mask.
    """

    case: str
    ct: Path
    masks_dir: Path
    template_box: Path | None = None
    transform: Path | None = None
    mask_network: Path | None = None


def shift_case(
    files: CaseFiles,
    *,
    arm: str,
    seed: int,
    shifts: Sequence[str],
    clip_hu: tuple[float, float],
    grid: Grid,
    recipe: str,
    coarse_grid: Grid,
    out_path: Path,
    device: str,
    threads: int,
) -> None:
    """Write `out_path` (npz, see `read_shifted`): the case unshifted and under each of `shifts` at each strength."""
    raw = read_image(files.ct, case=files.case)
    steps = steps_of(shifts)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, (shift, strength) in steps.items():
            rng = generator(seed, arm, files.case, shift, strength)
            scan = folder / "scan.mha"
            sitk.WriteImage(shifted(raw, shift, strength, clip_hu=clip_hu, rng=rng), str(scan))
            _prepare(scan, folder, name, files, grid=grid, recipe=recipe, coarse_grid=coarse_grid)
        if recipe == "learned":
            _remake_learned(folder, steps, files, size_voxels=grid.size_voxels, device=device, threads=threads)
        places = {FROZEN: dict.fromkeys(steps, (files.masks_dir, files.case))}
        if recipe in REMADE_RECIPES:
            places[REMADE] = {name: (folder / "masks", name) for name in steps}
        boxes = {masks: _boxes(folder, used, files.case, clip_hu=clip_hu) for masks, used in places.items()}
    _store(out_path, list(steps.values()), boxes)


def read_shifted(path: Path) -> Iterator[Seen]:
    """Every step of a file that `shift_case` wrote, the frozen ones first."""
    with np.load(path, allow_pickle=False) as stored:
        for masks in (FROZEN, REMADE):
            if f"{masks}_mask" not in stored:
                continue
            names = ("shift", "strength", *(f"{masks}_{what}" for what in WHAT))
            columns = (stored[name if name in stored else f"{FROZEN}_ct"] for name in names)
            for shift, strength, ct, mask, offset in zip(*columns, strict=True):
                z, y, x = (int(value) for value in offset)
                yield Seen(str(shift), float(strength), masks, ct, mask, (z, y, x))


def steps_of(shifts: Sequence[str]) -> dict[str, Step]:
    """Name, shift and strength of every step; the unshifted case is the first."""
    steps: list[Step] = [(UNSHIFTED, 0.0)]
    steps += [(shift, float(strength)) for shift in shifts for strength in SHIFTS[shift].strengths]
    return {f"{shift}-{strength:g}": (shift, strength) for shift, strength in steps}


def _store(path: Path, steps: Sequence[Step], boxes: dict[str, dict[str, list[np.ndarray]]]) -> None:
    """Write what `read_shifted` reads; the CT once where no box moved."""
    names, strengths = zip(*steps, strict=True)
    arrays: dict[str, Any] = {"shift": np.array(names), "strength": np.array(strengths)}
    arrays |= {f"{masks}_{what}": np.stack(found[what]) for masks, found in boxes.items() for what in WHAT}
    if REMADE in boxes and np.array_equal(arrays[f"{FROZEN}_ct"], arrays[f"{REMADE}_ct"]):
        del arrays[f"{REMADE}_ct"]
    with atomic(path) as partial:
        np.savez_compressed(partial, **arrays)


def _prepare(
    scan: Path, folder: Path, name: str, files: CaseFiles, *, grid: Grid, recipe: str, coarse_grid: Grid
) -> None:
    """One shifted scan through the stages; the mask of recipe `learned` comes later, for all steps at once."""
    prepared = folder / "prepared" / name / "ct.nii.gz"
    prepare_ct(scan, prepared, grid=grid, template_box=files.template_box, transform_path=files.transform)
    if recipe in ("threshold", "unfilled"):
        mask = folder / "masks" / f"{name}.nii.gz"
        record = folder / "masks" / f"{name}.json"
        filled = recipe == "threshold"
        make_threshold_mask(scan, files.transform, prepared, mask, record, case=files.case, filled=filled)
    if recipe == "learned":
        coarsen_ct(ct_path=scan, out_ct=folder / "coarse" / name / "ct.nii.gz", grid=coarse_grid, case=files.case)


def _remake_learned(
    folder: Path, names: Iterable[str], files: CaseFiles, *, size_voxels: int, device: str, threads: int
) -> None:
    assert files.mask_network is not None
    predict_masks(
        networks={"all": files.mask_network},
        parts=dict.fromkeys(names, "all"),
        coarse_dir=folder / "coarse",
        prepared_dir=folder / "prepared",
        masks_dir=folder / "masks",
        size_voxels=size_voxels,
        device=device,
        threads=threads,
        registered=files.transform is not None,
        transforms=None if files.transform is None else dict.fromkeys(names, files.transform),
    )


def _boxes(
    folder: Path, places: dict[str, tuple[Path, str]], case: str, *, clip_hu: tuple[float, float]
) -> dict[str, list[np.ndarray]]:
    """Box, mask and offset of every step; `places` tells the folder and name of the mask that each uses."""
    low, high = math.floor(clip_hu[0]), math.ceil(clip_hu[1])
    found: dict[str, list[np.ndarray]] = {what: [] for what in WHAT}
    for name, (masks_dir, stem) in places.items():
        offset, size = read_box(masks_dir / f"{stem}.json")
        ct = array_of(read_image(folder / "prepared" / name / "ct.nii.gz", case=case))
        mask = array_of(read_image(masks_dir / f"{stem}.nii.gz", case=case))
        found["ct"].append(np.clip(cut(ct, offset_zyx=offset, size_zyx=size, fill=AIR_HU), low, high))
        found["mask"].append((cut(mask, offset_zyx=offset, size_zyx=size, fill=0) > 0).astype(np.uint8))
        found["offset"].append(np.array(offset))
    return found
