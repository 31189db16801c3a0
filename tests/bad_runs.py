"""Configs, case tables and split tables with one thing wrong each, beside a run of four cases in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snakemake.common.configfile import load_configfile

from globalmask.intake.cohort import read_run

CONFIG = """\
run: heads
seed: 1
replicates: 1
device: cpu
arms:
  brain:
    cases: {folder}/cases.tsv
    structures: {brain_stem: 1, left_eye: 2}
    split: {train: 2, validation: 1, test: 1}
    folds: 1
    sizes: [1, 2]
    clip_hu: [-200, 200]
    grid: {spacing_mm: 1.5, size_voxels: 128}
    registration: {template: a}
    mask: {recipe: threshold}
variants:
  paper:
    preset: paper
    scenarios: [ct, mask, ct_mask]
    train: {max_steps: 100}
"""
HEADER = "case\tct\tlabel\trole\tgroup\n"
ROWS = {name: f"{name}\t{name}_ct.nii\t{name}_label.nii\t\t\n" for name in "abcde"}
TABLE = HEADER + "".join(ROWS[name] for name in "abcd")
SPLIT = "case\trole\na\ttrain\nb\ttrain\nc\tvalidation\nd\ttest\n"

CONFIGS: dict[str, tuple[str, str]] = {
    "misspelt option": ("seed: 1", "sead: 1"),
    "misspelt option below": ("spacing_mm: 1.5", "spacing: 1.5"),
    "unknown option": ("seed: 1", "seed: 1\nzzz: 1"),
    "missing option": ("    mask: {recipe: threshold}\n", ""),
    "word for a number": ("replicates: 1", "replicates: many"),
    "exponent without dot": ("max_steps: 100", "max_steps: 1e4"),
    "fraction of a step": ("max_steps: 100", "max_steps: 0.5"),
    "infinite": ("max_steps: 100", "learning_rate: .inf"),
    "not a number": ("clip_hu: [-200, 200]", "clip_hu: [.nan, 200]"),
    "list for a section": ("structures: {brain_stem: 1, left_eye: 2}", "structures: [brain_stem, left_eye]"),
    "word for a section": ("registration: {template: a}", "registration: a"),
    "empty section": ("grid: {spacing_mm: 1.5, size_voxels: 128}", "grid:"),
    "option twice": ("seed: 1", "seed: 1\nseed: 2"),
    "variant twice": ("  paper:\n", "  paper:\n    preset: modern\n  paper:\n"),
    "device": ("device: cpu", "device: gpu"),
    "negative seed": ("seed: 1", "seed: -1"),
    "run with slash": ("run: heads", "run: ../heads"),
    "run with newline": ("run: heads", 'run: "heads\\n"'),
    "run is a number": ("run: heads", "run: 2024"),
    "arm with space": ("  brain:\n", "  the brain:\n"),
    "arm tables": ("  brain:\n", "  tables:\n"),
    "variant masks": ("  paper:\n", "  masks:\n"),
    "no variant": (CONFIG[CONFIG.index("variants:") :], "variants: {}\n"),
    "unknown arm": ("    preset: paper\n", "    preset: paper\n    arms: [brian]\n"),
    "unknown preset": ("preset: paper", "preset: papers"),
    "scenario name": ("[ct, mask, ct_mask]", "[ct, mask, ct+mask]"),
    "scenario twice": ("[ct, mask, ct_mask]", "[ct, ct]"),
    "no scenario": ("[ct, mask, ct_mask]", "[]"),
    "unknown recipe": ("recipe: threshold", "recipe: treshold"),
    "mask of the labels": ("recipe: threshold", "recipe: union"),
    "mask needs registration": ("    registration: {template: a}\n", ""),
    "size above split": ("sizes: [1, 2]", "sizes: [1, 2, 3]"),
    "sizes descend": ("sizes: [1, 2]", "sizes: [2, 1]"),
    "size zero": ("sizes: [1, 2]", "sizes: [0, 2]"),
    "size above table": ("split: {train: 2, validation: 1, test: 1}\n    folds: 1\n    sizes: [1, 2]", "sizes: [1, 3]"),
    "too few cases": ("train: 2, validation: 1, test: 1", "train: 26, validation: 10, test: 10"),
    "nobody tests": ("train: 2, validation: 1, test: 1", "train: 2, validation: 1, test: 0"),
    "misspelt auto": ("split: {train: 2, validation: 1, test: 1}", "split: atuo"),
    "too many folds": ("folds: 1", "folds: 5"),
    "label value 0": ("brain_stem: 1", "brain_stem: 0"),
    "label value twice": ("left_eye: 2", "left_eye: 1"),
    "window reversed": ("[-200, 200]", "[200, -200]"),
    "grid size": ("size_voxels: 128", "size_voxels: 100"),
    "table and phantom": ("    folds: 1\n", "    folds: 1\n    phantom: {anatomy: head, cases: 5}\n"),
    "no such table": ("cases.tsv", "case.tsv"),
    "no such template": ("template: a", "template: aa_ct.nii"),
    "template of a case": ("template: a", "template: {folder}/./d_ct.nii"),
    "split table is gone": ("    folds: 1\n", "    folds: 1\n    split_table: {folder}/splits.tsv\n"),
}

TABLES: dict[str, str | bytes] = {
    "empty table": "",
    "header alone": HEADER,
    "commas": TABLE.replace("\t", ","),
    "utf-16": TABLE.encode("utf-16"),
    "zero bytes in a table": TABLE.replace("a_ct", "a\0ct"),
    "misspelt column": TABLE.replace("label", "lable", 1),
    "surplus field": TABLE.replace("a_label.nii\t\t", "a_label.nii\t\t\tmore"),
    "slash": TABLE.replace("\nb\t", "\n../../b\t"),
    "two dots": TABLE.replace("\nb\t", "\nb..b\t"),
    "space": TABLE.replace("\nb\t", "\nb 2\t"),
    "newline": TABLE.replace("\nb\t", '\n"b\n2"\t'),
    "300 letters": TABLE.replace("\nb\t", "\n" + "b" * 300 + "\t"),
    "letters beyond ASCII": TABLE.replace("\nb\t", "\nMüller\t"),
    "markup": TABLE.replace("\nb\t", "\n<script>alert(1)</script>\t"),
    "shell": TABLE.replace("\nb\t", "\n$(touch b)\t"),
    "option": TABLE.replace("\nb\t", "\n--out\t"),
    "no id": TABLE.replace("\nb\t", "\n\t"),
    "same id": TABLE.replace("\nb\t", "\na\t"),
    "same id in capitals": TABLE.replace("\nb\t", "\nA\t"),
    "same file": TABLE.replace("b_ct", "a_ct"),
    "same file by another way": TABLE.replace("b_ct", "../{name}/a_ct"),
    "label is the ct": TABLE.replace("b_label", "b_ct"),
    "no label": TABLE.replace("b_label.nii", ""),
    "no ct": TABLE.replace("b_ct.nii", ""),
    "no such file": TABLE.replace("b_label", "bb_label"),
    "angle brackets in a path": TABLE.replace("b_ct", "<b>b_ct"),
    "braces in a path": TABLE.replace("b_ct", "{case}"),
    "role": TABLE.replace("b_label.nii\t", "b_label.nii\ttraining"),
    "template is a test case": TABLE.replace("a_label.nii\t", "a_label.nii\ttest"),
    "group in two roles": HEADER
    + ROWS["a"]
    + "".join(
        ROWS[name].replace(".nii\t\t\n", f".nii\t{role}\tanna\n") for name, role in (("b", "train"), ("c", "test"))
    )
    + ROWS["d"],
    "more cases than the split": TABLE + ROWS["e"],
    "two cases": HEADER + ROWS["a"] + ROWS["b"],
}

SPLITS: dict[str, str] = {
    "train and test overlap": SPLIT + "a\ttest\n",
    "unknown case": SPLIT + "e\ttest\n",
    "forgotten case": SPLIT.replace("c\tvalidation\n", ""),
    "nobody validates": SPLIT.replace("validation", "train"),
    "two folds test one case": "case\trole\tfold\n"
    + "".join(f"{line}\t{fold}\n" for fold in (0, 1) for line in SPLIT.splitlines()[1:]),
    "template tests": SPLIT.replace("a\ttrain", "a\ttest"),
}


def read(folder: Path, *, config: str = CONFIG, table: str | bytes = TABLE, split: str | None = None) -> Any:
    """What the Snakefile reads when it starts: config, case table and split table, written into `folder`."""
    for name in ROWS:
        for kind in ("ct", "label"):
            (folder / f"{name}_{kind}.nii").touch()
    for odd in ("<b>b_ct.nii", "{case}.nii"):
        (folder / odd).touch()
    raw = table if isinstance(table, bytes) else table.replace("{name}", folder.name).encode()
    (folder / "cases.tsv").write_bytes(raw)
    if split is not None:
        (folder / "split.tsv").write_text(split, encoding="utf-8")
        config = config.replace("    folds: 1\n", "    split_table: {folder}/split.tsv\n")
    file = folder / "config.yaml"
    file.write_text(config.replace("{folder}", str(folder)), encoding="utf-8")
    return read_run(load_configfile(file), [file])


def spoiled(kind: str) -> dict[str, Any]:
    """The arguments of `read` that make the run of that kind of fault."""
    if kind in CONFIGS:
        old, new = CONFIGS[kind]
        assert CONFIG.count(old) == 1, kind
        return {"config": CONFIG.replace(old, new)}
    if kind in TABLES:
        assert TABLES[kind] != TABLE, kind
        return {"table": TABLES[kind]}
    return {"split": SPLITS[kind]}
