"""Commands of the room `apply`: a model for a new patient, and a model to give away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from globalmask.commands.options import Device, Threads, app

Paths = list[Path]


@app.command()
def predict(
    cts: Annotated[
        Paths, typer.Argument(metavar="CT...", help="NIfTI, NRRD, MHA, a folder with one DICOM series, a zip of one")
    ],
    model: Annotated[Paths, typer.Option("--model", "-m", help="a model; of several (--model a b c) the majority")],
    out: Annotated[Path, typer.Option("--out", "-o", help="a file for one CT, else a folder")],
    mask: Annotated[Paths | None, typer.Option(help="mask of a CT, where the model's recipe is 'file'")] = None,
    template: Annotated[Path | None, typer.Option(help="the template CT, where it is a patient's")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="also volume, centroid, bounding box, warnings")] = False,
    preview: Annotated[bool, typer.Option("--preview", help="also a picture (PNG)")] = False,
    rtstruct: Annotated[bool, typer.Option("--rtstruct", help="also an RTSTRUCT, for DICOM")] = False,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Structures in new CTs, each on the CT's own grid."""
    from globalmask.apply.batch import Wanted, predict_batch
    from globalmask.apply.model import read_models

    more = [path for path in cts if path.suffix == ".safetensors"]
    predict_batch(
        [path for path in cts if path not in more],
        read_models([*model, *more]),
        out,
        masks=mask or (),
        template=template,
        wanted=Wanted(as_json, preview, rtstruct),
        device=device,
        threads=threads,
    )


@app.command()
def export(
    cell: Annotated[Path, typer.Argument(metavar="CELL", help="results/{run}/{arm}/{variant}/{scenario}/n{n}/r{r}")],
    card: Annotated[Path, typer.Option(help="YAML: data, licence, citation, intended_use, limits")],
    out: Annotated[Path, typer.Option("--out", "-o", help="the file to give away")],
) -> None:
    """A trained model as one file with its card; refused where it would carry a patient's image."""
    from globalmask.apply import card as words
    from globalmask.apply import export as stage

    stage.export(cell, out, words=words.read_words(card))
    print(out)


@app.command()
def info(
    models: Annotated[Paths, typer.Argument(metavar="MODEL...")],
    as_json: Annotated[bool, typer.Option("--json", help="the whole header")] = False,
) -> None:
    """What a model finds, what it needs, what it saw, how good it is; reads its header only."""
    from globalmask.apply.card import text_of
    from globalmask.network.model_file import read_header

    for path in models:
        header = read_header(path)
        print(json.dumps(header, indent=2, ensure_ascii=False) if as_json else f"{path}\n{text_of(header)}")


@app.command()
def average_template(
    arm: Annotated[Path, typer.Argument(metavar="ARM", help="results/{run}/{arm} of a registered arm, prepared")],
    out: Annotated[Path, typer.Option("--out", "-o", help="the average head, a NIfTI file")],
    replicate: Annotated[int, typer.Option(min=0, help="whose training cases")] = 0,
) -> None:
    """The mean of an arm's registered training CTs: a template that may travel in a model."""
    from globalmask.intake.split_table import TABLE_COLUMNS
    from globalmask.intake.table import read_table
    from globalmask.prepare.average import average_head

    table = arm / "splits" / f"r{replicate}.tsv"
    rows = [row for _, row in read_table(table, known=TABLE_COLUMNS, needed=("case", "role"))]
    average_head(arm / "prepared", [row["case"] for row in rows if row["role"] == "train"], out)
    print(out)
