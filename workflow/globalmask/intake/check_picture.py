"""The picture of a checked case: three planes of the CT, the label's contours, the verdict."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from globalmask.provenance import atomic

WINDOW_HU = (-200, 400)
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
"""Okabe and Ito's colours, which colour-blind readers can tell apart."""


class Plane(NamedTuple):
    """One of the three planes: the axis it is cut across; letters at left, right, top, bottom."""

    name: str
    axis: int
    edges: str
    origin: Literal["upper", "lower"]


PLANES = (
    Plane("axial", 0, "RLAP", "upper"),
    Plane("coronal", 1, "RLSI", "lower"),
    Plane("sagittal", 2, "APSI", "lower"),
)


def draw_case(
    path: str | Path,
    *,
    title: str,
    notes: Sequence[tuple[str, str]],
    ct: sitk.Image | None,
    label: sitk.Image | None,
    values: Mapping[str, int],
) -> None:
    """Write the picture of a case; what cannot be shown (an image is None) is left out.

    `notes` are lines of text with a colour. The label is drawn where its header puts it, so a label
    on another grid is seen beside its organ.
    """
    figure = Figure(figsize=(11, 4.6), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    base = ct if ct is not None else label
    if base is not None:
        _draw_planes(figure, base, ct, label, values)
    figure.text(0.01, 0.985, title, va="top", fontsize=10, weight="bold", parse_math=False)
    height = 0.30 if base is not None else 0.90
    _draw_notes(figure, notes, top=height)
    with atomic(path) as temporary:
        figure.savefig(temporary)


def _draw_planes(
    figure: Figure,
    base: sitk.Image,
    ct: sitk.Image | None,
    label: sitk.Image | None,
    values: Mapping[str, int],
) -> None:
    base = sitk.DICOMOrient(base, "LPS")
    voxels = None if ct is None else sitk.GetArrayFromImage(base)
    marks = None
    if label is not None:
        onto = sitk.Resample(label, base, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0, sitk.sitkFloat64)
        marks = np.round(np.nan_to_num(sitk.GetArrayFromImage(onto))).astype(np.int64)
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(values)}
    centre = _centre(marks, base.GetSize()[::-1], values)
    for number, plane in enumerate(PLANES):
        axes = figure.add_axes((0.01 + 0.33 * number, 0.33, 0.32, 0.58))
        _dress_plane(axes, plane, base)
        index = centre[plane.axis]
        if voxels is not None:
            _draw_grey(axes, plane, voxels.take(index, axis=plane.axis))
        if marks is not None:
            _draw_contours(axes, plane, marks.take(index, axis=plane.axis), values, colours)
    if marks is not None:
        lines = [Line2D([], [], color=colours[name], lw=2, label=name) for name in values]
        figure.legend(handles=lines, loc="upper right", ncols=8, fontsize=8, frameon=False)


def _centre(marks: np.ndarray | None, shape: Sequence[int], values: Mapping[str, int]) -> list[int]:
    """Where the planes cut, (z, y, x): the middle of the structures, or of the volume."""
    if marks is not None:
        inside = np.isin(marks, list(values.values()))
        if inside.any():
            return [round(float(where.mean())) for where in np.nonzero(inside)]
    return [size // 2 for size in shape]


def _dress_plane(axes: Axes, plane: Plane, base: sitk.Image) -> None:
    """Limits in mm, a black ground, and the letters of the patient's sides."""
    extent = [n * mm for n, mm in zip(base.GetSize(), base.GetSpacing(), strict=True)][::-1]
    height, width = (side for axis, side in enumerate(extent) if axis != plane.axis)
    axes.set_facecolor("black")
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(plane.name, fontsize=8, pad=2)
    places = ((0.02, 0.5), (0.98, 0.5), (0.5, 0.97), (0.5, 0.03))
    centred: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes.transAxes}
    for letter, (right, up) in zip(plane.edges, places, strict=True):
        mark = axes.text(right, up, letter, color="white", fontsize=8, **centred)
        mark.set_path_effects([withStroke(linewidth=2, foreground="black")])


def _draw_grey(axes: Axes, plane: Plane, voxels: np.ndarray) -> None:
    low, high = WINDOW_HU
    extent_mm = (*axes.get_xlim(), *axes.get_ylim())
    grey = np.nan_to_num(voxels.astype(np.float32))
    axes.imshow(grey, cmap="gray", vmin=low, vmax=high, origin=plane.origin, extent=extent_mm)


def _draw_contours(
    axes: Axes,
    plane: Plane,
    marks: np.ndarray,
    values: Mapping[str, int],
    colours: Mapping[str, str],
) -> None:
    rows, columns = marks.shape
    x = (np.arange(columns) + 0.5) * axes.get_xlim()[1] / columns
    y = (np.arange(rows) + 0.5) * axes.get_ylim()[1] / rows
    y = y if plane.origin == "lower" else y[::-1]
    for name, value in values.items():
        inside = (marks == value).astype(float)
        if inside.any() and min(marks.shape) > 1:
            axes.contour(x, y, inside, levels=[0.5], colors=colours[name], linewidths=1.2)


def _draw_notes(figure: Figure, notes: Sequence[tuple[str, str]], *, top: float) -> None:
    """Lines of text below the planes, as many as there is room for."""
    room = int(top / 0.038)
    lines = [(part, colour) for text, colour in notes for part in textwrap.wrap(text, 170) or [""]]
    if len(lines) > room:
        lines = [
            *lines[: room - 1],
            (f"… {len(lines) - room + 1} more lines in the .json beside", "black"),
        ]
    for number, (text, colour) in enumerate(lines):
        figure.text(0.01, top - 0.038 * number, text, va="top", fontsize=8, color=colour, parse_math=False)
