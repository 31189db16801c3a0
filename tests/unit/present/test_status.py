"""The state of a training from its files, against folders written by hand."""

from __future__ import annotations

import json
import os
import time

import pytest
from rich.console import Console
from typer.testing import CliRunner

from globalmask import config
from globalmask.cli import app
from globalmask.network.progress import line_of
from globalmask.present.status import Place, Training, look, places, screen, seconds_left, sparkline

TINY = "workflow/config/tiny.yaml"


@pytest.fixture
def place(tmp_path):
    return Place("brain/paper/ct/n1/r0", tmp_path / "cell", tmp_path / "train.log", tmp_path / "lock.json", 100)


def validated(step, dice, seconds):
    row = {"step": step, "train_loss": 0.5, "val_loss": 0.4, "val_dice": dice, "train_seconds": seconds, "best": 1}
    return line_of(row, 100) + "\n"


def finish(place):
    place.folder.mkdir()
    (place.folder / "run.json").write_text(json.dumps({"steps": 80, "total_hours": 0.5}), encoding="utf-8")
    (place.folder / "history.csv").write_text("step,val_dice\n40,0.25\n80,0.5\n", encoding="utf-8")
    (place.folder / "model.safetensors").touch()


def test_nothing_there_is_waiting(place):
    assert look(place).state == "waiting"


def test_a_fresh_heartbeat_is_running_and_the_log_tells_how_far(place):
    place.lock.touch()
    assert look(place) == Training(place, "running")
    place.log.write_text(validated(25, 0.2, 10.4) + validated(50, 0.4, 20.6), encoding="utf-8")
    assert look(place) == Training(place, "running", 50, 21.0, (0.2, 0.4))


def test_an_old_heartbeat_is_stopped_and_says_the_last_line(place):
    place.lock.touch()
    place.log.write_text(validated(25, 0.2, 10) + "The training does not fit.\n", encoding="utf-8")
    os.utime(place.lock, (time.time() - 3600,) * 2)
    found = look(place)
    assert (found.state, found.step, found.said) == ("stopped", 25, "The training does not fit.")


def test_a_model_with_its_record_is_done(place):
    finish(place)
    assert look(place) == Training(place, "done", 80, 1800.0, (0.25, 0.5))


def test_a_record_without_its_model_is_not_done(place):
    finish(place)
    (place.folder / "model.safetensors").unlink()
    assert look(place).state == "waiting"


def test_a_training_without_validation_has_steps_and_no_dice(place):
    place.lock.touch()
    row = {"step": 50, "train_loss": 0.5, "val_dice": None, "train_seconds": 12.0}
    place.log.write_text(line_of(row, 100) + "\n", encoding="utf-8")
    assert look(place) == Training(place, "running", 50, 12.0)


def test_time_left_is_the_remaining_steps_at_the_known_pace_over_what_runs(place):
    done = Training(place, "done", 100, 200.0)  # 2 s a step
    running = [Training(place, "running", 50, 100.0), Training(place, "running", 0)]
    waiting = [Training(place, "waiting")] * 3
    assert seconds_left([done, *running, *waiting]) == pytest.approx((50 + 100 + 300) * 2 / 2)
    assert seconds_left(waiting) is None


def test_sparkline():
    assert sparkline([0, 0.5, 1.0]) == "▁▅█"


def test_screen_shows_what_runs_and_all_when_asked(place):
    trainings = [Training(place, "done", 100, 60), Training(place, "running", 50, 30, (0.1, 0.9))]
    text = {}
    for everything in (False, True):
        console = Console(record=True, width=140)
        console.print(screen(trainings, everything=everything))
        text[everything] = console.export_text()
    assert "1 done   1 running   0 stopped   0 waiting   about 30 s left" in text[False]
    assert "50/100  0.900  ▁█" in text[False]
    assert text[False].count("brain/paper") == 1
    assert text[True].count("brain/paper") == 2


def test_every_training_of_the_tiny_config_has_a_place(repository, tmp_path):
    """Its cells, and the networks of its learned masks, at the paths of the rules."""
    found = places(config.read(repository / TINY), tmp_path)
    names = [str(place.folder.relative_to(tmp_path)) for place in found]
    assert "results/tiny/heart/masks/full-f0/networks/all" in names
    assert "results/tiny/heart/masks/full-f0/networks/k0" in names
    assert any(name.startswith("results/tiny/brain/") and name.endswith("/r0") for name in names)
    assert len(set(names)) == len(names)


def test_command_of_a_run_that_has_not_begun(repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["status", "--configfile", str(repository / TINY)])
    assert result.exit_code == 0
    assert "0 done" in result.output
