"""Volumes and 2D views of them for pictures: reading, choosing a slice, windowing, drawing contours.

Prepared volumes are axis aligned in LPS: `array[z, y, x]`, x to the patient's left, y to the back, z up.
Axial views are shown in radiological convention: the patient's right is on the left of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.patheffects import AbstractPathEffect, withStroke

from globalmask.provenance import reads

Extent = tuple[float, float, float, float]
Look = dict[str, Any]  # keyword arguments of matplotlib
PLANES = ("axial", "coronal", "sagittal")
_AXIS = {"axial": 0, "coronal": 1, "sagittal": 2}
_LETTERS = {"axial": ("R", "L"), "coronal": ("R", "L"), "sagittal": ("A", "P")}


@dataclass(frozen=True)
class Volume:
    """`array` in (z, y, x) with `spacing_mm` in the same order."""

    array: np.ndarray
    spacing_mm: tuple[float, float, float]


def load_volume(path: Path) -> Volume | None:
    """A volume of the prepared grid; None when there is no such file."""
    if not Path(path).is_file():
        return None
    reads(path)
    image = sitk.ReadImage(str(path))
    z, y, x = reversed(image.GetSpacing())
    return Volume(sitk.GetArrayFromImage(image), (z, y, x))


def plane_of(volume: Volume, plane: str, index: int) -> tuple[np.ndarray, Extent]:
    """A 2D slice with row 0 at the top of the picture (head up, front up or left) and its extent in mm."""
    axis = _AXIS[plane]
    image = np.take(volume.array, index, axis=axis)
    rows_mm, columns_mm = (s for i, s in enumerate(volume.spacing_mm) if i != axis)
    if plane != "axial":
        image = image[::-1]
    return image, (0.0, image.shape[1] * columns_mm, image.shape[0] * rows_mm, 0.0)


def fullest_slice(label: np.ndarray, structures: int, axis: int = 0) -> int:
    """The slice that shows most of all structures: the largest sum of area over largest area.

    `label` (z, y, x) with values 1..structures. The middle slice when there is no label at all.
    """
    others = tuple(i for i in range(3) if i != axis)
    areas = np.stack([(label == value).sum(axis=others) for value in range(1, structures + 1)]).astype(float)
    largest = areas.max(axis=1, keepdims=True)
    share = np.divide(areas, largest, out=np.zeros_like(areas), where=largest > 0).sum(axis=0)
    return int(share.argmax()) if share.any() else label.shape[axis] // 2


def window_limits(images: list[np.ndarray], extent: Extent, *, margin_mm: float, least_mm: float) -> Extent:
    """Limits in mm (left, right, bottom, top) of a square around everything labelled in `images`.

    Grown by `margin_mm`, at least `least_mm` wide, moved (never cut) to lie inside the picture where it fits.
    The whole picture when nothing is labelled.
    """
    any_label = np.any([image > 0 for image in images], axis=0)
    _, right, bottom, _ = extent
    if not any_label.any():
        return extent
    rows, columns = np.flatnonzero(any_label.any(axis=1)), np.flatnonzero(any_label.any(axis=0))
    per_row, per_column = bottom / any_label.shape[0], right / any_label.shape[1]
    y0, y1 = rows[0] * per_row, (rows[-1] + 1) * per_row
    x0, x1 = columns[0] * per_column, (columns[-1] + 1) * per_column
    side = max(y1 - y0 + 2 * margin_mm, x1 - x0 + 2 * margin_mm, least_mm)
    x0, x1 = _around((x0 + x1) / 2, side, right)
    y0, y1 = _around((y0 + y1) / 2, side, bottom)
    return (x0, x1, y1, y0)


def _around(centre: float, side: float, length: float) -> tuple[float, float]:
    if side >= length:
        return (length - side) / 2, (length + side) / 2
    start = min(max(centre - side / 2, 0.0), length - side)
    return start, start + side


def show_ct(axes: Axes, image: np.ndarray, extent: Extent, clip_hu: tuple[float, float]) -> None:
    """The CT slice in grey, windowed to `clip_hu`, without axes."""
    axes.set_facecolor("black")
    axes.imshow(
        image,
        cmap="gray",
        vmin=clip_hu[0],
        vmax=clip_hu[1],
        extent=extent,
        interpolation="bilinear",
    )
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def outline(
    axes: Axes,
    mask: np.ndarray,
    extent: Extent,
    colour: str,
    *,
    width: float = 1.2,
    style: str = "-",
    rim: bool = True,
) -> None:
    """The contour of a 2D yes/no image, with a dark rim or without; nothing for an empty one."""
    if not mask.any():
        return
    padded = np.pad(mask.astype(float), 1)
    step_x, step_y = extent[1] / mask.shape[1], extent[2] / mask.shape[0]
    x = (np.arange(padded.shape[1]) - 0.5) * step_x
    y = (np.arange(padded.shape[0]) - 0.5) * step_y
    line = axes.contour(x, y, padded, levels=[0.5], colors=[colour], linewidths=[width], linestyles=[style])
    if rim:
        line.set_path_effects(halo(width + 0.9))


def outline_labels(axes: Axes, label: np.ndarray, extent: Extent, colours: Mapping[int, str], **line: object) -> None:
    """One contour for each value of a 2D label image, with its colour."""
    for value, colour in colours.items():
        outline(axes, label == value, extent, colour, **line)  # type: ignore[arg-type]


def halo(width: float) -> list[AbstractPathEffect]:
    """A dark rim, so that a bright line is seen on bright blood and bone too."""
    return [withStroke(linewidth=width, foreground="#101418", alpha=0.75)]


def orient(axes: Axes, plane: str) -> None:
    """Small letters at the left and right edge: R and L, or A and P."""
    first, second = _LETTERS[plane]
    note: Look = dict(transform=axes.transAxes, color="white", fontsize=6.5, va="center", path_effects=halo(1.4))
    axes.text(0.02, 0.5, first, ha="left", **note)
    axes.text(0.98, 0.5, second, ha="right", **note)


def scale_bar(axes: Axes, limits: Extent, length_mm: float = 20.0) -> None:
    """A bar of `length_mm` with its length, at the lower left."""
    left, right, bottom, top = limits
    x, y = left + 0.05 * (right - left), bottom - 0.05 * (bottom - top)
    axes.plot([x, x + length_mm], [y, y], color="white", linewidth=1.6, solid_capstyle="butt", path_effects=halo(2.6))
    place = (x + length_mm / 2, y - 0.018 * (bottom - top))
    axes.text(
        *place, f"{length_mm:.0f} mm", color="white", fontsize=6, ha="center", va="bottom", path_effects=halo(1.4)
    )
