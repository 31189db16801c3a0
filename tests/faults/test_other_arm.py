"""A fault in one arm does not stop the other: the default profile keeps going, and the same command ends the work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bad_volumes as bad
from checkout import Checkout

if TYPE_CHECKING:
    from faults.conftest import Tally

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

CONFIG = """
run: two
device: cpu
arms:
  dirty:
    cases: dirty/cases.tsv
    structures: {brain_stem: 1, left_eye: 2, right_eye: 3}
    split: {train: 1, validation: 1, test: 1}
    grid: {spacing_mm: 6.0, size_voxels: 32}
    mask: {recipe: learned}
  clean:
    data: synthetic
    phantom: {anatomy: free, cases: 3}
    structures: {core: 1, knob: 2}
    split: {train: 1, validation: 1, test: 1}
    grid: {spacing_mm: 6.0, size_voxels: 32}
    mask: {recipe: file}
variants:
  modern: {preset: modern}
"""


def dirty_cases(folder: Path) -> bad.Place:
    """Three cases of which the last has the stray value of MM-WHS in its label."""
    lines = ["case\tct\tlabel"]
    for number in (1, 2, 3):
        (folder / str(number)).mkdir(parents=True)
        place = bad.Place.good(folder / str(number))
        place.write_ct(bad.head() + number)
        lines.append(f"d{number}\t{number}/ct.nii.gz\t{number}/label.nii.gz")
    (folder / "cases.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    bad.stray(place)
    return place


def prepared(folder: Path, arm: str) -> int:
    return len(list((folder / "results" / "two" / arm / "prepared").glob("*/label.nii.gz")))


def test_the_other_arm_goes_on_and_the_same_command_ends_the_work(
    repository: Path, tmp_path: Path, tally: Tally
) -> None:
    checkout = Checkout(repository, tmp_path)
    (tmp_path / "two.yaml").write_text(CONFIG, encoding="utf-8")
    place = dirty_cases(tmp_path / "dirty")
    command = ("prepared", "--configfile", "two.yaml")

    done = checkout.snakemake(*command, check=False)

    told = (
        "The label has unknown values.\n  case: d3\n  file: " + str(place.label),
        "421 (0.036 ml; nearest known value 3 = right_eye)",
        "A job failed. Its log is shown above",
    )
    clear = all(part in done.stdout.replace("    ", "") for part in told) and "Traceback" not in done.stdout
    tally.bad_input("a stray value in one of two arms", clear=clear)
    assert done.returncode == 1
    assert (prepared(tmp_path, "clean"), prepared(tmp_path, "dirty")) == (3, 0)
    assert clear, done.stdout[-3000:]
    place.write_label(bad.contours())
    # Snakemake plans behind a check that has to run only when it has run: README, Troubleshooting.
    for _ in range(2):
        checkout.snakemake(*command)
    assert (prepared(tmp_path, "clean"), prepared(tmp_path, "dirty")) == (3, 3)
