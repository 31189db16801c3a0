"""The one block that a user sees, also for what the operating system refuses, and its exit code."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from globalmask.errors import Interrupted, UserError, raise_all, refused_by_the_system


@pytest.mark.parametrize(
    ("number", "what"),
    [
        (errno.ENOSPC, "The disk is full."),
        (errno.EDQUOT, "The disk quota is used up."),
        (errno.EFBIG, "The file would be larger"),
        (errno.EROFS, "The folder can only be read."),
        (errno.EACCES, "The access is denied."),
        (errno.ENOENT, "A file or folder is gone."),
        (errno.EIO, "The operating system refused"),
    ],
)
def test_a_refusal_names_file_reason_and_remedy(number, what):
    block = str(refused_by_the_system(OSError(number, "as it says", "scores.csv")))
    assert block.startswith(what)
    assert "  file: scores.csv\n" in block and "give the same command again" in block


def test_an_error_without_a_number_tells_its_text():
    assert "  found: odd\n" in str(refused_by_the_system(OSError("odd")))


def test_exit_codes():
    assert UserError("wrong").exit_code == 2
    assert Interrupted("ended", signal=15).exit_code == 143


def test_all_faults_at_once():
    raise_all([])
    with pytest.raises(UserError, match=r"^one$"):
        raise_all([UserError("one")])
    with pytest.raises(UserError, match="2 faults were found"):
        raise_all([UserError("one"), UserError("two")])


def test_the_command_line_tells_a_refusal_as_one_block(repository, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    command = ["write-plan", "--out", str(tmp_path / "file" / "plan.json"), "--plan", "{}"]
    for flags, traceback in ((), False), (("--debug",), True):
        done = subprocess.run(
            [sys.executable, "-m", "globalmask", *command, *flags],
            cwd=repository / "workflow",
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == 2
        assert "what to do" in done.stderr and ("Traceback" in done.stderr) is traceback
