"""What CT + mask gains over CT: the small picture of each arm for the first screen, and the forest plot of all.

Both show absolute Dice (mean over structures, prepared grid) with the intervals of `analysis.csv`, every
run as a faint point, and the paper's gains as hollow marks. The band is the margin of the equivalence test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import NullLocator

from globalmask.evidence.verdicts import MARGIN_DICE
from globalmask.present import style
from globalmask.present.answer import MASKED, UNAIDED, Answer, Reading, answers
from globalmask.present.outputs import Plan, arm_of, full_size
from globalmask.present.summary import averages, paper_of

# The forest plot, in inches: words left of the axes, columns of numbers right of them.
ROW, TOP, GAP, BOTTOM, EDGE = 0.2, 0.5, 0.95, 0.72, 0.04
SIZE_WORDS, LETTER, RIGHT = 0.5, 0.058, 3.3
COLUMNS = {"Gain (95 % interval)": 0.08, "CT + mask": 1.27, "How sure": 1.95, "Runs × cases": 2.64}
VARIANT_COLOURS = (style.SCENARIO_COLOURS["ct_mask"], "#0B3C5D", "#CC79A7", "#D55E00", "#56B4E9", "#8C6D1F", "#5F6B76")
BAND: style.Look = dict(color="#DCE6EE", linewidth=0, zorder=1)
MEAN_POINT: style.Look = dict(marker="s", markersize=3.5)
RUN_POINT: style.Look = dict(linewidths=0, alpha=0.35)
PUBLISHED: style.Look = dict(
    marker="D", facecolor="white", edgecolor=style.GREY, linewidths=0.9, s=17, zorder=3, clip_on=False
)


def run_gains(scores: pd.DataFrame, arm: str, variant: str) -> pd.DataFrame:
    """Gain in Dice of every run, mean over structures and test cases: columns n_train, replicate, gain."""
    mine = (scores["arm"] == arm) & (scores["variant"] == variant) & (scores["space"] == "crop")
    means = scores[mine].groupby(["n_train", "replicate", "scenario"])["dice"].mean().unstack("scenario")
    means = means.reindex(columns=[MASKED, UNAIDED])
    return (means[MASKED] - means[UNAIDED]).dropna().rename("gain").reset_index()


def published_gains(arm: Mapping[str, Any]) -> dict[int, float]:
    """The paper's gain in Dice at each of its sizes, over the structures that the arm has; empty without a paper."""
    means = averages(paper_of(arm, "dice"), ("scenario", "n_train")) if arm["published"] else pd.DataFrame()
    if means.empty:
        return {}
    table = means.pivot(index="n_train", columns="scenario", values="mean")
    return {int(n): float(gain) for n, gain in (table[MASKED] - table[UNAIDED]).dropna().items()}


def answer_figure(plan: Plan, answer: Answer, scores: pd.DataFrame) -> tuple[Figure, str]:
    """The small picture of one arm: gain of its primary variant against training size."""
    arm = arm_of(plan, answer.arm)
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1, 0.94))
    figure, axes = plt.subplots(figsize=(3.1, 1.75), layout=layout)
    paper = published_gains(arm)
    largest = full_size(arm)
    band = Rectangle((largest / 2**0.3, -MARGIN_DICE), largest * (2**0.3 - 2**-0.3), 2 * MARGIN_DICE, **BAND)
    axes.add_patch(band)
    axes.axhline(0, color=style.INK, linewidth=0.8, zorder=2)
    runs = run_gains(scores, answer.arm, answer.variant)
    colour = style.scenario_colour(MASKED)
    axes.scatter(runs["n_train"] / 2**0.12, runs["gain"], s=7, color=colour, zorder=3, **RUN_POINT)
    if paper:
        axes.scatter([n * 2**0.14 for n in paper], list(paper.values()), **PUBLISHED)
    for reading in answer.readings:
        axes.plot([reading.n] * 2, [reading.low, reading.high], color=colour, linewidth=1.6, zorder=4)
        axes.plot(reading.n, reading.gain, color=colour, zorder=5, **MEAN_POINT)
    ticks = sorted({*arm["sizes"], *paper})
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [str(n) for n in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(ticks[0] / 2**0.4, ticks[-1] * 2**0.4)
    axes.grid(axis="y", color="#E3E7EB", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("Training cases n")
    axes.set_ylabel("Gain in Dice")
    hollow = "hollow: the paper, on its own data; " if paper else ""
    caption = f"Mean with 95 % interval; faint: single runs; {hollow}band: ±{MARGIN_DICE} at full size."
    return figure, caption


def gain_figure(plan: Plan, analysis: pd.DataFrame, scores: pd.DataFrame) -> tuple[Figure, str]:
    """Forest plot of the gains of every arm, size and variant, one panel an arm, the numbers at the right."""
    by_arm: dict[str, list[Answer]] = {}
    for answer in answers(plan, analysis):
        by_arm.setdefault(answer.arm, []).append(answer)
    left = SIZE_WORDS + LETTER * max(len(answer.variant) for those in by_arm.values() for answer in those) + 0.15
    panels = [ROW * max(1, sum(len(answer.readings) for answer in those)) for those in by_arm.values()]
    height = TOP + sum(panels) + GAP * (len(panels) - 1) + BOTTOM
    figure = plt.figure(figsize=(style.WIDTH_INCHES, height))
    base = height - TOP
    for index, ((arm, those), panel) in enumerate(zip(by_arm.items(), panels, strict=True)):
        base -= panel
        inches = (left, base, style.WIDTH_INCHES - left - RIGHT, panel)
        axes = figure.add_axes(tuple(np.divide(inches, (style.WIDTH_INCHES, height) * 2)))
        _forest(axes, plan, arm_of(plan, arm), those, scores, left)
        letter = f"{style.panel_letter(index)}   " if len(by_arm) > 1 else ""
        _words(axes, -0.5, letter + arm, EDGE - left, up=14, weight="bold", fontsize=9)
        base -= GAP
    published = any(arm_of(plan, arm)["published"] for arm in by_arm)
    figure.legend(handles=_legend(published), loc="lower center", ncol=4, columnspacing=1.3)
    return figure, _caption(published)


def _forest(
    axes: Axes, plan: Plan, arm: Mapping[str, Any], those: list[Answer], scores: pd.DataFrame, left: float
) -> None:
    paper = published_gains(arm)
    lines = sorted((reading.n, place) for place, answer in enumerate(those) for reading in answer.readings)
    by_place = [{reading.n: reading for reading in answer.readings} for answer in those]
    gains = [run_gains(scores, arm["name"], answer.variant) for answer in those]
    for row, (n, place) in enumerate(lines):
        colour, reading = variant_colour(plan, those[place].variant), by_place[place][n]
        runs = gains[place].loc[gains[place]["n_train"] == n, "gain"]
        axes.scatter(runs, np.full(len(runs), row + 0.27), s=6, color=colour, zorder=3, **RUN_POINT)
        axes.plot([reading.low, reading.high], [row, row], color=colour, linewidth=1.6, zorder=4)
        axes.plot(reading.gain, row, color=colour, zorder=5, **MEAN_POINT)
        if n == full_size(arm):
            axes.add_patch(Rectangle((-MARGIN_DICE, row - 0.5), 2 * MARGIN_DICE, 1, **BAND))
        if row == 0 or lines[row - 1][0] != n:
            _start_of_size(axes, row, n, left)
            axes.scatter([paper[n]] if n in paper else [], [row] if n in paper else [], **PUBLISHED)
        _words(axes, row, those[place].variant, SIZE_WORDS - left)
        _numbers(axes, row, reading)
    for title, offset in COLUMNS.items():
        _words(axes, -0.5, title, offset, right=True, up=5, color=style.GREY)
    axes.axvline(0, color=style.INK, linewidth=0.8, zorder=2)
    axes.set_ylim(max(1, len(lines)) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("Gain in Dice: CT + mask minus CT")


def _start_of_size(axes: Axes, row: int, n: int, left: float) -> None:
    _words(axes, row, f"n = {n}", EDGE - left, weight="bold")
    wide = style.WIDTH_INCHES - left - RIGHT
    look: style.Look = dict(color="#D9DFE5", linewidth=0.6, zorder=0, clip_on=False)
    axes.plot([-left / wide, 1 + RIGHT / wide], [row - 0.5] * 2, transform=axes.get_yaxis_transform(), **look)


def _numbers(axes: Axes, row: int, reading: Reading) -> None:
    sure = (
        reading.certainty_brief.removesuffix(", exploratory") if reading.certainty_brief.startswith("p") else "no test"
    )
    sure = f"±{MARGIN_DICE} (TOST)" if reading.verdict == "equivalent" else sure
    cells = (reading.amount, reading.verdict, sure, f"{reading.runs} × {reading.cases}")
    for text, offset in zip(cells, COLUMNS.values(), strict=True):
        _words(axes, row, text, offset, right=True)


def _words(
    axes: Axes, row: float, text: str, inches: float, *, right: bool = False, up: float = 0, **look: Any
) -> None:
    """Text at a row, `inches` from the left (or right) edge of the axes and `up` points above the row."""
    look = {"fontsize": 7, "va": "bottom" if up else "center", "annotation_clip": False} | look
    across = axes.get_yaxis_transform()
    axes.annotate(text, (float(right), row), (72 * inches, up), across, "offset points", **look)


def variant_colour(plan: Plan, variant: str) -> str:
    """The one colour of a variant in all panels; the first is green, as CT + mask is everywhere."""
    place = [each["name"] for each in plan["variants"]].index(variant)
    return VARIANT_COLOURS[place % len(VARIANT_COLOURS)]


def _legend(published: bool) -> list[Line2D | Patch]:
    """What the marks are; a row names its variant."""
    grey: style.Look = dict(color=style.GREY)
    handles: list[Line2D | Patch] = [
        Line2D([], [], linewidth=1.6, label="mean, 95 % interval", **grey, **MEAN_POINT),
        Line2D([], [], marker="o", markersize=3, linestyle="", alpha=0.6, label="single run", **grey),
    ]
    if published:
        hollow: style.Look = dict(marker="D", markersize=4, linestyle="", markerfacecolor="white")
        handles.append(Line2D([], [], label="published", **grey, **hollow))
    return [*handles, Patch(facecolor=BAND["color"], label=f"±{MARGIN_DICE} at full size")]


def _caption(published: bool) -> str:
    text = (
        "Gain in mean Dice of CT + mask over CT (mean over structures, prepared grid) for each arm, training size and "
        "variant that has both. Bars: 95 % intervals over cases and runs; faint dots: single runs, each with a draw "
        f"of training cases and weights of its own; shaded: the margin of ±{MARGIN_DICE} of the equivalence test at "
        "full size. p values are adjusted: by Holm for the planned sizes, else by Benjamini and Hochberg and "
        "exploratory. "
    )
    if published:
        text += "Hollow diamonds: the paper's gains over the same structures, on its own data, one run each."
    return text
