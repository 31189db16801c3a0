"""Rebuild `docs/evidence.md` and `docs/evidence/` from the cells that are committed there. Needs no scan and no torch.

    .venv/bin/python docs/build_evidence.py

`rebuilt` makes the runs of those cells in folders of their own: scores, statistics, verdicts. Every number of the page
stands between two marks, and a test compares it with what the cells give.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from globalmask.evidence import robustness
from globalmask.evidence.analysis import analyse
from globalmask.evidence.beyond_atlas import beyond_atlas
from globalmask.evidence.claims import judge_claims
from globalmask.evidence.reference import Against, against_reference
from globalmask.evidence.score import gather
from globalmask.present import report_evidence as say
from globalmask.present import style
from globalmask.present.answer import Answer, answers, estimate_text, sentence, signed
from globalmask.present.evidence_files import read_analysis, read_analysis_record, read_claims, read_floors
from globalmask.present.figures import figure6
from globalmask.present.figures_context import context_figure
from globalmask.present.figures_gain import gain_figure
from globalmask.present.figures_learning import learning_figure
from globalmask.present.figures_robustness import read_robustness, robustness_figure
from globalmask.present.outputs import Edition, robustness_figures
from globalmask.present.report_sections import Grid
from globalmask.present.results import read_scores
from globalmask.present.tables import dice_table, markdown

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "evidence.md"
DATA = ROOT / "docs" / "evidence"
ANALYSIS_PLAN = ROOT / "workflow" / "config" / "analysis_plan.yaml"
BLOCK = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rebuilt(data: Path, folder: Path) -> None:
    """Make the runs of `data`: `folder/evidence` and, where their cells are there, `folder/ladder` and `/readers`."""
    for name, kept in (("evidence", data), ("ladder", data / "ladder"), ("readers", data / "readers")):
        if (kept / "cells").is_dir():
            rebuild_run(kept, folder / name)


def rebuild_run(data: Path, run_dir: Path) -> None:
    """Fill `run_dir` with the run that the cells of `data` make: scores, analysis, claims."""
    shutil.copytree(data / "cells", run_dir, dirs_exist_ok=True)
    for name in ("plan.json", "floors.csv"):
        if (data / name).is_file():
            shutil.copyfile(data / name, run_dir / name)
    gather(score_paths=sorted(run_dir.rglob("scores.csv")), out_path=run_dir / "scores.csv")
    if shifted := sorted(run_dir.rglob("robustness.csv")):
        robustness.gather(paths=shifted, out_path=run_dir / "robustness.csv")
    plan = plan_of(run_dir)
    analyse(run_dir=run_dir, plan=plan, plan_path=ANALYSIS_PLAN)
    judge_claims(analysis_path=run_dir / "analysis.csv", plan=plan, out_path=run_dir / "claims.csv")


def plan_of(run_dir: Path) -> dict:
    """The run's plan as far as it has cells: arms, variants, sizes, replicates and folds that were trained."""
    plan = json.loads((run_dir / "plan.json").read_text(encoding="utf-8"))
    scores = read_scores(run_dir)
    done = dict(list(scores.groupby(["arm", "variant"])))
    for variant in plan["variants"]:
        variant["arms"] = [arm for arm in variant["arms"] if (arm, variant["name"]) in done]
        variant["replicates"] = {arm: replicates_in(done[arm, variant["name"]]) for arm in variant["arms"]}
    plan["variants"] = [variant for variant in plan["variants"] if variant["arms"]]
    plan["arms"] = [arm for arm in plan["arms"] if arm["name"] in set(scores["arm"])]
    for arm in plan["arms"]:
        folds = set(scores.loc[scores["arm"] == arm["name"], "fold"].astype(str))
        arm["test_cases"] = {fold: cases for fold, cases in arm["test_cases"].items() if fold in folds}
    plan["replicates"] = int(scores["replicate"].nunique())
    return plan


def replicates_in(scores: pd.DataFrame) -> dict[str, int]:
    """Replicates of each training size."""
    return {str(n): int(count) for n, count in scores.groupby("n_train")["replicate"].nunique().items()}


def blocks(folder: Path) -> dict[str, str]:
    """The text between the marks of the page, by the name of the mark, from what `rebuilt` made."""
    run_dir = folder / "evidence"
    plan, scores = plan_of(run_dir), read_scores(run_dir)
    analysis, record = read_analysis(run_dir), read_analysis_record(run_dir)
    found = answers(plan, analysis)
    judged = say.verdict_groups(read_claims(run_dir))
    strong = against_nnunet(scores, DATA / "nnunet")
    return {
        "answer": "".join(answer_text(answer, strong) for answer in found),
        "cells": f"{planned_text(run_dir, scores)}\n\n{cells_text(scores)}",
        "levels": "".join(
            markdown(dice_table(plan, arm, variant["name"], scores, f"_{variant['name']}")) + "\n"
            for variant in plan["variants"]
            for arm in variant["arms"]
        ),
        "reference": reference_text(strong, DATA / "nnunet"),
        "gains": gains_text(run_dir) + text_of(say.other_numbers(found, analysis)),
        "random": text_of(say.sensitivity(analysis)),
        "falsepositives": (DATA / "false_positives.md").read_text(encoding="utf-8") + "\n",
        "curves": text_of(say.curves(analysis)),
        "shifts": shifts_text(plan, analysis),
        "collapses": text_of(say.collapses(analysis)),
        "limits": text_of(say.limits(plan, read_floors(run_dir))),
        "atlas": atlas_text(run_dir),
        "ladder": run_text(folder / "ladder", ladder_text),
        "readers": run_text(folder / "readers", atlas_text),
        "verdicts": "".join(verdicts_text(verdict, rows) for verdict, rows in judged),
        "plan": plan_text(record),
    }


def answer_text(answer: Answer, strong: Sequence[Against]) -> str:
    """One variant of one arm in words: its gains, and how good it is without the mask."""
    lines = [f"**{answer.arm}, variant `{answer.variant}`.** {answer.headline}", ""]
    lines += [f"- {sentence(reading)}" for reading in answer.readings]
    mine = [found for found in strong if (found.arm, found.variant) == (answer.arm, answer.variant)]
    lines += [
        f"- CT alone against nnU-Net with {found.n_train} training cases: Dice {signed(found.difference.estimate)}, "
        f"{found.verdict}."
        for found in mine
    ]
    return "\n".join([*lines, "", ""])


def planned_text(run_dir: Path, scores: pd.DataFrame) -> str:
    """How many of the planned trainings the page rests on."""
    plan = json.loads((run_dir / "plan.json").read_text(encoding="utf-8"))
    here = len(scores[["arm", "variant", "scenario", "n_train", "replicate"]].drop_duplicates())
    planned = sum(
        len(variant["scenarios"]) * sum(counts.values())
        for variant in plan["variants"]
        for counts in variant["replicates"].values()
    )
    return f"{here} of {planned} planned trainings are here."


def cells_text(scores: pd.DataFrame) -> str:
    """How many replicates each variant, scenario and size has."""
    keys = ["arm", "variant", "scenario", "n_train"]
    counts = scores.groupby(keys, sort=False)["replicate"].nunique().unstack("n_train").sort_index()
    header = ["Arm", "Variant", "Scenario", *(f"n = {n}" for n in sorted(counts.columns))]
    rows = [
        [*names, *("–" if pd.isna(count) else str(int(count)) for count in counts.loc[names].sort_index())]
        for names in counts.index
    ]
    return text_of(Grid(header, rows))


def against_nnunet(scores: pd.DataFrame, folder: Path) -> list[Against]:
    """Every variant against nnU-Net at the sizes that both have; nothing before nnU-Net is trained."""
    tables = [pd.read_csv(path) for path in sorted(folder.glob("*.csv"))]
    return against_reference(scores, pd.concat(tables)) if tables else []


def reference_text(strong: Sequence[Against], folder: Path) -> str:
    """Those comparisons as a table, and how nnU-Net was trained."""
    if not strong:
        return "nnU-Net has not been trained yet.\n\n"
    header = ["Arm", "Variant", "n", "Dice", "nnU-Net", "Difference (95 % interval)", "Cases", "Runs", "Verdict"]
    rows = []
    for found in strong:
        gap = found.difference
        values = f"{found.variant_dice:.3f}", f"{found.reference_dice:.3f}"
        interval = estimate_text(gap.estimate, gap.low, gap.high)
        about = found.arm, found.variant, str(found.n_train)
        rows.append([*about, *values, interval, str(gap.cases), str(gap.runs), found.verdict])
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    return text_of(Grid(header, rows)) + "".join(record_text(record) for record in records) + "\n"


def atlas_text(run_dir: Path) -> str:
    """The mask alone against the label atlas of the same training cases, structure by structure."""
    header = ["Arm", "Variant", "Structure", "n", "Mask alone", "Label atlas", "Difference (95 % interval)"]
    rows = []
    for found in beyond_atlas(read_scores(run_dir), read_floors(run_dir)):
        gap = found.difference
        about = found.arm, found.variant, style.structure_label(found.structure), str(found.n_train)
        ceiling = "–" if math.isnan(found.readers) else f"{found.readers:.3f}"
        interval = estimate_text(gap.estimate, gap.low, gap.high)
        tested = f"{gap.runs} × {gap.cases}"
        rows.append([*about, f"{found.network:.3f}", f"{found.atlas:.3f}", interval, ceiling, tested])
    return text_of(Grid([*header, "Two readers", "Runs × cases"], rows))


def gains_text(run_dir: Path) -> str:
    """CT + mask against CT in every variant of a run."""
    analysis = read_analysis(run_dir)
    return text_of(say.dice_numbers(answers(plan_of(run_dir), analysis), analysis))


def ladder_text(run_dir: Path) -> str:
    """Those gains, their picture, and how the networks came there."""
    gains = "![Gain of CT + mask over CT of every variant, with 95 % intervals](evidence/ladder.png)"
    learning = "![Validation Dice of every variant against optimiser steps](evidence/ladder_learning.png)"
    return f"{gains}\n\n{gains_text(run_dir)}{learning}\n\n"


def shifts_text(plan: dict, analysis: pd.DataFrame) -> str:
    """What shifts of intensity do to each input, with the pictures of all strengths."""
    found = text_of(say.shifts(analysis))
    pictures = (
        f"![Mean Dice of variant {shown.variant} against the strength of every shift](evidence/{name}.png)\n\n"
        for name, shown in robustness_figures(plan).items()
    )
    return "".join(pictures) + found if found else "Not tested yet.\n\n"


def run_text(run_dir: Path, told: Callable[[Path], str]) -> str:
    """How much of a run is there, and what is told of it."""
    if not run_dir.is_dir():
        return "Not trained yet.\n\n"
    return f"{planned_text(run_dir, read_scores(run_dir))}\n\n{told(run_dir)}"


def record_text(record: dict) -> str:
    """How one nnU-Net was trained, as a line of a list."""
    return (
        f"- n = {record['n_train']}, replicate {record['replicate']}: nnU-Net {record['versions']['nnunetv2']}, "
        f"{record['weights']:,} weights, batch {record['batch_size']}, {record['iterations']} iterations, "
        f"{'with' if record['mirroring'] else 'without'} mirroring; last training loss {record['train_loss'][-1]:.2f}, "
        f"validation Dice {record['validation_dice']:.3f}\n"
    )


def verdicts_text(verdict: str, rows: Sequence[say.Judged]) -> str:
    """The claims of one verdict as a table."""
    header = ["No.", "Claim", "Arm / variant", "Estimate (interval)", "p", "Published", "Evidence", "Rule"]
    cells = [
        [
            " ".join([row.claim, *row.notes]),
            row.words,
            row.where,
            row.estimate,
            row.p,
            row.published,
            row.kind,
            row.rule,
        ]
        for row in rows
    ]
    return f"### {verdict.capitalize()} ({len(rows)})\n\n{text_of(Grid(header, cells))}"


def plan_text(record: dict) -> str:
    """Digest of the plan of analysis and the departures from it."""
    lines = [
        f"Plan of analysis: `workflow/config/analysis_plan.yaml`, SHA-256 `{record['sha256']}`.",
        "",
        "Departures:",
    ]
    return "\n".join([*lines, "", *(f"- {sentence}" for sentence in record["departures"] or ["none"]), "", ""])


def text_of(grid: Grid) -> str:
    """A table of the report as Markdown; nothing where it has no rows."""
    if not grid.rows:
        return ""
    lines = [f"| {' | '.join(escaped(row))} |" for row in (grid.header, ["---"] * len(grid.header), *grid.rows)]
    return "\n".join([*lines, "", *([grid.note, ""] if grid.note else []), ""])


def escaped(cells: Sequence[str]) -> Iterator[str]:
    return (cell.replace("|", r"\|") for cell in cells)


def page(text: str, found: dict[str, str]) -> str:
    """The page with every block replaced."""
    return BLOCK.sub(lambda match: f"{match[1]}{found[match[2]]}{match[3]}", text)


def draw(folder: Path) -> None:
    """The figures of the page."""
    style.use_style()
    run_dir = folder / "evidence"
    plan, analysis, scores = plan_of(run_dir), read_analysis(run_dir), read_scores(run_dir)
    figures = {
        "gain": gain_figure(plan, analysis, scores),
        "learning": learning_figure(run_dir, plan),
        "dice_context": context_figure(plan, analysis, read_floors(run_dir)),
        "loss": figure6(run_dir, plan, Edition("_paper", (("brain", "paper"),)), scores),
    }
    if (run_dir / "robustness.csv").is_file():
        rows = read_robustness(run_dir)
        figures |= {name: robustness_figure(plan, shown, rows) for name, shown in robustness_figures(plan).items()}
    if (ladder := folder / "ladder").is_dir():
        plan = plan_of(ladder)
        figures["ladder"] = gain_figure(plan, read_analysis(ladder), read_scores(ladder))
        figures["ladder_learning"] = learning_figure(ladder, plan)
    for name, (figure, _) in figures.items():
        style.save(figure, folder, name)
        shutil.copyfile(folder / f"{name}.png", DATA / f"{name}.png")


def main() -> None:
    """Write the page, the two tables behind it and the figures."""
    with tempfile.TemporaryDirectory() as folder:
        rebuilt(DATA, Path(folder))
        run_dir = Path(folder) / "evidence"
        for name in ("analysis.csv", "claims.csv"):
            shutil.copyfile(run_dir / name, DATA / name)
        draw(Path(folder))
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), blocks(Path(folder))), encoding="utf-8")


if __name__ == "__main__":
    main()
