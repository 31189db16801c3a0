"""Which SLURM jobs belong to a killed run, and what happens without SLURM. The real thing: tests/slurm."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from globalmask import cluster
from globalmask.errors import UserError

RUN = "globalmask_0f0f0f0f-1111-4222-8333-444444444444"


def program(folder, name, text):
    """An executable in place of one of SLURM's."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """Sets what squeue lists: pairs of name and folder, job ids from 1 on; a cancelled job leaves the list at once."""
    programs = tmp_path / "programs"
    listing = tmp_path / "listing"

    def fill(*jobs):
        listing.write_text(
            "".join(f"{i} {name} {place}\n" for i, (name, place) in enumerate(jobs, 1)), encoding="utf-8"
        )
        program(programs, "squeue", f'echo "$@" > "{tmp_path}/asked"; cat "{listing}"')
        program(
            programs,
            "scancel",
            f'echo "$@" >> "{tmp_path}/cancelled"; for job; do sed -i "/^$job /d" "{listing}"; done',
        )
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    return fill


def test_jobs_of_this_folder_with_the_profiles_name_are_cancelled(queue, tmp_path):
    here, elsewhere = tmp_path / "my study", tmp_path / "my"
    here.mkdir()
    queue((RUN, here), (RUN, elsewhere), ("globalmask", here), (f"x{RUN}", here), ("interactive", here), (RUN, here))
    assert cluster.cancel_left_over(here) == [1, 6]
    assert (tmp_path / "cancelled").read_text(encoding="utf-8") == "1 6\n"
    assert f"--user={os.getuid()}" in (tmp_path / "asked").read_text(encoding="utf-8").split()


def test_a_folder_is_the_same_under_another_name(queue, tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "study")
    queue((RUN, tmp_path / "study"))
    assert cluster.cancel_left_over(tmp_path / "link") == [1]


def test_a_job_that_does_not_end_is_named(queue, tmp_path, monkeypatch):
    queue((RUN, tmp_path))
    program(tmp_path / "programs", "scancel", "true")
    monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 0.0)
    with pytest.raises(UserError) as told:
        cluster.cancel_left_over(tmp_path)
    assert told.value.fields["found"] == "SLURM jobs 1"


def test_without_slurm_there_is_nothing_to_cancel(tmp_path):
    """Also where results of a cluster were copied to."""
    (tmp_path / "logs" / "slurm").mkdir(parents=True)
    command = [sys.executable, "-m", "globalmask", "cancel-jobs"]
    environment = os.environ | {"PATH": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_silent_slurm_is_a_fault_only_where_it_was_used(queue, tmp_path):
    queue()
    program(tmp_path / "programs", "squeue", "echo 'squeue: error: no controller' >&2; exit 1")
    assert cluster.cancel_left_over(tmp_path) == []
    (tmp_path / "logs" / "slurm").mkdir(parents=True)
    with pytest.raises(UserError, match="SLURM does not answer") as told:
        cluster.cancel_left_over(tmp_path)
    assert told.value.fields["found"] == "squeue: error: no controller"
