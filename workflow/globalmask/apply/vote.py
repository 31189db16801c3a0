"""Several models' labels of one scan as one label, and how many of them agree at each voxel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def majority(labels: Sequence[np.ndarray], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The label (uint8, z, y, x) that most of `labels` give, and the share (float32, 0..1) of them that give it.

    `classes` counts the background, 0. Of equally many votes the lowest label wins, so background before structures.
    """
    label = np.zeros(labels[0].shape, np.uint8)
    most = np.zeros(labels[0].shape, np.uint8)
    for number in range(classes):
        votes = np.stack([each == number for each in labels]).sum(axis=0, dtype=np.uint8)
        better = votes > most
        label[better], most[better] = number, votes[better]
    return label, (most / np.float32(len(labels))).astype(np.float32)
