"""Pictures inside the report: figures and sheets as data URLs, each with its caption, words and full-size files beside.

WebP is a third of the PNG; the full size lies beside the report and is linked from the caption.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from globalmask.present.outputs import (
    MASK_QUALITY,
    Plan,
    arm_of,
    case_sheet_name,
    editions,
    evidence_figures,
    paper_figures,
    pictured_arms,
    robustness_figures,
    tested,
)
from globalmask.present.results import read_json

SHEET_PIXELS = 1600
DRAWING_SCALE = 0.68  # screen pixels for a pixel of a 200 dpi figure
MOST_CASE_SHEETS = 12
PHOTOGRAPHIC = ("fig3", "fig5", "fig7", "fig8")  # slices and feature maps; all other figures are lines
SHEET_CAPTIONS = {
    "check": "The raw scan in three planes with the label's contours, before anything is done to it.",
    "registration": "Each scan after registration, against the template.",
}
CASE_CAPTION = "Mask, ground truth (white) and predictions at the largest size, in three planes."
EVIDENCE_FIGURES = {
    "gain": ("Gain in Dice", "Forest plot of the gain of CT + mask over CT at every size, with intervals"),
    "learning": ("Dice while training", "Line charts of validation Dice against optimiser steps, a panel a size"),
    "dice_context": ("Dice in its context", "Line chart of mean Dice with intervals, between floors and ceilings"),
}
ALTERNATIVES = {
    "fig3": "Contours of the ground truth, of CT and of Mask over axial CT slices",
    "fig4": "Line chart of mean Dice against the number of training cases, one line a scenario",
    "fig5": "Contours of the ground truth, of CT and of CT + mask over axial CT slices, few training cases",
    "fig6": "Line charts of training and validation loss against optimiser steps, CT and CT + mask",
    "fig7": "Grid of grey feature maps of the CT + mask model",
    "fig8": "Three rows of eight matched grey feature maps",
    "robustness": "Line charts of mean Dice against the strength of a shift of the test CTs, one panel a shift",
}


@dataclass(frozen=True)
class Picture:
    """An image inside the page: `source` is a data URL, `anchor` its id; shown `width` x `height` pixels large.

    `files` are its full-size versions beside the report, as paths from there.
    """

    anchor: str
    title: str
    caption: str
    alternative: str
    source: str
    width: int
    height: int
    files: tuple[str, ...] = ()


def figures(run_dir: Path, plan: Plan) -> list[Picture]:
    """Figures 3 to 8 of every edition, then those of shifted test CTs."""
    found = []
    for edition in editions(plan):
        arms = " and ".join(arm for arm, _ in edition.pairs)
        for figure in paper_figures(plan):
            title = f"Figure {figure.removeprefix('fig')}"
            title += f" (variant {edition.suffix.removeprefix('_')})" if edition.suffix else ""
            found.append(drawing(run_dir, f"{figure}{edition.suffix}", title, f"{ALTERNATIVES[figure]}: {arms}"))
    for name, ladder in robustness_figures(plan).items():
        title = f"Shifted test CTs ({ladder.arm}, variant {ladder.variant})"
        found.append(drawing(run_dir, name, title, f"{ALTERNATIVES['robustness']}: {ladder.arm}"))
    return found


def figures_of_evidence(run_dir: Path, plan: Plan) -> list[Picture]:
    """The figures that the paper has not: all gains, Dice while training, Dice in its context."""
    asked = evidence_figures(plan)
    return [drawing(run_dir, name, *words) for name, words in EVIDENCE_FIGURES.items() if name in asked]


def mask_figure(run_dir: Path) -> Picture:
    """Mask quality against segmentation quality."""
    words = "Mask quality against segmentation quality"
    return drawing(run_dir, MASK_QUALITY, words, f"{words}: scatter plot, one point a test case")


def drawing(run_dir: Path, name: str, title: str, words: str, *, whole: bool = False) -> Picture:
    """One figure by its name; `words` are completed to say where the caption is, unless they are the `whole`."""
    captions = read_json(run_dir / "figures" / "captions.json") or {}
    alternative = words if whole else f"{words}. The caption below says what is shown."
    files = tuple(f"figures/{name}.{kind}" for kind in ("pdf", "png"))
    path, lines = run_dir / "figures" / f"{name}.png", not name.startswith(PHOTOGRAPHIC)
    image = as_webp(path, scale=DRAWING_SCALE, lossless=lines, quality=90)
    return Picture(name, title, captions.get(name, ""), alternative, *image, files)


def arm_sheets(run_dir: Path, plan: Plan, kind: str, title: str) -> list[Picture]:
    """The contact sheet of each arm: `check` or, where it is registered, `registration`."""
    found = []
    for arm in pictured_arms(plan):
        if kind == "registration" and not arm["registered"]:
            continue
        words = f"{title} of all cases of {arm['name']}{_synthetic(plan, arm['name'])}"
        name = f"sheets/{kind}_{arm['name']}.png"
        image = as_webp(run_dir / name)
        found.append(Picture(f"{kind}-{arm['name']}", words, SHEET_CAPTIONS[kind], words, *image, (name,)))
    return found


def case_sheets(run_dir: Path, plan: Plan) -> list[Picture]:
    """The sheets of the first test cases of each arm."""
    found = []
    for arm in [arm["name"] for arm in pictured_arms(plan)]:
        for case in list(tested(plan, arm))[:MOST_CASE_SHEETS]:
            words = f"{arm}, test case {case}{_synthetic(plan, arm)}"
            name = f"sheets/{case_sheet_name(arm, case)}"
            image = as_webp(run_dir / name)
            about = (f"case-{arm}-{case}", words, CASE_CAPTION, f"{words}: {CASE_CAPTION}")
            found.append(Picture(*about, *image, (name,)))
    return found


def as_webp(
    path: Path, *, scale: float = 1.0, lossless: bool = False, quality: int = 80, widest: int = SHEET_PIXELS
) -> tuple[str, int, int]:
    """Data URL of a picture at most `widest` pixels wide, and the width and height to show it at.

    These are its pixels times `scale`. Without loss, `quality` plays no part.
    """
    with Image.open(path) as image:
        picture = image.convert("RGB")
    picture.thumbnail((widest, picture.height))
    stream = io.BytesIO()
    effort = {"quality": 30, "method": 1} if lossless else {"quality": quality, "method": 2}
    picture.save(stream, format="WEBP", lossless=lossless, **effort)
    source = base64.b64encode(stream.getvalue()).decode("ascii")
    width, height = (round(pixels * scale) for pixels in picture.size)
    return f"data:image/webp;base64,{source}", width, height


def _synthetic(plan: Plan, arm: str) -> str:
    return " (SYNTHETIC data)" if arm_of(plan, arm)["synthetic"] else ""
