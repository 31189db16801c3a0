"""report.html: one self-contained page that a reader opens first.

Images and test cases are inside the file, styles and the script (`templates/*.js`, our own) are inline and nothing
is fetched: the page forbids itself all else, by a policy that names the digest of its script. All text that comes from
data is escaped, by the template engine in the page and by `textContent` in the script.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from globalmask.evidence.verdicts import ALPHA, MARGIN_DICE
from globalmask.present import packing, pictures, report_cells
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
from globalmask.present.outputs import PAPER_FILES, Plan, answer_figure_name, shows_patients
from globalmask.present.report_forecast import forecast_and_fact
from globalmask.present.results import read_runs, read_scores
from globalmask.present.tables import Table, build_tables, text_columns
from globalmask.provenance import write_text

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("page.js", "tables.js", "charts.js", "cells.js", "planes.js", "viewer.js")
FIRST = "fig4"
MOST_OTHER_VARIANTS = 2


def make_report(*, run_dir: Path, plan: Plan, out_path: Path) -> None:
    """Write the report of a run to `out_path`, from its scores, run records, figures and sheets.

    `plan` is the JSON object of the lead rule: run, seed, replicates, config (validated, as JSON), arms (name,
    published `brain|heart|null`, synthetic, structures, sizes, registered, clip_hu in HU, cases, test_cases {fold:
    [case]}), variants (name, preset, arms, scenarios). Figures and sheets must be there (`make_figures`,
    `make_sheets`); tables are built again from the scores. What is missing otherwise is left out or said.
    """
    run_dir = Path(run_dir)
    scores, runs = read_scores(run_dir), read_runs(run_dir, plan)
    values = (
        _context(run_dir, plan, scores, runs) | _evidence(run_dir, plan) | _interactive(run_dir, plan, scores, runs)
    )
    write_text(out_path, _template().render(**values))


def _context(run_dir: Path, plan: Plan, scores: pd.DataFrame, runs: pd.DataFrame) -> dict[str, Any]:
    figures = pictures.figures(run_dir, plan)
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
        "mask_figure": pictures.mask_figure(run_dir),
        "labels": labels_spent(scores),
        "registrations": say.registrations(run_dir, plan),
        "checks": say.check_notes(run_dir, plan),
        "shows_patients": shows_patients(plan),
        "check_sheets": pictures.arm_sheets(run_dir, plan, "check", "Check pictures"),
        "registration_sheets": pictures.arm_sheets(run_dir, plan, "registration", "Registration"),
        "case_sheets": pictures.case_sheets(run_dir, plan),
        "paper_files": PAPER_FILES,
        "assumptions": say.assumptions(),
        "splits": say.splits(run_dir, plan),
        "trainings": say.trainings(runs),
        "forecast": forecast_and_fact(run_dir),
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
        "evidence_figures": pictures.figures_of_evidence(run_dir, plan),
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


def _interactive(run_dir: Path, plan: Plan, scores: pd.DataFrame, runs: pd.DataFrame) -> dict[str, Any]:
    """The matrix, the data behind its cells, the cases of the viewer, and the script with its digest."""
    packed = packing.packed_cases(run_dir, plan, scores)
    script = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS)
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return {
        "matrix": report_cells.matrix(plan, scores),
        "ramp": report_cells.ramp(),
        "ramp_ends": [f"{dice:.1f}" for dice in report_cells.colour_limits(scores)],
        "cell_data": _as_json(report_cells.cell_data(run_dir, plan, scores, runs)),
        "packed": packed,
        "packed_words": packing.choice_words(plan, packed),
        "viewer_data": _as_json({"levels_hu": packing.LEVELS_HU.tolist(), "cases": [item.about for item in packed]}),
        "script": Markup(script),
        "script_digest": base64.b64encode(digest).decode("ascii"),
    }


def _as_json(value: Any) -> Markup:
    """JSON that ends no script element, whatever names are in it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _answers(run_dir: Path, found: list[Answer]) -> list[dict[str, Any]]:
    """The first screen: one entry an arm, its primary variant first, a line for each of the next few."""
    shown = []
    for answer in found:
        if not answer.primary:
            continue
        others = [other for other in found if other.arm == answer.arm and not other.primary]
        name, words = answer_figure_name(answer.arm), evidence.alternative(answer)
        shown.append(
            vars(answer)
            | {
                "of_variants": "primary" if others else "the only one",
                "others": others[:MOST_OTHER_VARIANTS],
                "more": len(others[MOST_OTHER_VARIANTS:]),
                "picture": pictures.drawing(run_dir, name, "Gain in Dice", words, whole=True),
            }
        )
    return shown


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
        "rows": [(place in starts, *row) for place, row in enumerate(_said_in_full(table.rows))],
        "words": text_columns(table),
        "published": published,
        "slips": table.slips,
    }


def _said_in_full(rows: list[list[str]]) -> list[tuple[bool, list[str]]]:
    """Rows whose empty first cell says what the one above does, and whether it was empty: sorted rows stand alone."""
    found: list[tuple[bool, list[str]]] = []
    for row in rows:
        again = not row[0] and bool(found)
        found.append((again, [found[-1][1][0], *row[1:]] if again else row))
    return found
