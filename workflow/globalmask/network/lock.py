"""One process at a time on one training: a lock file with host, process, job and a heartbeat.

The heartbeat is the file's modification time, compared with that of a file written just now in the
same folder, so clocks of two cluster nodes need not agree.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from globalmask.errors import UserError

HEARTBEAT_SECONDS = 15.0
STALE_SECONDS = 60.0
WAIT_SECONDS = 90.0
"""How long a live lock is waited for: longer than it takes to be stale, so that a dead owner never costs a job."""
POLL_SECONDS = 1.0


class Lock:
    """The lock file at `path`, whose folder is made where it is missing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._token = uuid.uuid4().hex
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> None:
        """Take the lock; a stale one is replaced, a live one is waited for.

        Stale at once is the lock of a process of this host that is dead, and that of this job's own earlier
        start on another node (a requeued SLURM job keeps its id); any other one when its heartbeat is overdue.
        Raises UserError when the owner lives and does not end within `WAIT_SECONDS`.
        """
        told, deadline = False, time.monotonic() + WAIT_SECONDS
        while not self._create():
            owner = _read(self.path)
            age = _age(self.path)
            if age is None:
                continue
            if age > STALE_SECONDS or _ended(owner):
                self._drop(owner)
                continue
            if time.monotonic() > deadline:
                raise self._held(owner)
            if not told:
                print(f"{self.path}: {_name(owner)} works on this training; waiting for it.", file=sys.stderr)
                told = True
            time.sleep(POLL_SECONDS)
        self._stop.clear()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise UserError when the lock is no longer ours."""
        owner = _read(self.path)
        if owner.get("token") != self._token:
            raise self._held(owner)

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not ours."""
        self.stop()
        if _read(self.path).get("token") == self._token:
            self.path.unlink(missing_ok=True)

    def stop(self) -> None:
        """End the heartbeat; the file stays."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _create(self) -> bool:
        record = {**_place(), "pid": os.getpid(), "job": os.environ.get("SLURM_JOB_ID"), "token": self._token}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return False
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(record, stream)
        except OSError as error:
            self.path.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        return True

    def _drop(self, owner: dict[str, Any]) -> None:
        # Renamed first: of two processes that find the lock stale, one wins.
        aside = self.path.with_name(f"{self.path.name}.stale-{self._token}")
        try:
            os.rename(self.path, aside)
        except FileNotFoundError:
            return
        if _read(aside).get("token") != owner.get("token"):
            # Another process was quicker and this is its new lock: put back, unless a third took the place.
            with contextlib.suppress(OSError):
                os.link(aside, self.path)
        aside.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            # A file system that refuses once is asked again; a lock that was taken away is seen by `check`.
            with contextlib.suppress(OSError):
                if _read(self.path).get("token") == self._token:
                    os.utime(self.path)

    def _held(self, owner: dict[str, Any]) -> UserError:
        return UserError(
            "Another process works on this training.",
            file=self.path,
            found=_name(owner) if owner else "our own lock was removed",
            todo="Wait for it, or end it, then start again.",
        )


def _place() -> dict[str, str]:
    """The host, and the set of processes in which a process id means something (containers have their own)."""
    namespace = ""
    with contextlib.suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
    return {"host": socket.gethostname(), "namespace": namespace}


def _name(owner: dict[str, Any]) -> str:
    job = f", job {owner['job']}" if owner.get("job") else ""
    return f"process {owner.get('pid')} on {owner.get('host')}{job}"


def _ended(owner: dict[str, Any]) -> bool:
    """Whether it is certain that this owner lives no more."""
    here = _place()
    if all(owner.get(name) == here[name] for name in here):
        return not _alive(owner.get("pid"))
    job = os.environ.get("SLURM_JOB_ID")
    return bool(job) and owner.get("job") == job and owner.get("host") != here["host"]


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _age(path: Path) -> float | None:
    """Seconds since the last heartbeat by the file system's clock; None without a lock."""
    probe = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink()
        return now - path.stat().st_mtime
    except FileNotFoundError:
        return None


def _alive(pid: Any) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):
        # A process that ended and was not waited for is still listed, as a zombie.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    return True
