"""Jobs that a killed run left in a SLURM queue.

A job is known by its owner, by the name that profiles/slurm gives every job, and by the folder that it was
submitted from: a folder is one checkout with its results, so jobs of another user, checkout or program stay.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from globalmask.errors import UserError

NAME = re.compile(r"globalmask_[0-9a-f-]{36}")  # the profile's prefix and Snakemake's id of a run
LOGS = "logs/slurm"  # as in the profile
PATIENCE_SECONDS = 180.0


def cancel_left_over(folder: Path) -> list[int]:
    """Cancel this user's jobs of runs in `folder`; return their ids when the last has ended.

    None where SLURM is not installed, or is silent and has never been used from here. A cancelled training first
    writes its checkpoint, so ending takes as long as the site's KillWait at most. Raises UserError when SLURM
    does not answer, or when a job has not ended after `PATIENCE_SECONDS`.
    """
    if shutil.which("squeue") is None:
        return []
    cancelled: set[int] = set()
    deadline = time.monotonic() + PATIENCE_SECONDS
    # Again and again: a submission may have been under way when the run was killed.
    while left := _jobs_or_none(folder):
        new = sorted(set(left) - cancelled)
        if new:
            subprocess.run(["scancel", *map(str, new)], check=False)
        cancelled |= set(left)
        if time.monotonic() > deadline:
            raise UserError(
                "Cancelled jobs of a killed run have not ended.",
                found=f"SLURM jobs {', '.join(map(str, left))}",
                todo="Wait until `squeue --me` does not list them any more, then give the command again.",
            )
        time.sleep(1.0)
    return sorted(cancelled)


def jobs_in(folder: Path) -> list[int]:
    """Ids of this user's queued and running jobs that a run in `folder` submitted; UserError where SLURM is silent."""
    command = ["squeue", "--noheader", f"--user={os.getuid()}", "--format=%A %j %Z"]
    try:
        listed = subprocess.run(command, check=True, capture_output=True, encoding="utf-8", timeout=60).stdout
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise UserError(
            "SLURM does not answer, so jobs that a killed run left cannot be found.",
            found=(getattr(error, "stderr", None) or str(error)).strip(),
            todo="Give the command again when `squeue --me` answers.",
        ) from error
    jobs = (line.split(" ", 2) for line in listed.splitlines())
    here = folder.resolve()
    return [int(job) for job, name, place in jobs if NAME.fullmatch(name) and Path(place).resolve() == here]


def _jobs_or_none(folder: Path) -> list[int]:
    try:
        return jobs_in(folder)
    except UserError:
        if (folder / LOGS).is_dir():
            raise
        return []
