"""Dry runs: every shipped config plans, the paper's matrix has its size, missing data is told in one block."""

from __future__ import annotations

import shutil

import pytest

pytestmark = pytest.mark.workflow


def empty_table(checkout, arm, count, structures="label"):
    folder = checkout.folder / "data" / arm
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["case\tct\tlabel"]
    for number in range(count):
        for name in ("ct", structures):
            (folder / f"{number}_{name}.nii.gz").touch()
        lines.append(f"c{number}\t{number}_ct.nii.gz\t{number}_{structures}.nii.gz")
    (folder / "cases.tsv").write_text("\n".join(lines) + "\n")
    return folder


def test_without_data_the_first_thing_printed_says_what_is_looked_for(checkout):
    done = checkout.snakemake(check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    for told in ("data/brain/cases.tsv", "data/heart/cases.tsv", "make demo", "case     ct"):
        assert told in done.stdout


def test_lint_is_clean_without_data(checkout):
    assert "Congratulations" in checkout.snakemake("--lint").stdout


def test_the_paper_plans_33_trainings_and_6_mask_networks(checkout):
    folder = empty_table(checkout, "brain", 46)
    empty_table(checkout, "heart", 20)
    (folder / "template.nii.gz").touch()
    try:
        jobs = checkout.planned()
    finally:
        shutil.rmtree(checkout.folder / "data")
    assert jobs["train"] == 33
    assert jobs["train_mask_network"] == 6
    assert jobs["predict_brain_f0"] + jobs["predict_heart_f0"] == 33
    assert jobs["register"] == 46


@pytest.mark.parametrize("name", ["demo", "tiny"])
def test_synthetic_configs_plan_without_any_file(checkout, name):
    jobs = checkout.planned("--configfile", f"workflow/config/{name}.yaml")
    assert jobs["make_report"] == 1


@pytest.mark.real
def test_the_real_config_plans_54_trainings(checkout, real_data):
    jobs = checkout.planned("--configfile", "workflow/config/openkbp.yaml", "--config", f"data_dir={real_data}/openkbp")
    assert jobs["train"] == 6 * 3 * 3


@pytest.mark.parametrize(
    "target", ["check", "splits", "prepared", "masks", "models", "predictions", "scores", "tables", "figures", "report"]
)
def test_every_stage_is_a_target(checkout, target):
    checkout.planned(target, "--configfile", "workflow/config/tiny.yaml")


def test_a_misspelt_option_is_one_block_before_any_job(checkout):
    done = checkout.snakemake("--configfile", "workflow/config/tiny.yaml", "--config", "sead=1", check=False)
    assert done.returncode == 2
    assert "write 'seed'" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("profile", ["gpu", "slurm"])
def test_profiles_plan(checkout, profile):
    checkout.planned(
        "--workflow-profile",
        f"profiles/{profile}",
        "--configfile",
        "workflow/config/tiny.yaml",
        "--config",
        "device=cuda",
    )
