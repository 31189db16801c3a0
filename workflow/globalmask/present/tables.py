"""Tables 1 to 6: Dice, centre-of-mass distance and training time of every cell beside the published one.

Each table is written as `.csv` (tidy: one row a cell, full precision), `.md` and `.tex` (booktabs).
Tables 1, 2: Dice, mean (SD) over test cases; 3, 4: centre-of-mass distance in mm at full size;
5, 6: optimiser steps and hours to the best validation score; steps alone where trainings may have shared a
GPU. Sizes and structures that only one side has are shown with a dash on the other.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from globalmask.evidence.clock import STEPS_FOR_HOURS, clock
from globalmask.present import mask_quality
from globalmask.present.outputs import (
    TABLE_NUMBERS,
    Plan,
    arm_of,
    editions,
    full_size,
    replicates_of,
    table_name,
    variant_of,
)
from globalmask.present.results import read_runs, read_scores
from globalmask.present.slips import Slip, slips_that_touch
from globalmask.present.style import scenario_label, structure_label
from globalmask.present.summary import averages, paper_of, structure_means
from globalmask.provenance import atomic, write_text

DASH = "–"
AVERAGE = "average"
PUBLISHED_CASES = {"brain": 10, "heart": 5}


@dataclass(frozen=True)
class Table:
    """A table ready to print: `header` pairs (group, column), `rows` of text, `blocks` of rows that belong together.

    `slips` are the paper's own mistakes that touch the published numbers in it: its footnotes.
    """

    name: str
    title: str
    caption: str
    header: list[tuple[str, str]]
    rows: list[list[str]]
    tidy: pd.DataFrame
    blocks: list[int]
    synthetic: bool
    slips: list[Slip] = field(default_factory=list)


def make_tables(*, run_dir: Path, plan: Plan, out_dir: Path) -> None:
    """Write every table of the run (names: `outputs.table_files`) into `out_dir`."""
    scores, runs = read_scores(run_dir), read_runs(run_dir, plan)
    for table in build_tables(plan, scores, runs):
        with atomic(Path(out_dir) / f"{table.name}.csv") as temporary:
            table.tidy.to_csv(temporary, index=False, lineterminator="\n")
        write_text(Path(out_dir) / f"{table.name}.md", markdown(table))
        write_text(Path(out_dir) / f"{table.name}.tex", latex(table))
    mask_quality.write_table(run_dir, plan, scores, out_dir)


def build_tables(plan: Plan, scores: pd.DataFrame, runs: pd.DataFrame) -> list[Table]:
    """All tables of the run in the paper's order, editions one after the other."""
    tables = []
    for edition in editions(plan):
        for build, source in ((dice_table, scores), (com_table, scores), (hours_table, runs)):
            tables += [build(plan, arm, variant, source, edition.suffix) for arm, variant in edition.pairs]
    return tables


def dice_table(plan: Plan, arm: str, variant: str, scores: pd.DataFrame, suffix: str = "") -> Table:
    """Tables 1 and 2: Dice of every size, structure and scenario, with the average over structures."""
    info, scenarios = arm_of(plan, arm), variant_of(plan, variant)["scenarios"]
    ours = _of(structure_means(scores, "dice"), arm, variant)
    paper = paper_of(info, "dice")
    sizes = sorted({*info["sizes"], *paper["n_train"]})
    structures = [*info["structures"], *([AVERAGE] if len(info["structures"]) > 1 else [])]
    ours, paper = _with_average(ours), _with_average(paper)
    tidy = _tidy(sizes, structures, scenarios, ours, paper).assign(arm=arm, variant=variant)
    rows, blocks = _grid(tidy, sizes, structures, scenarios, digits=2)
    average = "; 'Average' is the mean (sample SD) of the structure means" if AVERAGE in structures else ""
    caption = (
        f"Dice coefficient of the {_data(info, arm)} structures for each number of training cases. "
        f"Values are the mean (sample SD) over {_case_words(info, 'test case')}"
        f"{_replicate_words(replicates_of(plan, variant, arm).values())}{average}. {_notes(info, tidy)}"
    )
    name = table_name(plan, arm, "dice", suffix)
    title = _title(name, f"Dice, {arm}", variant, suffix)
    about = (tidy, blocks, info["synthetic"], _slips(info, "dice"))
    return _table(name, title, caption, _header(scenarios), rows, *about)


def com_table(plan: Plan, arm: str, variant: str, scores: pd.DataFrame, suffix: str = "") -> Table:
    """Tables 3 and 4: distance of the centres of mass in mm at the largest size; the paper prints mask only."""
    info, scenarios = arm_of(plan, arm), variant_of(plan, variant)["scenarios"]
    size, paper = (
        full_size(info),
        paper_of(info, "com").rename(columns={"mean_mm": "mean", "sd_mm": "sd"}),
    )
    paper_size = int(paper["n_train"].max()) if len(paper) else None
    ours = _of(structure_means(scores, "com_mm"), arm, variant)
    ours = _with_average(ours[ours["n_train"] == size])
    paper = _with_average(paper.assign(n_train=size))
    replicated = _replicate_words([replicates_of(plan, variant, arm).get(size, 1)])
    structures = [*info["structures"], *([AVERAGE] if len(info["structures"]) > 1 else [])]
    tidy = _tidy([size], structures, scenarios, ours, paper).assign(arm=arm, variant=variant)
    rows, blocks = _grid(tidy, [size], structures, scenarios, digits=2)
    against = "" if paper_size in (None, size) else f" The published values are for {paper_size} training cases."
    caption = (
        f"Distance in mm between the centres of mass of predicted and true {_data(info, arm)} structures, models "
        f"trained on all {size} training cases. Mean (sample SD) over {_case_words(info, 'test case')}"
        f"{replicated}; empty predictions have no centre and are left out: [k/N] then says how many "
        f"were found.{against} The paper prints this distance for the mask-only model. {_notes(info, tidy)}"
    )
    name = table_name(plan, arm, "com", suffix)
    title = _title(name, f"Centre-of-mass distance (mm), {arm}", variant, suffix)
    about = (tidy, blocks, info["synthetic"], _slips(info, "com"))
    return _table(name, title, caption, _header(scenarios), rows, *about)


def hours_table(plan: Plan, arm: str, variant: str, runs: pd.DataFrame, suffix: str = "") -> Table:
    """Tables 5 and 6: steps, and hours where they count, to the best validation score of each size and scenario."""
    info, scenarios = arm_of(plan, arm), variant_of(plan, variant)["scenarios"]
    paper = paper_of(info, "training_hours")
    sizes = sorted({*info["sizes"], *paper["n_train"]})
    mine = runs[(runs["arm"] == arm) & (runs["variant"] == variant)]
    ours = ("steps", "hours") if clock(mine.to_dict("records")) == "hours" else ("steps",)
    published = "published" if ours[-1] == "hours" else "published hours"
    tidy = pd.DataFrame([_hours_row(mine, paper, arm, variant, scenario, n) for n in sizes for scenario in scenarios])
    if ours[-1] == "steps":
        tidy[["hours", "hours_sd"]] = math.nan
    rows = [_hours_text(tidy[tidy["n_train"] == n].set_index("scenario"), n, scenarios, ours) for n in sizes]
    header = [("", "Training cases")]
    for scenario in scenarios:
        header += [(scenario_label(scenario), column) for column in (*ours, published)]
    if {"ct", "ct_mask"} <= set(scenarios):
        header += [("CT / CT + mask", ours[-1]), ("CT / CT + mask", "published")]
    several = max(replicates_of(plan, variant, arm).values()) > 1
    spread = ", mean (sample SD) over replicates" if several else ""
    counted = "" if ours[-1] == "hours" else f", {STEPS_FOR_HOURS}"
    caption = (
        f"Training time of the {_data(info, arm)} models: optimiser {' and '.join(ours)} of training until the best "
        f"validation score{spread}{counted}. The clock stops during validation; machines, precision and stopping rule "
        f"differ from the paper's, so compare ratios, not hours. {_notes(info, tidy)}"
    )
    name = table_name(plan, arm, "hours", suffix)
    title = _title(name, f"Training time ({ours[-1]}), {arm}", variant, suffix)
    about = (tidy, list(range(len(rows))), info["synthetic"], _slips(info, "hours"))
    return _table(name, title, caption, header, rows, *about)


def text_columns(table: Table) -> int:
    """How many leading columns hold words and sizes, not results; they are set flush left."""
    return sum(not group for group, _ in table.header)


def number(mean: float, sd: float, digits: int = 2) -> str:
    """`0.74 (0.05)`; the SD is left out when there is none, and a dash stands for no value."""
    if mean is None or math.isnan(mean):
        return DASH
    text = f"{mean:.{digits}f}"
    return text if sd is None or math.isnan(sd) else f"{text} ({sd:.{digits}f})"


def hours_number(hours: float) -> str:
    """Hours with two significant digits (`204`, `7.5`, `0.0071`), or a dash."""
    if hours is None or math.isnan(hours):
        return DASH
    return f"{hours:.0f}" if hours >= 100 else f"{hours:.2g}" if hours >= 1 else f"{hours:#.2g}"


def markdown(table: Table) -> str:
    """The table as GitHub-flavoured Markdown with its caption above."""
    heads = [" ".join(part for part in (group, column) if part) for group, column in table.header]
    lines = [f"**{table.title}.** {table.caption}", ""]
    lines += ["| " + " | ".join(_md(cell) for cell in heads) + " |"]
    lines += ["|" + "|".join("---" if i < text_columns(table) else "---:" for i in range(len(heads))) + "|"]
    lines += ["| " + " | ".join(_md(cell) for cell in row) + " |" for row in table.rows]
    for slip in table.slips:
        lines += ["", f"{slip.title}: {slip.sentence}"]
    return "\n".join(lines) + "\n"


def latex(table: Table) -> str:
    """The table as a LaTeX `table` for the packages booktabs and graphicx."""
    groups = _groups(table.header)
    words = text_columns(table)
    top = " & ".join(
        _tex(group) if not group else rf"\multicolumn{{{span}}}{{c}}{{{_tex(group)}}}" for group, _, span in groups
    )
    rules = " ".join(rf"\cmidrule(lr){{{start + 1}-{start + span}}}" for group, start, span in groups if group)
    body = []
    for index, row in enumerate(table.rows):
        if index in table.blocks and index and len(table.blocks) < len(table.rows):
            body.append(r"\addlinespace")
        body.append(" & ".join(_tex(cell) for cell in row) + r" \\")
    lines = [
        r"\begin{table}",
        rf"\caption{{{_tex(table.caption)}}}",
        rf"\label{{tab:{table.name}}}",
        r"\centering\small",
        r"\resizebox{\linewidth}{!}{%",
        rf"\begin{{tabular}}{{{'l' * words + 'r' * (len(table.header) - words)}}}",
        r"\toprule",
        top + r" \\",
        rules,
        " & ".join(_tex(column) for _, column in table.header) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}}",
        *(rf"\par\smallskip\footnotesize {slip.title}: {_tex(slip.sentence)}" for slip in table.slips),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _table(name: str, title: str, caption: str, header: list, rows: list, *rest: Any) -> Table:
    """Drops published columns in which there is nothing."""
    keep = [
        place
        for place, (_, column) in enumerate(header)
        if not column.startswith("published") or any(row[place] != DASH for row in rows)
    ]
    return Table(
        name,
        title,
        caption,
        [header[p] for p in keep],
        [[row[p] for p in keep] for row in rows],
        *rest,
    )


def _slips(info: Any, quantity: str) -> list[Slip]:
    """Slips of the published table whose numbers stand beside ours."""
    numbers = TABLE_NUMBERS.get(info["published"])
    return slips_that_touch(f"table{numbers[quantity]}") if numbers else []


def _of(means: pd.DataFrame, arm: str, variant: str) -> pd.DataFrame:
    return means[(means["arm"] == arm) & (means["variant"] == variant)]


def _with_average(means: pd.DataFrame) -> pd.DataFrame:
    keys = [key for key in ("scenario", "n_train") if key in means]
    return pd.concat([means, averages(means, keys).assign(structure=AVERAGE)], ignore_index=True)


def _tidy(
    sizes: Sequence[int],
    structures: Sequence[str],
    scenarios: Sequence[str],
    ours: pd.DataFrame,
    paper: pd.DataFrame,
) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([sizes, structures, scenarios], names=["n_train", "structure", "scenario"])
    keys = list(index.names)
    columns = ["mean", "sd", "cases", "expected", "empty", "replicates"]
    left = ours.set_index(keys).reindex(columns=columns).reindex(index)
    right = paper.set_index(keys).reindex(columns=["mean", "sd"]).reindex(index).add_prefix("published_")
    tidy = left.join(right).reset_index()
    counts = ["cases", "expected", "empty", "replicates"]
    return tidy.astype(dict.fromkeys(counts, "Int64"))


def _grid(
    tidy: pd.DataFrame,
    sizes: Sequence[int],
    structures: Sequence[str],
    scenarios: Sequence[str],
    *,
    digits: int,
) -> tuple[list[list[str]], list[int]]:
    lookup = tidy.set_index(["n_train", "structure", "scenario"])
    rows: list[list[str]] = []
    blocks: list[int] = []
    for n in sizes:
        blocks.append(len(rows))
        for place, structure in enumerate(structures):
            name = "Average" if structure == AVERAGE else structure_label(structure)
            row = [str(n) if place == 0 else "", name]
            for scenario in scenarios:
                cell = lookup.loc[(n, structure, scenario)]
                found = ""
                if structure != AVERAGE and not pd.isna(cell["cases"]) and cell["cases"] < cell["expected"]:
                    found = f" [{cell['cases']}/{cell['expected']}]"
                row += [number(cell["mean"], cell["sd"], digits) + found]
                row += [number(cell["published_mean"], cell["published_sd"], digits)]
            rows.append(row)
    return rows, blocks


def _header(scenarios: Sequence[str]) -> list[tuple[str, str]]:
    header = [("", "Training cases"), ("", "Structure")]
    for scenario in scenarios:
        header += [(scenario_label(scenario), "this run"), (scenario_label(scenario), "published")]
    return header


def _hours_row(
    runs: pd.DataFrame, paper: pd.DataFrame, arm: str, variant: str, scenario: str, n: int
) -> dict[str, Any]:
    cell = runs[(runs["scenario"] == scenario) & (runs["n"] == n)]
    there = paper[(paper["scenario"] == scenario) & (paper["n_train"] == n)]["hours"]
    steps, hours = pd.to_numeric(cell["best_step"]), pd.to_numeric(cell["hours"])
    return {
        "arm": arm,
        "variant": variant,
        "n_train": n,
        "scenario": scenario,
        "steps": steps.mean(),
        "steps_sd": steps.std(),
        "hours": hours.mean(),
        "hours_sd": hours.std(),
        "replicates": len(cell),
        "published_hours": there.iloc[0] if len(there) else float("nan"),
    }


def _hours_text(cells: pd.DataFrame, n: int, scenarios: Sequence[str], ours: Sequence[str]) -> list[str]:
    row = [str(n)]
    for scenario in scenarios:
        cell = cells.loc[scenario]
        shown = {"steps": _steps(cell["steps"]), "hours": hours_number(cell["hours"])}
        if not math.isnan(cell["steps_sd"]):
            decimals = len(shown["hours"].partition(".")[2])
            shown["steps"] += f" ({_steps(cell['steps_sd'])})"
            shown["hours"] += f" ({cell['hours_sd']:.{decimals}f})"
        row += [*(shown[name] for name in ours), hours_number(cell["published_hours"])]
    if {"ct", "ct_mask"} <= set(scenarios):
        ct, both = cells.loc["ct"], cells.loc["ct_mask"]
        row += [
            _ratio(ct[ours[-1]], both[ours[-1]]),
            _ratio(ct["published_hours"], both["published_hours"]),
        ]
    return row


def _steps(steps: float) -> str:
    return DASH if math.isnan(steps) else f"{steps:,.0f}"


def _ratio(over: float, under: float) -> str:
    return DASH if math.isnan(over) or math.isnan(under) or under <= 0 else f"{over / under:.1f}"


def _data(info: Any, arm: str) -> str:
    return f"{'synthetic ' if info['synthetic'] else ''}{arm}"


def _case_words(info: Any, noun: str) -> str:
    count = len({case for cases in info["test_cases"].values() for case in cases})
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _replicate_words(counts: Collection[int]) -> str:
    fewest, most = min(counts), max(counts)
    words = f"{most}" if fewest == most else f"{fewest} to {most}"
    return f" (replicates of a case averaged first; {words} replicates)" if most > 1 else ""


def _notes(info: Any, tidy: pd.DataFrame) -> str:
    notes = ["A dash: not run, or not in the paper."]
    if info["published"] in PUBLISHED_CASES:
        notes.append(
            f"Published: {info['published']} data of the paper, {PUBLISHED_CASES[info['published']]} test cases."
        )
    if "empty" in tidy and int(tidy["empty"].fillna(0).sum()):
        notes.append(f"{int(tidy['empty'].fillna(0).sum())} predictions were empty (Dice 0).")
    if info["synthetic"]:
        notes.append("This run used SYNTHETIC data (a phantom, no patient).")
    return " ".join(notes)


def _title(name: str, what: str, variant: str, suffix: str) -> str:
    number_ = name.removeprefix("table").split("_")[0]
    start = f"Table {number_}" if number_ else "Table"
    return f"{start}: {what}" + (f", variant {variant}" if suffix else "")


def _groups(header: Sequence[tuple[str, str]]) -> list[tuple[str, int, int]]:
    """(group, first column, span) of neighbouring columns with one group; columns without a group stand alone."""
    groups: list[tuple[str, int, int]] = []
    for place, (group, _) in enumerate(header):
        if group and groups and groups[-1][0] == group:
            groups[-1] = (group, groups[-1][1], groups[-1][2] + 1)
        else:
            groups.append((group, place, 1))
    return groups


def _md(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


_TEX = {"\\": r"\textbackslash{}", "–": "--", "−": "$-$", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_TEX |= {character: f"\\{character}" for character in "&%$#_{}"}


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)
