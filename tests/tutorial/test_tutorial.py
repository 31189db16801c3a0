"""docs/tutorial.md, line by line as it stands: a third organ by config alone, from raw scans to the report."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import SimpleITK as sitk

from checkout import Checkout
from pages import blocks_of, commands_of

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


@pytest.fixture(scope="module")
def done(repository, tmp_path_factory):
    """The page's script written, its commands run in order; each output by its command."""
    place = Checkout(repository, tmp_path_factory.mktemp("tutorial"))
    (place.folder / ".venv").symlink_to(sys.prefix)
    page = (repository / "docs" / "tutorial.md").read_text(encoding="utf-8")
    (script,) = blocks_of(page, "python")
    (place.folder / "make_fruit.py").write_text(script, encoding="utf-8")
    said = {command: run(command, place.folder) for command in commands_of(page)}
    return place.folder, said


def run(command: str, folder: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow"), "XDG_CACHE_HOME": str(folder / "cache")}
    found = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    assert found.returncode == 0, f"{command}\n{found.stdout[-4000:]}"
    return found.stdout


def test_the_tutorial_ends_with_scores_of_its_own_structures_and_a_report(done):
    folder, _ = done
    scores = pd.read_csv(folder / "results" / "fruit" / "scores.csv")
    assert set(scores["structure"]) == {"rind", "core"}
    assert set(scores["scenario"]) == {"ct", "mask", "ct_mask"}
    assert set(scores["mask_recipe"]) == {"file"}
    assert (folder / "results" / "fruit" / "report.html").stat().st_size > 10_000


def test_it_plans_what_the_page_says_and_ends_all_trainings(done):
    _, said = done
    (dry,) = [text for command, text in said.items() if "--dry-run" in command]
    assert jobs_in(dry)["train"] == 6
    (status,) = [text for command, text in said.items() if "status" in command]
    assert "6 done" in " ".join(status.split())


def test_a_deleted_figure_comes_back_without_a_training(done):
    folder, said = done
    (again,) = [text for command, text in said.items() if "snakemake" in command and " figures " in command]
    assert (folder / "results" / "fruit" / "figures" / "fig4.png").exists()
    assert jobs_in(again) == {"figures": 1, "make_figures": 1, "features": 2, "total": 4}


def test_the_new_scan_gets_a_label_on_its_own_grid_and_its_measures(done):
    folder, _ = done
    ct, found = (sitk.ReadImage(str(folder / "new" / name)) for name in ("ct/fruit_7.nii.gz", "found.nii.gz"))
    assert (found.GetSize(), found.GetSpacing(), found.GetOrigin()) == (ct.GetSize(), ct.GetSpacing(), ct.GetOrigin())
    assert {"rind", "core"} <= set(re.findall(r"\w+", (folder / "new" / "found.json").read_text(encoding="utf-8")))


def jobs_in(said: str) -> dict[str, int]:
    """Jobs a rule, of Snakemake's table."""
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", said, re.M)}
