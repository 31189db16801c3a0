"""For the paper that a user writes: methods with references, a CLAIM checklist, Dice with intervals as LaTeX.

Every word follows from the run's configuration, splits, records and versions (as fMRIPrep does it). What a run cannot
know (patients, ethics, scanner) is left to the author and marked so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from globalmask import __version__
from globalmask.present.answer import MASKED, UNAIDED
from globalmask.present.evidence_files import pick, read_analysis, read_analysis_record
from globalmask.present.outputs import Plan, variants_of
from globalmask.present.results import read_runs
from globalmask.present.style import scenario_label, structure_label
from globalmask.present.tables import DASH, Table, latex
from globalmask.provenance import atomic, versions, write_text

TEMPLATES = Path(__file__).parent / "templates"
SOFTWARE = ("snakemake", "torch", "SimpleITK", "antspyx", "numpy", "scipy", "statsmodels", "pymeshmetrics")
_CITATION = re.compile(r"@([a-z]+\d{4})")
_ENTRY = re.compile(r"^@\w+\{(\w+),.*?^\}\n", re.MULTILINE | re.DOTALL)


def make_paper(*, run_dir: Path, plan: Plan, out_dir: Path) -> None:
    """Write `methods.md`, `references.bib`, `claim_checklist.md` and `dice_intervals.csv` and `.tex` to `out_dir`.

    Needs `analysis.csv`, `analysis.json` and the splits of the run; of the trainings what is there.
    """
    run_dir, out_dir = Path(run_dir), Path(out_dir)
    known = facts(run_dir, plan)
    texts = {name: _template(f"{name}.j2").render(**known) for name in ("methods.md", "claim_checklist.md")}
    for name, text in texts.items():
        write_text(out_dir / name, text)
    write_text(out_dir / "references.bib", references("".join(texts.values())))
    table = interval_table(plan, read_analysis(run_dir))
    write_text(out_dir / "dice_intervals.tex", latex(table))
    with atomic(out_dir / "dice_intervals.csv") as temporary:
        table.tidy.to_csv(temporary, index=False, lineterminator="\n")


def facts(run_dir: Path, plan: Plan) -> dict[str, Any]:
    """What the templates may say about a run."""
    runs = read_runs(run_dir, plan)
    return {
        "run": plan["run"],
        "seed": plan["seed"],
        "replicates": plan["replicates"],
        "version": __version__,
        "synthetic": [arm["name"] for arm in plan["arms"] if arm["synthetic"]],
        "arms": [_arm(run_dir, plan, arm) for arm in plan["arms"]],
        "variants": [_variant(variant, plan["config"]["variants"][variant["name"]]) for variant in plan["variants"]],
        "floors": any(arm.get("floors") for arm in plan["config"]["arms"].values()),
        "shifts": bool(plan.get("robustness")),
        "analysis": read_analysis_record(run_dir),
        "trainings": len(runs),
        "software": _software(runs),
        "devices": _distinct(runs, "device"),
        "weights": [f"{int(number):,}" for number in _ends(_distinct(runs, "weights"))],
    }


def references(text: str) -> str:
    """The BibTeX entries of all `@key` in `text`, in the order of the library; KeyError for one it has not."""
    library = {entry[1]: entry[0] for entry in _ENTRY.finditer((TEMPLATES / "library.bib").read_text(encoding="utf-8"))}
    cited = set(_CITATION.findall(text))
    if unknown := cited - set(library):
        raise KeyError(f"no entry in library.bib for {sorted(unknown)}")
    return "\n".join(entry for key, entry in library.items() if key in cited)


def interval_table(plan: Plan, analysis: pd.DataFrame) -> Table:
    """Mean Dice of every input, and the gain of CT + mask over CT, with 95 % intervals; one row a variant and size."""
    rows = pick(analysis, structure="", space="crop")
    words = list(dict.fromkeys(word for variant in plan["variants"] for word in variant["scenarios"]))
    text: list[list[str]] = []
    blocks: list[int] = []
    for arm in plan["arms"]:
        for variant in variants_of(plan, arm["name"]):
            blocks.append(len(text))
            mine = pick(rows, arm=arm["name"], variant=variant)
            for n in arm["sizes"]:
                text.append([arm["name"], variant, str(n), *_cells(mine[mine["n_train"] == n], words)])
    header = [("", "Arm"), ("", "Variant"), ("", "n"), *(("Dice", scenario_label(word)) for word in words)]
    header += [("CT + mask against CT", "gain"), ("CT + mask against CT", "p")]
    synthetic = any(arm["synthetic"] for arm in plan["arms"])
    random = ", cases and runs random" if plan["replicates"] > 1 else " over cases, of one run"
    caption = (
        f"Mean Dice coefficient over structures with 95 % intervals{random}; p adjusted (Holm in the primary family, "
        "Benjamini and Hochberg elsewhere). A dash: not run, or too few runs for a test."
    )
    caption += " This run used SYNTHETIC data (a phantom, no patient)." if synthetic else ""
    kept = rows[rows["quantity"].isin(("dice_level", "dice_gain"))]
    return Table("dice_intervals", "Dice with intervals", caption, header, text, kept, blocks, synthetic)


def _cells(rows: pd.DataFrame, words: list[str]) -> list[str]:
    levels = [_interval(pick(rows, quantity="dice_level", scenario=word, reference="")) for word in words]
    gain = pick(rows, quantity="dice_gain", scenario=MASKED, reference=UNAIDED)
    return [*levels, _interval(gain, sign=True), _p(gain)]


def _interval(rows: pd.DataFrame, *, sign: bool = False) -> str:
    if rows.empty or math.isnan(rows.iloc[0]["estimate"]):
        return DASH
    shape = "+.2f" if sign else ".2f"
    estimate, low, high = (format(rows.iloc[0][name], shape) for name in ("estimate", "low", "high"))
    return estimate if "nan" in (low, high) else f"{estimate} ({low} to {high})"


def _p(rows: pd.DataFrame) -> str:
    p = math.nan if rows.empty else rows.iloc[0]["p_adjusted"]
    return DASH if math.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def _arm(run_dir: Path, plan: Plan, arm: Mapping[str, Any]) -> dict[str, Any]:
    config = plan["config"]["arms"][arm["name"]]
    path = run_dir / arm["name"] / "splits" / "r0.tsv"
    roles = pd.read_csv(path, sep="\t", dtype=str)["role"].value_counts()
    recipes = [v["mask"].get(arm["name"], config["mask"]) for v in plan["config"]["variants"].values()]
    return {
        **{"name": arm["name"], "synthetic": arm["synthetic"], "cases": len(arm["cases"]), "sizes": arm["sizes"]},
        "structures": [structure_label(name).lower() if "_" in name else name for name in arm["structures"]],
        "roles": {role: int(roles.get(role, 0)) for role in ("train", "validation", "test")},
        "tested": len({case for cases in arm["test_cases"].values() for case in cases}),
        "folds": config["folds"],
        "own_split": config["split_table"],
        "spacing_mm": config["grid"]["spacing_mm"],
        "voxels": config["grid"]["size_voxels"],
        "clip_hu": config["clip_hu"],
        "registration": config["registration"],
        "masks": list({(mask["recipe"], mask["labels"]): mask for mask in recipes}.values()),
        "mask_network": config["mask_network"],
    }


def _variant(variant: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{"name": variant["name"], "preset": variant["preset"], "arms": variant["arms"]},
        "scenarios": [(word, scenario_label(word)) for word in variant["scenarios"]],
        "settings": variant["settings"],
        "validation": config["validation"] == "labels",
        "oracle": config["oracle"],
    }


def _software(runs: pd.DataFrame) -> dict[str, str]:
    """Versions: of the trainings where they say so, else of this process."""
    found = versions(*SOFTWARE)
    for of_run in runs.get("versions", ()):
        found |= {name: value for name, value in of_run.items() if name in found}
    return found


def _distinct(runs: pd.DataFrame, name: str) -> list[Any]:
    return sorted(set(runs[name].dropna())) if name in runs else []


def _ends(values: list[Any]) -> list[Any]:
    """The least and the largest of sorted values; one where they are equal."""
    return values if len(values) < 2 else [values[0], values[-1]]


def _template(name: str) -> Any:
    """A template of plain text: nothing is escaped, for nothing here is HTML."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)
