"""The command line: one command a rule of the workflow, with the same name.

Files are flags; what a stage needs of the config arrives as one JSON object in `--settings`. The commands
stand in `commands/`, a module a room; each imports its own stage, so `--help` is immediate.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from globalmask import __version__

from globalmask.commands import intake, sources, prepare, masks, learn, evidence, present, study, apply  # noqa: F401  # isort: skip
from globalmask.commands.options import app
from globalmask.errors import UserError, missing_library


def main() -> None:
    """Run a command; a UserError is one block on stderr and exit code 2."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    _set_threads(arguments)
    try:
        _run(arguments)
    except UserError as error:
        if debug:
            traceback.print_exc()
        print(error, file=sys.stderr)
        sys.exit(2)


def _run(arguments: list[str]) -> None:
    try:
        app(arguments)
    except ModuleNotFoundError as error:
        raise missing_library(error) from error


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
