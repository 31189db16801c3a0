"""The lock: who holds it, when it is stale, and what happens when it is taken away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from globalmask.errors import UserError
from globalmask.network import lock as module
from globalmask.network.lock import Lock


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A live lock is waited for, though not for long; a test that needs a real wait sets it."""
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.05)


def foreign(path, **record):
    path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "job": "77", "token": "x", **record}))


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_record_and_release(tmp_path):
    lock = Lock(tmp_path / "lock.json")
    lock.acquire()
    record = json.loads(lock.path.read_text(encoding="utf-8"))
    assert record["pid"] == os.getpid() and record["host"]
    lock.check()
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_job_id_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    first = Lock(tmp_path / "lock.json")
    first.acquire()
    with pytest.raises(UserError, match="4711"):
        Lock(tmp_path / "lock.json").acquire()
    first.release()


def test_lock_of_a_dead_process_here_is_stale_at_once(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    foreign(tmp_path / "lock.json", **module._place(), pid=dead.pid)
    lock = Lock(tmp_path / "lock.json")
    lock.acquire()
    lock.release()


def test_lock_of_a_process_that_ended_and_was_not_waited_for_is_stale_at_once(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as zombie:
        zombie.stdout.read()
        while module._alive(zombie.pid):
            time.sleep(0.01)
        foreign(tmp_path / "lock.json", **module._place(), pid=zombie.pid)
        lock = Lock(tmp_path / "lock.json")
        lock.acquire()
        lock.release()


def test_a_process_id_of_another_container_says_nothing(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    foreign(tmp_path / "lock.json", **{**module._place(), "namespace": "pid:[1]"}, pid=dead.pid)
    with pytest.raises(UserError, match="Another process"):
        Lock(tmp_path / "lock.json").acquire()


def test_a_process_id_that_was_given_again_does_not_keep_the_lock(tmp_path):
    """After a restart of the machine another process has the owner's id: its heartbeat is overdue."""
    foreign(tmp_path / "lock.json", **module._place(), pid=os.getppid())
    age(tmp_path / "lock.json", module.STALE_SECONDS + 1)
    lock = Lock(tmp_path / "lock.json")
    lock.acquire()
    lock.release()


def test_a_requeued_job_takes_its_own_lock_from_the_node_it_left(tmp_path, monkeypatch):
    foreign(tmp_path / "lock.json", job="4711")
    monkeypatch.setenv("SLURM_JOB_ID", "4712")
    with pytest.raises(UserError, match="job 4711"):
        Lock(tmp_path / "lock.json").acquire()
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    lock = Lock(tmp_path / "lock.json")
    lock.acquire()
    lock.check()
    lock.release()


def test_a_lock_that_is_given_back_in_time_is_waited_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "WAIT_SECONDS", 60.0)
    path = tmp_path / "lock.json"
    foreign(path)
    timer = threading.Timer(0.3, path.unlink)
    timer.start()
    lock = Lock(path)
    lock.acquire()
    timer.join()
    assert capsys.readouterr().err.count("waiting for it") == 1
    lock.release()


def test_of_two_that_find_a_stale_lock_the_slower_one_leaves_the_new_lock(tmp_path):
    path = tmp_path / "lock.json"
    quicker, slower = Lock(path), Lock(path)
    quicker.acquire()
    slower._drop({"token": "of the stale one"})
    quicker.check()
    quicker.release()


def test_a_lock_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.json, "dump", full)
    with pytest.raises(OSError, match=r"lock\.json"):
        Lock(tmp_path / "lock.json").acquire()
    assert list(tmp_path.iterdir()) == []


def test_overdue_lock_of_another_host_is_taken(tmp_path):
    foreign(tmp_path / "lock.json")
    age(tmp_path / "lock.json", module.STALE_SECONDS + 1)
    lock = Lock(tmp_path / "lock.json")
    lock.acquire()
    lock.check()
    lock.release()


def test_beating_lock_of_another_host_is_respected(tmp_path):
    path = tmp_path / "lock.json"
    foreign(path)
    age(path, 20)
    with pytest.raises(UserError, match="elsewhere"):
        Lock(path).acquire()
    assert path.exists()


def test_lock_of_another_host_is_watched_until_it_is_overdue(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STALE_SECONDS", 1.0)
    monkeypatch.setattr(module, "WAIT_SECONDS", 60.0)
    foreign(tmp_path / "lock.json")
    lock = Lock(tmp_path / "lock.json")
    start = time.monotonic()
    lock.acquire()
    assert time.monotonic() - start >= 0.9
    lock.release()


def test_torn_lock_is_stale_when_it_is_old(tmp_path):
    (tmp_path / "lock.json").write_text("")
    age(tmp_path / "lock.json", module.STALE_SECONDS + 1)
    lock = Lock(tmp_path / "lock.json")
    lock.acquire()
    lock.release()


def test_heartbeat(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.05)
    lock = Lock(tmp_path / "lock.json")
    lock.acquire()
    age(lock.path, 100)
    time.sleep(0.4)
    assert time.time() - lock.path.stat().st_mtime < 10
    lock.release()


def test_lock_that_was_taken_away_is_noticed_and_left_alone(tmp_path):
    lock = Lock(tmp_path / "lock.json")
    lock.acquire()
    foreign(lock.path)
    with pytest.raises(UserError, match="elsewhere"):
        lock.check()
    lock.release()
    assert lock.path.exists()
