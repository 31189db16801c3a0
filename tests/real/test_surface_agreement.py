"""Surface distances on real contours, against SimpleITK's distance maps.

SimpleITK measures from voxel to voxel, so the reference puts both masks on an even 0.75 mm grid first (nearest
neighbour: the same blocks) and takes the voxels at their borders. On masks already on that grid, both libraries see
almost the same surface and must agree closely; on the scanner's voxels they draw it differently, blocks against
triangles across the corners, and differ by a share of a voxel.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk

from globalmask.evidence.surface import surface_metrics
from globalmask.imaging.images import array_of, read_image

pytestmark = pytest.mark.real

FINE_MM = 0.75
ON_EVEN_GRID = (FINE_MM / 2, FINE_MM / 10, 0.08, 0.05)
"""How far the four metrics may differ: mm, mm, shares. Seen: 0.25, 0.063, 0.053, 0.036."""
STRUCTURES = {"brain_stem": 1, "left_orbit": 2, "right_orbit": 3}
READERS = "deepmind_tcia_labels/test/{reader}/{case}_labels.nii.gz"


def on_even_grid(mask: np.ndarray, spacing_mm) -> sitk.Image:
    image = sitk.GetImageFromArray(np.pad(mask, 2).astype(np.uint8))
    image.SetSpacing([float(step) for step in spacing_mm[::-1]])
    size = [math.ceil(count * step / FINE_MM) for count, step in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    origin = [(FINE_MM - step) / 2 for step in image.GetSpacing()]
    return sitk.Resample(image, size, sitk.Transform(), sitk.sitkNearestNeighbor, origin, [FINE_MM] * 3)


def by_distance_maps(*masks: sitk.Image) -> list[float]:
    """HD95, ASSD, NSD at 1.5 and at 3 mm from border voxel to border voxel."""
    directed = []
    for here, there in (masks, masks[::-1]):
        distance = sitk.Abs(sitk.SignedMaurerDistanceMap(there, squaredDistance=False, useImageSpacing=True))
        border = array_of(sitk.LabelContour(here, fullyConnected=False)) > 0
        directed.append(array_of(distance)[border])
    both = np.concatenate(directed)
    hd95 = max(np.percentile(distances, 95) for distances in directed)
    return [hd95, both.mean(), *((both <= limit + 1e-4).mean() for limit in (1.5, 3.0))]


def differences(reference, prediction, spacing_mm) -> tuple[np.ndarray, np.ndarray]:
    """SimpleITK minus ours for the four metrics: on the given voxels, and on the even grid."""
    places = np.argwhere(reference | prediction)
    box = tuple(slice(*ends) for ends in zip(places.min(axis=0), places.max(axis=0) + 1, strict=True))
    fine = [on_even_grid(mask[box], spacing_mm) for mask in (reference, prediction)]
    theirs = np.array(by_distance_maps(*fine))
    given = surface_metrics(reference, prediction, spacing_mm=spacing_mm)
    even = surface_metrics(*(array_of(mask) > 0 for mask in fine), spacing_mm=[FINE_MM] * 3)
    return tuple(theirs - list(found.values()) for found in (given, even))


@pytest.mark.parametrize("case", ["0522c0017", "0522c0331", "TCGA-CV-7236"])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_two_readers(real_data, case, structure):
    """Voxels of 1 x 1 x 2.5 mm; the readers' HD95 is about 2 mm and their ASSD 0.6 mm."""
    first, second = (
        read_image(real_data / READERS.format(reader=name, case=case)) for name in ("oncologist", "radiographer")
    )
    second = sitk.Resample(second, first, sitk.Transform(), sitk.sitkNearestNeighbor)
    masks = [array_of(image) == STRUCTURES[structure] for image in (first, second)]
    given, even = differences(*masks, first.GetSpacing()[::-1])
    assert (np.abs(given) < [0.5, 0.2, 0.1, 0.02]).all()
    assert (np.abs(even) < ON_EVEN_GRID).all()


@pytest.mark.parametrize("shift", [(1, 0, 0), (0, 1, 0), (1, 1, -1)])
def test_brain_stem_moved_by_a_voxel(real_data, shift):
    """Voxels of up to 5 mm: where a surface lies within one of them is each library's own idea."""
    image = read_image(real_data / "openkbp/pt_222/labels.nii.gz")
    mask = array_of(image) == 1
    given, even = differences(mask, np.roll(mask, shift, (0, 1, 2)), image.GetSpacing()[::-1])
    assert (np.abs(given) < [1.0, 0.7, 0.3, 0.15]).all()
    assert (np.abs(even) < ON_EVEN_GRID).all()
