"""Our rigid registration against `ants.registration('Rigid')` with its defaults: the same template, the same heads.

Both get the scan in memory and give one transform; the same code judges both (`prepare.register.judge`). Overlap and
centre of mass are of the head masks where both scans see, against the template's.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from benchmarks import data
from benchmarks.lines import LINES
from benchmarks.pairs import same_value
from benchmarks.record import Record, measured, versions
from globalmask.config import Grid
from globalmask.imaging.geometry import as_affine, resample
from globalmask.imaging.images import array_of, read_image
from globalmask.imaging.silhouette import head_mask
from globalmask.prepare import register

Side = Callable[[sitk.Image, register.Template], sitk.Transform]


@dataclass(frozen=True)
class Result:
    """One registration: seconds, quality by `judge`, and how far the head's centre of mass is from the template's."""

    seconds: float
    overlap: float
    similarity: float
    away_mm: float

    @property
    def good(self) -> bool:
        return self.overlap >= data.TEMPLATE.least_overlap and self.similarity >= register.LEAST_SIMILARITY


def records(smoke: bool) -> dict[str, Record]:
    heads = data.real_heads()[:: 4 if not smoke else 25]
    template = _template()
    pairs = [_pair(case, template, turn) for turn, case in enumerate(heads)]
    both = [(ours, theirs) for ours, theirs in pairs if ours.good and theirs.good]
    failures = [sum(not pair[side].good for pair in pairs) for side in (0, 1)]
    facts = {"heads": len(pairs), "failures_ours_theirs": failures, "threads": 1}
    facts |= {"versions": versions("antspyx", "SimpleITK")}
    values = {
        "time": [theirs.seconds / ours.seconds for ours, theirs in pairs],
        "overlap": [ours.overlap - theirs.overlap for ours, theirs in both],
        "centre": [ours.away_mm - theirs.away_mm for ours, theirs in both],
        "failures": [failures[0] - failures[1]],
    }
    return {
        f"registration.{name}": measured(LINES[f"registration.{name}"], each, **facts) for name, each in values.items()
    }


def _template() -> register.Template:
    with tempfile.TemporaryDirectory() as folder:
        source = data.REAL / data.TEMPLATE.template / "ct.nii.gz"
        grid = Grid(spacing_mm=3.0, size_voxels=64)
        register.make_template(source, folder, grid=grid, registration=data.TEMPLATE)
        return register.Template(Path(folder))


def _pair(case: str, template: register.Template, turn: int) -> tuple[Result, Result]:
    """Ours and theirs on one head, by turns first."""
    raw = read_image(data.REAL / case / "ct.nii.gz", case=case)
    sides = [_ours, _theirs] if turn % 2 == 0 else [_theirs, _ours]
    if turn == 0:
        for side in sides:  # warms up
            side(raw, template)
    found = {side: _judged(side, raw, template) for side in sides}
    return found[_ours], found[_theirs]


def _ours(raw: sitk.Image, template: register.Template) -> sitk.Transform:
    start, _ = register.search(raw, template)
    return register.refine(raw, template, start, kind="rigid")


def _theirs(raw: sitk.Image, template: register.Template) -> sitk.Transform:
    """As a user of ANTs would: template and scan in HU as they are, every option by default."""
    import ants

    fixed = ants.from_sitk(_hu_image(template))
    with tempfile.TemporaryDirectory() as folder:
        found = ants.registration(
            fixed=fixed, moving=ants.from_sitk(raw), type_of_transform="Rigid", outprefix=f"{folder}/ants"
        )
        return as_affine(sitk.ReadTransform(found["fwdtransforms"][0]))


def _hu_image(template: register.Template) -> sitk.Image:
    image = sitk.GetImageFromArray(template.hu)
    image.CopyInformation(template.grid)
    return image


def _judged(side: Side, raw: sitk.Image, template: register.Template) -> Result:
    start = time.perf_counter()
    transform = side(raw, template)
    seconds = time.perf_counter() - start
    same_value("degrees of freedom: a rigid turn", True, _is_rigid(transform))
    quality, hu = register.judge(raw, template, transform)
    away = _away_mm(head_mask(hu, register.TEMPLATE_MM), template, _seen(raw, template, transform))
    return Result(seconds, quality["overlap"], quality["similarity"], away)


def _seen(raw: sitk.Image, template: register.Template, transform: sitk.Transform) -> np.ndarray:
    """Where scan and template both see (bool, z, y, x)."""
    ones = sitk.Image(raw.GetSize(), sitk.sitkUInt8) + 1
    ones.CopyInformation(raw)
    there = resample(ones, template.grid, transform=transform, interpolation="nearest", outside=0)
    return (array_of(there) > 0) & template.seen


def _away_mm(mask: np.ndarray, template: register.Template, both: np.ndarray) -> float:
    """Distance of the centres of mass of the two heads, where both scans see; infinite where one is not there."""
    heads = [mask & both, template.mask & both]
    if not all(head.any() for head in heads):
        return np.inf
    mine, theirs = (np.array(ndimage.center_of_mass(head)) for head in heads)
    return float(np.linalg.norm(mine - theirs) * register.TEMPLATE_MM)


def _is_rigid(transform: sitk.Transform) -> bool:
    matrix = np.array(as_affine(transform).GetMatrix()).reshape(3, 3)
    return bool(np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-4))
