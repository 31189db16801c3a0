"""report.html: one self-contained page that a reader opens first.

Images are inside the file, styles are inline, there is no script and nothing is fetched. All text that comes
from data is escaped by the template engine.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from globalmask.evidence.verdicts import ALPHA, MARGIN_DICE
from globalmask.present import report_evidence as evidence
from globalmask.present import report_sections as say
from globalmask.present.answer import Answer, answers
from globalmask.present.evidence_files import (
    read_analysis,
    read_analysis_record,
    read_claims,
    read_floors,
)
from globalmask.present.labels import labels_spent
from globalmask.present.outputs import (
    MASK_QUALITY,
    Plan,
    answer_figure_name,
    arm_of,
    case_sheet_name,
    editions,
    evidence_figures,
    paper_figures,
    robustness_figures,
    shows_patients,
    tested,
)
from globalmask.present.results import read_json, read_runs, read_scores
from globalmask.present.tables import Table, build_tables, text_columns
from globalmask.provenance import write_text

TEMPLATES = Path(__file__).parent / "templates"
SHEET_PIXELS = 1600
DRAWING_SCALE = 0.68  # screen pixels for a pixel of a 200 dpi figure
MOST_CASE_SHEETS = 12
FIRST = "fig4"
SHEET_CAPTIONS = {
    "check": "The raw scan in three planes with the label's contours, before anything is done to it.",
    "registration": "Each scan after registration, against the template.",
}
MOST_OTHER_VARIANTS = 2
EVIDENCE_FIGURES = {
    "gain": ("Gain in Dice", "Forest plot of the gain of CT + mask over CT at every size, with intervals"),
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
    """An image inside the page: `source` is a data URL, `anchor` its id; shown `width` x `height` pixels large."""

    anchor: str
    title: str
    caption: str
    alternative: str
    source: str
    width: int
    height: int


def make_report(*, run_dir: Path, plan: Plan, out_path: Path) -> None:
    """Write the report of a run to `out_path`, from its scores, run records, figures and sheets.

    `plan` is the JSON object of the lead rule: run, seed, replicates, config (validated, as JSON), arms (name,
    published `brain|heart|null`, synthetic, structures, sizes, registered, clip_hu in HU, cases, test_cases {fold:
    [case]}), variants (name, preset, arms, scenarios). Figures and sheets must be there (`make_figures`,
    `make_sheets`); tables are built again from the scores. What is missing otherwise is left out or said.
    """
    run_dir = Path(run_dir)
    scores, runs = read_scores(run_dir), read_runs(run_dir, plan)
    values = _context(run_dir, plan, scores, runs) | _evidence(run_dir, plan)
    write_text(out_path, _template().render(**values))


def _context(run_dir: Path, plan: Plan, scores: pd.DataFrame, runs: pd.DataFrame) -> dict[str, Any]:
    figures = _figures(run_dir, plan)
    return {
        "run": plan["run"],
        "kind": say.data_kind(plan),
        "synthetic_arms": ", ".join(arm["name"] for arm in plan["arms"] if arm["synthetic"]),
        "ran": say.what_ran(plan, runs),
        "sentences": say.sentences(plan, scores),
        "first": next(figure for figure in figures if figure.anchor == FIRST),
        "figures": [figure for figure in figures if figure.anchor != FIRST],
        "tables": [_shown(table) for table in build_tables(plan, scores, runs)],
        "masks": say.mask_quality(run_dir, plan, scores),
        "mask_figure": _mask_figure(run_dir, plan),
        "labels": labels_spent(scores),
        "registrations": say.registrations(run_dir, plan),
        "checks": say.check_notes(run_dir, plan),
        "shows_patients": shows_patients(plan),
        "check_sheets": _arm_sheets(run_dir, plan, "check", "Check pictures"),
        "registration_sheets": _arm_sheets(run_dir, plan, "registration", "Registration"),
        "case_sheets": _case_sheets(run_dir, plan),
        "assumptions": say.assumptions(),
        "splits": say.splits(run_dir, plan),
        "trainings": say.trainings(runs),
        "provenance": say.provenance_rows(run_dir, plan, scores, runs),
        "config": say.config_text(plan),
    }


def _evidence(run_dir: Path, plan: Plan) -> dict[str, Any]:
    analysis, record = read_analysis(run_dir), read_analysis_record(run_dir)
    claims = read_claims(run_dir)
    judged = evidence.verdict_groups(claims)
    found = answers(plan, analysis)
    return {
        "alpha": ALPHA,
        "margin": MARGIN_DICE,
        "answers": _answers(run_dir, found),
        "evidence_figures": _evidence_figures(run_dir, plan),
        "verdict_counts": evidence.verdict_counts(claims),
        "verdicts": judged,
        "slips": evidence.slips_in(judged),
        "dice_numbers": evidence.dice_numbers(found, analysis),
        "other_numbers": evidence.other_numbers(found, analysis),
        "contrasts": evidence.other_contrasts(analysis),
        "curves": evidence.curves(analysis),
        "shifts": evidence.shifts(analysis),
        "collapses": evidence.collapses(analysis),
        "plan_file": record["plan"],
        "plan_hash": record["sha256"],
        "departures": record["departures"],
        "power_planned": evidence.power_planned(record),
        "power_of_run": evidence.power_of_run(record),
        "sensitivity": evidence.sensitivity(analysis),
        "limits": evidence.limits(plan, read_floors(run_dir)),
    }


def _answers(run_dir: Path, found: list[Answer]) -> list[dict[str, Any]]:
    """The first screen: one entry an arm, its primary variant first, a line for each of the next few."""
    captions = read_json(run_dir / "figures" / "captions.json") or {}
    shown = []
    for answer in found:
        if not answer.primary:
            continue
        others = [other for other in found if other.arm == answer.arm and not other.primary]
        name = answer_figure_name(answer.arm)
        words = evidence.alternative(answer)
        image = _as_png(run_dir / "figures" / f"{name}.png")
        shown.append(
            vars(answer)
            | {
                "of_variants": "primary" if others else "the only one",
                "others": others[:MOST_OTHER_VARIANTS],
                "more": len(others[MOST_OTHER_VARIANTS:]),
                "picture": Picture(name, "Gain in Dice", captions.get(name, ""), words, *image),
            }
        )
    return shown


def _evidence_figures(run_dir: Path, plan: Plan) -> list[Picture]:
    captions = read_json(run_dir / "figures" / "captions.json") or {}
    return [
        Picture(name, title, captions.get(name, ""), f"{words}. The caption below says what is shown.", *image)
        for name, (title, words) in EVIDENCE_FIGURES.items()
        if name in evidence_figures(plan)
        for image in [_as_png(run_dir / "figures" / f"{name}.png")]
    ]


def _template() -> Any:
    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def _figures(run_dir: Path, plan: Plan) -> list[Picture]:
    captions = read_json(run_dir / "figures" / "captions.json") or {}
    found = []
    for edition in editions(plan):
        arms = " and ".join(arm for arm, _ in edition.pairs)
        for figure in paper_figures(plan):
            name = f"{figure}{edition.suffix}"
            image = _as_png(run_dir / "figures" / f"{name}.png")
            title = f"Figure {figure.removeprefix('fig')}"
            title += f" (variant {edition.suffix.removeprefix('_')})" if edition.suffix else ""
            alternative = f"{ALTERNATIVES[figure]}: {arms}. The caption below says what is shown."
            found.append(Picture(name, title, captions.get(name, ""), alternative, *image))
    for name, ladder in robustness_figures(plan).items():
        title = f"Shifted test CTs ({ladder.arm}, variant {ladder.variant})"
        alternative = f"{ALTERNATIVES['robustness']}: {ladder.arm}. The caption below says what is shown."
        image = _as_png(run_dir / "figures" / f"{name}.png")
        found.append(Picture(name, title, captions.get(name, ""), alternative, *image))
    return found


def _mask_figure(run_dir: Path, plan: Plan) -> Picture:
    captions = read_json(run_dir / "figures" / "captions.json") or {}
    words = "Mask quality against segmentation quality"
    alternative = f"{words}: scatter plot, one point a test case. The caption below says what is shown."
    image = _as_png(run_dir / "figures" / f"{MASK_QUALITY}.png")
    return Picture(MASK_QUALITY, words, captions.get(MASK_QUALITY, ""), alternative, *image)


def _shown(table: Table) -> dict[str, Any]:
    groups: list[list[Any]] = []
    for group, _ in table.header:
        if group and groups and groups[-1][0] == group:
            groups[-1][1] += 1
        else:
            groups.append([group, 1])
    starts = set(table.blocks) if len(table.blocks) < len(table.rows) else set()
    published = [column.startswith("published") for _, column in table.header]
    return {
        "name": table.name,
        "title": table.title,
        "caption": table.caption,
        "groups": groups,
        "columns": [column for _, column in table.header],
        "rows": [(place in starts, row) for place, row in enumerate(table.rows)],
        "words": text_columns(table),
        "published": published,
        "slips": table.slips,
    }


def _arm_sheets(run_dir: Path, plan: Plan, kind: str, title: str) -> list[Picture]:
    found = []
    for arm in plan["arms"] if shows_patients(plan) else ():
        path = run_dir / "sheets" / f"{kind}_{arm['name']}.png"
        if kind == "registration" and not arm["registered"]:
            continue
        words = f"{title} of all cases of {arm['name']}{_synthetic(arm)}"
        found.append(Picture(f"{kind}-{arm['name']}", words, SHEET_CAPTIONS[kind], words, *_as_jpeg(path)))
    return found


def _case_sheets(run_dir: Path, plan: Plan) -> list[Picture]:
    found = []
    for arm in plan["arms"] if shows_patients(plan) else ():
        name = arm["name"]
        for case in list(tested(plan, name))[:MOST_CASE_SHEETS]:
            words = f"{name}, test case {case}{_synthetic(arm_of(plan, name))}"
            caption = "Mask, ground truth (white) and predictions at the largest size, in three planes."
            image = _as_jpeg(run_dir / "sheets" / case_sheet_name(name, case))
            found.append(Picture(f"case-{name}-{case}", words, caption, f"{words}: {caption}", *image))
    return found


def _synthetic(arm: Any) -> str:
    return " (SYNTHETIC data)" if arm["synthetic"] else ""


def _as_png(path: Path) -> tuple[str, int, int]:
    """Data URL, width and height of a drawing: at its print size, a little enlarged."""
    with Image.open(path) as image:
        width, height = (round(pixels * DRAWING_SCALE) for pixels in image.size)
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii"), width, height


def _as_jpeg(path: Path) -> tuple[str, int, int]:
    """Data URL, width and height of a sheet at most `SHEET_PIXELS` wide; as JPEG it is a tenth of its PNG."""
    with Image.open(path) as image:
        picture = image.convert("RGB")
    if picture.width > SHEET_PIXELS:
        picture = picture.resize((SHEET_PIXELS, round(picture.height * SHEET_PIXELS / picture.width)))
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=84, optimize=True)
    source = "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
    return source, *picture.size
