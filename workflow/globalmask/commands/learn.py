"""Commands of the room `learn`: trainings, predictions, feature maps."""

from __future__ import annotations

import json

from globalmask.commands.options import Device, File, OptionalFile, Settings, Text, Threads, app, transforms_of


@app.command()
def train(
    prepared: File,
    masks: File,
    out: File,
    checkpoint: File,
    settings: Settings,
    mask_network: OptionalFile = None,
    template: OptionalFile = None,
    device: Device = "auto",
    threads: Threads = 1,
    accept_code: bool = False,
) -> None:
    """One cell of the matrix: a U-Net from scratch, the weights of its best validation."""
    from globalmask.config import TrainSettings
    from globalmask.learn import train as stage

    given = json.loads(settings)
    stage.train(
        prepared_dir=prepared,
        masks_dir=masks,
        train_cases=given["train_cases"],
        validation_cases=given["validation_cases"],
        scenario=given["scenario"],
        settings=TrainSettings(**given["train"]),
        structures=given["structures"],
        clip_hu=tuple(given["clip_hu"]),
        size_voxels=given["grid"]["size_voxels"],
        seed_words={name: given[name] for name in ("seed", "arm", "replicate")},
        device=device,
        threads=threads,
        out_dir=out,
        checkpoint_dir=checkpoint,
        header=given,
        mask_network=mask_network,
        mask_cases=given.get("mask_cases"),
        template=template,
        accept_code=accept_code,
    )


@app.command()
def predict_cell(
    model: File,
    prepared: File,
    masks: File,
    out: File,
    native: File,
    settings: Settings,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Predictions of one model on the prepared grid and on each CT's own grid."""
    from globalmask.learn import predict as stage

    given = json.loads(settings)
    cases = list(given["raw_cts"])
    stage.predict(
        model_path=model,
        prepared_dir=prepared,
        masks_dir=masks,
        raw_cts=given["raw_cts"],
        cases=cases,
        out_dir=out,
        native_dir=native,
        device=device,
        threads=threads,
        transforms=transforms_of(prepared, cases, registered=given["registered"]),
        mask_cases=given.get("mask_cases"),
    )


@app.command()
def features(model: File, prepared: File, masks: File, case: Text, out: File, threads: Threads = 1) -> None:
    """Feature maps of one model on one case."""
    from globalmask.learn import features as stage

    stage.extract_features(
        model_path=model,
        prepared_dir=prepared,
        masks_dir=masks,
        case=case,
        out_path=out,
        device="cpu",
        threads=threads,
    )
