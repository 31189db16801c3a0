"""Colours, labels and print settings that all figures share.

Colours are Okabe and Ito's, told apart with every common kind of colour blindness
(https://jfly.uni-koeln.de/color/). A scenario has one colour and one marker everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from globalmask.provenance import atomic

SCENARIO_LABELS = {
    "ct": "CT",
    "mask": "Mask",
    "ct_mask": "CT + mask",
    "ct_coords": "CT + coordinates",
    "ct_cut": "CT cut by mask",
    "ct_wrongmask": "CT + another's mask",
}
SCENARIO_COLOURS = {
    "ct": "#0072B2",
    "mask": "#E69F00",
    "ct_mask": "#009E73",
    "ct_coords": "#CC79A7",
    "ct_cut": "#D55E00",
    "ct_wrongmask": "#56B4E9",
}
SCENARIO_MARKERS = {"ct": "o", "mask": "s", "ct_mask": "D", "ct_coords": "^", "ct_cut": "v", "ct_wrongmask": "X"}
_OTHER = ("#CC79A7", "#D55E00", "#56B4E9", "#000000")
STRUCTURE_COLOURS = (
    "#F0E442",
    "#8BDCFF",
    "#E8601C",
    "#E68FC3",
    "#00C78C",
    "#E69F00",
    "#4C7DFF",
    "#B8B8B8",
)
STRUCTURE_LABELS = {"brain_stem": "Brain stem", "left_eye": "Left eye", "right_eye": "Right eye"}
TRUTH_LABEL = "Ground truth"
GREY = "#5F6B76"
INK = "#1B2530"
WIDTH_INCHES = 7.09  # 180 mm: two columns of a journal page
SYNTHETIC = "Synthetic data"
Look = dict[str, Any]  # keyword arguments of matplotlib

_SETTINGS: Look = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.labelsize": 8,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "lines.linewidth": 1.4,
    "figure.dpi": 100,
    "text.parse_math": False,  # a case may have a $ in its name
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
}


def use_style() -> None:
    """Set the print settings for all figures of this process."""
    plt.rcParams.update(_SETTINGS)  # type: ignore[arg-type]


def scenario_label(scenario: str) -> str:
    """What readers see for a scenario word; unknown words are shown as they are."""
    return SCENARIO_LABELS.get(scenario, scenario.replace("_", " "))


def scenario_colour(scenario: str) -> str:
    """The one colour of a scenario; any other word gets a fixed colour by its letters."""
    return SCENARIO_COLOURS.get(scenario, _OTHER[sum(scenario.encode()) % len(_OTHER)])


def scenario_marker(scenario: str) -> str:
    """The one marker of a scenario."""
    return SCENARIO_MARKERS.get(scenario, "^")


def structure_label(structure: str) -> str:
    """What readers see for a structure."""
    return STRUCTURE_LABELS.get(structure, structure.replace("_", " "))


def structure_colours(structures: Sequence[str]) -> dict[str, str]:
    """A bright colour for each structure, for contours over a grey image."""
    return {name: STRUCTURE_COLOURS[i % len(STRUCTURE_COLOURS)] for i, name in enumerate(structures)}


def panel_letter(index: int) -> str:
    """A, B, C ... Z, AA, AB ..."""
    letter = chr(ord("A") + index % 26)
    return letter if index < 26 else panel_letter(index // 26 - 1) + letter


def mark_synthetic(figure: Figure, synthetic: Mapping[str, bool]) -> None:
    """Write 'Synthetic data' into the figure itself, so that a copied picture still says so.

    `synthetic` tells for each arm shown whether its data are; when some are real, the others are named.
    """
    names = [arm for arm, is_synthetic in synthetic.items() if is_synthetic]
    if names:
        which = "" if len(names) == len(synthetic) else f": {', '.join(names)}"
        note: Look = dict(ha="right", va="top", fontsize=6.5, color="#A33A00", style="italic")
        figure.text(0.995, 0.995, f"{SYNTHETIC} (no patient){which}", **note)


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write `{name}.png` (200 dpi) and `{name}.pdf` without dates, so that equal figures are equal files."""
    for kind, metadata in (
        ("png", {"Software": None}),
        ("pdf", {"CreationDate": None, "Producer": None}),
    ):
        with atomic(Path(folder) / f"{name}.{kind}") as temporary:
            figure.savefig(temporary, format=kind, metadata=metadata)
    plt.close(figure)


def dice_over_n(axes: Axes, sizes: Sequence[int]) -> None:
    """Axes of mean Dice (0 to 1) over the number of training cases, log scale, a tick at each of `sizes`."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(-0.03, 1.03)
    axes.set_yticks(np.arange(0, 1.01, 0.2))
    axes.grid(axis="y", color="#E3E7EB", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("Training cases n (log scale)")
    axes.set_ylabel("Mean Dice coefficient")


def scenario_handles(scenarios: Sequence[str]) -> list[Line2D]:
    """A line and marker for the legend of each scenario."""
    return [
        Line2D([], [], color=scenario_colour(name), marker=scenario_marker(name), label=scenario_label(name))
        for name in scenarios
    ]


def scenario_lines(scenarios: Sequence[str]) -> list[Line2D]:
    """A line without marker for the legend of each scenario."""
    return [Line2D([], [], color=scenario_colour(name), label=scenario_label(name)) for name in scenarios]


def message_figure(text: str) -> Figure:
    """A small figure that says why there is nothing to show."""
    figure = plt.figure(figsize=(WIDTH_INCHES, 1.6))
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=9, color=GREY, wrap=True)
    return figure
