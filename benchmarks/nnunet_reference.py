"""nnU-Net v2 as a strong reference: the training subset, box, test cases and score of variant `modern`, from CT alone.

    make nnunet                                                                       n = 4 and 26, replicate 0
    .venv/bin/python benchmarks/nnunet_reference.py --sizes 4 26 --replicates 0 1     trains what is missing

What is compared is network and training. So nnU-Net gets the prepared CT (registered, 3 mm, one box), as `modern`
does, and plans on that; on the scans' own grid it would be a comparison of whole pipelines, and of registration most.
It sees the labels of the n training cases and no other: not for its plan, its intensity window, or to choose weights
(`labels_val` is 0; `modern` chooses weights by the validation cases, so the reference has fewer labels). Validation
cases are predicted afterwards and scored into the record: judge `--iterations` and `--no-mirroring` by them.

Writes `docs/evidence/nnunet/{n}_r{replicate}.csv` (columns of scores.csv) and `.json` (how it was trained).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk

from globalmask import config
from globalmask.errors import UserError
from globalmask.evidence.reference import against_reference
from globalmask.evidence.score import compare, write_rows
from globalmask.imaging.images import read_image
from globalmask.intake.cases import missing_data_block
from globalmask.intake.cohort import Cohort
from globalmask.intake.splits import Split
from globalmask.masks.quality import lost_shares
from globalmask.provenance import torch_seed, write_json

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "workflow" / "config" / "evidence.yaml"
CELLS = ROOT / "docs" / "evidence" / "cells"
OUT = ROOT / "docs" / "evidence" / "nnunet"
WORK = ROOT / "build" / "nnunet"
PEERS = ROOT / ".venv-peers" / "bin" / "python"
TRAIN = ROOT / "benchmarks" / "peers" / "nnunet_train.py"
NUMBER = 501  # nnU-Net leaves 1 to 10 to the Decathlon
VARIANT = "nnunet"


@dataclass(frozen=True)
class Task:
    """One training: the first `n` cases of a replicate's order, tested on its fold."""

    cohort: Cohort
    n: int
    replicate: int

    @property
    def name(self) -> str:
        return f"{self.n}_r{self.replicate}"

    @property
    def split(self) -> Split:
        return self.cohort.split(self.replicate)

    @property
    def train(self) -> list[str]:
        return self.split.train_order[: self.n]

    @property
    def prepared(self) -> Path:
        return ROOT / "results" / self.cohort.config.run / self.cohort.name / "prepared"

    @property
    def row(self) -> dict[str, Any]:
        """The columns of scores.csv that are equal in all rows."""
        return {
            "run": self.cohort.config.run,
            "data": self.cohort.arm.data,
            "arm": self.cohort.name,
            "variant": VARIANT,
            "preset": VARIANT,
            "mask_recipe": "",
            "mask_set": "",
            "scenario": "ct",
            "n_train": self.n,
            "replicate": self.replicate,
            "fold": self.split.fold,
            "labels_train": self.n,
            "labels_val": 0,
            "labels_mask": 0,
        }


def tasks_of(given: argparse.Namespace) -> list[Task]:
    """What is asked for and not in `given.out` yet.

    Raises UserError where the data are missing, the box of a case is not its prepared grid, or a size is too large.
    """
    settings = config.read(CONFIG)
    cohort = Cohort.of(settings, given.arm)
    if not cohort.rows:
        raise missing_data_block([cohort.wanted])
    if not cohort.arm.registration:
        raise UserError(f"Arm '{given.arm}' is not registered, so the box of a case is not its prepared grid.")
    if max(given.sizes) > cohort.counts.train:
        raise UserError(
            f"Arm '{given.arm}' has {cohort.counts.train} training cases.", found=f"size {max(given.sizes)}"
        )
    tasks = [Task(cohort, n, replicate) for replicate in given.replicates for n in given.sizes]
    return [task for task in tasks if not (given.out / f"{task.name}.json").is_file()]


def write_dataset(folder: Path, task: Task, prepared: Path) -> None:
    """Write nnU-Net's raw data set: CT and label of the training cases, the CT alone of validation and test cases."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("imagesTr", "labelsTr", "imagesTs"):
        (folder / name).mkdir(parents=True)
    for case in task.train:
        shutil.copyfile(prepared / case / "ct.nii.gz", folder / "imagesTr" / f"{case}_0000.nii.gz")
        shutil.copyfile(prepared / case / "label.nii.gz", folder / "labelsTr" / f"{case}.nii.gz")
    for case in [*task.split.validation, *task.split.test]:
        shutil.copyfile(prepared / case / "ct.nii.gz", folder / "imagesTs" / f"{case}_0000.nii.gz")
    structures = {name: number for number, name in enumerate(task.cohort.arm.structures, 1)}
    description = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, **structures},
        "numTraining": len(task.train),
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "SimpleITKIO",
    }
    write_json(folder / "dataset.json", description)


def prepare_missing(tasks: Sequence[Task]) -> None:
    """Let the workflow prepare the cases that are not there yet."""
    cases = {task.prepared / case for task in tasks for case in (*task.train, *task.split.validation, *task.split.test)}
    files = [case / f"{kind}.nii.gz" for case in sorted(cases) for kind in ("ct", "label")]
    missing = [str(file.relative_to(ROOT)) for file in files if not file.is_file()]
    if missing:
        snakemake = [sys.executable, "-m", "snakemake", "--cores", "1", "--configfile", str(CONFIG)]
        subprocess.run([*snakemake, "--quiet", "rules", "--", *missing], cwd=ROOT, check=True)


def train_and_predict(task: Task, given: argparse.Namespace) -> tuple[Path, dict[str, Any]]:
    """Run nnU-Net in its own environment; returns the folder of its predictions and its record."""
    folder = WORK / task.name
    shutil.rmtree(folder, ignore_errors=True)
    name = f"Dataset{NUMBER}_{task.cohort.name}"
    write_dataset(folder / "raw" / name, task, task.prepared)
    settings = {
        "number": NUMBER,
        "name": name,
        "images": str(folder / "raw" / name / "imagesTs"),
        "predictions": str(folder / "predictions"),
        "record": str(folder / "record.json"),
        "iterations": given.iterations,
        "epoch": given.epoch,
        "mirroring": given.mirroring,
        "threads": given.threads,
        "seed": torch_seed(task.cohort.config.seed, task.cohort.name, VARIANT, task.replicate),
    }
    write_json(folder / "settings.json", settings)
    with open(folder / "log.txt", "w", encoding="utf-8") as log:
        done = subprocess.run(
            [PEERS, TRAIN, folder / "settings.json"],
            env=environment(folder, given.threads),
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise UserError("nnU-Net failed.", file=folder / "log.txt", found=f"exit code {done.returncode}")
    return folder / "predictions", json.loads((folder / "record.json").read_text(encoding="utf-8"))


def environment(folder: Path, threads: int) -> dict[str, str]:
    """One process, `threads` threads, no compilation, folders below `folder`."""
    libraries = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    folders = {f"nnUNet_{name}": str(folder / name) for name in ("raw", "preprocessed", "results")}
    processes = {"nnUNet_n_proc_DA": "1", "nnUNet_def_n_proc": "1", "nnUNet_compile": "f"}
    return {**os.environ, **libraries, **folders, **processes}


def scored(task: Task, predictions: Path, cases: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of `cases` by the scoring code of the workflow, on the prepared grid."""
    structures = task.cohort.arm.structures
    rows: list[dict[str, Any]] = []
    for case in cases:
        label = read_image(task.prepared / case / "label.nii.gz", case=case)
        raw = read_image(task.cohort.cases[case].label, case=case)
        transform = sitk.ReadTransform(str(task.prepared / case / "to_template.mat"))
        lost = lost_shares(raw, label, values=structures, transform=transform)
        predicted = sitk.Cast(read_image(predictions / f"{case}.nii.gz", case=case), sitk.sitkUInt8)
        found = compare(label, predicted, structures=list(structures), lost=lost)
        rows += [{**task.row, "case": case, "space": "crop", **row} for row in found]
    return rows


def run(task: Task, given: argparse.Namespace) -> None:
    """Train one nnU-Net and write its scores and record."""
    predictions, record = train_and_predict(task, given)
    validation = [row["dice"] for row in scored(task, predictions, task.split.validation)]
    about = {"arm": task.cohort.name, "n_train": task.n, "replicate": task.replicate, "train": task.train}
    scores = scored(task, predictions, task.split.test)
    write_rows(scores, given.out / f"{task.name}.csv")
    write_json(given.out / f"{task.name}.json", about | record | {"validation_dice": round(np.nanmean(validation), 6)})
    print(f"n = {task.n}, replicate {task.replicate}: test Dice {np.nanmean([row['dice'] for row in scores]):.3f}")


def comparison(cells: Path, out: Path) -> list[str]:
    """`modern` against every reference in `out`, a sentence an arm, variant and size; nothing where one is missing."""
    ours, theirs = sorted(cells.rglob("scores.csv")), sorted(out.glob("*.csv"))
    if not (ours and theirs):
        return []
    tables = [pd.concat(map(pd.read_csv, paths)) for paths in (ours, theirs)]
    return [found.sentence for found in against_reference(*tables)]


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arm", default="brain")
    parser.add_argument("--sizes", type=int, nargs="+", default=[4, 26])
    parser.add_argument("--replicates", type=int, nargs="+", default=[0])
    parser.add_argument("--iterations", type=int, default=500, help="optimiser steps; a multiple of --epoch")
    parser.add_argument("--epoch", type=int, default=25, help="steps after which the learning rate falls")
    parser.add_argument("--no-mirroring", dest="mirroring", action="store_false", help="as nnUNetTrainerNoMirroring")
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    parser.add_argument("--threads", type=int, default=1, help="of one training")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args(words)
    if given.iterations % given.epoch or given.iterations < given.epoch:
        parser.error("--iterations must be a multiple of --epoch")
    return given


def main() -> None:
    """Train what is missing, then compare."""
    given = arguments()
    try:
        if not PEERS.is_file():
            raise UserError("nnU-Net is not installed.", file=PEERS, todo="make peers")
        tasks = tasks_of(given)
        prepare_missing(tasks)
        with ThreadPoolExecutor(given.jobs) as pool:
            list(pool.map(lambda task: run(task, given), tasks))
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print("\n".join(comparison(CELLS, given.out) or ["No cells to compare with under docs/evidence/cells."]))


if __name__ == "__main__":
    main()
