"""The model in models/ on a real CT that it never saw, by the command line, as NIfTI and as DICOM; its honest card."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread

import dicoms
from globalmask.apply.card import read_words, scores_of
from globalmask.config import load
from globalmask.imaging.images import array_of, read_image
from globalmask.intake.split_table import read_split_table
from globalmask.intake.table import read_table
from globalmask.learn import predict as stage
from globalmask.masks.threshold import make_threshold_mask
from globalmask.network.model_file import read_file, read_header
from globalmask.prepare.grid import prepare_ct
from globalmask.prepare.register import make_template, register

CASE = "pt_339"


@pytest.fixture(scope="module")
def models(repository):
    return repository / "models"


@pytest.fixture(scope="module")
def shipped(models):
    return models / "openkbp_brain_stem.safetensors"


@pytest.fixture(scope="module")
def config(repository):
    yaml = pytest.importorskip("yaml")
    text = (repository / "workflow/config/openkbp_model.yaml").read_text(encoding="utf-8")
    return load(yaml.safe_load(text)).arms["brain"]


def test_it_is_small_and_tells_what_it_must(shipped, models):
    assert shipped.stat().st_size < 6_000_000
    card = read_header(shipped)["card"]
    words = read_words(models / "openkbp_brain_stem.yaml").model_dump(mode="json")
    assert {name: card[name] for name in words} == words
    assert card["scores"] == scores_of(models / "openkbp_brain_stem.scores.csv")
    assert card["budget"] == {"train": 26, "validation": 11, "mask": 0}


def test_its_scores_are_of_cases_that_neither_training_nor_template_saw(models, config, repository):
    rows = read_table(repository / config.cases, known=("case", "ct", "label"), needed=("case",))
    split = read_split_table(repository / config.split_table, cases=[row["case"] for _, row in rows])
    with (models / "openkbp_brain_stem.scores.csv").open(encoding="utf-8", newline="") as file:
        scored = {row["case"] for row in csv.DictReader(file)}
    assert scored == {case for case, role in split.roles[0].items() if role == "test"}
    assert len(scored) == 9 and CASE in scored


def test_the_readme_tells_its_scores(shipped, repository):
    scores = read_header(shipped)["card"]["scores"]
    (dice,) = [each for each in scores if (each["metric"], each["space"]) == ("dice", "native")]
    text = (repository / "README.md").read_text(encoding="utf-8")
    low, high = dice["interval95"]
    assert f"Dice {dice['mean']:.2f} (95 % interval {low:.2f} to {high:.2f})" in text


def test_its_template_is_the_committed_average(shipped, config, repository):
    assert config.registration.template_is == "average"
    content = read_file(shipped, read_header(shipped)["template"]["file"])
    assert content == (repository / config.registration.template).read_bytes()


@pytest.fixture(scope="module")
def predicted(real_data, shipped, repository, tmp_path_factory):
    """Folder with the predictions of one case, from its NIfTI file and from the same scan as DICOM."""
    folder = tmp_path_factory.mktemp("predicted")
    ct = real_data / "openkbp" / CASE / "ct.nii.gz"
    dicoms.write_ct(sitk.ReadImage(ct), folder / "series", rescale=(0.5, -1500))
    command = [sys.executable, "-m", "globalmask", "predict", "--model", shipped]
    for scan, more in ((ct, ["--json"]), (folder / "series", ["--rtstruct"])):
        done = subprocess.run(
            [*map(str, [*command, scan, "-o", folder]), *more],
            env=os.environ | {"PYTHONPATH": str(repository / "workflow")},
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.real
def test_it_predicts_what_the_workflows_stages_predict(predicted, real_data, shipped, config, repository, tmp_path):
    """Every voxel, and without a warning: the scan is like the training scans."""
    ct = real_data / "openkbp" / CASE / "ct.nii.gz"
    template, prepared = tmp_path / "template", tmp_path / "prepared" / CASE
    make_template(
        repository / config.registration.template, template, grid=config.grid, registration=config.registration
    )
    register(ct, template, prepared, registration=config.registration, case=CASE)
    transform = prepared / "to_template.mat"
    prepare_ct(
        ct, prepared / "ct.nii.gz", grid=config.grid, template_box=template / "box.json", transform_path=transform
    )
    masks = tmp_path / "masks"
    make_threshold_mask(
        ct, transform, prepared / "ct.nii.gz", masks / f"{CASE}.nii.gz", masks / f"{CASE}.json", case=CASE
    )
    stage.predict(
        model_path=shipped,
        prepared_dir=tmp_path / "prepared",
        masks_dir=masks,
        raw_cts={CASE: ct},
        cases=[CASE],
        out_dir=tmp_path / "predictions",
        native_dir=tmp_path / "native",
        device="cpu",
        threads=1,
        transforms={CASE: transform},
    )
    found = array_of(read_image(predicted / "ct.nii.gz"))
    assert (found == array_of(read_image(tmp_path / "native" / f"{CASE}.nii.gz"))).all()
    record = json.loads((predicted / "ct.json").read_text(encoding="utf-8"))
    assert record["warnings"] == []


@pytest.mark.real
@pytest.mark.parametrize("name", ["ct.nii.gz", "series.nii.gz"])
def test_the_dice_is_the_one_of_its_scores(predicted, real_data, models, name):
    label = read_image(predicted / name)
    truth = sitk.ReadImage(str(real_data / "openkbp" / CASE / "labels.nii.gz"))
    true = array_of(sitk.Resample(truth, label, sitk.Transform(), sitk.sitkNearestNeighbor, 0)) == 1
    found = array_of(label) == 1
    dice = 2 * (found & true).sum() / (found.sum() + true.sum())
    with (models / "openkbp_brain_stem.scores.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["case"], row["space"]): row for row in csv.DictReader(file)}
    assert dice == pytest.approx(float(rows[CASE, "native"]["dice"]), abs=0.01)


@pytest.mark.real
def test_its_contours_enclose_its_volume(predicted):
    """Shoelace area of each contour times the slice spacing; corners cut at half voxels make it a little smaller."""
    label = read_image(predicted / "series.nii.gz")
    (roi,) = dcmread(predicted / "series.rtstruct.dcm").ROIContourSequence
    area = 0.0
    for contour in roi.ContourSequence:
        points = np.array(contour.ContourData, float).reshape(-1, 3)
        area += np.linalg.norm(sum(np.cross(a, b) for a, b in zip(points, np.roll(points, -1, 0), strict=True))) / 2
    volume = (array_of(label) == 1).sum() * np.prod(label.GetSpacing())
    assert 0.9 * volume < area * label.GetSpacing()[2] < volume
