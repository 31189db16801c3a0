"""Losses and the hard Dice that chooses the best weights.

The paper's loss (section 2.1, version S0) is `1 - 2 sum(PG) / (sum(P^2) + sum(G^2))`, here the mean
over the foreground structures. P is the softmax over background and structures, or with `output` `sigmoid`
the chance of each structure by itself.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from globalmask.network.unet import chances

SMOOTH = 1e-5


def dice_loss(logits: Tensor, label: Tensor, output: str = "softmax") -> Tensor:
    """Mean over structures of the squared-denominator Dice loss, a scalar in 0..1.

    `logits` is `(1, C+1, z, y, x)`, `label` `(1, z, y, x)` with whole numbers 0..C. A structure
    absent from both label and prediction costs nothing.
    """
    chance = chances(logits, output)[0, 1:].flatten(1)
    truth = _one_hot(label, logits.shape[1])
    overlap = (chance * truth).sum(1)
    sizes = (chance * chance).sum(1) + truth.sum(1)
    return (1 - (2 * overlap + SMOOTH) / (sizes + SMOOTH)).mean()


def dice_ce_loss(logits: Tensor, label: Tensor, output: str = "softmax") -> Tensor:
    """`dice_loss` plus the cross-entropy, a mean over voxels that weigh one over the root of their class's size.

    Plain cross-entropy is nearly all background, and small structures stay at zero for the first hundreds of steps;
    classes of equal weight are drawn too large. The root lies between. With `output` `sigmoid` it is the mean over
    structures of each one's binary cross-entropy; for one structure both are the same function of the logits'
    difference.
    """
    label = label.long()
    if output == "sigmoid":
        return dice_loss(logits, label, output) + _binary_cross_entropy(logits, label)
    sizes = torch.bincount(label.flatten(), minlength=logits.shape[1])
    weight = sizes.clamp(min=1).float().rsqrt()
    return dice_loss(logits, label) + functional.cross_entropy(logits.float(), label, weight=weight)


def _binary_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Mean over structures; a structure's voxels and all others weigh one over the root of their number."""
    truth = _one_hot(label, logits.shape[1])
    inside = truth.sum(1, keepdim=True)
    weight = torch.where(truth > 0, inside, truth.shape[1] - inside).clamp(min=1).rsqrt()
    entropy = functional.binary_cross_entropy_with_logits(logits[0, 1:].float().flatten(1), truth, reduction="none")
    return ((weight * entropy).sum(1) / weight.sum(1)).mean()


LOSSES = {"dice": dice_loss, "dice_ce": dice_ce_loss}


def hard_dice(logits: Tensor, label: Tensor) -> Tensor:
    """Dice `(C,)` of `argmax(logits)` against `label`; NaN where the label has no such voxel.

    Shapes as in `dice_loss`. Used to choose weights only: scores are made by `evidence.score`.
    """
    classes = logits.shape[1]
    pairs = label[0].long() * classes + logits[0].argmax(0)
    table = torch.bincount(pairs.flatten(), minlength=classes * classes).view(classes, classes).double()
    truth, found = table.sum(1)[1:], table.sum(0)[1:]
    dice = 2 * table.diagonal()[1:] / (truth + found)
    return torch.where(truth > 0, dice, torch.nan)


def _one_hot(label: Tensor, classes: int) -> Tensor:
    numbers = torch.arange(1, classes, device=label.device).view(-1, 1)
    return (label.reshape(1, -1).long() == numbers).float()
