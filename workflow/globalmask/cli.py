"""The command line: one command a rule of the workflow, with the same name.

Files are flags; what a stage needs of the config arrives as one JSON object in `--settings`. Each command
imports its own stage, so `--help` is immediate.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

from globalmask import __version__
from globalmask.config import Grid, Registration, TrainSettings
from globalmask.errors import UserError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Stages of the globalmask workflow. Snakemake calls them; each also runs by hand.",
)

File = Annotated[Path, typer.Option()]
OptionalFile = Annotated[Path | None, typer.Option()]
Files = Annotated[list[Path], typer.Argument()]
Text = Annotated[str, typer.Option()]
Settings = Annotated[str, typer.Option(help="JSON object")]
Device = Annotated[str, typer.Option(help="auto | cpu | cuda")]
Threads = Annotated[int, typer.Option(min=1)]


def main() -> None:
    """Run a command; a UserError is one block on stderr and exit code 2."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    _set_threads(arguments)
    try:
        app(arguments)
    except UserError as error:
        if debug:
            traceback.print_exc()
        print(error, file=sys.stderr)
        sys.exit(2)


def _set_threads(arguments: list[str]) -> None:
    """Fix the libraries' threads before any is imported: two processes that fight for cores crawl."""
    threads = "1"
    if "--threads" in arguments[:-1]:
        threads = arguments[arguments.index("--threads") + 1]
    for name in ("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = threads


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def phantom(ct: File, label: File, settings: Settings) -> None:
    """One synthetic CT and its label, written as a scanner would."""
    from globalmask.imaging.images import write_image
    from globalmask.intake.phantom import make_case

    given = json.loads(settings)
    scan, truth = make_case(given["anatomy"], given["index"], seed=given["seed"])
    write_image(truth, label)
    write_image(scan, ct)


@app.command()
def check_case(
    case: Text,
    label: File,
    facts: File,
    picture: File,
    settings: Settings,
    ct: OptionalFile = None,
    mask: OptionalFile = None,
) -> None:
    """Faults, facts and one picture of a case."""
    from globalmask.intake import check

    given = json.loads(settings)
    check.check_case(
        case=case,
        ct=ct,
        label=label,
        mask=mask,
        values=given["structures"],
        ignored_values=given["ignored_values"],
        needs_ct=ct is not None,
        out_json=facts,
        out_png=picture,
    )


@app.command()
def check_cohort(facts: Files, out: File, settings: Settings) -> None:
    """All cases of an arm together; fails when a case has a real fault."""
    from globalmask.intake import check

    given = json.loads(settings)
    check.check_cohort(jsons=facts, arm=given["arm"], counts=tuple(given["counts"].values()), out_tsv=out)


@app.command()
def write_split(out: File, split: Annotated[str, typer.Option(help="JSON object")]) -> None:
    """Role, fold and rank in the nested subsets of every case."""
    from globalmask.intake.splits import Split
    from globalmask.intake.splits import write_split as write

    write(Split(**json.loads(split)), out)


@app.command()
def make_template(ct: File, out: File, settings: Settings) -> None:
    """The template head, its mask, and the box that every case is cut to."""
    from globalmask.prepare import register as stage

    given = json.loads(settings)
    stage.make_template(
        ct,
        out,
        grid=Grid(**given["grid"]),
        registration=Registration(**given["registration"]),
    )


@app.command()
def register(case: Text, ct: File, template: File, out: File, settings: Settings) -> None:
    """Registration of one case to the template, with its quality and a picture."""
    from globalmask.prepare import register as stage

    registration = Registration(**json.loads(settings)["registration"])
    stage.register(ct, template, out, registration=registration, case=case)


@app.command()
def prepare_ct(
    ct: File,
    out: File,
    settings: Settings,
    box: OptionalFile = None,
    transform: OptionalFile = None,
) -> None:
    """One interpolation from raw to the prepared grid."""
    from globalmask.prepare import grid as stage

    grid = Grid(**json.loads(settings)["grid"])
    stage.prepare_ct(ct, out, grid=grid, template_box=box, transform_path=transform)


@app.command()
def prepare_label(
    label: File,
    like: File,
    out: File,
    settings: Settings,
    transform: OptionalFile = None,
) -> None:
    """The label on the prepared CT's grid, its values numbered 1, 2 … in the order of the structures."""
    from globalmask.prepare import grid as stage

    values = {raw: new for new, raw in enumerate(json.loads(settings)["values"], 1)}
    stage.prepare_label(label, like, out, values=values, transform_path=transform)


@app.command()
def mask_threshold(case: Text, ct: File, transform: File, like: File, mask: File, box: File) -> None:
    """Head mask by threshold on the registered scan."""
    from globalmask.masks import threshold as stage

    stage.make_threshold_mask(ct, transform, like, mask, box, case=case)


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
    stage.predict_masks(
        networks={part: masks / "networks" / part / "model.safetensors" for part in given["applied_to"]},
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


@app.command()
def train(
    prepared: File,
    masks: File,
    out: File,
    checkpoint: File,
    settings: Settings,
    mask_network: OptionalFile = None,
    device: Device = "auto",
    threads: Threads = 1,
    accept_code: bool = False,
) -> None:
    """One cell of the matrix: a U-Net from scratch, the weights of its best validation."""
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
        accept_code=accept_code,
    )


@app.command()
def predict(
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
        transforms=_transforms(prepared, cases, given),
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
        transforms=_transforms(prepared, cases, given),
    )


@app.command()
def gather_scores(scores: Files, out: File) -> None:
    """All scores of a run in one table."""
    from globalmask.evidence import score as stage

    stage.gather(score_paths=scores, out_path=out)


@app.command()
def write_plan(out: File, plan: Annotated[str, typer.Option(help="JSON object")]) -> None:
    """The run in one file."""
    from globalmask.provenance import write_json

    write_json(out, json.loads(plan))


@app.command()
def make_tables(run: File, plan: File) -> None:
    """Tables 1 to 6 beside the published numbers."""
    from globalmask.present import tables as stage

    stage.make_tables(run_dir=run, plan=_read_json(plan), out_dir=run / "tables")


@app.command()
def make_figures(run: File, plan: File) -> None:
    """Figures 3 to 8."""
    from globalmask.present import figures as stage

    stage.make_figures(run_dir=run, plan=_read_json(plan), out_dir=run / "figures")


@app.command()
def make_sheets(run: File, plan: File) -> None:
    """Contact sheets and one sheet a test case."""
    from globalmask.present import sheets as stage

    stage.make_sheets(run_dir=run, plan=_read_json(plan), out_dir=run / "sheets")


@app.command()
def make_report(run: File, plan: File, out: File) -> None:
    """One self-contained page."""
    from globalmask.present import report as stage

    stage.make_report(run_dir=run, plan=_read_json(plan), out_path=out)


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _transforms(prepared: Path, cases: list[str], given: dict[str, Any]) -> dict[str, Path] | None:
    if not given["registered"]:
        return None
    return {case: prepared / case / "to_template.mat" for case in cases}
