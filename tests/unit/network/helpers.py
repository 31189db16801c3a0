"""Tiny training cases: a dark box with a bright ball (1) and a small brighter ball (2)."""

from __future__ import annotations

import numpy as np
import torch

from globalmask.config import TrainSettings
from globalmask.network.loop import Sample

SIDE = 32


def make_sample(number: int, *, with_mask: bool = False) -> Sample:
    random = np.random.default_rng(number)
    z, y, x = np.mgrid[:SIDE, :SIDE, :SIDE]
    centre = SIDE / 2 + random.uniform(-2, 2, 3)
    far = np.sqrt((z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2)
    small = np.sqrt((z - centre[0]) ** 2 + (y - centre[1] + 5) ** 2 + (x - centre[2]) ** 2)
    label = np.zeros((SIDE,) * 3, np.uint8)
    label[far < 9] = 1
    label[small < 3.5] = 2
    ct01 = 0.2 + 0.3 * label + random.normal(0, 0.03, label.shape)
    channels = [ct01, far < 12] if with_mask else [ct01]
    return Sample(f"case_{number}", torch.from_numpy(np.stack(channels).astype(np.float32)), torch.from_numpy(label))


def tiny_settings(**changes: object) -> TrainSettings:
    values: dict[str, object] = {
        "channels": 2,
        "activation": "leaky_relu",
        "norm": "instance",
        "dropout": 0.0,
        "loss": "dice_ce",
        "learning_rate": 3.0e-3,
        "schedule": "constant",
        "augmentation": False,
        "precision": "fp32",
        "max_steps": 12,
        "validate_every": 4,
        "patience_steps": None,
    }
    return TrainSettings(**{**values, **changes})
