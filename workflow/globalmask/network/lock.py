"""One process at a time on one training: a lock file with host, process, job and a heartbeat.

The heartbeat is the file's modification time, compared with that of a file written just now in the
same folder, so clocks of two cluster nodes need not agree.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from globalmask.errors import UserError

HEARTBEAT_SECONDS = 15.0
STALE_SECONDS = 60.0


class Lock:
    """The lock file at `path`; its folder must exist."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._token = uuid.uuid4().hex
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> None:
        """Take the lock; a stale one is replaced.

        The lock of a dead process on this host is stale at once. One from another host is watched
        until its heartbeat is seen or is overdue, so a job that was requeued to another node needs
        no help. Raises UserError when the owner lives.
        """
        first_seen: float | None = None
        while not self._create():
            owner = _read(self.path)
            age = _age(self.path)
            if age is None:
                continue
            if owner.get("host") == socket.gethostname():
                if _alive(owner.get("pid")):
                    raise self._held(owner)
                self._drop(owner)
                continue
            beat = _modified(self.path)
            first_seen = beat if first_seen is None else first_seen
            if beat != first_seen:
                raise self._held(owner)
            if age > STALE_SECONDS:
                self._drop(owner)
                continue
            time.sleep(0.5)
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
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if _read(self.path).get("token") == self._token:
            self.path.unlink(missing_ok=True)

    def _create(self) -> bool:
        record = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "job": os.environ.get("SLURM_JOB_ID"),
            "token": self._token,
        }
        try:
            handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(record, stream)
        return True

    def _drop(self, owner: dict[str, Any]) -> None:
        # Renamed first: of two processes that find the lock stale, one wins.
        aside = self.path.with_name(f"{self.path.name}.stale-{self._token}")
        try:
            os.rename(self.path, aside)
        except FileNotFoundError:
            return
        if _read(aside).get("token") != owner.get("token") and not self.path.exists():
            os.rename(aside, self.path)
            return
        aside.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            if _read(self.path).get("token") != self._token:
                return
            os.utime(self.path)

    def _held(self, owner: dict[str, Any]) -> UserError:
        job = f", job {owner['job']}" if owner.get("job") else ""
        return UserError(
            "Another process works on this training.",
            file=self.path,
            found=f"process {owner.get('pid')} on {owner.get('host')}{job}",
            todo="Wait for it, or end it, then start again.",
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _modified(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None


def _age(path: Path) -> float | None:
    """Seconds since the last heartbeat by the file system's clock; None without a lock."""
    probe = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    probe.touch()
    now = probe.stat().st_mtime
    probe.unlink()
    beat = _modified(path)
    return None if beat is None else now - beat


def _alive(pid: Any) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
