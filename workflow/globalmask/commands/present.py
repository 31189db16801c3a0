"""Commands of the room `present`: tables, figures, sheets, the report."""

from __future__ import annotations

import json

from globalmask.commands.options import File, Settings, app, read_json


@app.command()
def write_plan(out: File, plan: Settings) -> None:
    """The run in one file."""
    from globalmask.provenance import write_json

    write_json(out, json.loads(plan))


@app.command()
def make_tables(run: File, plan: File) -> None:
    """Tables 1 to 6 beside the published numbers."""
    from globalmask.present import tables as stage

    stage.make_tables(run_dir=run, plan=read_json(plan), out_dir=run / "tables")


@app.command()
def make_figures(run: File, plan: File) -> None:
    """Figures 3 to 8, gains, Dice in its context."""
    from globalmask.present import figures as stage

    stage.make_figures(run_dir=run, plan=read_json(plan), out_dir=run / "figures")


@app.command()
def make_sheets(run: File, plan: File) -> None:
    """Contact sheets and one sheet a test case."""
    from globalmask.present import sheets as stage

    stage.make_sheets(run_dir=run, plan=read_json(plan), out_dir=run / "sheets")


@app.command()
def make_report(run: File, plan: File, out: File) -> None:
    """One self-contained page."""
    from globalmask.present import report as stage

    stage.make_report(run_dir=run, plan=read_json(plan), out_path=out)


@app.command()
def make_paper(run: File, plan: File) -> None:
    """Methods with references, a CLAIM checklist, Dice with intervals: for a paper."""
    from globalmask.present import paper as stage

    stage.make_paper(run_dir=run, plan=read_json(plan), out_dir=run / "paper")
