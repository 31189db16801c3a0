"""One step of a training before any fork: what torch prepares at its first step is then there for every child."""

from __future__ import annotations

import torch

from globalmask.network.loop import Seeds, fit
from globalmask.network.unet import UNet
from unit.network.helpers import make_sample, tiny_settings

torch.set_num_threads(1)
NETWORK = UNet(2, 3, channels=2, activation="leaky_relu", norm="batch", dropout=0.05)
fit(
    NETWORK,
    [make_sample(1, with_mask=True)],
    [make_sample(2, with_mask=True)],
    settings=tiny_settings(norm="batch", augmentation=True, max_steps=1, validate_every=1),
    seeds=Seeds(1, "brain", 0),
    device=torch.device("cpu"),
    precision="fp32",
    kept=(1,),
)
