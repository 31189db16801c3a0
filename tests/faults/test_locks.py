"""Two real processes and one training: the result is written by one of them, and is the result of one left alone."""

from __future__ import annotations

import os
import signal
import time
from functools import partial

import pytest

from faults import child, tiny_training
from faults.tiny_training import record, result, start, train
from globalmask.network.checkpoint import LAST

SLOW = partial(tiny_training.slow, 0.3)
AT_ONCE = partial(tiny_training.quick, WAIT_SECONDS=0.0, POLL_SECONDS=0.05)
PATIENT = partial(tiny_training.quick, WAIT_SECONDS=600.0, POLL_SECONDS=0.05)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    child.preload("globalmask.learn.train", "faults.tiny_training", "faults.warm")
    folder = tmp_path_factory.mktemp("locks")
    tiny_training.write_cases(folder)
    code, told = train(folder, "alone")
    assert code == 0, told
    return folder


@pytest.fixture(scope="module")
def alone(folder):
    return result(folder, "alone")


@pytest.fixture
def first(folder, request):
    """A function that starts a slow training under the test's name and returns its process and that name."""
    started = []

    def begin(before=SLOW, **options):
        name = request.node.name
        started.append(start(folder, name, before, **options))
        while not (folder / name / "checkpoint" / LAST).exists():
            assert started[0].is_alive()
            time.sleep(0.02)
        return started[0], name

    yield begin
    for process in started:
        process.kill()
        process.join()


def second(folder, name, before, **options):
    """The same training from another process; exit code and what it printed."""
    return child.run(tiny_training.arguments(name), folder=folder, before=before, **options)


def test_a_live_training_is_respected_with_a_clear_error(folder, alone, tally, first):
    process, name = first()
    code, told = second(folder, name, AT_ONCE)
    process.join()
    same = process.exitcode == 0 and result(folder, name) == alone
    tally.fault("a second start beside a live training", survived=code == 2, lost=int(not same), changed=0)
    assert code == 2 and same
    assert f"found: process {process.pid} on {os.uname().nodename}" in told and "Traceback" not in told


def test_a_second_start_waits_for_the_first(folder, alone, tally, first):
    process, name = first()
    code, told = second(folder, name, PATIENT)
    process.join()
    same = result(folder, name) == alone
    tally.fault("a second start that waits", survived=code == process.exitcode == 0, lost=0, changed=int(not same))
    assert code == process.exitcode == 0, told
    assert same and told.count("waiting for it") == 1
    assert record(folder, name)["attempts"] == 1


def test_the_lock_of_a_killed_training_is_taken_over_at_once(folder, alone, tally, first):
    process, name = first()
    process.kill()
    process.join()
    code, told = second(folder, name, AT_ONCE)
    tally.fault("lock of a killed process", survived=code == 0, lost=0, changed=int(result(folder, name) != alone))
    assert code == 0, told
    assert result(folder, name) == alone and record(folder, name)["attempts"] == 2


def test_a_process_that_froze_and_wakes_writes_nothing(folder, alone, tally, first):
    """Its heartbeat is overdue, so the next one goes on from its checkpoint; awake again, it finds its lock gone."""
    process, name = first()
    os.kill(process.pid, signal.SIGSTOP)
    code, told = second(folder, name, partial(PATIENT, STALE_SECONDS=0.5))
    made = (folder / name / "out" / "model.safetensors").stat().st_mtime_ns
    os.kill(process.pid, signal.SIGCONT)
    process.join()
    same = result(folder, name) == alone
    tally.fault("frozen, taken over, awake", survived=code == 0, lost=0, changed=int(not same))
    assert code == 0, told
    assert process.exitcode == 2
    assert "Another process works on this training" in (folder / name / "log").read_text(encoding="utf-8")
    assert same and (folder / name / "out" / "model.safetensors").stat().st_mtime_ns == made


def on_node(host, before):
    tiny_training.quick(host=host)
    before()


def test_a_requeued_job_takes_over_its_own_lock_and_no_other_job_does(folder, alone, tally, first):
    process, name = first(partial(on_node, "node1", SLOW), environment={"SLURM_JOB_ID": "77"})
    process.kill()
    process.join()
    other, told = second(folder, name, partial(on_node, "node2", AT_ONCE), environment={"SLURM_JOB_ID": "78"})
    assert other == 2 and "on node1, job 77" in told
    code, told = second(folder, name, partial(on_node, "node2", AT_ONCE), environment={"SLURM_JOB_ID": "77"})
    tally.fault("requeued on another node", survived=code == 0, lost=0, changed=int(result(folder, name) != alone))
    assert code == 0, told
    assert result(folder, name) == alone and record(folder, name)["attempts"] == 2
