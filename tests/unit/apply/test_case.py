"""One scan by one call: the numbers of the workflow's own stages, and plain words where a model cannot serve."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

import globalmask
from globalmask.apply.model import read_models
from globalmask.config import Grid
from globalmask.errors import UserError
from globalmask.imaging.images import array_of, read_image, write_image
from globalmask.learn import predict as stage
from globalmask.learn.template import digest_of_scan
from globalmask.masks.supplied import file_mask
from globalmask.prepare.grid import prepare_ct


def test_the_call_gives_what_the_stages_give(scan, make_model, tmp_path):
    ct, mask = scan
    prepare_ct(ct, tmp_path / "prepared/c/ct.nii.gz", grid=Grid(spacing_mm=1.5, size_voxels=32))
    file_mask(
        mask_path=mask,
        prepared_ct_path=tmp_path / "prepared/c/ct.nii.gz",
        out_mask=tmp_path / "masks/c.nii.gz",
        out_json=tmp_path / "masks/c.json",
        size_voxels=32,
        case="c",
        registered=False,
    )
    model = make_model()
    stage.predict(
        model_path=model,
        prepared_dir=tmp_path / "prepared",
        masks_dir=tmp_path / "masks",
        raw_cts={"c": ct},
        cases=["c"],
        out_dir=tmp_path / "predictions",
        native_dir=tmp_path / "native",
        device="cpu",
        threads=1,
    )
    found = globalmask.predict(ct, model, mask=mask)
    wanted = array_of(read_image(tmp_path / "native/c.nii.gz"))
    assert set(np.unique(wanted)) == {0, 1, 2}
    assert (array_of(found.label) == wanted).all()
    raw = read_image(ct)
    for about in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(found.label, about)() == pytest.approx(getattr(raw, about)())
    assert found.structures == ["one", "two"]
    assert found.agreement is None
    assert found.warnings == []
    volume = np.prod(raw.GetSpacing()) / 1000
    assert found.measures["two"]["volume_ml"] == pytest.approx((wanted == 2).sum() * volume, abs=1e-4)


def test_an_image_in_memory_is_as_good_as_its_file(scan, make_model):
    ct, mask = scan
    model = make_model()
    first = globalmask.predict(ct, model, mask=mask)
    second = globalmask.predict(read_image(ct), model, mask=mask)
    assert (array_of(first.label) == array_of(second.label)).all()


def test_several_models_vote(scan, make_model):
    ct, mask = scan
    models = [make_model(f"m{seed}", seed) for seed in (7, 10, 11)]
    labels = [array_of(globalmask.predict(ct, model, mask=mask).label) for model in models]
    voted = globalmask.predict(ct, models, mask=mask)
    agreement = array_of(voted.agreement)
    assert ((labels[0] == labels[1]) & (labels[1] == labels[2]) == (agreement == 1)).all()
    two = (labels[0] == labels[1]) & (labels[1] != labels[2])
    assert two.any()
    assert (array_of(voted.label)[two] == labels[0][two]).all()


def test_a_scan_unlike_the_training_scans_is_predicted_with_a_warning(scan, make_model):
    ct, mask = scan
    raised = read_image(ct) + 1000
    found = globalmask.predict(raised, make_model(), mask=mask)
    assert any(warning.startswith("HU: lowest value: 0;") for warning in found.warnings)


def test_a_missing_mask_is_asked_for_where_it_matters(scan, make_model):
    with pytest.raises(UserError, match="needs a mask"):
        globalmask.predict(scan[0], make_model())


def test_an_empty_mask_is_a_warning(scan, make_model, tmp_path):
    empty = sitk.Image(read_image(scan[1])) * 0
    write_image(empty, tmp_path / "empty.nii.gz")
    found = globalmask.predict(scan[0], make_model(), mask=tmp_path / "empty.nii.gz")
    assert any(warning.startswith("mask:") for warning in found.warnings)


def test_a_mask_for_a_model_that_makes_its_own_is_refused(scan, make_model):
    model = make_model(mask={"recipe": "threshold", "labels": "full"})
    with pytest.raises(UserError, match="makes its own mask"):
        globalmask.predict(scan[0], model, mask=scan[1])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mask": {"recipe": "union", "labels": "full"}}, "recipe 'union'"),
        ({"scenario": "ct_wrongmask"}, "another patient's mask"),
    ],
)
def test_controls_cannot_see_a_new_patient(make_model, changes, words):
    with pytest.raises(UserError, match="cannot see a new patient") as caught:
        read_models([make_model(**changes)])
    assert words in str(caught.value)


def test_models_of_other_structures_do_not_vote(make_model):
    with pytest.raises(UserError, match="different structures"):
        read_models([make_model("a"), make_model("b", structures=["two", "one"])])


REGISTRATION = {"template": "pt_222", "box_offset_mm": [0, 0, 0]}


def test_a_patient_s_template_is_asked_for_and_a_wrong_one_refused(scan, make_model, tmp_path):
    entry = {"is": "patient", "name": "pt_222", "file": None, "voxels_sha256": digest_of_scan(scan[0])}
    threshold = {"recipe": "threshold", "labels": "full"}
    model = make_model(registration=REGISTRATION, template=entry, mask=threshold)
    with pytest.raises(UserError, match="needs its template") as caught:
        globalmask.predict(scan[0], model)
    assert "pt_222" in str(caught.value)
    write_image(read_image(scan[0]) + 1, tmp_path / "other.nii.gz")
    with pytest.raises(UserError, match="not the one that the model was trained with"):
        globalmask.predict(scan[0], model, template=tmp_path / "other.nii.gz")
    # The same scan in another format is the template.
    write_image(read_image(scan[0]), tmp_path / "same.nrrd")
    assert digest_of_scan(tmp_path / "same.nrrd") == entry["voxels_sha256"]


def test_a_scan_of_something_else_is_told_with_its_own_name(scan, repository):
    with pytest.raises(UserError, match="registration to the template failed") as caught:
        globalmask.predict(scan[0], repository / "models" / "openkbp_brain_stem.safetensors")
    assert (caught.value.fields["case"], caught.value.fields["file"]) == ("ct", scan[0])
