"""No test label is an ancestor of anything but scores and pictures, and the label counts of the rows are true.

Walked on the real plan, file by file: threshold and learned masks, full and budget, two folds, no validation
labels; the oracle variant is the one that must be found.
"""

from __future__ import annotations

import pytest

from workflow.graph import GATE, Graph

pytestmark = pytest.mark.workflow

TOLD = (
    *("run", "data", "arm", "variant", "preset", "scenario", "n", "replicate", "fold", "seed", "train_cases"),
    *("validation_cases", "structures", "clip_hu", "grid", "registration", "mask", "mask_set", "train"),
)


@pytest.fixture(scope="module")
def strict(checkout, repository):
    config = str(repository / "tests" / "workflow" / "strict.yaml")
    return Graph.of(checkout.snakemake("--dry-run", "--printshellcmds", "--configfile", config).stdout)


def predicted(job):
    """Cases that a prediction job predicts."""
    return {path.rsplit("/", 1)[1].removesuffix(".nii.gz") for path in job.outputs}


def masks_of(job):
    """Masks and crops among the files that a training or prediction reads."""
    return [path for path in job.inputs if "/masks/" in path and not path.endswith((".quality.json", ".safetensors"))]


def test_no_prediction_follows_from_a_test_label_but_the_oracle_s(strict):
    predictions = strict.of_rule(r"predict_cell_\w+")
    assert len(predictions) == 55
    leaking = {job.cell[:2] for job in predictions if strict.labelled(job.outputs) & predicted(job)}
    assert leaking == {("brain", "oracle"), ("heart", "oracle")}


def test_splits_follow_from_no_file_and_no_stage_reads_what_the_check_wrote(strict):
    assert all(not job.inputs for job in strict.of_rule("write_split"))
    readers = {job.rule for job in strict.jobs if f"/{GATE}" in job.command or "/check/" in job.command}
    assert readers == {"check_case", "check_cohort"}


def test_validation_labels_reach_the_choice_of_weights_and_no_training_input(strict):
    trainings = [job for job in strict.of_rule("train") if job.cell[1] != "oracle"]
    for job in trainings:
        validation = job.settings["validation_cases"]
        own = {f"results/strict/{job.cell[0]}/prepared/{case}/label.nii.gz" for case in validation}
        assert own <= set(job.inputs)
        assert not strict.labelled(set(job.inputs) - own) & set(validation)


def test_without_validation_labels_nothing_of_a_validation_case_is_read(strict):
    (job,) = [job for job in strict.of_rule("train") if job.cell[1] == "unvalidated"]
    assert job.settings["validation_cases"] == []
    assert strict.labelled(job.inputs) == set(job.settings["train_cases"])
    (row,) = [job.settings["row"] for job in strict.of_rule("score") if job.cell[1] == "unvalidated"]
    assert (row["labels_train"], row["labels_val"]) == (2, 0)


def test_a_budget_spends_the_labels_of_the_first_n_cases_beside_full_masks_in_one_run(strict):
    trainings = {job.cell: job for job in strict.of_rule("train") if job.cell[0] == "heart"}
    for replicate in ("r0", "r1", "r2"):
        full, budget = (trainings["heart", name, "ct_mask", "n1", replicate] for name in ("modern", "strict"))
        assert full.settings["train_cases"] == budget.settings["train_cases"]
        assert strict.labelled(masks_of(budget)) == set(budget.settings["train_cases"])
        assert strict.labelled(masks_of(full)) > set(full.settings["train_cases"])


def test_every_row_counts_the_labels_that_its_cell_follows_from(strict):
    trainings = {job.cell: job for job in strict.of_rule("train")}
    rows = {job.cell: job.settings["row"] for job in strict.of_rule("score")}
    predictions = strict.of_rule(r"predict_cell_\w+")
    assert set(rows) == set(trainings) == {job.cell for job in predictions}
    for job in predictions:
        row, training = rows[job.cell], trainings[job.cell]
        own = {path.split("/")[-2] for path in training.inputs if path.endswith("/label.nii.gz")}
        train, validation = (set(training.settings[f"{role}_cases"]) for role in ("train", "validation"))
        assert (row["labels_train"], row["labels_val"]) == (len(own & train), len(own & validation))
        assert row["labels_mask"] == len(strict.labelled(masks_of(training) + masks_of(job)))
    assert {row["labels_mask"] for row in rows.values() if row["mask_recipe"] == "learned"} == {1, 2}


def test_a_training_is_told_no_more_than_before(strict):
    """Each word here is a parameter of every training: one more retrains all results that exist."""
    assert all(tuple(job.settings) == TOLD for job in strict.of_rule("train"))
