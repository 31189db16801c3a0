"""The network has the paper's size and shapes, and the scenarios of a replicate start alike."""

from __future__ import annotations

import pytest
import torch

from globalmask.network.unet import UNet, count_weights, initialise
from globalmask.provenance import torch_seed

PAPER = {"channels": 32, "activation": "sigmoid", "norm": "batch", "dropout": 0.2}
SMALL = {"channels": 2, "activation": "leaky_relu", "norm": "instance", "dropout": 0.0}


def test_paper_preset_has_the_papers_weights():
    assert count_weights(UNet(1, 4, **PAPER)) == 22_581_316


def test_second_channel_adds_864_weights():
    assert count_weights(UNet(2, 4, **PAPER)) - count_weights(UNet(1, 4, **PAPER)) == 864


def test_weights_of_a_small_net_counted_by_hand():
    # Convolutions i -> o: 27 i o + o, norms 2 o, transposed 8 i o + o, head i o + o; widths 2 4 8 16 32.
    def double(start: int, width: int) -> int:
        return 27 * start * width + 27 * width * width + 2 * width + 4 * width

    down = double(1, 2) + double(2, 4) + double(4, 8) + double(8, 16) + double(16, 32)
    up = sum(8 * 2 * w * w + w + double(2 * w, w) for w in (16, 8, 4, 2))
    assert count_weights(UNet(1, 3, **SMALL)) == down + up + 2 * 3 + 3


@pytest.mark.parametrize("style", [PAPER, SMALL])
def test_shapes_of_logits_and_features(style):
    network = UNet(2, 4, **{**style, "channels": 4}).eval()
    x = torch.zeros(1, 2, 32, 48, 32)
    with torch.no_grad():
        assert network(x).shape == (1, 4, 32, 48, 32)
        assert network.features(x).shape == (1, 4, 32, 48, 32)


def test_logits_are_the_head_of_the_features():
    network = UNet(1, 3, **SMALL).eval()
    x = torch.rand(1, 1, 32, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(x), network.head(network.features(x)))


def test_dropout_stands_at_the_end_of_every_block_and_only_in_training():
    network = UNet(1, 3, **{**SMALL, "dropout": 0.2})
    blocks = [*network.down, network.bottom, *network.up]
    assert all(isinstance(block[-1], torch.nn.Dropout3d) for block in blocks)
    x = torch.rand(1, 1, 32, 32, 32)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


def test_instance_norm_of_one_case_equals_that_of_torch():
    ours = UNet(1, 3, **SMALL).down[0][1]
    x = torch.randn(1, 2, 4, 5, 6)
    both = torch.cat([x, x + 1])
    expected = torch.nn.functional.instance_norm(x, eps=ours.eps)
    assert torch.allclose(ours(x), expected, atol=1e-6)
    assert torch.allclose(ours(both)[:1], expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 2, 6, 5, 4), (1, 2, 3, 5, 4), (2, 2, 4, 4, 4)])
def test_convolution_in_halves_equals_that_of_torch(shape):
    ours = UNet(1, 3, **SMALL).down[0][3]
    x = torch.randn(shape)
    expected = torch.nn.functional.conv3d(x, ours.weight, ours.bias, padding=1)
    assert torch.allclose(ours(x), expected, atol=1e-5)


def _start(in_channels: int, replicate: int = 0) -> dict[str, torch.Tensor]:
    network = UNet(in_channels, 3, **SMALL)
    initialise(network, lambda layer: torch_seed(1, "brain", replicate, "weights", layer))
    return network.state_dict()


def test_one_and_two_channels_share_every_layer_but_the_first():
    one, two = _start(1), _start(2)
    differ = {name for name in one if one[name].shape != two[name].shape or not one[name].equal(two[name])}
    assert differ == {"down.0.0.weight", "down.0.0.bias"}


def test_another_replicate_has_other_weights_and_the_same_one_the_same():
    assert all(torch.equal(a, b) for a, b in zip(_start(1).values(), _start(1).values(), strict=True))
    first, other = _start(1), _start(1, replicate=1)
    assert not torch.equal(first["bottom.0.weight"], other["bottom.0.weight"])


def test_initial_weights_have_the_bounds_of_torchs_default():
    weight = _start(1)["bottom.0.weight"]
    bound = 1 / (weight.shape[1] * 27) ** 0.5
    assert 0.95 * bound < weight.abs().max() <= bound


def test_independent_structures_share_the_background_of_one_half():
    torch.manual_seed(0)
    network = UNet(1, 4, **SMALL, output="sigmoid").eval()
    x = torch.randn(1, 1, 32, 32, 32)
    chances = network.chances(x)
    assert network(x).shape == chances.shape == (1, 4, 32, 32, 32)
    assert network.head.out_channels == 3
    assert (chances[:, 0] == 0.5).all()
    assert torch.allclose(chances[:, 1:], torch.sigmoid(network.head(network.features(x))))


def test_a_network_without_the_word_output_is_a_softmax():
    network = UNet(1, 4, **SMALL).eval()
    assert network.arguments["output"] == "softmax"
    assert torch.allclose(network.chances(torch.randn(1, 1, 32, 32, 32)).sum(1), torch.tensor(1.0))
