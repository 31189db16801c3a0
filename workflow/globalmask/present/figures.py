"""Figures of a run as `.png` (200 dpi) and `.pdf`, and `captions.json` for the report.

Here: Figure 4 (mean Dice against training size) and Figure 6 (loss curves). Contours (3, 5), feature maps
(7, 8) and what the paper has not (gains, Dice in its context) have modules of their own. Cases shown are
chosen by a rule that each caption states.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from globalmask.present import mask_quality, style
from globalmask.present.answer import answers
from globalmask.present.evidence_files import read_analysis, read_floors
from globalmask.present.figures_context import context_figure
from globalmask.present.figures_contours import figure3, figure5
from globalmask.present.figures_features import figure7, figure8
from globalmask.present.figures_gain import answer_figure, gain_figure
from globalmask.present.figures_learning import learning_figure
from globalmask.present.figures_robustness import read_robustness, robustness_figure
from globalmask.present.outputs import (
    MASK_QUALITY,
    Edition,
    Plan,
    answer_figure_name,
    arm_of,
    arms_shown,
    editions,
    full_size,
    paper_figures,
    robustness_figures,
    synthetic_sentence,
    variant_of,
)
from globalmask.present.results import read_history, read_scores
from globalmask.present.summary import averages, case_means, paper_of, structure_means
from globalmask.provenance import write_json

Drawn = tuple[Figure, str]
Draw = Callable[[Path, Plan, Edition, pd.DataFrame], Drawn]


@dataclass(frozen=True)
class Curve:
    """Mean Dice of one scenario against training size; `points` are (n, value) of what the mean is over."""

    sizes: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    points: np.ndarray


def make_figures(*, run_dir: Path, plan: Plan, out_dir: Path) -> None:
    """Draw every figure of the run (names: `outputs.figure_files`) into `out_dir`.

    What is not there (a scenario that is not run, no feature maps) is said in the figure, not raised.
    """
    style.use_style()
    scores = read_scores(run_dir)
    draw: dict[str, Draw] = {
        "fig3": figure3,
        "fig4": figure4,
        "fig5": figure5,
        "fig6": figure6,
        "fig7": figure7,
        "fig8": figure8,
    }
    captions = _evidence_figures(Path(run_dir), plan, scores, Path(out_dir))
    for edition in editions(plan):
        for name in paper_figures(plan):
            figure, caption = draw[name](Path(run_dir), plan, edition, scores)
            arms, full_name = arms_shown(plan, edition, name), f"{name}{edition.suffix}"
            captions[full_name] = _finish(figure, caption, plan, arms, Path(out_dir), full_name)
    shown = [arm for arm, _ in editions(plan)[0].pairs]
    drawn = mask_quality.draw(run_dir, plan, scores)
    captions[MASK_QUALITY] = _finish(*drawn, plan, shown, Path(out_dir), MASK_QUALITY)
    captions |= _robustness_figures(Path(run_dir), plan, Path(out_dir))
    write_json(Path(out_dir) / "captions.json", captions)


def _evidence_figures(run_dir: Path, plan: Plan, scores: pd.DataFrame, out_dir: Path) -> dict[str, str]:
    """Draw `outputs.evidence_figures`; returns their captions."""
    analysis = read_analysis(run_dir)
    drawn = {
        answer_figure_name(answer.arm): ([answer.arm], *answer_figure(plan, answer, scores))
        for answer in answers(plan, analysis)
        if answer.primary
    }
    if drawn:
        arms = [arm for shown, *_ in drawn.values() for arm in shown]
        drawn["gain"] = (arms, *gain_figure(plan, analysis, scores))
        drawn["learning"] = (arms, *learning_figure(run_dir, plan))
    shown = [arm for arm, _ in editions(plan)[0].pairs]
    drawn["dice_context"] = (shown, *context_figure(plan, analysis, read_floors(run_dir)))
    captions = {}
    for name, (arms, figure, caption) in drawn.items():
        captions[name] = _finish(figure, caption, plan, arms, out_dir, name)
    return captions


def _robustness_figures(run_dir: Path, plan: Plan, out_dir: Path) -> dict[str, str]:
    """Draw what `outputs.robustness_figures` names; returns their captions."""
    captions = {}
    for name, ladder in robustness_figures(plan).items():
        drawn = robustness_figure(plan, ladder, read_robustness(run_dir))
        captions[name] = _finish(*drawn, plan, [ladder.arm], out_dir, name)
    return captions


def _finish(figure: Figure, caption: str, plan: Plan, arms: list[str], out_dir: Path, name: str) -> str:
    """Mark and write a figure; returns its whole caption."""
    style.mark_synthetic(figure, {arm: arm_of(plan, arm)["synthetic"] for arm in arms})
    style.save(figure, out_dir, name)
    return f"{caption.strip()} {synthetic_sentence(plan, arms)}".strip()


def figure4(run_dir: Path, plan: Plan, edition: Edition, scores: pd.DataFrame) -> Drawn:
    """Mean Dice over structures against training size, one panel an arm, the published means beside."""
    count = len(edition.pairs)
    columns = min(count, 2)
    rows = -(-count // columns)
    size = (style.WIDTH_INCHES if columns == 2 else 4.8, 2.6 * rows + 0.5)
    layout = ConstrainedLayoutEngine(rect=(0, 0.3 / size[1], 1, 1 - 0.48 / size[1]))
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout=layout)
    for axes in grid.flat[count:]:
        axes.remove()
    shown: list[str] = []
    for index, (arm, variant) in enumerate(edition.pairs):
        scenarios = variant_of(plan, variant)["scenarios"]
        shown += [scenario for scenario in scenarios if scenario not in shown]
        _dice_panel(grid.flat[index], plan, arm, variant, scores)
        title = f"{style.panel_letter(index)}   {arm}" if count > 1 else arm
        grid.flat[index].set_title(title, loc="left")
    published = any(len(paper_of(arm_of(plan, arm), "dice")) for arm, _ in edition.pairs)
    handles = _dice_legend(shown, published)
    figure.legend(handles=handles, loc="lower center", ncol=len(handles), columnspacing=1.3)
    return figure, _dice_caption(plan, edition, published)


def dice_curve(plan: Plan, arm: str, variant: str, scenario: str, scores: pd.DataFrame) -> Curve:
    """Means for Figure 4: over structures (SD and points between structures), or, of an arm with a single
    structure, over test cases (SD and points between cases). Empty arrays for a scenario that is not run."""
    means = structure_means(scores)
    mine = (means["arm"] == arm) & (means["variant"] == variant) & (means["scenario"] == scenario)
    means = means[mine]
    if len(arm_of(plan, arm)["structures"]) > 1:
        summary, points = averages(means), means[["n_train", "mean"]]
    else:
        cases = case_means(scores)
        mine = (cases["arm"] == arm) & (cases["variant"] == variant) & (cases["scenario"] == scenario)
        summary, points = means, cases[mine][["n_train", "value"]]
    summary = summary.sort_values("n_train")
    sizes, mean, sd = (summary[name].to_numpy(dtype=float) for name in ("n_train", "mean", "sd"))
    return Curve(sizes, mean, sd, points.to_numpy(dtype=float))


def figure6(run_dir: Path, plan: Plan, edition: Edition, scores: pd.DataFrame) -> Drawn:
    """Training and validation loss at full size, CT against CT + mask, a row of two panels an arm."""
    rows = len(edition.pairs)
    size = (style.WIDTH_INCHES, 2.15 * rows + 0.55)
    layout = ConstrainedLayoutEngine(rect=(0, 0.3 / size[1], 1, 1 - 0.5 / size[1]))
    figure, grid = plt.subplots(rows, 2, figsize=size, squeeze=False, layout=layout, sharex="row")
    for row, (arm, variant) in enumerate(edition.pairs):
        drawn = _loss_panels(grid[row], run_dir, plan, arm, variant)
        n = full_size(arm_of(plan, arm))
        for column, what in enumerate(("training", "validation")):
            title = f"{style.panel_letter(2 * row + column)}   {arm}, {what}"
            grid[row, column].set_title(f"{title} (n = {n})", loc="left")
            if not drawn:
                _say(grid[row, column], "no history in this run")
    handles = style.scenario_lines(("ct", "ct_mask"))
    handles.append(
        Line2D(
            [],
            [],
            color=style.GREY,
            marker="v",
            linestyle="",
            label="weights kept (best validation Dice)",
        )
    )
    figure.legend(handles=handles, loc="lower center", ncol=3)
    return figure, _loss_caption(plan, edition)


def _dice_panel(axes: Axes, plan: Plan, arm: str, variant: str, scores: pd.DataFrame) -> None:
    info, scenarios = arm_of(plan, arm), variant_of(plan, variant)["scenarios"]
    paper = averages(paper_of(info, "dice"), ("scenario", "n_train")) if info["published"] else None
    ticks = set(info["sizes"])
    for place, scenario in enumerate(scenarios):
        colour, marker = style.scenario_colour(scenario), style.scenario_marker(scenario)
        aside = 2.0 ** (0.09 * (place - (len(scenarios) - 1) / 2))
        curve = dice_curve(plan, arm, variant, scenario, scores)
        if paper is not None:
            there = paper[paper["scenario"] == scenario].sort_values("n_train")
            ticks |= set(there["n_train"])
            line: style.Look = dict(color=colour, linewidth=0.7, linestyle=(0, (4, 2)), marker=marker, markersize=3)
            axes.plot(
                there["n_train"],
                there["mean"],
                **line,
                markerfacecolor="white",
                markeredgewidth=0.7,
                zorder=2,
            )
        if len(curve.points):
            axes.scatter(
                curve.points[:, 0] * aside,
                curve.points[:, 1],
                s=7,
                color=colour,
                alpha=0.5,
                linewidths=0,
                zorder=3,
            )
        bars: style.Look = dict(color=colour, marker=marker, markersize=4.5, capsize=2, elinewidth=0.8, zorder=4)
        axes.errorbar(curve.sizes * aside, curve.mean, yerr=np.nan_to_num(curve.sd), **bars)
    style.dice_over_n(axes, sorted(ticks))


def _dice_legend(scenarios: list[str], published: bool) -> list[Line2D]:
    handles = style.scenario_handles(scenarios)
    handles.append(
        Line2D(
            [],
            [],
            color=style.GREY,
            marker="o",
            markersize=2.5,
            linestyle="",
            label="structure or case",
        )
    )
    if published:
        look: style.Look = dict(
            linewidth=0.8,
            linestyle=(0, (4, 2)),
            marker="o",
            markersize=3.2,
            markerfacecolor="white",
        )
        handles.append(Line2D([], [], color=style.GREY, label="published", **look))
    return handles


def _dice_caption(plan: Plan, edition: Edition, published: bool) -> str:
    many = [arm for arm, _ in edition.pairs if len(arm_of(plan, arm)["structures"]) > 1]
    single = [arm for arm, _ in edition.pairs if arm not in many]
    text = "Mean Dice coefficient on the test cases against the number of training cases. "
    if many:
        text += (
            f"{', '.join(many)}: mean over structures; error bars are the sample SD between the structure "
            "means (as in the paper), not between patients; dots are the single structures. "
        )
    if single:
        text += (
            f"{', '.join(single)}: a single structure, so the mean is over test cases; error bars are "
            "the sample SD between test cases and dots are the single cases. "
        )
    if plan["replicates"] > 1:
        text += "Replicates of a case are averaged first. "
    text += "Symbols are set slightly apart so that bars can be told. "
    if published:
        text += "Thin dashed lines: the paper's means over the same structures, on its own data. "
    return text


def _loss_panels(panels: np.ndarray, run_dir: Path, plan: Plan, arm: str, variant: str) -> bool:
    drawn = False
    n = full_size(arm_of(plan, arm))
    for scenario in ("ct", "ct_mask"):
        for replicate in reversed(range(plan["replicates"])):
            history = read_history(run_dir, (arm, variant, scenario, n), replicate)
            if history is None:
                continue
            drawn = True
            look: style.Look = dict(linewidth=1.4) if replicate == 0 else dict(linewidth=0.6, alpha=0.45)
            best = history.loc[[history["val_dice"].idxmax()]] if history["val_dice"].notna().any() else history[:0]
            for axes, column in zip(panels, ("train_loss", "val_loss"), strict=True):
                colour = style.scenario_colour(scenario)
                axes.plot(history["step"], history[column], color=colour, **look)
                if replicate == 0:
                    axes.plot(best["step"], best[column], color=colour, marker="v", markersize=5)
    for axes, label in zip(panels, ("Training loss", "Validation loss"), strict=True):
        axes.set_xlabel("Optimiser steps")
        axes.set_ylabel(label)
        axes.grid(axis="y", color="#E3E7EB", linewidth=0.6)
        axes.set_xlim(left=0)
    return drawn


def _loss_caption(plan: Plan, edition: Edition) -> str:
    text = (
        "Training loss (left) and validation loss (right) at the largest training size, CT against CT + mask. "
        "One point a validation; triangles mark the weights that were kept (best mean validation Dice). "
        "The loss is the one of the variant's preset and has no unit. "
    )
    if plan["replicates"] > 1:
        text += "Thick lines: replicate 0; thin lines: the others. "
    return text


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=style.GREY)
