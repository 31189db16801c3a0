"""Many scans: names of files, what failed told at the end, what is finished kept, nothing old passed off as new."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import dicoms
from globalmask.apply.batch import Wanted, outputs_of, predict_batch
from globalmask.apply.model import read_models
from globalmask.errors import UserError
from globalmask.imaging.images import array_of, read_image


def names(cts, out="out"):
    return [str(place.label) for place in outputs_of([Path(ct) for ct in cts], Path(out))]


def test_names_of_outputs():
    assert names(["a/ct.nii.gz"], "x.nrrd") == ["x.nrrd"]
    assert names(["a/ct.nii.gz"]) == ["out/ct.nii.gz"]
    assert names(["a/one.nii", "two.mha", "series.zip"]) == ["out/one.nii.gz", "out/two.nii.gz", "out/series.nii.gz"]
    assert names(["pt_1/ct.nii.gz", "pt_2/ct.nii.gz"]) == ["out/pt_1_ct.nii.gz", "out/pt_2_ct.nii.gz"]


def test_two_scans_of_one_name_and_folder_are_refused():
    with pytest.raises(UserError, match="same file"):
        names(["a/b/ct.nii.gz", "c/b/ct.nii.gz"])


def test_a_scan_is_never_overwritten(scan, make_model):
    ct, mask = scan
    before = ct.read_bytes()
    with pytest.raises(UserError, match="overwrite"):
        predict_batch([ct], read_models([make_model()]), ct.parent, masks=[mask])
    assert ct.read_bytes() == before


def test_one_scan_fails_and_the_others_are_kept(scan, make_model, tmp_path, capsys):
    ct, mask = scan
    shutil.copy(ct, tmp_path / "second.nii.gz")
    torn, out = tmp_path / "torn.nii.gz", tmp_path / "out"
    torn.write_bytes(ct.read_bytes()[:200])
    out.mkdir()
    for old in ("torn.nii.gz", "torn.json"):
        (out / old).write_text("an old prediction")
    cts = [ct, torn, tmp_path / "second.nii.gz"]
    with pytest.raises(UserError) as caught:
        predict_batch(cts, read_models([make_model()]), out, masks=[mask] * 3, wanted=Wanted(as_json=True))
    assert caught.value.fields["case"] == "torn"
    assert "2 of 3 predicted" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["ct.json", "ct.nii.gz", "second.json", "second.nii.gz"]


def test_a_fault_of_our_own_is_one_case_s_fault_too(scan, make_model, tmp_path):
    """A model whose weights do not fit its header: no UserError, and still told with the scan's name."""
    model = read_models([make_model()])[0]
    model.header["mask"] = {"recipe": "learned", "labels": "full"}
    with pytest.raises(UserError, match="KeyError") as caught:
        predict_batch([scan[0]], [model], tmp_path / "out")
    assert caught.value.fields["case"] == "ct"


def test_masks_pair_with_scans(scan, make_model, tmp_path):
    with pytest.raises(UserError, match="pair"):
        predict_batch([scan[0]], read_models([make_model()]), tmp_path / "out", masks=[scan[1]] * 2)


def run(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "globalmask", "predict", *map(str, arguments)],
        cwd=cwd, capture_output=True, encoding="utf-8", env={"PYTHONPATH": str(Path(__file__).parents[3] / "workflow")},
    )  # fmt: skip


def test_the_command_line_writes_everything_beside_the_label(scan, make_model, tmp_path):
    """DICOM in, two models: label, agreement, JSON, picture and RTSTRUCT, and no warning of how it is stored."""
    ct, mask = scan
    series = tmp_path / "series"
    dicoms.write_ct(read_image(ct), series)
    models = [make_model("first"), make_model("second", 1)]
    done = run(
        *("--model", *models, series, "-o", tmp_path / "out", "--mask", mask, "--json", "--preview", "--rtstruct"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    found = {path.name.removeprefix("series") for path in out.iterdir()}
    assert found == {".nii.gz", ".agreement.nii.gz", ".json", ".png", ".rtstruct.dcm"}
    record = json.loads((out / "series.json").read_text(encoding="utf-8"))
    assert set(record["structures"]) == {"one", "two"}
    assert [Path(model["file"]).stem for model in record["models"]] == ["first", "second"]
    with Image.open(out / "series.png") as picture:
        assert min(picture.size) > 300
    label, raw = read_image(out / "series.nii.gz"), read_image(series)
    assert label.GetSize() == raw.GetSize()
    assert label.GetDirection() == pytest.approx(raw.GetDirection(), abs=1e-6)
    assert (array_of(read_image(out / "series.agreement.nii.gz")) >= 0.5).all()


def test_a_failure_is_exit_code_two(make_model, tmp_path):
    done = run("--model", make_model(), tmp_path / "absent.nii.gz", "-o", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "does not exist" in done.stderr
    assert "Traceback" not in done.stderr
