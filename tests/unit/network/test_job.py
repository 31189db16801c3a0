"""A job writes its three files, and one killed by SIGKILL ends with the same weights as one left alone."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from train_tiny import main as train_tiny

from globalmask.errors import UserError
from globalmask.network import job
from globalmask.network.checkpoint import LAST, Checkpoints
from globalmask.network.loop import HISTORY
from globalmask.network.model_file import load_model, read_header
from globalmask.network.slots import Place

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    original = Checkpoints.every_seconds
    train_tiny(str(folder / "out"), str(folder / "checkpoint"))
    Checkpoints.every_seconds = original
    return folder


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def weights_sha(folder):
    return read_header(folder / "out" / "model.safetensors")["sha256"]


def test_three_files_and_no_checkpoint(left_alone):
    found = sorted(path.name for path in (left_alone / "out").iterdir())
    assert found == ["history.csv", "model.safetensors", "run.json"]
    assert not (left_alone / "checkpoint").exists()


def test_history(left_alone):
    found = rows(left_alone / "out" / "history.csv")
    assert tuple(found[0]) == HISTORY
    assert [row["step"] for row in found] == ["5", "10", "15", "20", "25", "30"]
    assert {row["best"] for row in found} <= {"0", "1"}


def test_run_record(left_alone):
    run = json.loads((left_alone / "out" / "run.json").read_text(encoding="utf-8"))
    header = read_header(left_alone / "out" / "model.safetensors")
    assert run["cases"] == {"train": ["case_0", "case_1", "case_2"], "validation": ["case_10"]}
    assert (run["arm"], run["n"], run["steps"], run["attempts"]) == ("brain", 3, 30, 1)
    assert run["precision"] == "fp32" and run["device"] == "cpu" and run["threads"] == 1
    assert run["trainings_per_gpu"] is None
    assert 0 < run["hours"] <= run["total_hours"]
    assert run["best_step"] == header["best_step"]
    best = max(float(row["val_dice"]) for row in rows(left_alone / "out" / "history.csv"))
    assert run["best_val_dice"] == pytest.approx(best)
    assert run["settings"]["channels"] == 2 and run["code"] == "code"
    assert load_model(left_alone / "out" / "model.safetensors")[1]["settings"] == run["settings"]


def test_the_record_names_the_gpu_and_how_many_may_share_it(monkeypatch):
    monkeypatch.setattr(job.torch.cuda, "get_device_name", lambda device: f"Fake {device.index}")
    found = job._machine(Place(job.torch.device("cuda", 1), 2), 1)
    assert (found["device"], found["trainings_per_gpu"]) == ("cuda: Fake 1", 2)


def start(folder):
    paths = os.pathsep.join([str(HERE), str(Path(job.__file__).parents[2])])
    return subprocess.Popen(
        [sys.executable, str(HERE / "train_tiny.py"), str(folder / "out"), str(folder / "checkpoint")],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def test_killed_training_resumes_to_the_same_weights(left_alone, tmp_path):
    process = start(tmp_path)
    with process:
        for line in process.stderr:
            if line.startswith("step 10/"):
                break
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "out" / "model.safetensors").exists()
    assert (tmp_path / "checkpoint" / LAST).exists()
    second = start(tmp_path)
    _, told = second.communicate()
    assert second.returncode == 0, told
    assert "resumed at step" in told
    assert weights_sha(tmp_path) == weights_sha(left_alone)
    assert json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))["attempts"] == 2
    columns = [name for name in HISTORY if not name.endswith("seconds")]
    first, again = (rows(folder / "out" / "history.csv") for folder in (left_alone, tmp_path))
    assert [[row[name] for name in columns] for row in first] == [[row[name] for name in columns] for row in again]
    assert not (tmp_path / "checkpoint").exists()


def test_failure_while_writing_keeps_the_checkpoint_which_other_code_does_not_resume(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(Checkpoints, "every_seconds", 0.0)
    monkeypatch.setattr(job, "save_model", fail)
    with pytest.raises(OSError, match="disk full"):
        train_tiny(str(tmp_path / "out"), str(tmp_path / "checkpoint"))
    assert (tmp_path / "checkpoint" / LAST).exists()
    assert not (tmp_path / "checkpoint" / "lock.json").exists()
    original = job.run_job
    monkeypatch.setattr("train_tiny.run_job", lambda *args, **options: original(*args, **{**options, "code": "new"}))
    with pytest.raises(UserError, match="code was code, is new"):
        train_tiny(str(tmp_path / "out"), str(tmp_path / "checkpoint"))
