"""A model file comes back as it was, tells its header without torch, and refuses damage."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from globalmask.errors import UserError
from globalmask.network.model_file import load_model, read_header, save_model
from globalmask.network.unet import UNet

STYLE = {"channels": 2, "activation": "leaky_relu", "norm": "batch", "dropout": 0.1}
HEADER = {"arm": "brain", "scenario": "ct_mask", "structures": ["a", "b"], "clip_hu": [-200, 200]}


@pytest.fixture()
def saved(tmp_path):
    torch.manual_seed(0)
    network, mask = UNet(2, 3, **STYLE), UNet(1, 2, **STYLE)
    path = tmp_path / "model.safetensors"
    save_model(path, network, HEADER, extra_networks={"mask": (mask, {"arm": "brain", "part": "all"})})
    return path, network, mask


def same(first, second):
    a, b = first.state_dict(), second.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_network_and_header_come_back(saved):
    path, network, _ = saved
    loaded, header = load_model(path)
    assert same(network, loaded) and not loaded.training
    assert {name: header[name] for name in HEADER} == HEADER
    assert header["network"] == {"in_channels": 2, "out_channels": 3, "output": "softmax", **STYLE}
    assert header == read_header(path)


def test_mask_network_travels_in_the_same_file(saved):
    path, _, mask = saved
    loaded, header = load_model(path, part="mask")
    assert same(mask, loaded)
    assert header["part"] == "all"


def test_missing_part_is_told(saved):
    with pytest.raises(UserError, match="no such network"):
        load_model(saved[0], part="liver")


def test_header_is_read_without_torch(saved):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from globalmask.network.model_file import read_header\n"
        f"print(read_header({str(saved[0])!r})['arm'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", env={"PYTHONPATH": "workflow"}
    )
    assert done.stdout.strip() == "brain", done.stderr


def test_no_pickle_inside(saved):
    content = saved[0].read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert set(json.loads(content[8 : 8 + length])["__metadata__"]) == {"globalmask"}


def test_memory_layout_does_not_matter(tmp_path):
    network = UNet(1, 2, **STYLE).to(memory_format=torch.channels_last_3d)
    save_model(tmp_path / "model.safetensors", network, HEADER)
    assert same(network, load_model(tmp_path / "model.safetensors")[0])


def test_flipped_bit_is_found(saved):
    content = bytearray(saved[0].read_bytes())
    content[-1] ^= 1
    saved[0].write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        load_model(saved[0])


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64, b"\x02\x00\x00\x00\x00\x00\x00\x00{}"])
def test_what_is_no_model_is_told(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a model"):
        read_header(path)


def test_cut_file_is_told(saved):
    saved[0].write_bytes(saved[0].read_bytes()[:-10])
    with pytest.raises(UserError, match="damaged"):
        load_model(saved[0])


def test_missing_file_is_told(tmp_path):
    with pytest.raises(UserError, match="missing"):
        read_header(tmp_path / "model.safetensors")


def test_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        save_model(tmp_path / "model.safetensors", UNet(1, 2, **STYLE), {"bad": object()})
    assert list(tmp_path.iterdir()) == []
