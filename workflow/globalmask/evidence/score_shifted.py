"""Dice against the strength of a shift of the test CTs, one row a case, structure, shift, strength and kind of mask.

Nothing is trained: a finished model sees each test case under every shift, with the masks of the clean scan (`frozen`)
and with masks made again from the shifted one (`remade`). All is scored in the box of the clean scan, so the
reference is the same at every strength, and what a moved box does not reach counts as missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from globalmask.evidence import score
from globalmask.evidence.robustness import write_rows
from globalmask.evidence.shift_case import UNSHIFTED, Seen, read_shifted
from globalmask.imaging.geometry import cut, sub_grid
from globalmask.imaging.images import array_of, image_like, read_image, read_transform
from globalmask.imaging.intensity import scale_ct
from globalmask.learn.inputs import Case
from globalmask.learn.predict import probabilities_of
from globalmask.masks.quality import lost_shares
from globalmask.masks.record import read_box
from globalmask.network.model_file import load_model
from globalmask.network.slots import prediction_bytes, take
from globalmask.network.unet import UNet


def score_shifted(
    *,
    model_path: Path,
    shifted_dir: Path,
    prepared_dir: Path,
    masks_dir: Path,
    raw_labels: Mapping[str, Path],
    label_values: Mapping[str, int],
    meta: Mapping[str, Any],
    out_path: Path,
    device: str,
    threads: int,
    transforms: Mapping[str, Path] | None = None,
) -> None:
    """Predict and score the cases of `raw_labels` under every step of `shifted_dir/{case}.npz`; write `out_path`.

    `label_values` gives each structure's value in the raw labels, in the order of the model's structures. `meta`
    holds the columns that are equal in all rows; `transforms` as in `score.score`.
    """
    torch.set_num_threads(threads)
    network, header = load_model(model_path)
    network.to(take(device, prediction_bytes(network, header["size_voxels"] ** 3)).device)
    rows: list[dict[str, Any]] = []
    for case, raw_label in raw_labels.items():
        label = read_image(Path(prepared_dir) / case / "label.nii.gz", case=case)
        offset, size = read_box(Path(masks_dir) / f"{case}.json")
        box = sub_grid(label, offset_zyx=offset, size_zyx=size)
        reference = image_like(cut(array_of(label), offset_zyx=offset, size_zyx=size, fill=0), box)
        transform = read_transform(transforms[case]) if transforms else None
        lost = lost_shares(read_image(raw_label, case=case), box, values=label_values, transform=transform)
        for seen, labels in predictions(network, header, Path(shifted_dir) / f"{case}.npz", offset_zyx=offset):
            predicted = image_like(labels, box)
            found = score.compare(reference, predicted, structures=list(label_values), lost=lost, surfaces=False)
            step = {"shift": seen.shift, "strength": seen.strength, "masks": seen.masks}
            rows += [{**meta, "case": case, "space": "crop", **step, **row} for row in found]
    write_rows(_with_start(pd.DataFrame(rows)), out_path)


def predictions(
    network: UNet, header: Mapping[str, Any], shifted_path: Path, *, offset_zyx: Sequence[int]
) -> Iterator[tuple[Seen, np.ndarray]]:
    """Each step of a case and what the model says of it: class numbers uint8 in the clean box, at `offset_zyx`.

    Where masks are remade, the box itself may have moved; its prediction comes back by whole voxels, and what lies
    outside it is background. No label is read.
    """
    for seen in read_shifted(shifted_path):
        ct01 = scale_ct(seen.ct_hu, header["clip_hu"])
        inputs = Case(shifted_path.stem, ct01, seen.mask, None, seen.offset_zyx, ct01.shape)
        labels = probabilities_of(network, header["scenario"], inputs).argmax(axis=0).astype(np.uint8)
        back = [clean - own for clean, own in zip(offset_zyx, seen.offset_zyx, strict=True)]
        yield seen, cut(labels, offset_zyx=back, size_zyx=labels.shape, fill=0)


def _with_start(rows: pd.DataFrame) -> pd.DataFrame:
    """The unshifted case, predicted once, as strength 0 of every shift."""
    clean = rows[rows["shift"] == UNSHIFTED]
    moved = rows[rows["shift"] != UNSHIFTED]
    starts = [clean.assign(shift=shift) for shift in moved["shift"].unique()]
    return pd.concat([*starts, moved]).sort_values(["shift", "masks", "strength", "case"], kind="stable")
