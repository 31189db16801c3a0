"""Dry runs: every shipped config plans, the paper's matrix has its size, missing data is told in one block."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from checkout import STAGES
from globalmask.present.forecast import planned_jobs
from workflow.conftest import TINY

pytestmark = pytest.mark.workflow


def empty_table(checkout, arm, count, columns=("ct", "label")):
    folder = checkout.folder / "data" / arm
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["case\tct\tlabel\tmask"]
    for number in range(count):
        files = {name: f"{number}_{name}.nii.gz" for name in columns}
        for name in files.values():
            (folder / name).touch()
        lines.append("\t".join([f"c{number}", *(files.get(name, "") for name in ("ct", "label", "mask"))]))
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
    assert jobs["predict_cell_brain_f0"] + jobs["predict_cell_heart_f0"] == 33
    assert jobs["register"] == 46


def test_30_cases_and_no_split_just_work_and_masks_need_no_ct(checkout):
    folder = empty_table(checkout, "shapes", 30, columns=("label", "mask"))
    config = checkout.folder / "shapes.yaml"
    config.write_text(
        """
run: shapes
arms:
  shapes:
    cases: data/shapes/cases.tsv
    structures: {organ: 1}
    mask: {recipe: file}
variants:
  paper: {preset: paper, scenarios: [mask]}
"""
    )
    try:
        output = checkout.snakemake("--dry-run", "--quiet", "rules", "--configfile", "shapes.yaml").stdout
    finally:
        shutil.rmtree(folder)
    assert "split: {train: 17, validation: 6, test: 7}" in output
    assert "sizes: [1, 2, 4, 8, 16, 17]" in output


@pytest.mark.parametrize("name", ["demo", "tiny"])
def test_synthetic_configs_plan_without_any_file(checkout, name):
    jobs = checkout.planned("--configfile", f"workflow/config/{name}.yaml")
    assert jobs["make_report"] == 1


def test_variants_folds_and_mask_recipes_share_what_they_can(checkout, repository):
    jobs = checkout.planned("--configfile", str(repository / "tests" / "workflow" / "strict.yaml"))
    assert jobs["train"] == 36 + 6 + 12 + 1
    assert jobs["mask_threshold"] == 5
    assert jobs["mask_union"] == 10
    # two folds of `full` with three networks each; `budget` has one network at n = 1 and three at n = 2
    assert jobs["train_mask_network"] == 2 * 3 + 3 * (1 + 3)
    assert {rule for rule in jobs if rule.startswith("predict")} == {
        "predict_cell_brain_f0",
        "predict_cell_heart_f0",
        "predict_cell_heart_f1",
    }


def test_shifts_of_test_cts_are_planned_where_the_config_asks(checkout):
    tiny = ("--configfile", "workflow/config/tiny.yaml")
    jobs = checkout.planned(*tiny, "--config", "robustness={shifts: [noise, blur]}")
    assert (jobs["shift_case"], jobs["score_shifted"], jobs["gather_robustness"]) == (2 * 2, 2 * 3, 1)
    assert not {"shift_case", "score_shifted", "gather_robustness"} & set(checkout.planned(*tiny))


def test_controls_unfilled_masks_and_supplied_beside_learned_masks_plan_in_one_run(checkout, repository):
    config = str(repository / "tests" / "workflow" / "controls.yaml")
    jobs = checkout.planned("--configfile", config)
    assert jobs["train"] == 2 * 2 * 5 + 2 + 2
    assert jobs["mask_threshold"] == 2 * 5
    assert (jobs["mask_file"], jobs["phantom_with_mask"], jobs["phantom"]) == (5, 5, 5)
    # `budget`: one network at n = 1, one and two more at n = 2
    assert jobs["train_mask_network"] == 1 + 3
    # The arm `body` asks for no floors.
    assert (jobs["floors"], jobs["gather_floors"]) == (1, 1)


def test_another_case_s_mask_is_an_input_and_a_setting_of_that_scenario_alone(checkout, repository):
    config = str(repository / "tests" / "workflow" / "controls.yaml")

    def training(scenario):
        """Cases whose masks and whose CTs it reads, and whose mask stands in for whose."""
        target = f"results/controls/brain/learned/{scenario}/n1/r0/model.safetensors"
        output = checkout.snakemake(target, "--dry-run", "--printshellcmds", "--configfile", config).stdout
        block = output[output.index("rule train:") :]
        inputs = block[: block.index("output:")]
        lent = re.search(r'"mask_cases": (\{.*?\})', block)
        return (
            set(re.findall(r"masks/base/(\w+)\.nii\.gz", inputs)),
            set(re.findall(r"prepared/(\w+)/ct\.nii\.gz", inputs)),
            json.loads(lent.group(1)) if lent else None,
        )

    masks, cases, lent = training("ct_mask")
    assert (masks, lent) == (cases, None)
    masks, cases, lent = training("ct_wrongmask")
    assert set(lent) == cases
    assert masks == cases | set(lent.values()) > cases
    assert all(case != other for case, other in lent.items())


def test_the_two_worlds_plan(checkout):
    jobs = checkout.planned("scores", "--configfile", "workflow/config/worlds.yaml")
    assert jobs["train"] == 2
    assert jobs["floors"] == 2


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "trainings"), [("openkbp", 6 * 3 * 3), ("ladder", 10 * 2 * 2 * 3 + 2 * 2 * 2 + 2 * 2)]
)
def test_the_real_configs_plan_their_trainings(checkout, real_data, name, trainings):
    config = ("--configfile", f"workflow/config/{name}.yaml", "--config", f"data_dir={real_data}/openkbp")
    assert checkout.planned("models", *config)["train"] == trainings


def test_every_stage_is_a_target(checkout):
    assert checkout.planned(*STAGES, "--configfile", TINY) == checkout.planned("all", "--configfile", TINY)


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


def test_how_many_share_a_gpu_stands_in_no_command_but_that_of_the_plan(checkout):
    def commands(most):
        changed = ("--config", f"trainings_per_gpu={most}", "device=cuda")
        told = checkout.snakemake("--dry-run", "--printshellcmds", "--configfile", TINY, *changed).stdout
        return {line for line in told.splitlines() if "globalmask " in line}

    one = commands(1)
    assert sum("--device cuda" in command for command in one) > 2
    assert ["globalmask write-plan" in command for command in one - commands(2)] == [True]


def test_the_plan_of_a_run_counts_the_jobs_of_a_dry_run(checkout, monkeypatch):
    monkeypatch.chdir(checkout.folder)
    assert planned_jobs(checkout.folder / TINY, 1) == checkout.planned("--configfile", TINY)


def test_an_unlocking_needs_no_data(checkout):
    assert "Unlocked working directory" in checkout.snakemake("--unlock").stdout
