"""Commands about a run as a whole, for people: its first config, what it will cost, how far it is, what it has cost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from globalmask.commands.options import app

ConfigFile = Annotated[Path, typer.Option(help="the config of the run")]


Pattern = Annotated[str | None, typer.Option(help="where each lies below FROM; {case} stands for the case")]


@app.command()
def init(
    start: Annotated[Path, typer.Argument(metavar="FROM", help="a folder of scans, or a case table")],
    to: Annotated[Path, typer.Argument(metavar="TO", help="new folder, for config.yaml and cases.tsv")],
    arm: Annotated[str, typer.Option(help="name of the data set: head, liver …")],
    recipe: Annotated[str, typer.Option(help="how masks are made: threshold | learned | file")],
    structure: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="value of a structure in the labels; once for each")
    ] = None,
    ct: Pattern = None,
    label: Pattern = None,
    mask: Pattern = None,
    label2: Pattern = None,
    template: Annotated[
        str | None, typer.Option(help="threshold: the case or CT file that the others are registered to; or the first")
    ] = None,
    trial: Annotated[bool, typer.Option("--trial", help="tiny networks, to see everything run")] = False,
) -> None:
    """Start a study of your own: a commented config and a case table; nothing is overwritten."""
    from globalmask.errors import UserError
    from globalmask.intake import starter
    from globalmask.intake.sources.bring import Options

    if recipe not in starter.RECIPES:
        raise UserError("Unknown recipe.", found=recipe, expected=", ".join(starter.RECIPES))
    wishes = starter.Wishes(arm, starter.parse_structures(structure or []), recipe, template, trial)
    path = starter.start_study(start, to, wishes, Options(ct=ct, label=label, mask=mask, label2=label2))
    print(f"{path}: look through it, then:")
    for command in ("check", "--dry-run", ""):
        print("  " + " ".join(f".venv/bin/snakemake --cores all {command} --configfile {path}".split()))


@app.command()
def status(
    configfile: ConfigFile = Path("config.yaml"),
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again; Ctrl-C ends it.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="A line for every training.")] = False,
    seconds: Annotated[float, typer.Option(min=0.2, help="between two looks")] = 5.0,
) -> None:
    """Trainings done, running and waiting, with Dice and curve; from the files alone, so also beside SLURM."""
    from rich.console import Console
    from rich.live import Live

    from globalmask import config
    from globalmask.present import status as stage

    places = stage.places(config.read(configfile), Path())

    def look() -> list[stage.Training]:
        return [stage.look(place) for place in places]

    console = Console()
    if not watch:
        console.print(stage.screen(look(), everything=everything))
        return
    with Live(console=console, auto_refresh=False, screen=False) as live:
        while True:
            trainings = look()
            live.update(stage.screen(trainings, everything=everything), refresh=True)
            if all(training.state == "done" for training in trainings):
                return
            time.sleep(seconds)


@app.command()
def plan(
    configfile: ConfigFile = Path("config.yaml"),
    cores: Annotated[int, typer.Option(min=1, help="as for snakemake --cores")] = 1,
) -> None:
    """Jobs, hours, memory and disk of a run on this machine, from a dry run and a pilot of each kind of training."""
    from rich.console import Console

    from globalmask import config
    from globalmask.learn import pilot
    from globalmask.present import forecast as stage

    settings = config.read(configfile)
    jobs = stage.planned_jobs(configfile, cores)
    known = stage.trainings(settings, measure=pilot.measure)
    table = stage.forecast(settings, jobs, known, Path())
    stage.keep(table, known, Path("results", settings.run, "forecast.json"))
    Console().print(stage.screen(table, known, jobs_at_once=max(1, cores // settings.threads)), highlight=False)


@app.command()
def costs(run: Annotated[str, typer.Argument(help="name of a run below results/")]) -> None:
    """What a run has cost so far, stage by stage, as a Markdown table; a second one beside the forecast of `plan`."""
    from globalmask.present import costs as stage
    from globalmask.present.report_forecast import forecast_and_fact

    print(stage.as_markdown(stage.costs(Path("logs", run), Path("results", run))))
    if compared := forecast_and_fact(Path("results", run)):
        print(f"\n{compared.markdown()}")


@app.command()
def cancel_jobs() -> None:
    """End the SLURM jobs that a killed run in this folder left in the queue; without SLURM there are none."""
    from globalmask.cluster import cancel_left_over

    jobs = cancel_left_over(Path.cwd())
    if jobs:
        print(f"Cancelled SLURM jobs of a killed run in this folder: {', '.join(map(str, jobs))}")
