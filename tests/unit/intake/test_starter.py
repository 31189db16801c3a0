"""`globalmask init`: a valid config that says what the flags say; nothing written where something is amiss."""

from __future__ import annotations

import shlex

import pytest

from globalmask import config
from globalmask.cli import app
from globalmask.errors import UserError
from globalmask.intake.cohort import Cohort
from imports import blocks, write

SCANS = "--ct 'ct/{case}.nii.gz' --label 'labels/{case}_seg.nii.gz'"
NAMED = "--structure cortex=1 --structure pelvis=2"


@pytest.fixture
def scans(tmp_path, monkeypatch):
    """Five cases with CT, label (values 1 and 2) and mask below `scans`, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for number in range(5):
        for place, values in (("ct/k{}", (40,)), ("labels/k{}_seg", (1, 2)), ("masks/k{}", (1,))):
            write(blocks(*values), tmp_path / "scans" / f"{place.format(number)}.nii.gz")
    return tmp_path


def init(line):
    app(["init", *shlex.split(line)], standalone_mode=False)


@pytest.mark.parametrize(
    ("recipe", "more"), [("threshold", "--template k3"), ("learned", ""), ("file", "--mask 'masks/{case}.nii.gz'")]
)
@pytest.mark.parametrize("trial", ["", "--trial"])
def test_the_config_is_valid_and_says_what_the_flags_say(scans, recipe, more, trial, capsys):
    init(f"scans data/kidney --arm kidney --recipe {recipe} {NAMED} {SCANS} {more} {trial}")
    settings = config.read("data/kidney/config.yaml")
    arm = settings.arms["kidney"]
    assert (settings.run, arm.data, arm.structures) == ("kidney", "real", {"cortex": 1, "pelvis": 2})
    assert arm.mask.recipe == recipe
    assert (arm.registration and arm.registration.template) == ("k3" if recipe == "threshold" else None)
    assert arm.grid.size_voxels == (32 if trial else 128)
    cohort = Cohort.of(settings, "kidney")
    assert list(cohort.cases) == [f"k{number}" for number in range(5)]
    cohort.check()
    assert ".venv/bin/snakemake --cores all check --configfile data/kidney/config.yaml" in capsys.readouterr().out


def test_a_case_table_may_stand_in_for_the_folder(scans):
    app(["import", "folder", "scans", "data/own", *shlex.split(SCANS)], standalone_mode=False)
    init(f"data/own/cases.tsv data/study --arm kidney --recipe learned {NAMED}")
    settings = config.read("data/study/config.yaml")
    assert settings.arms["kidney"].cases == "data/own/cases.tsv"
    assert len(Cohort.of(settings, "kidney").rows) == 5
    assert not (scans / "data" / "study" / "cases.tsv").exists()


def test_without_names_the_values_in_the_first_label_are_told(scans):
    with pytest.raises(UserError, match=r"(?s)values 1, 2.*--structure NAME=1 --structure NAME=2"):
        init(f"scans data/kidney --arm kidney --recipe learned {SCANS}")
    assert not (scans / "data").exists()


def test_nothing_is_overwritten(scans):
    line = f"scans data/kidney --arm kidney --recipe learned {NAMED} {SCANS}"
    init(line)
    before = (scans / "data/kidney/config.yaml").read_bytes()
    with pytest.raises(UserError, match="nothing is overwritten"):
        init(line.replace("kidney --recipe", "liver --recipe"))
    assert (scans / "data/kidney/config.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"scans out --arm k --recipe file {NAMED} {SCANS}", "needs --mask"),
        (f"scans out --arm k --recipe learned {NAMED} --label 'labels/{{case}}_seg.nii.gz'", "need --ct"),
        (f"scans out --arm k --recipe learned {NAMED} {SCANS} --template k1", "has no template"),
        (f"scans out --arm k --recipe threshold {NAMED} {SCANS} --template k9", "neither a case nor a file"),
        (f"scans out --arm k --recipe union {NAMED} {SCANS}", "Unknown recipe"),
        (f"scans out --arm tables --recipe learned {NAMED} {SCANS}", "cannot name an arm"),
        (f"scans out --arm k --recipe learned --structure cortex {SCANS}", "NAME=VALUE"),
        (f"scans out --arm k --recipe learned --structure a=1 --structure b=1 {SCANS}", "same label value"),
        (f"nowhere out --arm k --recipe learned {NAMED} {SCANS}", "not there"),
        (f"scans out --arm k --recipe learned {NAMED} --ct 'x/{{case}}' --label 'y/{{case}}'", "No file fits"),
    ],
)
def test_what_does_not_fit_is_told_and_nothing_is_written(scans, line, told):
    with pytest.raises(UserError, match=told):
        init(line)
    assert not (scans / "out").exists()
