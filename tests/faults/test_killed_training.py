"""A training that is killed at any moment, or asked to end, ends with the same result as one left alone."""

from __future__ import annotations

import json
import random
import signal
from functools import partial

import pytest

from faults import child, tiny_training
from faults.tiny_training import PLACES, STEPS, record, result, train
from globalmask.network.checkpoint import LAST, PREVIOUS, TORN
from globalmask.provenance import PARTIAL

SEED = 4
MOMENTS = [(place, number) for place, count in zip(PLACES, (7, 6, 7), strict=True) for number in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The cases, and in `alone` the training that nobody disturbed."""
    child.preload("globalmask.learn.train", "faults.tiny_training", "faults.warm")
    folder = tmp_path_factory.mktemp("killed")
    tiny_training.write_cases(folder)
    code, told = train(folder, "alone", partial(tiny_training.counted, folder / "moments"))
    assert code == 0, told
    return folder


@pytest.fixture(scope="module")
def alone(folder):
    return result(folder, "alone")


@pytest.fixture(scope="module")
def moments(folder):
    """Seeded random moments in a step, in a validation, in a checkpoint's writing."""
    lines = (folder / "moments").read_text(encoding="utf-8").splitlines()
    counts = {place: int(count) for place, count in (line.split() for line in lines)}
    draw = random.Random(SEED)
    return {(place, number): draw.randrange(1, counts[place] + 1) for place, number in MOMENTS}


def resumed(folder, name, alone, tally, fault):
    """Train on after a fault; the count learns of it before any assertion does."""
    code, told = train(folder, name)
    model = folder / name / "out" / "model.safetensors"
    same = model.exists() and result(folder, name) == alone
    tally.fault(fault, survived=code == 0, lost=int(not model.exists()), changed=int(model.exists() and not same))
    assert code == 0, told
    assert result(folder, name) == alone
    assert not (folder / name / "checkpoint").exists()
    assert not list((folder / name).rglob(f"{PARTIAL}*"))
    return told


@pytest.mark.parametrize(("place", "number"), MOMENTS)
def test_killed_at_a_random_moment(folder, alone, moments, tally, place, number):
    name = f"{place}{number}"
    code, _ = train(folder, name, partial(tiny_training.killed_at, place, moments[place, number]))
    assert code == -signal.SIGKILL
    assert not (folder / name / "out").exists()
    resumed(folder, name, alone, tally, f"SIGKILL in {place}")
    assert record(folder, name)["attempts"] == 2


@pytest.mark.parametrize("number", [1, 2, 3])
def test_killed_while_a_checkpoint_is_half_written(folder, alone, tally, number):
    name = f"half{number}"
    code, _ = train(folder, name, partial(tiny_training.killed_in_a_write, number))
    assert code == -signal.SIGKILL
    assert list((folder / name / "checkpoint").glob(f"{PARTIAL}*"))
    resumed(folder, name, alone, tally, "SIGKILL while a checkpoint is half written")


def test_killed_again_and_again(folder, alone, moments, tally):
    """Every start gets a little further than the one before."""
    draw = random.Random(SEED)
    for _ in range(3):
        code, _ = train(folder, "again", partial(tiny_training.killed_at, "_Run._step", draw.randrange(20_000, 40_000)))
        assert code == -signal.SIGKILL
    resumed(folder, "again", alone, tally, "SIGKILL three times")
    assert record(folder, "again")["attempts"] == 4


@pytest.mark.parametrize(
    ("which", "place", "number", "step"),
    [
        (signal.SIGTERM, "_step", 5, 5),
        (signal.SIGTERM, "_milestone", 1, 4),
        (signal.SIGTERM, "_save", 2, 3),
        (signal.SIGINT, "_step", 2, 2),
    ],
)
def test_asked_to_end_it_writes_a_checkpoint_within_a_step(folder, alone, tally, place, number, step, which):
    name = f"asked{place}{which.name}"
    code, told = train(folder, name, partial(asked_after_rare_checkpoints, place, number, which))
    assert code == 128 + which
    assert f"ended by {which.name} at step {step} of {STEPS}; the checkpoint is written" in told
    assert "what to do: Give the same command again" in told and "Traceback" not in told
    assert not (folder / name / "checkpoint" / "lock.json").exists()
    told = resumed(folder, name, alone, tally, f"{which.name} in {place}")
    assert f"resumed at step {step}" in told


def asked_after_rare_checkpoints(place, number, which):
    tiny_training.rare_checkpoints()
    tiny_training.asked_to_end(place, number, which)


@pytest.fixture
def half_finished(folder, request):
    """The name of a training that was killed after two checkpoints."""
    name = request.node.name
    code, _ = train(folder, name, partial(tiny_training.killed_in_a_write, 3))
    assert code == -signal.SIGKILL
    return name


def test_a_torn_checkpoint_falls_back_to_the_one_before(folder, alone, tally, half_finished):
    last = folder / half_finished / "checkpoint" / LAST
    last.write_bytes(last.read_bytes()[:-1])
    assert "torn, the one before" in resumed(folder, half_finished, alone, tally, "last checkpoint torn")


def test_without_a_whole_checkpoint_it_begins_anew(folder, alone, tally, half_finished):
    for name in (LAST, PREVIOUS):
        (folder / half_finished / "checkpoint" / name).write_bytes(b"torn")
    resumed(folder, half_finished, alone, tally, "both checkpoints torn")


TRAIN = tiny_training.SETTINGS["train"]
CHANGES = {
    "settings": ({"train": {**TRAIN, "learning_rate": 1.0e-3}}, "settings.learning_rate was 0.03, is 0.001"),
    "cases": ({"train_cases": ["a", "b"]}, "cases.c was"),
    "seed": ({"seed": 2}, "seeds was"),
    "scan": ({"train_cases": ["a", "b", "c"]}, "cases.a was"),
    "code": ({}, "code was"),
}


def test_a_checkpoint_of_something_else_is_refused_with_the_reason_and_kept(folder, alone, tally, half_finished):
    label, other = (folder / "prepared" / case / "label.nii.gz" for case in "af")
    kept = label.read_bytes()
    for what, (settings, reason) in CHANGES.items():
        label.write_bytes(other.read_bytes() if what == "scan" else kept)
        before = tiny_training.other_code if what == "code" else None
        code, told = train(folder, half_finished, before, settings={**tiny_training.SETTINGS, **settings})
        label.write_bytes(kept)
        refused = code == 2 and reason in told and "what to do" in told
        tally.fault(f"resumed with another {what}", survived=refused, lost=0, changed=0)
        assert refused, told
    assert not (folder / half_finished / "checkpoint" / TORN).exists()
    resumed(folder, half_finished, alone, tally, "refused, then resumed as it was")


def test_the_record_sums_over_attempts(folder):
    """The clock goes on where the checkpoint left it; the record names all it was made from."""
    run = json.loads((folder / "alone" / "out" / "run.json").read_text(encoding="utf-8"))
    assert {"versions", "device", "threads", "precision", "seeds", "settings", "code", "inputs"} <= run.keys()
    read = {f"prepared/{case}/{name}.nii.gz" for case in "abcde" for name in ("ct", "label")}
    assert read <= run["inputs"].keys()
    assert all(len(digest) == 64 for digest in run["inputs"].values())
