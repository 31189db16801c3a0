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
    foreign(tmp_path / "lock.json", host=module.socket.gethostname(), pid=dead.pid)
    lock = Lock(tmp_path / "lock.json")
    start = time.monotonic()
    lock.acquire()
    assert time.monotonic() - start < 1
    lock.release()


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
    timer = threading.Timer(0.3, os.utime, [path])
    timer.start()
    with pytest.raises(UserError, match="elsewhere"):
        Lock(path).acquire()
    timer.join()


def test_lock_of_another_host_is_watched_until_it_is_overdue(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STALE_SECONDS", 1.0)
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
