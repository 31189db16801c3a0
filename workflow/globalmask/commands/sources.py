"""Commands for data: bring a public or clinical data set into a case table, download one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from globalmask.commands.options import app
from globalmask.intake.sources.catalogue import SOURCES, Source, source_of

Name = Annotated[str, typer.Argument(metavar="SOURCE", help=", ".join(SOURCES))]
Pattern = Annotated[str | None, typer.Option(help="folder: where each lies below FROM; {case} stands for the case")]


@app.command("import")
def import_(
    source: Name,
    start: Annotated[Path, typer.Argument(metavar="FROM", help="folder or archive of the data as published")],
    to: Annotated[Path, typer.Argument(metavar="TO", help="new folder, for cases.tsv and what has to be made")],
    structures: Annotated[
        Path | None, typer.Option(help="dicom-rt, totalsegmentator: YAML, your structures and their names in the data")
    ] = None,
    allow_missing: Annotated[bool, typer.Option(help="dicom-rt: take cases that lack a structure")] = False,
    ct: Pattern = None,
    label: Pattern = None,
    mask: Pattern = None,
    label2: Pattern = None,
) -> None:
    """Make a case table of a data set; nothing is fetched, nothing is overwritten."""
    from globalmask.intake.sources.bring import Options, bring

    about = source_of(source)
    options = Options(structures, allow_missing, ct, label, mask, label2)
    done = bring(about, start, to, options, progress=_bar)
    print(f"{done.cases} cases: {done.table}")
    for note in done.notes:
        print(f"note: {note}")
    if done.structures:
        print("In the arm of your config:")
        print(f"  cases: {done.table}")
        print("  structures: {" + ", ".join(f"{name}: {value}" for name, value in done.structures.items()) + "}")
        if about.ignored_values:
            print(f"  ignored_values: {list(about.ignored_values)}")
    _say_terms(about)


@app.command()
def download(
    source: Name,
    folder: Annotated[Path, typer.Argument(help="where the archive goes; then FROM of `globalmask import`")],
) -> None:
    """Fetch a data set whose publisher states a checksum; tell the page to visit for the others."""
    from globalmask.intake.sources.download import download as fetch

    about = source_of(source)
    with _bytes(about.name) as tell:
        archive = fetch(about, folder, tell=tell)
    print(archive)
    _say_terms(about)


def _say_terms(about: Source) -> None:
    print(f"licence: {about.licence}")
    print(f"cite: {about.citation}")


def _bar(cases: Sequence[Any]) -> Iterable[Any]:
    from rich.console import Console
    from rich.progress import track

    return track(cases, description="cases", console=Console(stderr=True))


@contextmanager
def _bytes(name: str) -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress("{task.description}", *columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=None)
        yield lambda here, whole: progress.update(task, completed=here, total=whole)
