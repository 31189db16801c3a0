"""Commands about what made a result: does everything still match, and where does one file come from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from globalmask.commands.options import app


@app.command()
def verify(run: Annotated[Path, typer.Argument(help="results/NAME")]) -> None:
    """Hash everything again: what no longer matches its inputs or its maker? Exit code 1 when something does not."""
    from globalmask import verify as stage

    looked_at, mismatches = stage.verify(run)
    for mismatch in mismatches:
        print(mismatch)
    print(f"{run}: {looked_at} files looked at, {len(mismatches)} do not match.")
    if mismatches:
        raise typer.Exit(1)


@app.command()
def made_by(file: Annotated[Path, typer.Argument(help="a file below results/NAME")]) -> None:
    """What made a result: command, settings, versions, and SHA-256 of all that was read and written."""
    from globalmask import verify as stage

    print(json.dumps(stage.record_of(file), indent=2, ensure_ascii=False))
