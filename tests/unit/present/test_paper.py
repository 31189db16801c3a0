"""Methods, references, checklist and LaTeX for the paper that a user writes: what they say follows from the run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from fake_evidence import analysis_of, analysis_row
from globalmask.config import load
from globalmask.present import paper
from globalmask.present.outputs import PAPER_FILES

Run = tuple[Path, dict[str, Any]]


@pytest.fixture
def run(make_run: Callable[..., Run], repository: Path) -> Run:
    """A fake run with the config and settings of demo.yaml."""
    run_dir, plan = make_run(images=False)
    text = (repository / "workflow" / "config" / "demo.yaml").read_text(encoding="utf-8")
    config = load(yaml.safe_load(text))
    plan["config"] = config.model_dump()
    plan["variants"][0]["settings"] = config.variants["modern"].settings.model_dump()
    return run_dir, plan


def methods_of(run: Run) -> str:
    run_dir, plan = run
    paper.make_paper(run_dir=run_dir, plan=plan, out_dir=run_dir / "paper")
    return (run_dir / "paper" / "methods.md").read_text(encoding="utf-8")


def test_every_promised_file_is_written(run: Run) -> None:
    methods_of(run)
    assert sorted(path.name for path in (run[0] / "paper").iterdir()) == sorted(PAPER_FILES)


def test_methods_say_what_the_config_says(run: Run) -> None:
    text = methods_of(run)
    assert "12 synthetic scans with 3 contoured structures (brain stem, left eye, right eye)" in text
    assert "8 cases trained, 0 validated and 4 tested" in text  # the fake split has no validation
    assert "template (brain_13) by a rigid transform" in text
    assert "4 mm isotropic" in text and "48³ voxels fixed in template space" in text
    assert "48³ voxels of 8 mm whose target is the union of all structures" in text
    assert "8 channels in the first block; leaky ReLU" in text and "400 optimiser steps" in text
    assert "SYNTHETIC" in text
    assert "5e" * 32 in text and "- arm brain: 3 replicates at n = 8, planned are 10" in text
    assert "torch 2.9.0 [@paszke2019]" in text


@pytest.mark.parametrize(
    ("change", "said", "unsaid"),
    [
        ({"activation": "sigmoid", "norm": "batch"}, "batch normalisation [@ioffe2015]", "ulyanov"),
        ({"schedule": "constant"}, "Learning rate 0.003, constant", "smith2019"),
        ({"augmentation": False}, "No augmentation.", "rotation"),
        ({"dropout": 0.2}, "spatial dropout 0.2 [@tompson2015]", "no dropout"),
        ({"loss": "dice"}, "squared denominators [@milletari2016].", "cross-entropy with"),
    ],
)
def test_another_setting_gives_another_sentence(run: Run, change: dict[str, Any], said: str, unsaid: str) -> None:
    run[1]["variants"][0]["settings"] |= change
    text = methods_of(run)
    assert said in text
    assert unsaid not in text


def test_registration_is_cited_only_where_it_was_done(run: Run) -> None:
    run[1]["config"]["arms"]["brain"]["registration"] = None
    assert "ANTs" not in methods_of(run)
    assert "avants2011" not in (run[0] / "paper" / "references.bib").read_text(encoding="utf-8")


def test_references_are_those_that_are_cited(run: Run) -> None:
    text = methods_of(run) + (run[0] / "paper" / "claim_checklist.md").read_text(encoding="utf-8")
    found = re.findall(
        r"^@\w+\{(\w+),", (run[0] / "paper" / "references.bib").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert set(found) == set(re.findall(r"@(\w+\d{4})", text))
    assert len(found) == len(set(found))


def test_a_citation_without_an_entry_is_an_error() -> None:
    with pytest.raises(KeyError, match="nobody1900"):
        paper.references("[@nobody1900]")


def test_braces_of_the_library_are_balanced() -> None:
    text = (paper.TEMPLATES / "library.bib").read_text(encoding="utf-8")
    assert text.count("{") == text.count("}")
    assert len(paper._ENTRY.findall(text)) == text.count("\n@") + 1


def test_the_checklist_has_every_item_and_leaves_what_it_cannot_know(run: Run) -> None:
    for arm in run[1]["arms"]:
        arm["synthetic"] = False
    methods_of(run)
    rows = re.findall(
        r"^\| (\d+) \| .* \| (.*) \|$", (run[0] / "paper" / "claim_checklist.md").read_text(), re.MULTILINE
    )
    assert [int(number) for number, _ in rows] == list(range(1, 43))
    filled = dict(rows)
    assert filled["20"].startswith("brain: 8 training, 0 validation, 4 test")
    assert filled["12"] == "**you**" and filled["34"] == "**you**"
    assert "SYNTHETIC" not in "".join(filled.values())


def test_dice_with_intervals_is_what_the_analysis_says(run: Run) -> None:
    level = {"scenario": "ct", "reference": "", "family": ""}
    analysis = analysis_of(
        analysis_row("dice_level", 4, 0.712, (0.641, 0.783), **level),
        analysis_row("dice_level", 4, 0.8, (), **level | {"scenario": "mask"}),
        analysis_row("dice_gain", 4, 0.0551, (0.0112, 0.099), p_adjusted=0.0004),
        analysis_row("dice_gain", 8, -0.0051, (-0.0212, 0.011), p_adjusted=0.21),
    )
    table = paper.interval_table(run[1], analysis)
    rows = {(row[0], row[2]): row[3:] for row in table.rows}
    assert rows["brain", "4"] == ["0.71 (0.64 to 0.78)", "0.80", "–", "+0.06 (+0.01 to +0.10)", "<0.001"]
    assert rows["brain", "8"][-2:] == ["-0.01 (-0.02 to +0.01)", "0.210"]
    assert rows["heart", "4"] == ["–"] * 5
    assert isinstance(table.tidy, pd.DataFrame) and len(table.tidy) == 4


def test_the_latex_of_the_intervals_has_as_many_cells_in_each_row(run: Run) -> None:
    methods_of(run)
    text = (run[0] / "paper" / "dice_intervals.tex").read_text(encoding="utf-8")
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 8
    assert {line.count("&") for line in rows} == {7}
    assert r"95 \%" in text
