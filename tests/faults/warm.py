"""One step of a network before any fork: what torch prepares at its first step is then there for every child."""

from __future__ import annotations

import torch

from globalmask.network.unet import UNet

torch.set_num_threads(1)
UNet(2, 3, channels=2, activation="leaky_relu", norm="batch", dropout=0.05, output="sigmoid")(
    torch.zeros(1, 2, 32, 32, 32)
).sum().backward()
