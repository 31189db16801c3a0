"""Train the network of one cell: one scenario, one training subset, one replicate (paper 2.1, 2.3).

The cases are cut from the prepared scans, stay in memory, and are seen one at a time; the weights
with the best mean validation Dice are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from globalmask.config import TrainSettings
from globalmask.errors import UserError
from globalmask.learn.inputs import KEPT, channels_of, load_case
from globalmask.learn.seen import facts_of, summary
from globalmask.learn.template import refuse_patient, template_of
from globalmask.network.job import run_job
from globalmask.network.loop import Sample, Seeds, State
from globalmask.network.model_file import load_model
from globalmask.provenance import code_digest


def train(
    *,
    prepared_dir: str | Path,
    masks_dir: str | Path,
    train_cases: Sequence[str],
    validation_cases: Sequence[str],
    scenario: str,
    settings: TrainSettings,
    structures: Sequence[str],
    clip_hu: tuple[float, float],
    size_voxels: int,
    seed_words: Mapping[str, Any],
    device: str,
    threads: int,
    out_dir: str | Path,
    checkpoint_dir: str | Path | None,
    header: Mapping[str, Any],
    mask_network: str | Path | None = None,
    mask_cases: Mapping[str, str] | None = None,
    template: str | Path | None = None,
    accept_code: bool = False,
) -> State:
    """Write `model.safetensors`, `history.csv` and `run.json` of one cell to `out_dir`.

    `seed_words` has `seed`, `arm` and `replicate`; `header` is what the model file shall tell
    beside what is known here; `mask_network` is the model file of a learned mask, which then
    travels in the model; `mask_cases` names the case whose mask a case gets (scenario `ct_wrongmask`),
    its own where it is not named; `template` is the template head of a registered arm, which travels in the model
    unless it is a patient's. A training that was interrupted goes on from `checkpoint_dir`. Raises
    UserError for missing or unfit cases, a missing GPU, too little memory, or a checkpoint of
    something else.
    """
    torch.set_num_threads(threads)
    read = partial(
        _sample,
        prepared_dir=prepared_dir,
        masks_dir=masks_dir,
        scenario=scenario,
        clip_hu=clip_hu,
        size_voxels=size_voxels,
        structures=structures,
        mask_cases=mask_cases or {},
    )
    extra = None if mask_network is None else {"mask": load_model(mask_network)}
    known = {
        "scenario": scenario,
        "structures": list(structures),
        "clip_hu": list(clip_hu),
        "size_voxels": size_voxels,
    }
    facts = {case: facts_of(prepared_dir, case) for case in train_cases}
    known["saw"] = summary(list(facts.values()))
    files: dict[str, bytes] = {}
    if template is not None:
        registration = header["registration"]
        template_is = registration["template_is"]
        refuse_patient(facts, template_is=template_is, file=template)
        known["template"], files = template_of(template, name=registration["template"], template_is=template_is)
    return run_job(
        [read(case) for case in train_cases],
        [read(case) for case in validation_cases],
        structures=len(structures),
        settings=settings,
        seeds=Seeds(seed_words["seed"], seed_words["arm"], seed_words["replicate"]),
        purpose="structures",
        kept=KEPT[scenario],
        device=device,
        threads=threads,
        out_dir=out_dir,
        checkpoint_dir=checkpoint_dir,
        header={**header, **known},
        code=code_digest("learn.train"),
        accept_code=accept_code,
        extra_networks=extra,
        files=files,
    )


def _sample(
    case: str,
    *,
    prepared_dir: str | Path,
    masks_dir: str | Path,
    scenario: str,
    clip_hu: tuple[float, float],
    size_voxels: int,
    structures: Sequence[str],
    mask_cases: Mapping[str, str],
) -> Sample:
    loaded = load_case(
        prepared_dir,
        masks_dir,
        case,
        clip_hu=clip_hu,
        size_voxels=size_voxels,
        with_label=True,
        mask_case=mask_cases.get(case),
    )
    assert loaded.label is not None
    if loaded.label.max() > len(structures):
        raise UserError(
            "A prepared label has a value that is no structure.",
            case=case,
            file=Path(prepared_dir) / case / "label.nii.gz",
            found=int(loaded.label.max()),
            expected=f"0 to {len(structures)} ({', '.join(structures)})",
            todo="Delete the file and run the workflow again.",
        )
    inputs = channels_of(scenario, loaded.ct01, loaded.mask)
    return Sample(case, torch.from_numpy(inputs), torch.from_numpy(loaded.label))
