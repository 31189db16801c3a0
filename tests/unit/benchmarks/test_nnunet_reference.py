"""What nnU-Net is given and how it is run, without nnU-Net."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from benchmarks import nnunet_reference as nnunet
from globalmask import config
from globalmask.evidence.score import CONSTANT
from globalmask.intake.cohort import Cohort


@pytest.fixture(scope="module")
def task(repository):
    """The smaller size of the second replicate of the tiny synthetic run."""
    path = repository / "workflow" / "config" / "tiny.yaml"
    settings = config.load(yaml.safe_load(path.read_text(encoding="utf-8")), file=str(path))
    cohort = Cohort.of(settings, "brain")
    return nnunet.Task(cohort, min(cohort.sizes), 1)


@pytest.fixture
def prepared(task, tmp_path):
    """Files that say what they are; a data set is made of copies."""
    for case in task.cohort.cases:
        for kind in ("ct", "label"):
            path = tmp_path / "prepared" / case / f"{kind}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{kind} of {case}", encoding="utf-8")
    return tmp_path / "prepared"


def test_only_the_training_subset_has_labels(task, prepared, tmp_path):
    nnunet.write_dataset(tmp_path / "raw", task, prepared)
    split = task.cohort.split(1)
    train = split.train_order[: task.n]
    assert len(train) < len(split.train_order)
    labels = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "raw" / "labelsTr").iterdir()}
    assert labels == {f"{case}.nii.gz": f"label of {case}" for case in train}
    images = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "raw" / "imagesTr").iterdir()}
    assert images == {f"{case}_0000.nii.gz": f"ct of {case}" for case in train}


def test_validation_and_test_cases_are_predicted_from_the_ct_alone(task, prepared, tmp_path):
    nnunet.write_dataset(tmp_path / "raw", task, prepared)
    split = task.cohort.split(1)
    images = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "raw" / "imagesTs").iterdir()}
    assert images == {f"{case}_0000.nii.gz": f"ct of {case}" for case in [*split.validation, *split.test]}


def test_a_data_set_of_an_earlier_run_leaves_no_case_behind(task, prepared, tmp_path):
    old = tmp_path / "raw" / "labelsTr" / "old.nii.gz"
    old.parent.mkdir(parents=True)
    old.touch()
    nnunet.write_dataset(tmp_path / "raw", task, prepared)
    assert not old.exists()


def test_the_description_numbers_structures_as_the_prepared_labels_do(task, prepared, tmp_path):
    nnunet.write_dataset(tmp_path / "raw", task, prepared)
    told = json.loads((tmp_path / "raw" / "dataset.json").read_text(encoding="utf-8"))
    names = list(task.cohort.arm.structures)
    assert list(told["labels"].items()) == [("background", 0), *((name, names.index(name) + 1) for name in names)]
    assert told["numTraining"] == task.n
    assert told["channel_names"] == {"0": "CT"}


def test_rows_hold_every_column_that_is_equal_in_a_file(task):
    assert tuple(task.row) == CONSTANT
    assert (task.row["labels_train"], task.row["labels_val"], task.row["fold"]) == (task.n, 0, task.split.fold)


def test_one_process_and_no_compilation(tmp_path):
    found = nnunet.environment(tmp_path, 3)
    assert (found["nnUNet_n_proc_DA"], found["nnUNet_def_n_proc"], found["nnUNet_compile"]) == ("1", "1", "f")
    assert found["OMP_NUM_THREADS"] == "3"
    assert found["nnUNet_preprocessed"] == str(tmp_path / "preprocessed")


def test_a_length_that_is_no_whole_number_of_epochs_is_refused(capsys):
    assert nnunet.arguments(["--iterations", "100", "--epoch", "25"]).iterations == 100
    with pytest.raises(SystemExit):
        nnunet.arguments(["--iterations", "110", "--epoch", "25"])
    assert "multiple" in capsys.readouterr().err


def test_the_environment_of_the_peers_is_pinned_and_has_the_same_torch(repository):
    folder = repository / "benchmarks" / "peers"
    lines = (folder / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in pins)
    core = (repository / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert [line for line in pins if line.startswith("torch==")] == [
        line for line in core if line.startswith("torch==")
    ]
    assert "-r ../benchmarks/peers/requirements.lock" in (repository / "envs" / "peers.yaml").read_text(
        encoding="utf-8"
    )
