"""Forecast against fact: ratios by hand, what is missing is said, and a run that was not forecast has no section."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fake_run import blank_pictures
from globalmask.cli import app
from globalmask.present.report import make_report
from globalmask.present.report_forecast import forecast_and_fact

MADE = 1_000_000_000  # 2001-09-09 01:46:40 UTC
MODELS = {"jobs": 2, "hours": 2.0, "memory_mb": 600.0}
Benchmark = Callable[..., None]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "results" / "fake"


@pytest.fixture
def benchmark(tmp_path: Path) -> Benchmark:
    def write(name: str, seconds: float, memory_mb: float = 500, *, ended: int = MADE + 60) -> None:
        path = tmp_path / "logs" / "fake" / f"{name}.benchmark.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\tmax_rss\n{seconds}\t{memory_mb}\n", encoding="utf-8")
        os.utime(path, (ended, ended))

    return write


def forecast(run_dir: Path, **stages: dict[str, Any]) -> None:
    path = run_dir / "forecast.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"stages": stages, "trainings": []}), encoding="utf-8")
    os.utime(path, (MADE, MADE))


def rows(run_dir: Path) -> list[list[str]]:
    found = forecast_and_fact(run_dir)
    assert found
    return found.rows


def test_ratios_and_total_by_hand(run_dir: Path, benchmark: Benchmark) -> None:
    forecast(run_dir, models=MODELS, predictions={"jobs": 1, "hours": 0.5, "memory_mb": None})
    benchmark("brain/paper/ct/n1/r0/train", 3600, 500)
    benchmark("brain/paper/ct/n1/r1/train", 1800, 900)
    benchmark("brain/paper/ct/n1/r0/predict", 3600, 400)
    assert rows(run_dir) == [
        ["models", "2", "2", "2", "1.5", "0.75", "600", "900", ""],
        ["predictions", "1", "1", "0.50", "1", "2.00", "–", "400", ""],
        ["Total", "3", "3", "2.5", "2.5", "1.00", "600", "900", ""],
    ]


def test_jobs_that_ended_before_the_forecast_are_no_fact_of_it(run_dir: Path, benchmark: Benchmark) -> None:
    forecast(run_dir, models=MODELS, check={"jobs": 0, "hours": 0.0, "memory_mb": 80.0})
    benchmark("brain/check/case", 9, ended=MADE - 60)
    benchmark("brain/paper/ct/n1/r0/train", 7200, ended=MADE - 60)
    benchmark("brain/paper/ct/n1/r1/train", 1800)
    assert rows(run_dir) == [["models", "2", "1", "2", "0.50", "–", "600", "500", "1 of 2 jobs not done"]]


def test_what_does_not_compare_says_why_and_is_not_in_the_total(run_dir: Path, benchmark: Benchmark) -> None:
    one = {"jobs": 1, "hours": 1.0, "memory_mb": None}
    forecast(run_dir, models=one, masks=one, predictions=one, statistics={**one, "hours": None})
    benchmark("brain/paper/ct/n1/r0/train", 3600)
    benchmark("brain/paper/ct/n1/r0/predict", 60)
    benchmark("brain/paper/ct/n1/r1/predict", 60)
    benchmark("analyse", 60)
    benchmark("brain/paper/ct/n1/r0/score", 60)
    found = {row[0]: (row[5], row[-1]) for row in rows(run_dir)}
    assert found == {
        "masks": ("–", "1 of 1 jobs not done"),
        "models": ("1.00", ""),
        "predictions": ("–", "1 more than planned"),
        "scores": ("–", "1 more than planned"),  # a stage that the forecast does not name
        "statistics": ("–", "hours were not known"),
        "Total": ("1.00", "without: masks; predictions; scores; statistics"),
    }


def test_no_forecast_or_one_of_a_run_that_was_done_gives_no_table(run_dir: Path, benchmark: Benchmark) -> None:
    benchmark("brain/paper/ct/n1/r0/train", 3600, ended=MADE - 60)
    assert forecast_and_fact(run_dir) is None
    forecast(run_dir, models={"jobs": 0, "hours": 0.0, "memory_mb": 500.0})
    assert forecast_and_fact(run_dir) is None


def test_the_note_tells_when(run_dir: Path) -> None:
    forecast(run_dir, models=MODELS)
    found = forecast_and_fact(run_dir)
    assert found and "2001-09-09 01:46 UTC" in found.note


def test_costs_prints_the_forecast_beside_the_fact(run_dir: Path, benchmark: Benchmark, monkeypatch: Any) -> None:
    monkeypatch.chdir(run_dir.parents[1])
    benchmark("brain/paper/ct/n1/r0/train", 3600)
    assert "forecast" not in CliRunner().invoke(app, ["costs", "fake"]).output
    forecast(run_dir, models={**MODELS, "jobs": 1})
    assert "| models | 1 | 1 | 2 | 1 | 0.50 | 600 | 500 |  |" in CliRunner().invoke(app, ["costs", "fake"]).output


def test_the_report_has_the_section_where_there_is_a_forecast(
    make_run: Callable[..., Any], run_dir: Path, benchmark: Benchmark
) -> None:
    _, plan = make_run(arms=("brain",), sizes=(1,), images=False)
    blank_pictures(run_dir, plan)
    page = run_dir / "report.html"

    def report() -> str:
        make_report(run_dir=run_dir, plan=plan, out_path=page)
        return page.read_text(encoding="utf-8")

    assert "#forecast" not in report()
    hostile = "<img src=x onerror=alert(1)>"
    forecast(run_dir, models={**MODELS, "jobs": 1}, **{hostile: {"jobs": 1, "hours": None, "memory_mb": None}})
    benchmark("brain/paper/ct/n1/r0/train", 3600)
    text = report()
    section = text[text.index('<h2 id="forecast">') : text.index('<h2 id="provenance">')]
    assert '<a href="#forecast">' in text
    assert hostile not in text
    found = [html.unescape(cell) for cell in re.findall(r"<td[^>]*>([^<]*)</td>", section)]
    assert found[:9] == ["models", "1", "1", "2", "1", "0.50", "600", "500", ""]
    assert found[9:18] == [hostile, "1", "0", "–", "–", "–", "–", "–", "1 of 1 jobs not done"]
    assert section.count('<th scope="col">') == 9
