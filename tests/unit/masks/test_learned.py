"""The mask network: its coarse grid, its target, its masks, and that no label reaches a mask."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from globalmask.config import Grid, TrainSettings
from globalmask.errors import UserError
from globalmask.imaging.images import array_of, image_like, read_image, write_image
from globalmask.masks.coarse import coarsen_ct, coarsen_label
from globalmask.masks.learned import (
    inside_probability,
    mask_of,
    predict_masks,
    refuse_silent_networks,
    train_mask_network,
)
from globalmask.network.model_file import load_model, save_model
from globalmask.network.unet import UNet

COARSE = Grid(spacing_mm=4.0, size_voxels=32)
SETTINGS = TrainSettings(
    channels=4,
    activation="leaky_relu",
    norm="instance",
    dropout=0.0,
    loss="dice_ce",
    learning_rate=1.0e-2,
    max_steps=30,
    validate_every=10,
    patience_steps=None,
)
HU = (-200.0, 200.0)


def scan(size, spacing, origin, value=-1000, direction=None) -> sitk.Image:
    image = sitk.GetImageFromArray(np.full(size[::-1], value, np.int16))
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    if direction is not None:
        image.SetDirection(direction)
    return image


def with_ball(image: sitk.Image, centre, radius, inside) -> sitk.Image:
    """`inside` within `radius` mm of the physical point `centre` (x, y, z); `image` is axis-aligned."""
    array = array_of(image)
    axes = zip(image.GetOrigin(), image.GetSpacing(), image.GetSize(), centre, strict=True)
    x, y, z = (start + step * np.arange(count) - middle for start, step, count, middle in axes)
    array[z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 < radius**2] = inside
    return image_like(array, image)


def test_coarse_grid_is_centred_on_the_scan(tmp_path):
    """Flipped scan from x = 90 down to 0 mm: its middle is 45, the box runs from 45 - 62 to 45 + 62 mm."""
    raw = scan((10, 20, 30), (10.0, 4.0, 2.0), (90.0, -30.0, 5.0), value=100, direction=(-1, 0, 0, 0, 1, 0, 0, 0, 1))
    write_image(raw, tmp_path / "raw.nii.gz")
    coarsen_ct(ct_path=tmp_path / "raw.nii.gz", out_ct=tmp_path / "ct.nii.gz", grid=COARSE, case="c")
    coarse = read_image(tmp_path / "ct.nii.gz")
    assert coarse.GetSize() == (32, 32, 32)
    assert coarse.GetSpacing() == (4.0, 4.0, 4.0)
    assert coarse.GetOrigin() == pytest.approx((45 - 62, -30 + 38 - 62, 5 + 29 - 62))
    assert coarse.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    array = array_of(coarse)
    assert array.dtype == np.int16
    assert array[16, 16].min() == -1024
    assert array[16, 16, 16] == 100


def test_coarse_label_is_the_union_of_the_arm_s_structures_only(tmp_path):
    raw = scan((32, 32, 32), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0), value=0)
    label = array_of(raw)
    label[5, 5, 5], label[6, 6, 6], label[7, 7, 7] = 500, 205, 99
    write_image(image_like(label, raw), tmp_path / "label.nii.gz")
    write_image(raw, tmp_path / "ct.nii.gz")
    coarsen_label(
        label_path=tmp_path / "label.nii.gz",
        coarse_ct_path=tmp_path / "ct.nii.gz",
        out_label=tmp_path / "out.nii.gz",
        values=[500, 205],
        case="c",
    )
    found = array_of(read_image(tmp_path / "out.nii.gz"))
    assert found.dtype == np.uint8
    assert np.argwhere(found).tolist() == [[5, 5, 5], [6, 6, 6]]
    assert found.max() == 1


def test_probability_is_brought_over_once_and_cut_at_a_half():
    """Coarse voxels at 0, 4 and 8 mm: 0, 1, 0. Linearly, 0.5 is reached at 2 and 6 mm; steps of 1 mm."""
    inside = sitk.GetImageFromArray(np.array([[[0, 1, 0]]], np.float32).repeat(2, 0).repeat(2, 1))
    inside.SetSpacing((4.0, 4.0, 4.0))
    fine = scan((12, 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    assert np.argwhere(mask_of(inside, fine)[0, 0]).ravel().tolist() == [2, 3, 4, 5, 6]


def test_largest_component_is_kept_and_nothing_stays_nothing():
    inside = sitk.GetImageFromArray(np.array([[[1, 0, 1, 1, 0.4]]], np.float32))
    assert mask_of(inside, inside)[0, 0].tolist() == [False, False, True, True, False]
    assert not mask_of(inside * 0.4, inside).any()


def test_beyond_the_coarse_grid_is_outside():
    inside = sitk.GetImageFromArray(np.ones((2, 2, 2), np.float32))
    fine = scan((4, 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    assert mask_of(inside, fine)[0, 0].tolist() == [True, True, False, False]


def test_probability_is_the_second_class_of_a_softmax():
    network = UNet(1, 2, channels=2, activation="sigmoid", norm="batch", dropout=0.0).eval()
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.copy_(torch.tensor([0.0, np.log(3.0)]))
    inside = inside_probability(network, np.zeros((32, 32, 32), np.int16), clip_hu=HU)
    assert inside == pytest.approx(0.75)


@pytest.fixture(scope="module")
def arm(tmp_path_factory):
    """Two cases with a bright ball off the middle, coarse CT and label, prepared CT; a network of 30 steps."""
    folder = tmp_path_factory.mktemp("arm")
    for case, centre in {"a": (12.0, -8.0, 4.0), "b": (-12.0, 4.0, 8.0)}.items():
        coarse = scan((32, 32, 32), (4.0, 4.0, 4.0), (-62.0, -62.0, -62.0))
        write_image(with_ball(coarse, centre, 24, 100), folder / f"coarse/{case}/ct.nii.gz")
        label = with_ball(scan((32, 32, 32), (4.0, 4.0, 4.0), (-62.0,) * 3, value=0), centre, 24, 1)
        write_image(sitk.Cast(label, sitk.sitkUInt8), folder / f"coarse/{case}/label.nii.gz")
        write_image(scan((44, 44, 44), (3.0, 3.0, 3.0), (-64.5,) * 3), folder / f"prepared/{case}/ct.nii.gz")
    return folder, train(folder, folder / "networks/all")


def train(folder, out_dir, cases=("a", "b"), checkpoint_dir=None):
    return train_mask_network(
        coarse_dir=folder / "coarse",
        cases=cases,
        settings=SETTINGS,
        clip_hu=HU,
        seed_words={"seed": 1, "arm": "heart", "replicate": 0},
        device="cpu",
        threads=1,
        out_dir=out_dir,
        checkpoint_dir=checkpoint_dir,
        header={"arm": "heart"},
    )


def make_masks(folder, masks_dir, networks) -> None:
    predict_masks(
        networks=networks,
        parts={"a": "all", "b": "all"},
        coarse_dir=folder / "coarse",
        prepared_dir=folder / "prepared",
        masks_dir=masks_dir,
        size_voxels=32,
        device="cpu",
        threads=1,
    )


def test_training_uses_fixed_steps_no_validation_and_last_weights(arm):
    folder, state = arm
    network, header = load_model(folder / "networks/all/model.safetensors")
    assert (state.step, state.stop_reason, state.best_val_dice) == (30, "max_steps", None)
    assert (network.arguments["in_channels"], network.arguments["out_channels"]) == (1, 2)
    assert (header["purpose"], header["clip_hu"], header["size_voxels"]) == ("mask", [-200, 200], 32)
    run = json.loads((folder / "networks/all/run.json").read_text(encoding="utf-8"))
    assert run["cases"] == {"train": ["a", "b"], "validation": []}
    assert (folder / "networks/all/history.csv").read_text(encoding="utf-8").count("\n") == 4


def test_masks_find_the_ball_and_their_box(arm, tmp_path):
    """The ball of case a lies at (12, -8, 4) mm: x voxel (12 + 64.5) / 3 = 25.5, box from 25.5 - 15.5 = 10."""
    folder, _ = arm
    make_masks(folder, tmp_path, {"all": folder / "networks/all/model.safetensors"})
    record = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert (record["status"], record["part"], record["recipe"]) == ("ok", "all", "learned")
    assert record["volume_ml"] == pytest.approx(4 / 3 * np.pi * 2.4**3, rel=0.2)
    assert np.abs(np.array(record["offset_zyx"]) - (7.3, 3.3, 10)).max() <= 1.5
    mask = read_image(tmp_path / "a.nii.gz")
    assert mask.GetSize() == (44, 44, 44)
    assert mask.GetOrigin() == pytest.approx((-64.5,) * 3)


def test_no_label_reaches_a_mask(arm, tmp_path):
    """Scrambled and missing labels, coarse and prepared: the same bytes."""
    folder, _ = arm
    networks = {"all": folder / "networks/all/model.safetensors"}
    make_masks(folder, tmp_path / "before", networks)
    kept = {path: path.read_bytes() for path in (folder / "coarse").glob("*/label.nii.gz")}
    try:
        (folder / "coarse/a/label.nii.gz").unlink()
        (folder / "coarse/b/label.nii.gz").write_bytes(b"nonsense")
        (folder / "prepared/a/label.nii.gz").write_bytes(b"nonsense")
        make_masks(folder, tmp_path / "after", networks)
    finally:
        (folder / "prepared/a/label.nii.gz").unlink()
        for path, content in kept.items():
            path.write_bytes(content)
    for name in ("a.nii.gz", "a.json", "b.nii.gz", "b.json"):
        assert (tmp_path / "before" / name).read_bytes() == (tmp_path / "after" / name).read_bytes()


def test_each_case_gets_the_network_of_its_part(arm, tmp_path):
    """Part k0 says nothing is inside: its case's mask is empty and its box the middle of the image."""
    folder, _ = arm
    network, header = load_model(folder / "networks/all/model.safetensors")
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.copy_(torch.tensor([5.0, -5.0]))
    save_model(tmp_path / "k0.safetensors", network, {name: header[name] for name in ("clip_hu", "size_voxels")})
    networks = {"all": folder / "networks/all/model.safetensors", "k0": tmp_path / "k0.safetensors"}
    highest = predict_masks(
        networks=networks,
        parts={"a": "k0", "b": "all"},
        coarse_dir=folder / "coarse",
        prepared_dir=folder / "prepared",
        masks_dir=tmp_path,
        size_voxels=32,
        device="cpu",
        threads=1,
    )
    empty, found = (json.loads((tmp_path / f"{case}.json").read_text(encoding="utf-8")) for case in "ab")
    assert (empty["part"], empty["status"], empty["offset_zyx"]) == ("k0", "empty", [6, 6, 6])
    assert (found["part"], found["status"]) == ("all", "ok")
    assert highest["k0"] < 1e-4 and highest["all"] > 0.5
    refuse_silent_networks({"all": highest["all"]}, networks)
    with pytest.raises(UserError, match="finds nothing in any of its cases") as raised:
        refuse_silent_networks(highest, networks)
    assert "k0.safetensors" in str(raised.value) and "max_steps" in str(raised.value)


def test_training_without_cases_or_with_an_empty_label_is_refused(arm, tmp_path):
    folder, _ = arm
    with pytest.raises(UserError, match="no training case"):
        train(folder, tmp_path / "k0", cases=())
    nothing = scan((32, 32, 32), (4.0, 4.0, 4.0), (0.0,) * 3, value=0)
    write_image(nothing, tmp_path / "coarse/e/ct.nii.gz")
    write_image(nothing, tmp_path / "coarse/e/label.nii.gz")
    with pytest.raises(UserError, match="is empty on the mask network's coarse grid"):
        train(tmp_path, tmp_path / "k0", cases=("e",))
    assert not (tmp_path / "k0").exists()
