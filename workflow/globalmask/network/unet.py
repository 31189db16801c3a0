"""The 3D U-Net of the paper (section 2.1): four blocks down, a bottom, four blocks up.

A block is twice convolution 3x3x3, normalisation, activation, then 3D spatial dropout. The width
doubles after every pooling and halves at every transposed convolution; skips are concatenated. With
32 channels, BatchNorm, 1 input and 4 outputs this is 22,581,316 weights; a second input channel
adds 864.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

LEVELS = 4


class UNet(nn.Module):
    """Input `(batch, in_channels, z, y, x)` to logits `(batch, out_channels, z, y, x)`.

    Each of z, y, x is a multiple of 16 and at least 32. `out_channels` counts the background.
    `activation` is `sigmoid` or `leaky_relu`, `norm` is `batch` or `instance`; `dropout` is the
    share of maps that are switched off during training. With `output` `sigmoid` the structures are
    independent and the background's logit is 0, a chance of 0.5: the largest logit is then the
    largest structure above 0.5, or else the background (REQUIREMENTS A-02).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: int,
        activation: str,
        norm: str,
        dropout: float,
        output: str = "softmax",
    ) -> None:
        super().__init__()
        self.arguments = {
            "in_channels": in_channels,
            "out_channels": out_channels,
            "channels": channels,
            "activation": activation,
            "norm": norm,
            "dropout": dropout,
            "output": output,
        }
        widths = [channels * 2**level for level in range(LEVELS + 1)]
        starts = [in_channels, *widths]
        block = partial(_block, activation=activation, norm=norm, dropout=dropout)
        self.down = nn.ModuleList(block(starts[k], widths[k]) for k in range(LEVELS))
        self.bottom = block(widths[-2], widths[-1])
        falling = widths[-2::-1]
        self.widen = nn.ModuleList(nn.ConvTranspose3d(2 * width, width, 2, stride=2) for width in falling)
        self.up = nn.ModuleList(block(2 * width, width) for width in falling)
        self.output = output
        self.head = nn.Conv3d(channels, out_channels - (output == "sigmoid"), 1)

    def features(self, x: Tensor) -> Tensor:
        """Maps `(batch, channels, z, y, x)` of the fourth up block (paper Fig. 7)."""
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
            x = nn.functional.max_pool3d(x, 2)
        x = self.bottom(x)
        for widen, block, skip in zip(self.widen, self.up, reversed(skips), strict=True):
            x = block(torch.cat([skip, widen(x)], dim=1))
        return x

    def forward(self, x: Tensor) -> Tensor:
        logits = self.head(self.features(x))
        return nn.functional.pad(logits, (0, 0) * 3 + (1, 0)) if self.output == "sigmoid" else logits

    def chances(self, x: Tensor) -> Tensor:
        """Chance (float32, 0..1) of every class; the largest one decides."""
        return chances(self(x), self.output)


def chances(logits: Tensor, output: str) -> Tensor:
    """Chance of every class from logits `(batch, out_channels, ...)`, float32; they sum to 1 for `softmax` only."""
    logits = logits.float()
    return torch.softmax(logits, dim=1) if output == "softmax" else torch.sigmoid(logits)


def initialise(network: nn.Module, seed_of: Callable[[str], int]) -> None:
    """Draw each convolution's weights (PyTorch's default distribution) by a generator of its own.

    `seed_of(layer name)` gives the seed, so two networks share all layers whose shapes agree: those
    of the scenarios of one replicate differ in the first convolution only.
    """
    for name, layer in network.named_modules():
        if not isinstance(layer, nn.Conv3d | nn.ConvTranspose3d):
            continue
        generator = torch.Generator().manual_seed(seed_of(name))
        nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
        bound = 1 / math.sqrt(layer.weight[0].numel())
        assert layer.bias is not None
        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


def count_weights(network: nn.Module) -> int:
    """Number of trained values."""
    return sum(parameter.numel() for parameter in network.parameters())


def _block(start: int, width: int, *, activation: str, norm: str, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs in (start, width):
        layers += [
            _Conv3d(inputs, width, 3, padding=1),
            _norm(norm, width),
            _activation(activation),
        ]
    if dropout:
        layers.append(nn.Dropout3d(dropout))
    return nn.Sequential(*layers)


def _norm(norm: str, width: int) -> nn.Module:
    return nn.BatchNorm3d(width) if norm == "batch" else _InstanceNorm(width)


def _activation(activation: str) -> nn.Module:
    return nn.Sigmoid() if activation == "sigmoid" else nn.LeakyReLU(0.01)


class _Conv3d(nn.Conv3d):
    def forward(self, x: Tensor) -> Tensor:
        """The same convolution; a small single case is given to the CPU in fp32 as a batch of two halves.

        torch keeps its fast CPU kernels from inputs whose first four sizes multiply to 20480 or less, unless there
        is a batch (`use_mkldnn` in aten/src/ATen/native/Convolution.cpp): 48^3, 8 channels, one thread: 0.6 s a step
        in halves, 2.2 s without, on the same busy machine.
        """
        slow = x.device.type == "cpu" and math.prod(x.shape[:4]) <= 20480 and not torch.is_autocast_enabled("cpu")
        if not slow or len(x) > 1 or x.shape[2] % 2:
            return super().forward(x)
        half = x.shape[2] // 2
        x = nn.functional.pad(x, (0, 0, 0, 0, 1, 1))
        halves = torch.cat([x[:, :, : half + 2], x[:, :, half:]])
        y = nn.functional.conv3d(halves, self.weight, self.bias, padding=(0, 1, 1))
        return torch.cat([y[:1], y[1:]], dim=2)


class _InstanceNorm(nn.InstanceNorm3d):
    def __init__(self, width: int) -> None:
        super().__init__(width, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 1:
            return super().forward(x)
        # For one case batch statistics are instance statistics, and this kernel keeps channels_last
        # (48^3, 8 channels, bf16, one CPU thread: 0.069 s a step against 0.105 s).
        return nn.functional.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)
