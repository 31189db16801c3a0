"""An untrained model that asks for a supplied mask, and a scan for it."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from globalmask.imaging.images import image_like, write_image
from globalmask.learn.seen import summary
from globalmask.network.model_file import save_model
from globalmask.network.unet import UNet
from globalmask.prepare.facts import scan_facts


def make_scan():
    """A tilted, uneven ball of tissue in air."""
    z, y, x = np.mgrid[:14, :30, :32]
    ball = ((z - 7) * 3) ** 2 + (y - 15) ** 2 + (x - 16) ** 2 < 120
    ct = sitk.GetImageFromArray(np.where(ball, 40, -1000).astype(np.int16))
    ct.SetSpacing((1.0, 1.1, 3.0))
    ct.SetOrigin((-20.0, 7.0, 300.0))
    ct.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.1, 0.05, -0.1).GetMatrix())
    return ct, image_like(ball.astype(np.uint8), ct)


HEADER = {
    "run": "r", "data": "real", "arm": "ball", "variant": "modern", "preset": "modern", "scenario": "ct_mask", "n": 2,
    "replicate": 0, "fold": 0, "train_cases": ["Doe^Jane", "b"], "validation_cases": ["c"],
    "structures": ["one", "two"],
    "clip_hu": [-200.0, 200.0], "size_voxels": 32, "grid": {"spacing_mm": 1.5, "size_voxels": 32}, "registration": None,
    "mask": {"recipe": "file", "labels": "full"}, "mask_set": "file",
    "saw": summary([scan_facts(make_scan()[0], make_scan()[0], None)]),
}  # fmt: skip


@pytest.fixture
def scan(tmp_path):
    """Paths of a CT and its mask."""
    ct, mask = make_scan()
    write_image(ct, tmp_path / "ct.nii.gz")
    write_image(mask, tmp_path / "mask.nii.gz")
    return tmp_path / "ct.nii.gz", tmp_path / "mask.nii.gz"


@pytest.fixture
def make_model(tmp_path):
    """`make_model(name, seed=11, **changes of the header)`: the path of an untrained model."""

    def make(name="model", seed=11, extra_networks=None, files=None, **changes):
        torch.manual_seed(seed)
        header = HEADER | changes
        channels = {"ct": 1, "mask": 1}.get(header["scenario"], 2)
        network = UNet(channels, 3, channels=2, activation="leaky_relu", norm="instance", dropout=0.0)
        # So large a head that the classes differ from voxel to voxel; seeds 7, 10 and 11 give all of them.
        torch.nn.init.normal_(network.head.weight, std=5.0)
        torch.nn.init.zeros_(network.head.bias)
        path = tmp_path / f"{name}.safetensors"
        save_model(path, network, header, extra_networks=extra_networks, files=files)
        return path

    return make
