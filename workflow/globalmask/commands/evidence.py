"""Commands of the room `evidence`: scores, floors and ceilings."""

from __future__ import annotations

import json

from globalmask.commands.options import File, Files, Settings, app, transforms_of


@app.command()
def score(predictions: File, native: File, prepared: File, masks: File, out: File, settings: Settings) -> None:
    """Scores of one model, one row a case and structure."""
    from globalmask.evidence import score as stage

    given = json.loads(settings)
    cases = list(given["raw_labels"])
    stage.score(
        predictions_dir=predictions,
        native_dir=native,
        prepared_dir=prepared,
        masks_dir=masks,
        raw_labels=given["raw_labels"],
        label_values=given["structures"],
        cases=cases,
        structures=list(given["structures"]),
        meta=given["row"],
        out_path=out,
        transforms=transforms_of(prepared, cases, registered=given["registered"]),
    )


@app.command()
def gather_scores(scores: Files, out: File) -> None:
    """All scores of a run in one table."""
    from globalmask.evidence import score as stage

    stage.gather(score_paths=scores, out_path=out)


@app.command()
def floors(prepared: File, out: File, settings: Settings) -> None:
    """What needs no learning, for the test cases of one replicate: label atlas, resampling, second reader."""
    from globalmask.evidence import floors as stage

    given = json.loads(settings)
    stage.floors(
        prepared_dir=prepared,
        masks_dirs={int(n): folder for n, folder in given["masks"].items()},
        train_order=given["train_order"],
        raw_labels=given["raw_labels"],
        second_labels=given["second_labels"],
        label_values=given["structures"],
        silhouette_fixes=given["silhouette_fixes"],
        meta=given["row"],
        out_path=out,
        transforms=transforms_of(prepared, list(given["raw_labels"]), registered=given["registered"]),
    )


@app.command()
def gather_floors(floors: Files, out: File) -> None:
    """Floors and ceilings of a run in one table."""
    from globalmask.evidence import floors as stage

    stage.gather(paths=floors, out_path=out)


@app.command()
def compare_worlds(run: File) -> None:
    """Does the mask-only network tell the two phantom worlds apart? Fails when a bound is broken."""
    from globalmask.evidence import worlds as stage

    stage.report(run)
