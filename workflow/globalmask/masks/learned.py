"""Masks of a whole organ by a U-Net of the arm's own (paper 2.2: heart; DESIGN.md decision 7).

It sees the scan on a coarse grid, centred on the scan itself, so nothing has to be known about where the
organ lies. Its target is the union of the labels. It trains for a fixed number of steps, without any
validation label, and the last weights are kept. Training cases get the mask of a network that has not
seen them (`k0` ...), all others that of `all`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch

from globalmask.config import TrainSettings
from globalmask.errors import UserError
from globalmask.imaging.geometry import resample
from globalmask.imaging.images import array_of, image_like, read_image, read_transform
from globalmask.imaging.intensity import scale_ct
from globalmask.masks.record import largest_component, write_mask
from globalmask.network.job import run_job
from globalmask.network.loop import Sample, Seeds, State
from globalmask.network.model_file import load_model
from globalmask.network.slots import prediction_bytes, take
from globalmask.network.unet import UNet
from globalmask.provenance import code_digest

INSIDE = 0.5


def train_mask_network(
    *,
    coarse_dir: Path,
    cases: Sequence[str],
    settings: TrainSettings,
    clip_hu: tuple[float, float],
    seed_words: Mapping[str, Any],
    device: str,
    threads: int,
    out_dir: Path,
    checkpoint_dir: Path | None,
    header: Mapping[str, Any],
    accept_code: bool = False,
) -> State:
    """Train the mask network on `cases`; write `model.safetensors`, `history.csv`, `run.json` to `out_dir`.

    `settings.max_steps` steps, last weights. `seed_words` has `seed`, `arm` and `replicate`; `header` is
    what the model file tells beside what is known here. An interrupted training goes on from
    `checkpoint_dir`. Raises UserError when there is no case, or a case has nothing to learn.
    """
    if not cases:
        raise UserError(
            "A mask network has no training case.",
            file=out_dir,
            expected="at least one case beside those whose masks it makes",
            todo="Use fewer 'crossfit_folds', more training cases, or another mask recipe.",
        )
    samples = [_sample(Path(coarse_dir) / case, case, clip_hu) for case in cases]
    known = {"purpose": "mask", "clip_hu": list(clip_hu), "size_voxels": samples[0].label.shape[0]}
    return run_job(
        samples,
        [],
        structures=1,
        settings=settings,
        seeds=Seeds(seed_words["seed"], seed_words["arm"], seed_words["replicate"]),
        purpose="mask",
        kept=(),
        device=device,
        threads=threads,
        out_dir=out_dir,
        checkpoint_dir=checkpoint_dir,
        header={**header, **known},
        code=code_digest("masks.learned"),
        accept_code=accept_code,
    )


def predict_masks(
    *,
    networks: Mapping[str, Path],
    parts: Mapping[str, str],
    coarse_dir: Path,
    prepared_dir: Path,
    masks_dir: Path,
    size_voxels: int,
    device: str,
    threads: int,
    registered: bool = False,
    transforms: Mapping[str, Path] | None = None,
    stored_as: str = "main",
) -> dict[str, float]:
    """Write `masks_dir/{case}.nii.gz` and `.json` for every case of `parts`; no label is read.

    Returns the highest probability that each network gave in its cases.

    `parts` says which of `networks` (part -> model file) makes the mask of a case, `size_voxels` is the box
    that the arm's networks see. `registered` and `transforms` (prepared grid -> raw scan) as in `predict`.
    `stored_as` is the network's name in its file: "mask" where it travels in a model of structures.
    """
    torch.set_num_threads(threads)
    loaded = {part: load_model(networks[part], part=stored_as) for part in sorted(set(parts.values()))}
    place = take(device, max(prediction_bytes(network, head["size_voxels"] ** 3) for network, head in loaded.values()))
    for network, _ in loaded.values():
        network.to(place.device)
    highest = dict.fromkeys(loaded, 0.0)
    for case, part in parts.items():
        network, header = loaded[part]
        coarse = read_image(Path(coarse_dir) / case / "ct.nii.gz", case=case)
        prepared = read_image(Path(prepared_dir) / case / "ct.nii.gz", case=case)
        inside = inside_probability(network, array_of(coarse), clip_hu=header["clip_hu"])
        highest[part] = max(highest[part], float(inside.max()))
        transform = read_transform(transforms[case]) if transforms else None
        write_mask(
            mask_of(image_like(inside, coarse), prepared, transform=transform),
            prepared,
            out_mask=Path(masks_dir) / f"{case}.nii.gz",
            out_json=Path(masks_dir) / f"{case}.json",
            case=case,
            recipe="learned",
            size_voxels=size_voxels,
            fixed_box=registered,
            part=part,
        )
    return highest


def refuse_silent_networks(highest: Mapping[str, float], networks: Mapping[str, Path]) -> None:
    """Raise UserError where a network never reaches the probability at which a mask is cut: `highest` by part.

    Sigmoid blocks at a small learning rate can stay below it for thousands of steps (docs/evidence.md).
    """
    for part, found in highest.items():
        if found < INSIDE:
            raise UserError(
                "A mask network finds nothing in any of its cases, so all their masks would be empty.",
                file=networks[part],
                found=f"a probability of {found:.2f} at most",
                expected=f"{INSIDE} or more inside the organ",
                todo="Train it longer (`mask_network.train.max_steps`), with a higher `learning_rate`, or with "
                "`mask_network.preset: modern`.",
            )


def inside_probability(network: UNet, ct_hu: np.ndarray, *, clip_hu: tuple[float, float]) -> np.ndarray:
    """Probability (z, y, x), float32, of being inside the organ, for a coarse CT in HU."""
    ct01 = torch.from_numpy(scale_ct(ct_hu, clip_hu))[None, None]
    with torch.inference_mode():
        return network.chances(ct01.to(next(network.parameters()).device))[0, 1].cpu().numpy()


def mask_of(inside: sitk.Image, prepared: sitk.Image, *, transform: sitk.Transform | None = None) -> np.ndarray:
    """Boolean mask on the prepared grid: probability brought there linearly, cut at 0.5, largest component.

    All False where no voxel reaches 0.5. Nothing is inside beyond the coarse grid.
    """
    placed = resample(inside, prepared, transform=transform, interpolation="linear", outside=0)
    return largest_component(array_of(placed) >= INSIDE)


def _sample(folder: Path, case: str, clip_hu: tuple[float, float]) -> Sample:
    ct = array_of(read_image(folder / "ct.nii.gz", case=case))
    label = array_of(read_image(folder / "label.nii.gz", case=case))
    if not label.any():
        raise UserError(
            "The label of a training case is empty on the mask network's coarse grid.",
            case=case,
            file=folder / "label.nii.gz",
            expected="voxels of the arm's structures within the box around the scan's middle",
            todo="Look at the case's check picture; make the mask network's grid larger, or exclude the case.",
        )
    return Sample(case, torch.from_numpy(scale_ct(ct, clip_hu)[None]), torch.from_numpy(label))
