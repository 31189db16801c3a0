"""The method tells two synthetic worlds apart; every stage runs as the workflow runs it, without Snakemake."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from globalmask import config
from globalmask.errors import UserError
from globalmask.evidence.floors import floors
from globalmask.evidence.score import CONSTANT, score
from globalmask.evidence.worlds import compare_worlds, report
from globalmask.imaging.images import write_image
from globalmask.intake.cohort import Cohort
from globalmask.intake.phantom import make_body
from globalmask.learn.predict import predict
from globalmask.learn.train import train
from globalmask.masks.supplied import file_mask
from globalmask.prepare.grid import prepare_ct, prepare_label


def tables(*, free: tuple[float, float], fixed: tuple[float, float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores and floors of one case a world: mask-only and atlas, mask-only and ceiling."""
    scores = [("free", "mask", "crop", free[0]), ("fixed", "mask", "crop", fixed[0])]
    scores += [("free", "ct", "crop", 1.0), ("fixed", "mask", "native", 0.0)]
    known = [("free", "atlas", "crop", free[1]), ("fixed", "atlas", "crop", 0.5)]
    known += [("fixed", "silhouette", "crop", fixed[1]), ("free", "resampling", "crop", 1.0)]
    return (
        pd.DataFrame(scores, columns=["arm", "scenario", "space", "dice"]),
        pd.DataFrame(known, columns=["arm", "method", "space", "dice"]),
    )


@pytest.mark.parametrize(
    ("free", "fixed", "holds"),
    [
        ((0.62, 0.60), (0.91, 0.95), [True, True]),
        ((0.30, 0.60), (0.91, 0.95), [True, True]),
        ((0.64, 0.60), (0.91, 0.95), [False, True]),
        ((0.62, 0.60), (0.89, 0.95), [True, False]),
    ],
)
def test_bounds(free, fixed, holds):
    means = compare_worlds(*tables(free=free, fixed=fixed))
    assert means["holds"].tolist() == holds
    assert means["mask_only"].tolist() == [free[0], fixed[0]]


def test_a_broken_bound_is_an_error_and_the_numbers_are_printed(tmp_path, capsys):
    for name, table in zip(("scores", "floors"), tables(free=(0.7, 0.6), fixed=(0.9, 0.92)), strict=True):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    with pytest.raises(UserError, match="tell the two phantom worlds apart"):
        report(tmp_path)
    assert "+0.100" in capsys.readouterr().out


@pytest.mark.slow
def test_the_mask_network_tells_the_two_worlds_apart(repository, tmp_path):
    settings = config.load(
        yaml.safe_load((repository / "workflow" / "config" / "worlds.yaml").read_text(encoding="utf-8"))
    )
    for world in ("free", "fixed"):
        run_world(settings, world, tmp_path / world)
    scores, known = (
        pd.concat([pd.read_csv(tmp_path / world / name) for world in ("free", "fixed")])
        for name in ("scores.csv", "floors.csv")
    )
    means = compare_worlds(scores, known)
    print(means)
    assert means["holds"].all(), means
    # The bounds are of use only where the worlds are far apart.
    assert means.at["fixed", "ceiling"] > 0.9
    assert means.at["fixed", "mask_only"] > means.at["fixed", "atlas"] + 0.1


def run_world(settings: config.Config, world: str, folder: Path) -> None:
    """Phantoms, preparation, masks, one training, predictions, scores and floors of one arm of worlds.yaml."""
    arm, cohort = settings.arms[world], Cohort.of(settings, world)
    split, size, variant = cohort.split(0), arm.grid.size_voxels, settings.variants["modern"]
    for number, case in enumerate(cohort.cases):
        make_case_files(folder, case, world, number, arm, settings.seed)
    shared = {"prepared_dir": folder / "prepared", "masks_dir": folder / "masks"}
    train(
        **shared,
        train_cases=split.train_order,
        validation_cases=split.validation,
        scenario="mask",
        settings=variant.settings,
        structures=list(arm.structures),
        clip_hu=arm.clip_hu,
        size_voxels=size,
        seed_words={"seed": settings.seed, "arm": world, "replicate": 0},
        device="cpu",
        threads=1,
        out_dir=folder,
        checkpoint_dir=None,
        header={},
    )
    raw = {kind: {case: folder / "raw" / case / f"{kind}.nii.gz" for case in split.test} for kind in ("ct", "label")}
    places = {"out_dir": folder / "predictions", "native_dir": folder / "native"}
    predict(
        model_path=folder / "model.safetensors",
        **shared,
        raw_cts=raw["ct"],
        cases=split.test,
        **places,
        device="cpu",
        threads=1,
    )
    score(
        predictions_dir=folder / "predictions",
        native_dir=folder / "native",
        **shared,
        raw_labels=raw["label"],
        label_values=arm.structures,
        cases=split.test,
        structures=list(arm.structures),
        meta=dict.fromkeys(CONSTANT, "x") | {"arm": world, "scenario": "mask"},
        out_path=folder / "scores.csv",
    )
    floors(
        prepared_dir=folder / "prepared",
        masks_dirs={len(split.train_order): folder / "masks"},
        train_order=split.train_order,
        raw_labels=raw["label"],
        second_labels={},
        label_values=arm.structures,
        silhouette_fixes=world == "fixed",
        meta={"run": "worlds", "data": "synthetic", "arm": world, "replicate": 0, "fold": 0},
        out_path=folder / "floors.csv",
    )


def make_case_files(folder: Path, case: str, world: str, number: int, arm: config.Arm, seed: int) -> None:
    raw, prepared = folder / "raw" / case, folder / "prepared" / case
    for kind, image in zip(("ct", "label", "mask"), make_body(world, number, seed=seed), strict=True):
        write_image(image, raw / f"{kind}.nii.gz")
    prepare_ct(raw / "ct.nii.gz", prepared / "ct.nii.gz", grid=arm.grid)
    numbers = {value: number for number, value in enumerate(arm.structures.values(), 1)}
    prepare_label(raw / "label.nii.gz", prepared / "ct.nii.gz", prepared / "label.nii.gz", values=numbers)
    file_mask(
        mask_path=raw / "mask.nii.gz",
        prepared_ct_path=prepared / "ct.nii.gz",
        out_mask=folder / "masks" / f"{case}.nii.gz",
        out_json=folder / "masks" / f"{case}.json",
        size_voxels=arm.grid.size_voxels,
        case=case,
        registered=False,
    )
