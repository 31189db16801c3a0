"""The application that every command joins, and the kinds of options they share."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # a plain help takes half the time
    context_settings={"max_content_width": 120},
    help="Stages of the globalmask workflow. Snakemake calls them; each also runs by hand.",
)

File = Annotated[Path, typer.Option()]
OptionalFile = Annotated[Path | None, typer.Option()]
Files = Annotated[list[Path], typer.Argument()]
Text = Annotated[str, typer.Option()]
Settings = Annotated[str, typer.Option(help="JSON object")]
Device = Annotated[str, typer.Option(help="auto | cpu | cuda")]
Threads = Annotated[int, typer.Option(min=1)]


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def with_images() -> bool:
    """Whether a stage draws pictures of patients; the workflow sets the variable from `images` of the config."""
    return os.environ.get("GLOBALMASK_IMAGES") != "none"


def transforms_of(prepared: Path, cases: list[str], *, registered: bool) -> dict[str, Path] | None:
    """Each case's transform to the template; None in an arm that is not registered."""
    return {case: prepared / case / "to_template.mat" for case in cases} if registered else None
