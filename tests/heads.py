"""A head drawn with a few ellipsoids, anywhere and at any tilt, on any scan grid: its true place is known."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

AIR, TISSUE, BONE, BRAIN, FAT, EYE = -1000, 50, 900, 35, -90, 10


def ball(points, centre, radii):
    """True inside an ellipsoid; `points` (..., xyz) in mm."""
    return (((points - centre) / radii) ** 2).sum(axis=-1) <= 1


def outline(points, shoulders=False):
    """True inside the solid head and neck; +x left, +y posterior, +z superior, origin in the brain."""
    x, y, z = np.moveaxis(points, -1, 0)
    whole = ball(points, (0, 0, 0), (75, 92, 105)) | ball(points, (0, -55, -60), (50, 48, 55))
    whole |= ball(points, (0, -105, -45), (12, 14, 18)) | ((x**2 + (y - 15) ** 2 < 52**2) & (z < -55))
    return whole | (ball(points, (0, 30, -205), (200, 80, 60)) if shoulders else False)


def head_hu(points, shoulders=False):
    """HU of head and neck at `points` (..., xyz)."""
    x, y, z = np.moveaxis(points, -1, 0)
    hu = np.where(outline(points, shoulders), TISSUE, AIR)
    hu[ball(points, (0, 0, 0), (68, 85, 98))] = BONE
    hu[ball(points, (0, 0, 0), (61, 78, 91))] = BRAIN
    for side in (-1, 1):
        hu[ball(points, (side * 60, 18, -48), (13 + 2 * side, 15, 17))] = BONE
        hu[ball(points, (side * 32, -80, -15), (19, 17, 18))] = FAT
        hu[ball(points, (side * 32, -80, -15), (12, 12, 12))] = EYE
        hu[ball(points, (side * 22, -72, -52), (13, 13, 15))] = AIR
    hu[ball(points, (0, -80, -95), (34, 18, 9))] = BONE
    hu[(x**2 + (y - 38) ** 2 < 14**2) & (z < -60)] = BONE
    hu[(x**2 + (y + 22) ** 2 < 9**2) & (z < -50)] = AIR
    return hu


def furniture_hu(points):
    """HU of a couch with two thin skins, a curved head holder and a thermoplastic shell, -1000 elsewhere."""
    x, y = points[..., 0], points[..., 1]
    hu = np.full(x.shape, AIR)
    for top in (112, 140):
        hu[(np.abs(x) < 200) & (y > top) & (y < top + 3)] = 100
    holder = ~ball(points, (0, 0, -10), (90, 105, 160)) & ball(points, (0, 0, -10), (93, 108, 164))
    shell = ~ball(points, (0, -2, 0), (81, 100, 111)) & ball(points, (0, -2, 0), (83.5, 102.5, 113.5))
    hu[holder & (y > 40)] = 150
    hu[shell & (y < 20)] = -50
    return hu


def make_scan(
    *,
    spacing_xyz=(2.0, 2.0, 2.5),
    extent_xyz=(260, 280, 300),
    centre_lps=(0.0, 0.0, -30.0),
    tilt_deg=(0.0, 0.0, 0.0),
    move_mm=(0.0, 0.0, 0.0),
    direction=(1, 0, 0, 0, 1, 0, 0, 0, 1),
    shoulders=False,
    furniture=False,
    noise_hu=15.0,
    seed=0,
):
    """`(ct, truth, to_scan)`: the scan, its solid outline on the same grid, and head points -> scan points.

    The head is tilted about its own origin and moved; `centre_lps` is the middle of what the scanner saw.
    """
    to_scan = sitk.Euler3DTransform((0.0, 0.0, 0.0), *np.radians(tilt_deg).tolist(), tuple(move_mm))
    rotation = np.array(to_scan.GetMatrix()).reshape(3, 3)
    axes = np.array(direction, float).reshape(3, 3)
    size = [round(e / s) for e, s in zip(np.abs(axes.T @ extent_xyz), spacing_xyz, strict=True)]
    origin = np.array(centre_lps) - axes @ (np.array(spacing_xyz) * (np.array(size) - 1) / 2)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in size[::-1]], indexing="ij"), axis=-1)[..., ::-1]
    points = (index * spacing_xyz) @ axes.T + origin
    inner = (points - move_mm) @ rotation
    hu = head_hu(inner, shoulders)
    if furniture:
        # The shell is moulded to the head, the couch stays level.
        hu = np.where(hu == AIR, furniture_hu(inner), hu)
    noise = np.random.default_rng(seed).normal(0, noise_hu, hu.shape)
    images = []
    for array in (np.clip(hu + noise, -1024, 3071).astype(np.int16), outline(inner, shoulders).astype(np.uint8)):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(spacing_xyz)
        image.SetOrigin(origin.tolist())
        image.SetDirection(axes.ravel().tolist())
        images.append(image)
    return images[0], images[1], to_scan


def dice(a, b):
    """Dice of two boolean arrays."""
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def random_direction(rng):
    """Any orthonormal matrix as ITK wants it."""
    return Rotation.random(random_state=rng).as_matrix().ravel().tolist()
