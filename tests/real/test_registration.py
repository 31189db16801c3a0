"""Real head-and-neck CTs (OpenKBP): vertex cut, shoulders in view, heads tilted by up to 20 degrees.

Labels are read by the test alone; registration and mask never see one.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from globalmask.config import Grid, Registration
from globalmask.errors import UserError
from globalmask.imaging.images import array_of, read_image
from globalmask.masks.threshold import make_threshold_mask
from globalmask.prepare.grid import prepare_ct, prepare_label
from globalmask.prepare.register import make_template, register

pytestmark = pytest.mark.real

GRID = Grid(spacing_mm=3.0, size_voxels=64)
SETTINGS = Registration(template="pt_222", box_offset_mm=(148.0, -25.0, 1.0))
BRAIN_STEM = 1
# pt_17 is tilted most, pt_47 has half its skull cut away, pt_116 is by far the largest head.
CASES = ("pt_17", "pt_47", "pt_101", "pt_116")


@pytest.fixture(scope="module")
def template(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    make_template(real_data / "openkbp" / "pt_222" / "ct.nii.gz", folder, grid=GRID, registration=SETTINGS)
    return folder


@pytest.fixture(scope="module", params=CASES)
def case(request, real_data, template, tmp_path_factory):
    """Raw folder and result folder of one case, registered, prepared and masked."""
    name, raw = request.param, real_data / "openkbp" / request.param
    out = tmp_path_factory.mktemp(name)
    register(raw / "ct.nii.gz", template, out, registration=SETTINGS, case=name)
    prepare_ct(
        raw / "ct.nii.gz",
        out / "ct.nii.gz",
        grid=GRID,
        template_box=template / "box.json",
        transform_path=out / "to_template.mat",
    )
    names = ("to_template.mat", "ct.nii.gz", "mask.nii.gz", "mask.json")
    make_threshold_mask(raw / "ct.nii.gz", *(out / each for each in names), case=name)
    prepare_label(
        raw / "labels.nii.gz",
        out / "ct.nii.gz",
        out / "label.nii.gz",
        values={BRAIN_STEM: 1},
        transform_path=out / "to_template.mat",
    )
    return raw, out


def brain_stem_centre(path, transform=None):
    """Centre of the brain stem in template space, LPS mm."""
    image = read_image(path)
    middle = np.argwhere(array_of(image) == BRAIN_STEM).mean(axis=0)[::-1].tolist()
    point = image.TransformContinuousIndexToPhysicalPoint(middle)
    return np.array(point if transform is None else transform.GetInverse().TransformPoint(point))


def test_brain_stems_lie_on_each_other(case, real_data):
    raw, out = case
    assert json.loads((out / "registration.json").read_text(encoding="utf-8"))["status"] == "ok"
    transform = sitk.ReadTransform(str(out / "to_template.mat"))
    here = brain_stem_centre(raw / "labels.nii.gz", transform)
    there = brain_stem_centre(real_data / "openkbp" / "pt_222" / "labels.nii.gz")
    # Contours differ in how far down they go, so z has more room: without registration it is tens of mm.
    assert np.abs(here - there)[:2] == pytest.approx(0, abs=6)
    assert abs(here - there)[2] < 9


def test_box_and_mask_hold_the_brain_stem(case):
    raw, out = case
    label, mask = array_of(read_image(out / "label.nii.gz")), array_of(read_image(out / "mask.nii.gz"))
    native = read_image(raw / "labels.nii.gz")
    whole_ml = (array_of(native) == BRAIN_STEM).sum() * np.prod(native.GetSpacing()) / 1000
    assert label.sum() * 0.027 == pytest.approx(whole_ml, rel=0.04)
    assert (mask[label > 0] == 1).all()
    margins = np.argwhere(label)
    assert margins.min() >= 8
    assert margins.max() < 64 - 8


def test_mask_is_a_solid_head(case):
    _, out = case
    ct, mask = array_of(read_image(out / "ct.nii.gz")), array_of(read_image(out / "mask.nii.gz")) > 0
    record = json.loads((out / "mask.json").read_text(encoding="utf-8"))
    assert record["status"] == "ok"
    assert 2500 < record["volume_ml"] < 5500
    assert mask[ct > -200].mean() > 0.97
    # What is in the mask without being tissue is the airways: a small share, all of it inside.
    assert (ct[mask] < -200).mean() < 0.06


def test_chest_is_no_head(real_data, template, tmp_path):
    chest = real_data / "totalsegmentator_tests" / "aorta_report" / "ct_cropped.nii.gz"
    register(chest, template, tmp_path, registration=SETTINGS, case="chest")
    assert json.loads((tmp_path / "registration.json").read_text(encoding="utf-8"))["status"] == "failed"
    with pytest.raises(UserError, match="registration to the template failed"):
        prepare_ct(
            chest,
            tmp_path / "ct.nii.gz",
            grid=GRID,
            template_box=template / "box.json",
            transform_path=tmp_path / "to_template.mat",
        )
