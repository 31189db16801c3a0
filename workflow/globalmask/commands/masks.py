"""Commands of the room `masks`: the global binary masks and their quality."""

from __future__ import annotations

import json

from globalmask.commands.options import Device, File, OptionalFile, Settings, Text, Threads, app


@app.command()
def mask_threshold(
    case: Text, ct: File, transform: File, like: File, mask: File, box: File, filled: bool = True
) -> None:
    """Head mask by threshold on the registered scan."""
    from globalmask.masks import threshold as stage

    stage.make_threshold_mask(ct, transform, like, mask, box, case=case, filled=filled)


@app.command()
def mask_file(
    case: Text,
    source: File,
    like: File,
    mask: File,
    box: File,
    settings: Settings,
    transform: OptionalFile = None,
) -> None:
    """A mask that the user supplies, on the prepared grid."""
    from globalmask.masks import supplied as stage

    stage.file_mask(
        mask_path=source,
        prepared_ct_path=like,
        out_mask=mask,
        out_json=box,
        case=case,
        transform_path=transform,
        **json.loads(settings),
    )


@app.command()
def mask_union(case: Text, label: File, mask: File, box: File, settings: Settings) -> None:
    """Union of the labels: an oracle, flagged as leaking."""
    from globalmask.masks import supplied as stage

    stage.union_mask(prepared_label_path=label, out_mask=mask, out_json=box, case=case, **json.loads(settings))


@app.command()
def coarsen_ct(case: Text, ct: File, out: File, settings: Settings) -> None:
    """The raw CT on the mask network's coarse grid."""
    from globalmask.config import Grid
    from globalmask.masks import coarse as stage

    stage.coarsen_ct(ct_path=ct, out_ct=out, grid=Grid(**json.loads(settings)["grid"]), case=case)


@app.command()
def coarsen_label(case: Text, label: File, like: File, out: File, settings: Settings) -> None:
    """The union of a training case's labels on the mask network's coarse grid."""
    from globalmask.masks import coarse as stage

    values = json.loads(settings)["values"]
    stage.coarsen_label(label_path=label, coarse_ct_path=like, out_label=out, values=values, case=case)


@app.command()
def train_mask_network(
    coarse: File,
    out: File,
    checkpoint: File,
    settings: Settings,
    device: Device = "auto",
    threads: Threads = 1,
    accept_code: bool = False,
) -> None:
    """The whole-organ U-Net: fixed steps, last weights."""
    from globalmask.config import TrainSettings
    from globalmask.masks import learned as stage

    given = json.loads(settings)
    stage.train_mask_network(
        coarse_dir=coarse,
        cases=given["cases"],
        settings=TrainSettings(**given["train"]),
        clip_hu=tuple(given["clip_hu"]),
        seed_words={name: given[name] for name in ("seed", "arm", "replicate")},
        device=device,
        threads=threads,
        out_dir=out,
        checkpoint_dir=checkpoint,
        header=given,
        accept_code=accept_code,
    )


@app.command()
def mask_learned(masks: File, settings: Settings, device: Device = "auto", threads: Threads = 1) -> None:
    """Every mask of one learned set."""
    from globalmask.masks import learned as stage

    given = json.loads(settings)
    arm_dir = masks.parents[1]
    transforms = {
        case: arm_dir / "prepared" / case / "to_template.mat"
        for cases in given["applied_to"].values()
        for case in cases
    }
    networks = {part: masks / "networks" / part / "model.safetensors" for part in given["applied_to"]}
    highest = stage.predict_masks(
        networks=networks,
        parts={case: part for part, cases in given["applied_to"].items() for case in cases},
        coarse_dir=arm_dir / "coarse",
        prepared_dir=arm_dir / "prepared",
        masks_dir=masks,
        size_voxels=given["size_voxels"],
        registered=given["registered"],
        transforms=transforms if given["registered"] else None,
        device=device,
        threads=threads,
    )
    stage.refuse_silent_networks(highest, networks)


@app.command()
def measure_mask(
    case: Text,
    mask: File,
    record: File,
    label: File,
    raw_label: File,
    out: File,
    settings: Settings,
    transform: OptionalFile = None,
) -> None:
    """Quality of a mask and its box against the labels."""
    from globalmask.masks import quality as stage

    given = json.loads(settings)
    stage.measure_mask(
        mask_path=mask,
        mask_json=record,
        prepared_label_path=label,
        raw_label_path=raw_label,
        label_values=given["structures"],
        out_json=out,
        case=case,
        role=given["role"],
        transform_path=transform,
        fixed_box=given["fixed_box"],
    )
