"""Commands of the room `evidence`: scores, shifts of test cases, floors and ceilings, statistics, verdicts."""

from __future__ import annotations

import json

from globalmask.commands.options import (
    Device,
    File,
    Files,
    OptionalFile,
    Settings,
    Text,
    Threads,
    app,
    read_json,
    transforms_of,
)


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
def shift_case(
    case: Text,
    ct: File,
    masks: File,
    out: File,
    settings: Settings,
    box: OptionalFile = None,
    transform: OptionalFile = None,
    network: OptionalFile = None,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """One test case under every shift, with frozen and remade masks."""
    from globalmask.config import Grid
    from globalmask.evidence import shift_case as stage

    given = json.loads(settings)
    stage.shift_case(
        stage.CaseFiles(case, ct, masks, box, transform, network),
        arm=given["arm"],
        seed=given["seed"],
        shifts=given["shifts"],
        clip_hu=tuple(given["clip_hu"]),
        grid=Grid(**given["grid"]),
        recipe=given["recipe"],
        coarse_grid=Grid(**given["coarse_grid"]),
        out_path=out,
        device=device,
        threads=threads,
    )


@app.command()
def score_shifted(
    model: File,
    shifted: File,
    prepared: File,
    masks: File,
    out: File,
    settings: Settings,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Scores of one model under shifts of its test CTs."""
    from globalmask.evidence import score_shifted as stage

    given = json.loads(settings)
    stage.score_shifted(
        model_path=model,
        shifted_dir=shifted,
        prepared_dir=prepared,
        masks_dir=masks,
        raw_labels=given["raw_labels"],
        label_values=given["structures"],
        meta=given["row"],
        out_path=out,
        device=device,
        threads=threads,
        transforms=transforms_of(prepared, list(given["raw_labels"]), registered=given["registered"]),
    )


@app.command()
def gather_robustness(tables: Files, out: File) -> None:
    """All scores under shifts of a run in one table."""
    from globalmask.evidence import robustness as stage

    stage.gather(paths=tables, out_path=out)


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


@app.command()
def analyse(run: File, plan: File, analysis_plan: File) -> None:
    """Estimates, intervals and tests of a run, and its departures from the plan of analysis."""
    from globalmask.evidence import analysis as stage

    stage.analyse(run_dir=run, plan=read_json(plan), plan_path=analysis_plan)


@app.command()
def plan_power(plan: File) -> None:
    """Compute the power that a plan of analysis has and write it at the end of its file."""
    from globalmask.evidence import analysis_plan as stage

    stage.write_power(plan)


@app.command()
def judge_claims(analysis: File, plan: File, out: File) -> None:
    """A verdict on each of the paper's claims."""
    from globalmask.evidence import claims as stage

    stage.judge_claims(analysis_path=analysis, plan=read_json(plan), out_path=out)
