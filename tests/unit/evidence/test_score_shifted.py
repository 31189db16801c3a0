"""A tiny head from raw scan to rows: what a shift may change, and what it must not."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import torch

from globalmask.config import Grid
from globalmask.evidence.robustness import COLUMNS
from globalmask.evidence.score import CONSTANT
from globalmask.evidence.score_shifted import predictions, score_shifted
from globalmask.evidence.shift_case import CaseFiles, read_shifted, shift_case, steps_of
from globalmask.imaging.geometry import cut, resample
from globalmask.imaging.images import array_of, image_like, read_image, write_image
from globalmask.imaging.intensity import AIR_HU, scale_ct
from globalmask.masks.coarse import coarsen_ct
from globalmask.masks.learned import predict_masks
from globalmask.masks.record import read_box, write_mask
from globalmask.masks.threshold import make_threshold_mask
from globalmask.network.model_file import save_model
from globalmask.network.unet import UNet
from globalmask.prepare.grid import prepare_ct

GRID, COARSE = Grid(spacing_mm=3.0, size_voxels=32), Grid(spacing_mm=6.0, size_voxels=32)
CLIP = (-200.0, 200.0)
SHIFTS = ("offset_up", "inversion", "noise")
META = dict.fromkeys(CONSTANT, "x") | {"n_train": 4, "replicate": 0, "fold": 0}


def raw_scan() -> sitk.Image:
    """A ball of tissue (30 mm) with a denser core, a fat-free rim of -350 HU on one side, in air; 2 mm voxels."""
    z, y, x = (np.mgrid[:48, :48, :48] - 23.5) * 2
    away = np.sqrt(z**2 + y**2 + x**2)
    hu = np.where(away < 30, 40, -1000)
    hu[away < 10] = 120
    hu[(away >= 30) & (away < 40) & (y > 0)] = -350
    scan = sitk.GetImageFromArray(hu.astype(np.int16))
    scan.SetSpacing((2.0, 2.0, 2.0))
    scan.SetOrigin((5.0, -60.0, 11.0))
    return scan


def save_network(path, scenario):
    """Untrained, but with both answers: its last bias is set so that half of a ball's box is foreground."""
    torch.manual_seed(3)
    channels = 2 if scenario == "ct_mask" else 1
    network = UNet(channels, 2, channels=2, activation="leaky_relu", norm="instance", dropout=0.0).eval()
    axis = torch.arange(32) - 15.5
    ball = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2 < 100).float() * 0.6
    with torch.inference_mode():
        answer = network(ball.expand(1, channels, -1, -1, -1))[0]
        list(network.parameters())[-1][1] -= (answer[1] - answer[0]).median()
    save_model(path, network, {"scenario": scenario, "clip_hu": list(CLIP), "size_voxels": GRID.size_voxels})


@pytest.fixture(scope="module", params=["threshold", "learned"])
def case(request, tmp_path_factory):
    """A case as the workflow lays it: raw scan, prepared grid, label, mask of the recipe, and its shifted file."""
    folder = tmp_path_factory.mktemp(request.param)
    write_image(raw_scan(), folder / "raw.nii.gz")
    prepared, masks = folder / "prepared/c/ct.nii.gz", folder / "masks"
    prepare_ct(folder / "raw.nii.gz", prepared, grid=GRID)
    network = None
    if request.param == "threshold":
        make_threshold_mask(folder / "raw.nii.gz", None, prepared, masks / "c.nii.gz", masks / "c.json", case="c")
    else:
        network = folder / "all.safetensors"
        save_network(network, "ct")
        coarsen_ct(ct_path=folder / "raw.nii.gz", out_ct=folder / "coarse/c/ct.nii.gz", grid=COARSE, case="c")
        places = {"coarse_dir": folder / "coarse", "prepared_dir": folder / "prepared", "masks_dir": masks}
        settings = {"size_voxels": GRID.size_voxels, "device": "cpu", "threads": 1}
        predict_masks(networks={"all": network}, parts={"c": "all"}, **places, **settings)
    label = image_like((array_of(read_image(folder / "raw.nii.gz")) == 120).astype(np.uint8), raw_scan())
    write_image(label, folder / "label.nii.gz")
    placed = resample(label, read_image(prepared), interpolation="nearest", outside=0)
    write_image(placed, folder / "prepared/c/label.nii.gz")
    files = CaseFiles("c", folder / "raw.nii.gz", masks, mask_network=network)
    run_shift_case(files, folder / "shifted/c.npz", recipe=request.param)
    return request.param, folder, files


def run_shift_case(files, out_path, *, recipe, shifts=SHIFTS):
    shift_case(
        files,
        arm="brain",
        seed=1,
        shifts=shifts,
        clip_hu=CLIP,
        grid=GRID,
        recipe=recipe,
        coarse_grid=COARSE,
        out_path=out_path,
        device="cpu",
        threads=1,
    )


def predicted(folder, scenario) -> dict[tuple[str, float, str], np.ndarray]:
    from globalmask.network.model_file import load_model

    save_network(folder / f"{scenario}.safetensors", scenario)
    network, header = load_model(folder / f"{scenario}.safetensors")
    offset, _ = read_box(folder / "masks/c.json")
    found = predictions(network, header, folder / "shifted/c.npz", offset_zyx=offset)
    return {(seen.shift, seen.strength, seen.masks): labels for seen, labels in found}


def test_every_step_is_there_with_both_kinds_of_mask(case):
    _, folder, _ = case
    keys = [(seen.shift, seen.strength, seen.masks) for seen in read_shifted(folder / "shifted/c.npz")]
    assert keys == [(*step, masks) for masks in ("frozen", "remade") for step in steps_of(SHIFTS).values()]
    assert len(keys) == 2 * (1 + 3 * 3)


def test_unshifted_is_the_clean_case_bit_for_bit(case):
    """Scan, mask and box, also where the mask is made again: the run's own stages made them."""
    _, folder, _ = case
    offset, size = read_box(folder / "masks/c.json")
    ct = cut(array_of(read_image(folder / "prepared/c/ct.nii.gz")), offset_zyx=offset, size_zyx=size, fill=AIR_HU)
    mask = cut(array_of(read_image(folder / "masks/c.nii.gz")), offset_zyx=offset, size_zyx=size, fill=0)
    clean = [seen for seen in read_shifted(folder / "shifted/c.npz") if seen.strength == 0]
    assert [seen.masks for seen in clean] == ["frozen", "remade"]
    for seen in clean:
        assert seen.offset_zyx == offset
        assert (scale_ct(seen.ct_hu, CLIP) == scale_ct(ct, CLIP)).all()
        assert (seen.mask == mask).all()
    assert mask.any()


def test_a_mask_model_with_frozen_masks_cannot_see_a_shift(case):
    _, folder, _ = case
    found = predicted(folder, "mask")
    clean = found["none", 0.0, "frozen"]
    assert clean.any()
    assert not clean.all()
    assert all((labels == clean).all() for (_, _, masks), labels in found.items() if masks == "frozen")


def test_a_ct_model_sees_a_shift(case):
    _, folder, _ = case
    found = predicted(folder, "ct")
    assert (found["inversion", 1.0, "frozen"] != found["none", 0.0, "frozen"]).any()


@pytest.mark.parametrize("case", ["threshold"], indirect=True)
def test_remade_masks_follow_what_passes_the_threshold(case):
    """200 HU more lift the rim of -350 HU over -200: the head grows by it, and a mask model answers otherwise."""
    _, folder, _ = case
    masks = {(s.shift, s.strength): s.mask for s in read_shifted(folder / "shifted/c.npz") if s.masks == "remade"}
    assert masks["offset_up", 200.0].sum() > 1.2 * masks["none", 0.0].sum()
    assert masks["offset_up", 100.0].sum() < 1.1 * masks["none", 0.0].sum()
    found = predicted(folder, "mask")
    assert (found["offset_up", 200.0, "remade"] != found["none", 0.0, "remade"]).any()


def test_the_answer_of_a_box_that_moved_comes_back_to_the_clean_box(case, tmp_path):
    """Box 2 voxels further along x: its answer at 5 lies at 7 of the clean box, and none is known at 0 and 1."""
    _, folder, _ = case
    seen = next(iter(read_shifted(folder / "shifted/c.npz")))
    arrays = {"ct": seen.ct_hu[None], "mask": seen.mask[None], "offset": np.array(seen.offset_zyx)[None] + [0, 0, 2]}
    stored = {f"frozen_{name}": value for name, value in arrays.items()}
    np.savez_compressed(tmp_path / "c.npz", shift=np.array(["noise"]), strength=np.array([1.0]), **stored)
    own = predicted(folder, "mask")["none", 0.0, "frozen"]
    from globalmask.network.model_file import load_model

    network, header = load_model(folder / "mask.safetensors")
    ((_, moved),) = predictions(network, header, tmp_path / "c.npz", offset_zyx=seen.offset_zyx)
    assert (moved[:, :, 2:] == own[:, :, :-2]).all()
    assert not moved[:, :, :2].any()


def score_case(folder, out_path, **changes):
    save_network(folder / "ct_mask.safetensors", "ct_mask")
    score_shifted(
        **{
            "model_path": folder / "ct_mask.safetensors",
            "shifted_dir": folder / "shifted",
            "prepared_dir": folder / "prepared",
            "masks_dir": folder / "masks",
            "raw_labels": {"c": folder / "label.nii.gz"},
            "label_values": {"core": 1},
            "meta": META,
            "out_path": out_path,
            "device": "cpu",
            "threads": 1,
            **changes,
        }
    )
    return pd.read_csv(out_path)


def test_rows_start_at_the_clean_scan_and_share_its_reference(case, tmp_path):
    _, folder, _ = case
    rows = score_case(folder, tmp_path / "robustness.csv")
    assert tuple(rows.columns) == COLUMNS
    assert rows.groupby(["shift", "masks"])["strength"].apply(list).map(len).eq(4).all()
    assert set(rows["shift"]) == set(SHIFTS)
    starts = rows[rows["strength"] == 0]
    assert len(starts) == 2 * len(SHIFTS)
    assert starts["dice"].nunique() == 1
    assert rows["ref_ml"].nunique() == 1
    assert (rows["ref_ml"] > 3).all()


def test_labels_decide_scores_and_no_prediction(case, tmp_path):
    """Another label: other Dice, the same predicted volumes."""
    _, folder, _ = case
    before = score_case(folder, tmp_path / "before.csv")
    label = read_image(folder / "prepared/c/label.nii.gz")
    write_image(image_like(np.roll(array_of(label), 3, axis=2), label), tmp_path / "prepared/c/label.nii.gz")
    after = score_case(folder, tmp_path / "after.csv", prepared_dir=tmp_path / "prepared")
    assert (before["dice"] != after["dice"]).any()
    assert (before["pred_ml"] == after["pred_ml"]).all()


def test_equal_words_give_equal_files(case, tmp_path):
    recipe, folder, files = case
    run_shift_case(files, tmp_path / "again.npz", recipe=recipe)
    first, again = (np.load(path) for path in (folder / "shifted/c.npz", tmp_path / "again.npz"))
    assert first.files == again.files
    assert all((first[name] == again[name]).all() for name in first.files)


def test_a_supplied_mask_cannot_be_made_again(case, tmp_path):
    _, _, files = case
    run_shift_case(files, tmp_path / "c.npz", recipe="file", shifts=["blur"])
    assert {seen.masks for seen in read_shifted(tmp_path / "c.npz")} == {"frozen"}


def test_an_empty_remade_mask_is_a_mask_too(tmp_path):
    """A scan with no tissue left keeps its rows: box at the image's centre, nothing inside the mask."""
    air = raw_scan() * 0 - 1000
    write_image(sitk.Cast(air, sitk.sitkInt16), tmp_path / "raw.nii.gz")
    prepare_ct(tmp_path / "raw.nii.gz", tmp_path / "prepared/c/ct.nii.gz", grid=GRID)
    prepared = read_image(tmp_path / "prepared/c/ct.nii.gz")
    full = np.ones(prepared.GetSize()[::-1], bool)
    names = {"out_mask": tmp_path / "masks/c.nii.gz", "out_json": tmp_path / "masks/c.json"}
    write_mask(full, prepared, **names, case="c", recipe="threshold", size_voxels=32, fixed_box=True)
    assert json.loads((tmp_path / "masks/c.json").read_text(encoding="utf-8"))["status"] == "ok"
    files = CaseFiles("c", tmp_path / "raw.nii.gz", tmp_path / "masks")
    run_shift_case(files, tmp_path / "c.npz", recipe="threshold", shifts=["offset_down"])
    seen = {(s.masks, s.strength): s.mask for s in read_shifted(tmp_path / "c.npz")}
    assert seen["frozen", 200.0].any()
    assert not seen["remade", 200.0].any()
