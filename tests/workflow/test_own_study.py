"""A third arm of any structures, with every mask recipe, by `globalmask init` and config alone: all of it plans."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from imports import blocks, write

pytestmark = pytest.mark.workflow

PATTERNS = ("--ct", "ct/{case}.nii.gz", "--label", "labels/{case}_seg.nii.gz")
MASKS = ("--mask", "masks/{case}.nii.gz")


@pytest.fixture(scope="module")
def scans(checkout):
    """Five kidneys: CT, label of two parts, mask."""
    for number in range(5):
        for place, values in (("ct/k{}", (40,)), ("labels/k{}_seg", (1, 2)), ("masks/k{}", (1,))):
            write(blocks(*values), checkout.folder / "own" / f"{place.format(number)}.nii.gz")
    return checkout


@pytest.mark.parametrize(
    ("recipe", "more", "masks"),
    [
        ("threshold", ("--template", "k2"), {"register": 5, "mask_threshold": 5}),
        ("learned", (), {"train_mask_network": 4, "mask_learned_kidney_full_f0": 1}),
        ("file", MASKS, {"mask_file": 5}),
    ],
)
def test_an_organ_that_the_program_has_never_heard_of_plans(scans, recipe, more, masks):
    wishes = ("--arm", "kidney", "--recipe", recipe, "--structure", "cortex=1", "--structure", "pelvis=2")
    subprocess.run(
        [sys.executable, "-m", "globalmask", "init", "own", f"data/{recipe}", *wishes, *PATTERNS, *more],
        cwd=scans.folder,
        env=os.environ | {"PYTHONPATH": str(scans.folder / "workflow")},
        check=True,
        capture_output=True,
    )
    jobs = scans.planned("--configfile", f"data/{recipe}/config.yaml")
    assert jobs["train"] == jobs["predict_cell_kidney_f0"] == jobs["score"] == 3 * 3
    assert jobs.items() >= masks.items()
    assert {rule for rule in jobs if rule.startswith("mask_")} == {rule for rule in masks if rule.startswith("mask_")}
