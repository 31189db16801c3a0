"""Predictions go back to the scan by physical points: tilted, flipped and uneven scans, with a transform or not."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from globalmask.config import Grid
from globalmask.evidence.score import compare
from globalmask.imaging.geometry import sub_grid
from globalmask.imaging.images import array_of, image_like, read_image, write_image
from globalmask.learn.inputs import Case
from globalmask.learn.predict import place, predict, probabilities_of
from globalmask.masks.record import box_offset
from globalmask.network.model_file import save_model
from globalmask.network.unet import UNet
from globalmask.prepare.grid import prepare_ct

CENTRES = {1: (12.0, -20.0, 31.0), 2: (-9.0, 4.0, 18.0)}
RADII = {1: (16.0, 11.0, 9.0), 2: (7.0, 12.0, 8.0)}


def turn(degrees_x: float, degrees_y: float, degrees_z: float) -> np.ndarray:
    rotation = sitk.Euler3DTransform((0, 0, 0), *(math.radians(d) for d in (degrees_x, degrees_y, degrees_z)))
    return np.array(rotation.GetMatrix()).reshape(3, 3)


FLIP_X = np.diag([-1.0, 1.0, 1.0])
AXES_SWAPPED = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
SCANS = {
    "straight": (np.eye(3), (1.0, 1.0, 1.0), (90, 90, 80)),
    "uneven": (np.eye(3), (0.8, 0.8, 3.0), (112, 112, 28)),
    "flipped": (FLIP_X, (0.9, 1.1, 2.0), (100, 90, 42)),
    "tilted": (turn(12, -7, 4), (0.9, 0.9, 2.5), (100, 100, 34)),
    "tilted_flipped_swapped": (turn(8, 5, -9) @ AXES_SWAPPED, (2.5, 1.2, 0.9), (36, 75, 100)),
}


def empty_scan(name: str) -> sitk.Image:
    """A scan of air, in int16, whose middle lies near the structures."""
    direction, spacing, size = SCANS[name]
    scan = sitk.GetImageFromArray(np.full(size[::-1], -1000, np.int16))
    scan.SetSpacing(spacing)
    scan.SetDirection(direction.ravel().tolist())
    middle = direction @ (np.array(spacing) * (np.array(size) - 1) / 2)
    scan.SetOrigin((np.array([3.0, -8.0, 24.0]) - middle).tolist())
    return scan


def points_of(image: sitk.Image) -> np.ndarray:
    """LPS point of every voxel, (z, y, x, 3)."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in image.GetSize()), indexing="ij"), axis=-1)
    matrix = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    return (index @ matrix.T + np.array(image.GetOrigin())).transpose(2, 1, 0, 3)


def closeness(points: np.ndarray, structure: int) -> np.ndarray:
    """Below 1 inside the structure's ellipsoid."""
    return np.linalg.norm((points - CENTRES[structure]) / RADII[structure], axis=-1)


def true_label(image: sitk.Image, transform: sitk.Transform | None = None) -> sitk.Image:
    """The two ellipsoids on the grid of `image`; `transform` maps its points to where they are defined."""
    points = moved(points_of(image), transform)
    label = np.zeros(points.shape[:-1], np.uint8)
    for structure in CENTRES:
        label[closeness(points, structure) < 1] = structure
    return image_like(label, image)


def moved(points: np.ndarray, transform: sitk.Transform | None) -> np.ndarray:
    if transform is None:
        return points
    shift = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(axis)) - shift for axis in np.eye(3).tolist()]
    return points @ np.array(columns) + shift


def soft_probabilities(box: sitk.Image, transform: sitk.Transform | None = None) -> np.ndarray:
    """(3, z, y, x): what a perfect network says, 0.5 on the surface, sharp within about a voxel."""
    points = moved(points_of(box), transform)
    inside = [1 / (1 + np.exp(12 * (closeness(points, structure) - 1))) for structure in CENTRES]
    return np.stack([1 - sum(inside), *inside]).astype(np.float32)


def assert_overlays(native: sitk.Image, raw: sitk.Image) -> None:
    """Same header as the scan, Dice above 0.95, centres within a quarter of the largest voxel edge."""
    assert native.GetSize() == raw.GetSize()
    assert native.GetPixelID() == sitk.sitkUInt8
    for get in ("GetOrigin", "GetSpacing", "GetDirection"):
        assert getattr(native, get)() == getattr(raw, get)()
    rows = compare(true_label(raw), native, structures=["one", "two"], lost={"one": 0.0, "two": 0.0})
    for row in rows:
        assert row["dice"] > 0.95
        assert row["com_mm"] < 0.25 * max(raw.GetSpacing())


@pytest.mark.parametrize("name", SCANS)
def test_native_prediction_overlays_the_scan(tmp_path, name):
    """Raw scan, prepared grid, box, and back: an image of its own kind at each step."""
    raw = empty_scan(name)
    write_image(raw, tmp_path / "raw.nii.gz")
    raw = read_image(tmp_path / "raw.nii.gz")
    prepare_ct(tmp_path / "raw.nii.gz", tmp_path / "ct.nii.gz", grid=Grid(spacing_mm=1.5, size_voxels=48))
    prepared = read_image(tmp_path / "ct.nii.gz")
    offset = box_offset(array_of(true_label(prepared)) > 0, 48)
    box = sub_grid(prepared, offset_zyx=offset, size_zyx=(48, 48, 48))
    on_prepared, native = place(soft_probabilities(box), prepared, offset_zyx=offset, raw=raw, transform=None)
    assert_overlays(native, raw)
    assert_overlays(on_prepared, prepared)


@pytest.mark.parametrize("name", ["straight", "tilted_flipped_swapped"])
def test_registered_prediction_overlays_the_scan(name):
    """The box lies in template space; the transform maps template points to scan points."""
    raw = empty_scan(name)
    transform = sitk.AffineTransform(3)
    transform.SetMatrix((turn(-6, 9, 11) @ np.diag([1.05, 0.97, 1.02])).ravel().tolist())
    transform.SetTranslation((40.0, -25.0, 60.0))
    middle = transform.GetInverse().TransformPoint((3.0, -8.0, 24.0))
    template = sitk.GetImageFromArray(np.zeros((56, 56, 56), np.int16))
    template.SetSpacing((1.5, 1.5, 1.5))
    template.SetOrigin([value - 1.5 * 55 / 2 for value in middle])
    on_prepared, native = place(
        soft_probabilities(template, transform), template, offset_zyx=(0, 0, 0), raw=raw, transform=transform
    )
    assert_overlays(native, raw)
    wanted = true_label(template, transform)
    assert (array_of(on_prepared) == array_of(wanted)).mean() > 0.999


def test_box_that_begins_before_the_scan():
    """Offset -2: the first two voxels of the box are beyond the scan and are dropped."""
    prepared = sitk.GetImageFromArray(np.zeros((2, 2, 3), np.int16))
    prepared.SetSpacing((1.5, 1.5, 1.5))
    probabilities = np.zeros((2, 2, 2, 8), np.float32)
    probabilities[1, :, :, 2] = probabilities[1, :, :, 0] = 1
    probabilities[0] = 1 - probabilities[1]
    for image in place(probabilities, prepared, offset_zyx=(0, 0, -2), raw=prepared, transform=None):
        assert array_of(image)[0, 0].tolist() == [1, 0, 0]


def test_outside_the_box_is_background():
    prepared = sitk.GetImageFromArray(np.zeros((1, 1, 6), np.int16))
    probabilities = np.stack([np.zeros((1, 1, 2)), np.ones((1, 1, 2))]).astype(np.float32)
    for image in place(probabilities, prepared, offset_zyx=(0, 0, 3), raw=prepared, transform=None):
        assert array_of(image)[0, 0].tolist() == [0, 0, 0, 1, 1, 0]


HEADER = {"scenario": "ct_mask", "clip_hu": [-200.0, 200.0], "size_voxels": 32, "n": 4}


@pytest.fixture
def trained(tmp_path):
    """A saved network of 2 channels that has seen nothing, one prepared case and its raw scan."""
    torch.manual_seed(0)
    network = UNet(2, 3, channels=2, activation="leaky_relu", norm="instance", dropout=0.5)
    save_model(tmp_path / "model.safetensors", network, HEADER)
    raw = sitk.GetImageFromArray(np.random.default_rng(0).integers(-1000, 1000, (20, 40, 40)).astype(np.int16))
    raw.SetSpacing((1.0, 1.0, 2.0))
    write_image(raw, tmp_path / "raw.nii.gz")
    prepare_ct(tmp_path / "raw.nii.gz", tmp_path / "prepared/c/ct.nii.gz", grid=Grid(spacing_mm=1.5, size_voxels=32))
    prepared = read_image(tmp_path / "prepared/c/ct.nii.gz")
    mask = np.zeros(prepared.GetSize()[::-1], np.uint8)
    mask[5:20, 5:20, 5:20] = 1
    write_image(image_like(mask, prepared), tmp_path / "masks/c.nii.gz")
    record = {"offset_zyx": [-3, -2, -1], "size_zyx": [32, 32, 32], "status": "ok"}
    (tmp_path / "masks/c.json").write_text(json.dumps(record))
    return {
        "model_path": tmp_path / "model.safetensors",
        "prepared_dir": tmp_path / "prepared",
        "masks_dir": tmp_path / "masks",
        "raw_cts": {"c": tmp_path / "raw.nii.gz"},
        "cases": ["c"],
        "out_dir": tmp_path / "predictions",
        "native_dir": tmp_path / "native",
        "device": "cpu",
        "threads": 1,
    }


def test_predict_writes_both_grids_without_any_label(tmp_path, trained):
    """No label exists; the same call gives the same bytes."""
    predict(**trained)
    files = [tmp_path / "predictions/c.nii.gz", tmp_path / "native/c.nii.gz"]
    for file, like in zip(files, ["prepared/c/ct.nii.gz", "raw.nii.gz"], strict=True):
        assert read_image(file).GetSize() == read_image(tmp_path / like).GetSize()
        assert array_of(read_image(file)).max() <= 2
    first = [file.read_bytes() for file in files]
    predict(**trained)
    assert [file.read_bytes() for file in files] == first
    assert sorted(path.name for path in (tmp_path / "native").iterdir()) == ["c.nii.gz"]


def test_probabilities_are_a_softmax_in_evaluation_mode(trained):
    network = UNet(1, 4, channels=2, activation="sigmoid", norm="batch", dropout=0.5).eval()
    empty = np.zeros((32, 32, 32), np.float32)
    case = Case("c", empty, empty.astype(np.uint8), None, (0, 0, 0), (32, 32, 32))
    first, second = (probabilities_of(network, "ct", case) for _ in range(2))
    assert first.shape == (4, 32, 32, 32)
    assert first.sum(axis=0) == pytest.approx(1, abs=1e-5)
    assert (first == second).all()
