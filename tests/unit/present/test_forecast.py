"""The forecast of a run: trainings by hand from a known pace, jobs from a dry run, other stages from their logs."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from globalmask import config
from globalmask.config import TrainSettings
from globalmask.errors import UserError
from globalmask.learn import pilot
from globalmask.learn.pilot import Pace
from globalmask.present.forecast import forecast, keep, planned_jobs, screen, trainings

TINY = "workflow/config/tiny.yaml"
PACE = Pace(2.0, 0.5, 300.0)


@pytest.fixture(scope="module")
def tiny(repository):
    return config.read(repository / TINY)


def test_steps_and_validations_of_the_tiny_config(tiny):
    asked = []

    def measure(settings, **shape):
        asked.append(shape)
        return PACE

    found = {training.name: training for training in trainings(tiny, measure=measure)}
    settings = tiny.variants["modern"].settings
    cells = 3 * len(tiny.arms["brain"].sizes)
    brain = found["brain/modern"]
    assert (brain.count, brain.steps) == (cells, cells * settings.max_steps)
    validations = settings.max_steps // settings.validate_every * tiny.arms["brain"].split.validation
    assert brain.validated == cells * validations
    assert brain.hours == pytest.approx((brain.steps * 2 + brain.validated * 0.5) / 3600)
    assert {shape["inputs"] for shape in asked} == {1, 2}
    network = tiny.arms["heart"].mask_network
    parts = 1 + min(network.crossfit_folds, tiny.arms["heart"].split.train)
    assert found["heart/masks"].steps == parts * network.settings.max_steps
    assert found["heart/masks"].validated == 0


def test_only_what_is_left_counts_and_other_stages_go_by_their_logs(tiny, tmp_path):
    known = trainings(tiny, measure=lambda settings, **shape: PACE)
    log = tmp_path / "logs" / "other" / "make_report.benchmark.tsv"
    log.parent.mkdir(parents=True)
    log.write_text("s\tmax_rss\n7200\t50\n", encoding="utf-8")
    total = sum(training.count for training in known if training.stage == "models")
    half = forecast(tiny, {"train": total // 2, "make_report": 1, "analyse": 1}, known, tmp_path)
    whole = sum(training.hours for training in known if training.stage == "models")
    assert half.loc["models", "hours"] == pytest.approx(whole * (total // 2) / total)
    assert half.loc["models", "memory_mb"] == 300
    assert half.loc["tables, figures, report", "hours"] == pytest.approx(2)
    assert pd.isna(half.loc["statistics", "hours"])


def test_the_first_forecast_is_kept(tiny, tmp_path):
    known = trainings(tiny, measure=lambda settings, **shape: PACE)
    table = forecast(tiny, {"train": 1}, known, tmp_path)
    path = tmp_path / "forecast.json"
    keep(table, known, path)
    first = path.read_text(encoding="utf-8")
    keep(table.assign(jobs=0), known, path)
    assert path.read_text(encoding="utf-8") == first
    assert json.loads(first)["stages"]["models"]["jobs"] == 1


def test_screen_names_what_is_not_known(tiny, tmp_path):
    from rich.console import Console

    known = trainings(tiny, measure=lambda settings, **shape: PACE)
    console = Console(record=True, width=140)
    console.print(screen(forecast(tiny, {"train": 2, "judge": 1}, known, tmp_path), known, jobs_at_once=2))
    text = console.export_text()
    assert "3 jobs" in text
    assert "not counted: statistics." in text
    assert "brain/modern: " in text


def test_a_run_that_cannot_be_planned_says_what_snakemake_says(tmp_path, repository, monkeypatch):
    monkeypatch.chdir(repository)
    broken = tmp_path / "broken.yaml"
    broken.write_text("run: x\narmz: {}\n", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be planned") as caught:
        planned_jobs(broken, 1)
    assert "Unknown option 'armz'" in str(caught.value)


def test_pilot_measures_a_small_training():
    settings = TrainSettings(channels=2, max_steps=1000, validate_every=100)
    found = pilot.measure(settings, inputs=2, structures=1, size_voxels=32, device="cpu", threads=1)
    assert 0 < found.step_seconds < 60
    assert 0 < found.validation_seconds < 60
    assert 50 < found.memory_mb < 5000
