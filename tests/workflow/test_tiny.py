"""One real run through every stage, and what reruns after it: nothing, or exactly what a change concerns."""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import SimpleITK as sitk

import dicoms
from checkout import bare
from globalmask import config
from globalmask.present.status import look, places

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
CONFIG = ("--configfile", "workflow/config/tiny.yaml")
RUN = "results/tiny"
PRESENTED = {"make_tables", "make_figures", "make_sheets", "make_paper", "make_report"}


def scores_of(checkout):
    with open(checkout.folder / RUN / "scores.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_cell_case_structure_and_space_has_a_row(tiny_run):
    rows = scores_of(tiny_run)
    keys = {tuple(row[k] for k in ("arm", "scenario", "n_train", "case", "structure", "space")) for row in rows}
    assert len(rows) == len(keys) == 3 * 2 * 2 * (2 * 3 + 7)
    assert {row["data"] for row in rows} == {"synthetic"}
    assert all(0 <= float(row["dice"]) <= 1 for row in rows)


def test_tables_figures_and_report_are_there_and_say_synthetic(tiny_run):
    folder = tiny_run.folder / RUN
    numbered = {path.name.split("_")[0] for path in (folder / "tables").iterdir()}
    assert numbered >= {f"table{number}" for number in range(1, 7)}
    assert {path.stem for path in (folder / "figures").glob("*.png")} >= {f"fig{number}" for number in range(3, 9)}
    assert "ynthetic" in (folder / "report.html").read_text(encoding="utf-8")


def test_every_claim_has_a_verdict_and_synthetic_data_give_none(tiny_run):
    with open(tiny_run.folder / RUN / "claims.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["id"] for row in rows}) == 37
    assert {row["verdict"] for row in rows} == {"not testable on this data"}
    assert "synthetic" in {row["kind_of_evidence"] for row in rows}


def test_nothing_reruns_by_itself(tiny_run):
    assert tiny_run.planned(*CONFIG) == {}


def test_every_training_is_done_where_status_looks(tiny_run, repository):
    found = [look(place) for place in places(config.read(repository / CONFIG[1]), tiny_run.folder)]
    models = set((tiny_run.folder / RUN).rglob("model.safetensors"))
    assert {training.state for training in found} == {"done"}
    assert {training.place.folder / "model.safetensors" for training in found} == models


def test_nothing_is_left_half_written(tiny_run):
    assert not list((tiny_run.folder / "results").rglob(".partial-*"))
    assert not list((tiny_run.folder / RUN / "checkpoints").rglob("*.safetensors"))


@contextlib.contextmanager
def changed(path, content):
    """`path` with another content, or gone when that is None; as it was, to the nanosecond, afterwards."""
    kept, before = path.read_bytes(), path.stat()
    path.unlink() if content is None else path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(kept)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(path, old, new):
    content = path.read_bytes()
    assert old in content
    return content.replace(old, new, 1)


def test_a_deleted_prediction_comes_back_with_its_chain_alone(tiny_run):
    lost = next((tiny_run.folder / RUN / "brain/modern/ct/n1/r0/predictions").glob("*.nii.gz"))
    with changed(lost, None):
        jobs = tiny_run.planned(*CONFIG)
    # The feature maps are temporary files of the figures.
    assert jobs.pop("features", 0) <= 2
    judged = {"score": 1, "gather_scores": 1, "analyse": 1, "judge": 1}
    assert jobs == {"predict_cell_brain_f0": 1} | judged | dict.fromkeys(PRESENTED, 1)


# Which rules an edit of a module reruns, and some that it must leave alone.
CHANGES = {
    "network/unet.py": ({"train", "train_mask_network"}, {"register", "prepare_ct"}),
    "present/figures.py": ({"make_figures"}, {"train", "predict_cell_brain_f0", "score"}),
    "present/paper.py": ({"make_paper", "make_report"}, {"make_figures", "make_sheets", "analyse"}),
    "present/packing.py": ({"make_report"}, {"make_figures", "make_sheets", "make_paper"}),
    "evidence/score.py": ({"score", "gather_scores"}, {"train", "predict_cell_brain_f0"}),
    "evidence/verdicts.py": ({"judge"}, {"train", "score", "gather_scores", "make_tables"}),
    "masks/threshold.py": ({"mask_threshold", "train"}, {"train_mask_network", "register"}),
    "learn/predict.py": ({"predict_cell_brain_f0", "features"}, {"train"}),
    "evidence/crossed.py": ({"analyse", "judge"}, {"score", "train"}),
    "cli.py": (set(), {"train", "make_figures", "check_case"}),
}


@pytest.mark.parametrize("file", CHANGES)
def test_an_edit_reruns_the_stages_that_use_it(tiny_run, file):
    rerun, kept = CHANGES[file]
    path = tiny_run.folder / "workflow" / "globalmask" / file
    with changed(path, path.read_bytes() + b"\n\nEXTRA = 1\n"):
        jobs = set(tiny_run.planned(*CONFIG))
    assert rerun <= jobs
    assert not kept & jobs


def test_an_edited_docstring_reruns_nothing(tiny_run):
    path = tiny_run.folder / "workflow" / "globalmask" / "network" / "unet.py"
    with changed(path, replaced(path, b'"""', b'"""Another first word: ')):
        assert tiny_run.planned(*CONFIG) == {}


def test_more_replicates_and_sizes_rerun_no_training_that_exists(tiny_run):
    path = tiny_run.folder / "workflow" / "config" / "tiny.yaml"
    with changed(path, replaced(path, b"replicates: 1", b"replicates: 2")):
        jobs = tiny_run.planned("models", *CONFIG)
    assert jobs == {"train": 9}


def test_a_report_without_images_trains_and_registers_nothing_again(tiny_run):
    jobs = tiny_run.planned(*CONFIG, "--config", "images=none")
    presented = ("make_tables", "make_figures", "make_paper", "make_report")
    assert jobs == dict.fromkeys(("write_plan", "analyse", "judge", *presented), 1)


def test_another_number_of_trainings_on_a_gpu_trains_and_predicts_nothing_again(tiny_run):
    assert tiny_run.planned("models", "predictions", "scores", *CONFIG, "--config", "trainings_per_gpu=2") == {}


def test_a_changed_test_label_reaches_no_model_and_no_prediction(tiny_run):
    tested = next(row for row in scores_of(tiny_run) if row["arm"] == "heart")["case"]
    label = tiny_run.folder / RUN / "heart" / "raw" / tested / "label.nii.gz"
    with changed(label, label.read_bytes() + b"\0"):
        jobs = set(tiny_run.planned(*CONFIG))
    # The label's own chain is planned with the next command (`checked_again` in workflow/rules/inputs/intake.smk).
    assert {"check_case", "check_cohort"} <= jobs
    reading = {
        rule for rule in jobs if rule.startswith(("train", "predict", "mask_", "coarsen", "register", "prepare_ct"))
    }
    assert reading == set()


def test_one_stage_again_by_force(tiny_run):
    jobs = tiny_run.planned("-R", "train", *CONFIG)
    assert jobs["train"] == 9
    assert "register" not in jobs


def roles_of(checkout, role):
    """(arm, case) of every case of a role."""
    for table in sorted((checkout.folder / RUN).glob("*/splits/r0.tsv")):
        with open(table, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        yield from ((table.parts[-3], row["case"]) for row in rows if row["role"] == role)


def scramble(path):
    """Shuffle a label's voxels within each sagittal plane, so that the check still finds left on the left."""
    label = sitk.ReadImage(path)
    sagittal = 2 - int(np.abs(np.reshape(label.GetDirection(), (3, 3))[0]).argmax())
    planes = np.moveaxis(sitk.GetArrayFromImage(label), sagittal, 0)
    shuffled = np.random.default_rng(0).permuted(planes.reshape(len(planes), -1), axis=1).reshape(planes.shape)
    image = sitk.GetImageFromArray(np.moveaxis(shuffled, 0, sagittal))
    image.CopyInformation(label)
    sitk.WriteImage(image, path)


def differing(first, second):
    """Files below the arms' folders, of those that `second` has, that are not in `first` or differ there."""
    arms = (second.folder / RUN / arm for arm in ("brain", "heart"))
    files = (path.relative_to(second.folder) for arm in arms for path in arm.glob("**/*") if path.is_file())
    return {
        "/".join(path.parts[2:])
        for path in files
        if not (first.folder / path).is_file() or bare(first.folder / path) != bare(second.folder / path)
    }


def written_by_the_check(arms, cases):
    pictures = {f"{arm}/check/{case}.{kind}" for arm, case in cases for kind in ("json", "png")}
    return pictures | {f"{arm}/check.tsv" for arm in arms}


def labels_of(cases, kinds=("raw", "prepared")):
    return {f"{arm}/{kind}/{case}/label.nii.gz" for arm, case in cases for kind in kinds}


def test_scrambled_labels_reach_their_copies_checks_and_scores_alone(tiny_run, checkout):
    """A second run: test labels change nothing up to the predictions, validation labels no input.

    Then, with the true labels in their places and on one core, it gives the first run's scores.
    """
    test, validation = (set(roles_of(tiny_run, role)) for role in ("test", "validation"))
    assert (len(test), len(validation)) == (4, 2)
    for arm in ("brain", "heart"):
        shutil.copytree(tiny_run.folder / RUN / arm / "raw", checkout.folder / RUN / arm / "raw")
    for name in labels_of(test | validation, ["raw"]):
        scramble(checkout.folder / RUN / name)
    checkout.snakemake("splits", "prepared", "masks", *CONFIG)
    checked = written_by_the_check(("brain", "heart"), test | validation)
    assert differing(tiny_run, checkout) == labels_of(test | validation) | checked

    put_back(tiny_run, checkout, validation)
    checked = written_by_the_check(("brain", "heart"), test)
    predicted = [
        f"{RUN}/{arm}/modern/{scenario}/n2/r0/predictions/{case}.nii.gz"
        for arm, case in test
        for scenario in ("ct", "mask", "ct_mask")
    ]
    after_its_check(checkout, *predicted)
    assert differing(tiny_run, checkout) == labels_of(test) | checked
    made = {path.name for path in (checkout.folder / RUN).glob("*/*/*/*/*/*")}
    assert {"model.safetensors", "history.csv", "run.json", "predictions", "native"} <= made

    put_back(tiny_run, checkout, test)
    cells = [f"{arm}/modern/ct_mask/n2/r0/scores.csv" for arm in ("brain", "heart")]
    after_its_check(checkout, *(f"{RUN}/{cell}" for cell in cells), cores=1)
    assert differing(tiny_run, checkout) == set()
    assert all((checkout.folder / RUN / cell).is_file() for cell in cells)


def after_its_check(checkout, *targets, **options):
    """The first command checks the labels that are new, and says that it was not all; the second does the rest."""
    first = checkout.snakemake(*targets, *CONFIG, check=False, **options)
    assert first.returncode == 1
    assert "Give the same command once more" in first.stdout
    assert "once more" not in checkout.snakemake(*targets, *CONFIG, **options).stdout


def put_back(tiny_run, checkout, cases):
    """The true labels; the next command has to see that they are others."""
    for name in labels_of(cases, ["raw"]):
        shutil.copy(tiny_run.folder / RUN / name, checkout.folder / RUN / name)


def test_unshifted_test_cts_score_as_they_did_with_both_kinds_of_mask(tiny_run):
    """Registered head with a threshold mask, heart with a learned one: the ladder starts at scores.csv."""
    tiny_run.snakemake("robustness", *CONFIG, "--config", "robustness={shifts: [noise]}")
    with open(tiny_run.folder / RUN / "robustness.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if float(row["strength"]) == 0]
    same = ("arm", "scenario", "n_train", "case", "structure", "space")
    told = ("dice", "com_mm", "ref_ml", "pred_ml", "ref_lost_share", "status", "mask_set", "labels_mask")
    scores = {tuple(row[k] for k in same): tuple(row[k] for k in told) for row in scores_of(tiny_run)}
    assert len(rows) == 2 * 3 * 2 * (3 + 7)
    assert {row["masks"] for row in rows} == {"frozen", "remade"}
    assert all(scores[tuple(row[k] for k in same)] == tuple(row[k] for k in told) for row in rows)
    assert tiny_run.planned(*CONFIG) == {}


def predict(checkout, *arguments):
    """`globalmask predict` as a user types it."""
    environment = os.environ | {"PYTHONPATH": str(checkout.folder / "workflow")}
    command = [sys.executable, "-m", "globalmask", "predict", *map(str, arguments)]
    done = subprocess.run(command, env=environment, cwd=checkout.folder, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr


def dice_of(label, truth, value):
    """Dice of a structure, the truth brought to the label's grid by the nearest voxel."""
    here = sitk.Resample(truth, label, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    found, true = (sitk.GetArrayFromImage(image) == value for image in (label, here))
    return 2 * (found & true).sum() / max(1, found.sum() + true.sum())


def test_predict_on_a_raw_head_gives_what_the_workflow_scored(tiny_run, tmp_path):
    """By the command line: a tilted head in a flipped, uneven NIfTI, and the same scan as DICOM."""
    arm, cell = tiny_run.folder / RUN / "brain", tiny_run.folder / RUN / "brain/modern/ct/n2/r0"
    case = sorted(path.name.removesuffix(".nii.gz") for path in (cell / "native").iterdir())[0]
    raw = arm / "raw" / case / "ct.nii.gz"
    ct = sitk.ReadImage(raw)
    assert np.linalg.det(np.reshape(ct.GetDirection(), (3, 3))) < 0 and max(ct.GetSpacing()) > 1.5 * ct.GetSpacing()[0]
    series = tmp_path / "series"
    dicoms.write_ct(ct, series, rescale=(0.5, -1500))
    template = arm / "raw/brain_01/ct.nii.gz"
    predict(tiny_run, "--model", cell / "model.safetensors", raw, series, "-o", tmp_path, "--template", template)
    labels = [sitk.ReadImage(tmp_path / name) for name in ("ct.nii.gz", "series.nii.gz")]
    native = sitk.ReadImage(cell / "native" / f"{case}.nii.gz")
    assert (sitk.GetArrayFromImage(labels[0]) == sitk.GetArrayFromImage(native)).all()
    truth = sitk.ReadImage(arm / "raw" / case / "label.nii.gz")
    with open(cell / "scores.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["case"], row["space"]) == (case, "native")]
    assert max(float(row["dice"]) for row in rows) > 0.1
    for value, row in enumerate(rows, 1):
        for label in labels:
            assert dice_of(label, truth, value) == pytest.approx(float(row["dice"]), abs=0.01)


def test_predict_on_a_raw_chest_makes_the_mask_with_the_network_in_the_model(tiny_run, tmp_path):
    arm, cell = tiny_run.folder / RUN / "heart", tiny_run.folder / RUN / "heart/modern/ct_mask/n2/r0"
    native = sorted((cell / "native").iterdir())[0]
    raw = arm / "raw" / native.name.removesuffix(".nii.gz") / "ct.nii.gz"
    predict(tiny_run, "--model", cell / "model.safetensors", raw, "-o", tmp_path / "found.nii.gz")
    found, wanted = (sitk.GetArrayFromImage(sitk.ReadImage(path)) for path in (tmp_path / "found.nii.gz", native))
    assert len(np.unique(wanted)) > 2
    assert (found == wanted).all()


def test_a_training_killed_in_the_middle_ends_with_the_same_weights(tiny_run):
    target = f"{RUN}/brain/modern/ct_mask/n2/r0/model.safetensors"
    model = tiny_run.folder / target
    whole = model.read_bytes()
    checkpoints = tiny_run.folder / RUN / "checkpoints" / "brain/modern/ct_mask/n2/r0"
    model.unlink()
    process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "1", target, *CONFIG],
        cwd=tiny_run.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not checkpoints.is_dir() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.poll() is None, "the training ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    tiny_run.snakemake("--unlock", *CONFIG)
    tiny_run.snakemake(target, *CONFIG)
    assert model.read_bytes() == whole


def test_the_report_of_snakemake_shows_tables_figures_and_sheets(tiny_run, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    tiny_run.snakemake(*CONFIG, "--report", "snakemake_report.html")
    page = (tiny_run.folder / "snakemake_report.html").read_text(encoding="utf-8")
    for told in ("Tables", "Figures", "Sheets", "table1_dice_brain", "fig4", "check_heart"):
        assert told in page
    assert "keep the paper" in page
    assert "is <strong>synthetic</strong>" in page
