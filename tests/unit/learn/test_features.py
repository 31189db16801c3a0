"""Feature maps for the figures: the right slice, the right pooling, readable without torch."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from globalmask.imaging.images import image_like, write_image
from globalmask.learn.features import extract_features, largest_structure_slice, slice_and_pool
from globalmask.learn.inputs import Case
from globalmask.network.model_file import save_model
from globalmask.network.unet import UNet


def test_slice_goes_through_the_largest_structure():
    label = np.zeros((8, 4, 4), np.uint8)
    label[0, 0, 0] = 1
    label[4:7, :2, :2] = 2
    assert largest_structure_slice(label) == 5
    assert largest_structure_slice(np.zeros((8, 4, 4), np.uint8)) == 4


class Ramp(torch.nn.Module):
    """Stands for a network with two maps: z, and 0.25 everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def features(self, x):
        z = torch.arange(x.shape[2], dtype=torch.float32)[:, None, None].expand(x.shape[2:])
        return torch.stack([z, torch.full(x.shape[2:], 0.25)])[None]


def test_slice_and_pool_by_hand():
    empty = np.zeros((32, 32, 32), np.float32)
    case = Case("c", empty, empty.astype(np.uint8), None, (0, 0, 0), (32, 32, 32))
    maps, pooled = slice_and_pool(Ramp(), "ct", case, slice_z=7)
    assert (maps.dtype, maps.shape) == (np.float16, (2, 32, 32))
    assert (maps[0] == 7).all() and (maps[1] == 0.25).all()
    assert (pooled.dtype, pooled.shape) == (np.float32, (2, 16, 16, 16))
    assert pooled[0, :, 3, 3].tolist() == [2 * k + 0.5 for k in range(16)]


def test_extract_features(tmp_path):
    torch.manual_seed(0)
    header = {
        "scenario": "ct_mask",
        "clip_hu": [-200.0, 200.0],
        "size_voxels": 32,
        "n": 4,
        "structures": ["heart", "artery"],
    }
    network = UNet(2, 3, channels=4, activation="sigmoid", norm="batch", dropout=0.2)
    save_model(tmp_path / "model.safetensors", network, header)
    ct = np.full((40, 40, 40), 200, np.int16)
    label = np.zeros((40, 40, 40), np.uint8)
    label[10:13, 12:20, 12:20] = 2
    like = sitk.GetImageFromArray(ct)
    write_image(like, tmp_path / "prepared/c/ct.nii.gz")
    write_image(image_like(label, like), tmp_path / "prepared/c/label.nii.gz")
    write_image(image_like(label, like), tmp_path / "masks/c.nii.gz")
    (tmp_path / "masks/c.json").write_text(json.dumps({"offset_zyx": [4, 4, 4]}))
    extract_features(
        model_path=tmp_path / "model.safetensors",
        prepared_dir=tmp_path / "prepared",
        masks_dir=tmp_path / "masks",
        case="c",
        out_path=tmp_path / "features.npz",
        device="cpu",
        threads=1,
    )
    stored = np.load(tmp_path / "features.npz", allow_pickle=False)
    assert stored["slice_z"] == 7
    assert (stored["label_slice"] == label[11, 4:36, 4:36]).all()
    assert stored["maps_slice"].shape == (4, 32, 32)
    assert stored["maps_pooled"].shape == (4, 16, 16, 16)
    assert stored["ct_slice"] == pytest.approx(1)
    assert (str(stored["scenario"]), int(stored["n"]), str(stored["case"])) == ("ct_mask", 4, "c")
    assert stored["structures"].tolist() == ["heart", "artery"]
