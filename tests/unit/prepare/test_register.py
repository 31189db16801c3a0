from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from globalmask.config import Grid, Registration
from globalmask.errors import UserError
from globalmask.imaging.geometry import as_affine, centre_of, resample
from globalmask.imaging.images import array_of, read_image, write_image
from globalmask.prepare.grid import box_of
from globalmask.prepare.register import Template, draw, make_template, movement, register, search
from heads import dice, make_scan

SETTINGS = Registration(template="head_01", box_offset_mm=(20.0, -5.0, 2.0))
GRID = Grid(spacing_mm=4.0, size_voxels=48)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    ct, truth, _ = make_scan(spacing_xyz=(1.5, 1.5, 2.5), furniture=True, direction=(-1, 0, 0, 0, -1, 0, 0, 0, 1))
    write_image(ct, folder / "source.nii.gz")
    write_image(truth, folder / "truth.nii.gz")
    make_template(folder / "source.nii.gz", folder, grid=GRID, registration=SETTINGS)
    return folder


@pytest.fixture(scope="module")
def tilted(tmp_path_factory):
    """A tilted head, off-centre, on a permuted grid, with shoulders, couch, holder and shell, cut at the vertex."""
    folder = tmp_path_factory.mktemp("tilted")
    ct, _, to_scan = make_scan(
        spacing_xyz=(1.6, 2.5, 1.6),
        extent_xyz=(330, 300, 240),
        centre_lps=(60.0, 85.0, -120.0),
        direction=(0, 0, 1, 1, 0, 0, 0, 1, 0),
        tilt_deg=(12.0, -8.0, 7.0),
        move_mm=(55.0, 90.0, -70.0),
        shoulders=True,
        furniture=True,
        seed=3,
    )
    write_image(ct, folder / "raw.nii.gz")
    return folder / "raw.nii.gz", to_scan


@pytest.fixture(scope="module")
def registered(template, tilted, tmp_path_factory):
    out = tmp_path_factory.mktemp("registered")
    register(tilted[0], template, out, registration=SETTINGS, case="head_02")
    return out


def head_points():
    """Points all over the head, in the head's own millimetres."""
    return np.random.default_rng(0).uniform((-60, -80, -60), (60, 80, 60), (50, 3)).tolist()


def test_template_is_upright_and_boxed_about_its_head(template):
    ct, mask = read_image(template / "ct.nii.gz"), read_image(template / "mask.nii.gz")
    assert ct.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert ct.GetSpacing() == (2.0, 2.0, 2.0)
    truth = resample(read_image(template / "truth.nii.gz"), ct, interpolation="nearest", outside=0)
    assert dice(array_of(mask) > 0, array_of(truth) > 0) > 0.98
    box = json.loads((template / "box.json").read_text(encoding="utf-8"))
    assert box["spacing_mm"] == 4.0
    assert box["size_voxels"] == 48
    # Superior is +z, posterior +y, left +x of the mask's centre of mass.
    middle = np.argwhere(array_of(mask) > 0).mean(axis=0)[::-1].tolist()
    centre = np.array(ct.TransformContinuousIndexToPhysicalPoint(middle))
    assert np.array(box["centre_lps_mm"]) - centre == pytest.approx((2.0, -5.0, 20.0), abs=1e-6)
    assert centre_of(box_of(template / "box.json")) == pytest.approx(box["centre_lps_mm"])


@pytest.mark.parametrize("hu, offset", [(-1000, 0.0), (50, 500.0)])
def test_template_without_a_head_in_its_box_is_refused(tmp_path, hu, offset):
    image = sitk.Image([40, 40, 40], sitk.sitkInt16) + hu
    image.SetSpacing((3.0, 3.0, 3.0))
    write_image(image, tmp_path / "source.nii.gz")
    settings = SETTINGS.model_copy(update={"box_offset_mm": (offset, 0.0, 0.0)})
    with pytest.raises(UserError, match="holds no head"):
        make_template(tmp_path / "source.nii.gz", tmp_path / "out", grid=GRID, registration=settings)
    assert not (tmp_path / "out").exists()


def test_tilted_head_lands_on_the_template(registered, tilted):
    found = sitk.ReadTransform(str(registered / "to_template.mat"))
    away = [
        np.linalg.norm(np.array(found.TransformPoint(point)) - tilted[1].TransformPoint(point))
        for point in head_points()
    ]
    assert max(away) < 2.0
    assert np.mean(away) < 1.0


def test_record_and_picture(registered, template, tilted):
    record = json.loads((registered / "registration.json").read_text(encoding="utf-8"))
    assert record["case"] == "head_02"
    assert record["status"] == "ok"
    assert record["overlap"] > 0.95
    assert record["similarity"] > 0.9
    assert record["transform"] == "rigid"
    assert record["least_overlap"] == SETTINGS.least_overlap
    # 12, -8 and 7 degrees about three axes are one turn of this angle.
    matrix = np.array(tilted[1].GetMatrix()).reshape(3, 3)
    angle = np.degrees(np.arccos((np.trace(matrix) - 1) / 2))
    assert record["rotation_deg"] == pytest.approx(angle, abs=1.0)
    centre = json.loads((template / "box.json").read_text(encoding="utf-8"))["centre_lps_mm"]
    moved = np.array(tilted[1].TransformPoint(centre)) - centre
    assert record["translation_mm"] == pytest.approx(moved, abs=1.5)
    assert {"tilt_deg", "similarity"} <= set(record["starts"][0])
    assert (registered / "registration.png").read_bytes().startswith(b"\x89PNG")
    names = {"registration.json", "registration.png", "to_template.mat"}
    assert {path.name for path in registered.iterdir()} == names


def test_without_images_the_picture_holds_words_alone(registered, template, tmp_path):
    record = json.loads((registered / "registration.json").read_text(encoding="utf-8"))
    draw(None, Template(template), record, tmp_path / "words.png")
    with Image.open(tmp_path / "words.png") as words, Image.open(registered / "registration.png") as planes:
        white = [image.convert("L").histogram()[255] for image in (words, planes)]
        assert white[0] > 0.95 * words.width * words.height > 2 * white[1]


def test_registration_repeats_to_the_bit_in_another_process(registered, template, tilted, tmp_path):
    """Also where the environment asks for more threads."""
    code = (
        "import sys; from globalmask.config import Registration; from globalmask.prepare.register import register; "
        "register(*sys.argv[1:4], registration=Registration.model_validate_json(sys.argv[4]), case='head_02')"
    )
    arguments = [str(tilted[0]), str(template), str(tmp_path), SETTINGS.model_dump_json()]
    environment = {**os.environ, "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "2", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, env=environment, capture_output=True)
    for name in ("to_template.mat", "registration.json"):
        assert (tmp_path / name).read_bytes() == (registered / name).read_bytes(), name


def test_affine_takes_out_size(template, tmp_path):
    """A head scanned with a spacing told 6 % too large."""
    ct, _, _ = make_scan(spacing_xyz=(2.0, 2.0, 2.0), tilt_deg=(0, 0, 6), noise_hu=10, seed=4)
    ct.SetSpacing((2.12, 2.12, 2.12))
    write_image(ct, tmp_path / "raw.nii.gz")
    settings = SETTINGS.model_copy(update={"transform": "affine"})
    register(tmp_path / "raw.nii.gz", template, tmp_path, registration=settings, case="large")
    matrix = np.array(sitk.AffineTransform(sitk.ReadTransform(str(tmp_path / "to_template.mat"))).GetMatrix())
    assert np.linalg.det(matrix.reshape(3, 3)) == pytest.approx(1.06**3, rel=0.04)
    assert json.loads((tmp_path / "registration.json").read_text(encoding="utf-8"))["transform"] == "affine"


def test_what_is_no_head_fails_and_is_told(template, tmp_path):
    """A water phantom of the size of a head: it can be laid over the template, but it has no skull."""
    z, y, x = np.mgrid[-60:60, -70:70, -60:60] * 2.0
    hu = np.where((x / 75) ** 2 + (y / 95) ** 2 + (z / 105) ** 2 < 1, 0, -1000).astype(np.int16)
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing((2.0, 2.0, 2.0))
    write_image(image, tmp_path / "raw.nii.gz")
    register(tmp_path / "raw.nii.gz", template, tmp_path, registration=SETTINGS, case="water")
    record = json.loads((tmp_path / "registration.json").read_text(encoding="utf-8"))
    assert record["status"] == "failed"
    assert (tmp_path / "registration.png").exists()


def test_overlap_under_the_threshold_fails(template, tilted, tmp_path):
    settings = SETTINGS.model_copy(update={"least_overlap": 0.999})
    register(tilted[0], template, tmp_path, registration=settings, case="head_02")
    assert json.loads((tmp_path / "registration.json").read_text(encoding="utf-8"))["status"] == "failed"


def test_movement_by_hand():
    """A quarter turn about z through the origin, then 1 mm along x; told for the point (2, 0, 0)."""
    turn = sitk.Euler3DTransform((0, 0, 0), 0, 0, np.pi / 2)
    told = movement(as_affine(sitk.TranslationTransform(3, (1.0, 0.0, 0.0)), turn), (2.0, 0.0, 0.0))
    assert told["rotation_deg"] == pytest.approx(90.0)
    assert told["translation_mm"] == pytest.approx([-1.0, 2.0, 0.0])


@pytest.mark.parametrize("tilt_deg", [(-17.0, 3.0, 2.0), (4.0, 8.0, -3.0)])
def test_search_alone_comes_close(template, tilt_deg):
    raw, _, to_scan = make_scan(
        spacing_xyz=(2.5, 2.5, 2.5),
        centre_lps=(50.0, -40.0, 60.0),
        tilt_deg=tilt_deg,
        move_mm=(60.0, -50.0, 90.0),
        shoulders=True,
    )
    start, tried = search(raw, Template(template))
    away = [
        np.linalg.norm(np.array(start.TransformPoint(point)) - to_scan.TransformPoint(point)) for point in head_points()
    ]
    assert np.mean(away) < 12.0
    assert max(tried, key=lambda each: each["similarity"])["similarity"] > 0.6
