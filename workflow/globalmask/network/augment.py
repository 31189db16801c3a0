"""Cheap augmentation on the training device: small rotation, scale and shift, then CT intensity.

No flips: they would exchange left and right structures. Used by preset `modern` only; the paper has
none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

ROTATION_DEGREES = 12.0
SCALE = 0.12
SHIFT = 0.08
CONTRAST = 0.15
BRIGHTNESS = 0.08
NOISE = 0.04
SPATIAL_SHARE = 0.6


def augment(inputs: Tensor, label: Tensor, generator: torch.Generator, *, kept: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Changed copies of `inputs` `(channel, z, y, x)` and `label` `(z, y, x)`, moved jointly.

    Channels in `kept` (masks, coordinates) are fetched from the nearest voxel, as the label is, and their
    values are not changed: a mask stays 0/1, a coordinate tells where its label was. `generator` lives on the
    CPU, so that the same numbers are drawn on every device. Outside the box the edge is continued.
    """
    draws = torch.rand(16, generator=generator)
    if draws[0] < SPATIAL_SHARE:
        inputs, label = _move(inputs, label, draws[1:8] * 2 - 1, kept)
    grey = [channel for channel in range(len(inputs)) if channel not in kept]
    if grey:
        inputs = inputs.clone()
        for channel in grey:
            inputs[channel] = _intensity(inputs[channel], draws[8:11], generator)
    return inputs, label


def _move(inputs: Tensor, label: Tensor, draws: Tensor, kept: Sequence[int]) -> tuple[Tensor, Tensor]:
    grid = _grid(_affine(draws), inputs.shape[1:], inputs.device)
    whole = torch.stack([label.to(inputs.dtype), *(inputs[channel] for channel in kept)])
    whole = _sample(whole, grid, "nearest")
    moved = torch.empty_like(inputs)
    grey = [channel for channel in range(len(inputs)) if channel not in kept]
    if grey:
        moved[grey] = _sample(inputs[grey], grid, "bilinear")
    for place, channel in enumerate(kept, 1):
        moved[channel] = whole[place]
    return moved, whole[0].to(label.dtype)


def _affine(draws: Tensor) -> Tensor:
    """The 3 x 4 matrix that `affine_grid` takes (x, y, z order, box edges at -1 and 1)."""
    x, y, z = (draws[:3] * math.radians(ROTATION_DEGREES)).tolist()
    turn_x = torch.tensor([[1, 0, 0], [0, math.cos(x), -math.sin(x)], [0, math.sin(x), math.cos(x)]])
    turn_y = torch.tensor([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    turn_z = torch.tensor([[math.cos(z), -math.sin(z), 0], [math.sin(z), math.cos(z), 0], [0, 0, 1]])
    linear = turn_x @ turn_y @ turn_z * (1 + SCALE * draws[3])
    return torch.cat([linear, (2 * SHIFT * draws[4:7])[:, None]], dim=1)


def _grid(affine: Tensor, shape: Sequence[int], device: torch.device) -> Tensor:
    return functional.affine_grid(affine[None].to(device), [1, 1, *shape], align_corners=False)


def _sample(volumes: Tensor, grid: Tensor, mode: str) -> Tensor:
    return functional.grid_sample(volumes[None].float(), grid, mode=mode, padding_mode="border", align_corners=False)[0]


def _intensity(ct01: Tensor, draws: Tensor, generator: torch.Generator) -> Tensor:
    contrast, brightness, noise = draws.tolist()
    factor = 1 + CONTRAST * (2 * contrast - 1)
    offset = BRIGHTNESS * (2 * brightness - 1)
    changed = (ct01 - 0.5) * factor + 0.5 + offset
    grain = torch.randn(ct01.shape, generator=generator).to(ct01.device)
    return (changed + NOISE * noise * grain).clamp_(0, 1)
