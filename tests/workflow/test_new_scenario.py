"""docs/new-scenario.md: its lines, applied to a copy of the package, give a scenario that plans and computes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from checkout import Checkout
from pages import blocks_of
from workflow.conftest import TINY

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def changed(repository, tmp_path_factory):
    """A checkout in which the page's changes were made, each at the one place that it fits."""
    place = Checkout(repository, tmp_path_factory.mktemp("new scenario"))
    package = place.folder / "workflow" / "globalmask"
    inputs, config = package / "learn" / "inputs.py", package / "config.py"
    page = (repository / "docs" / "new-scenario.md").read_text(encoding="utf-8")
    for block, file in zip(blocks_of(page, "diff"), (inputs, inputs, config), strict=True):
        old, new = (sides(block, mark) for mark in "-+")
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, block
        file.write_text(text.replace(old, new), encoding="utf-8")
    return place


def sides(block, mark):
    """The lines of a diff before (`-`) or after (`+`) the change; the last line may be the start of one."""
    return "\n".join(line[1:] for line in block.splitlines() if line[0] in (" ", mark))


def test_the_new_scenario_plans_with_its_trainings_and_scores(changed):
    variants = "variants={modern: {preset: modern, scenarios: [ct, ct_hole], arms: [brain]}}"
    jobs = changed.planned("--configfile", TINY, "--config", variants)
    before = changed.planned("--configfile", TINY, "--config", variants.replace(", ct_hole", ""))
    assert jobs["train"] == 2 * before["train"]
    assert jobs["score"] == 2 * before["score"]


def test_its_channel_is_the_surroundings_of_the_mask(changed):
    code = (
        "import numpy as np; from globalmask.learn.inputs import channels_of, KEPT;"
        "ct = np.array([[[.2, .4, .6]]]); mask = np.array([[[0, 1, 0]]], np.uint8);"
        "print(channels_of('ct_hole', ct, mask).round(1).tolist(), KEPT['ct_hole'])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=changed.folder / "workflow", capture_output=True, encoding="utf-8", check=True
    )
    assert found.stdout.strip() == "[[[[0.20000000298023224, 0.0, 0.6000000238418579]]]] ()"


def test_without_the_page_the_scenario_is_unknown(checkout):
    variants = "variants={modern: {preset: modern, scenarios: [ct, ct_hole], arms: [brain]}}"
    done = checkout.snakemake("--dry-run", "--configfile", TINY, "--config", variants, check=False)
    assert done.returncode != 0
    assert "ct_hole" in done.stdout
