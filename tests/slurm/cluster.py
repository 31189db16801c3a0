"""A real SLURM on this machine: a controller, four nodes with two make-believe GPUs each, munge; loopback only."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import string
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PACKAGES = {"munged": "munge", "slurmctld": "slurmctld", "slurmd": "slurmd", "squeue": "slurm-client"}
NODES = ("n1", "n2", "n3", "n4")
SEARCHED = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"


class Cannot(Exception):
    """Why no cluster can be had here."""


def install() -> None:
    """Debian's packages where they are missing; their services are not started. Raises Cannot."""
    if os.geteuid() != 0:
        raise Cannot("slurmd starts jobs as other users, so it needs root")
    missing = [package for program, package in PACKAGES.items() if shutil.which(program, path=SEARCHED) is None]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise Cannot(f"these programs are missing, and there is no apt-get: {', '.join(missing)}")
    # In runlevel 1 Debian starts no service.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    command = "apt-get update -qq; apt-get install --yes -qq --no-install-recommends " + " ".join(missing)
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise Cannot(f"apt-get cannot install {', '.join(missing)}: {done.stderr.strip()[-300:]}")


class Cluster:
    """The cluster in `folder`, whose path is short enough for a Unix socket (100 characters) and has no space."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder / 'bin'}{os.pathsep}{SEARCHED}",
        }
        self._munge_socket = folder / "munge.socket"

    def start(self) -> None:
        """All daemons; returns when both nodes take jobs. Raises Cannot with the end of the logs."""
        # As munge demands.
        self.folder.chmod(0o755)
        self._write_settings()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o600)
        files = {"socket": "munge.socket", "key-file": key.name, "seed-file": "munge.seed"}
        files |= {"pid-file": "munged.pid", "log-file": "munged.log"}
        self._run("munged", *(f"--{name}={self.folder / file}" for name, file in files.items()))
        self._run("slurmctld")
        for node in NODES:
            self.start_node(node)
        try:
            until(lambda: self._states() == {"idle"}, "the nodes to take jobs", seconds=60)
        except AssertionError as late:
            logs = [path.read_text(encoding="utf-8")[-1500:] for path in sorted(self.folder.glob("*.log"))]
            raise Cannot("\n".join([str(late), *logs])) from late

    def stop(self) -> None:
        """Cancel every job, then end the daemons by their process ids."""
        with contextlib.suppress(subprocess.CalledProcessError, AssertionError):
            self.ask("scancel", "--user", "root")
            until(lambda: not self.ask("squeue", "--noheader"), "jobs to end", seconds=30)
        for daemon in (*(f"slurmd-{node}" for node in NODES), "slurmctld", "munged"):
            self._end(daemon)

    def ask(self, *command: str) -> str:
        """Output of a SLURM command."""
        done = subprocess.run(command, env=self.environment, check=True, capture_output=True, encoding="utf-8")
        return done.stdout.strip()

    def jobs(self) -> dict[int, dict[str, str]]:
        """What `scontrol show job` knows of every job, ended ones too, by job id."""
        lines = self.ask("scontrol", "--oneliner", "show", "job").splitlines()
        told = [dict(_fields(line)) for line in lines if line.startswith("JobId=")]
        return {int(job["JobId"]): job for job in told}

    def start_node(self, node: str) -> None:
        (self.folder / "spool" / node).mkdir(parents=True, exist_ok=True)
        self._run("slurmd", "-N", node)

    def crash_node(self, node: str) -> None:
        """As when the power fails: the node's daemon and every process of its jobs are gone at once."""
        here = {
            number for number, job in self.jobs().items() if job["NodeList"] == node and job["JobState"] == "RUNNING"
        }
        os.kill(self._process(f"slurmd-{node}"), signal.SIGKILL)
        # Twice: a process may have been about to start another.
        for process in [*_processes_of(here), *_processes_of(here)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def _write_settings(self) -> None:
        """`slurm.conf`, `gres.conf`, device files of the GPUs, and an srun that finds its configuration.

        The executor of Snakemake that runs inside a job removes SLURM_CONF from the environment before it calls srun.
        """
        (self.folder / "bin").mkdir()
        values = {"folder": self.folder, "host": socket.gethostname().split(".")[0]}
        port = free_ports(1 + len(NODES))
        values |= {"port": port, "first": port + 1, "last": port + len(NODES)}
        template = string.Template(Path(__file__).with_name("slurm.conf").read_text(encoding="utf-8"))
        (self.folder / "slurm.conf").write_text(template.substitute(values), encoding="utf-8")
        for number in range(2):
            (self.folder / f"gpu{number}").touch()
        gpus = f"AutoDetect=off\nNodeName=n[1-4] Name=gpu File={self.folder}/gpu[0-1]\n"
        (self.folder / "gres.conf").write_text(gpus, encoding="utf-8")
        srun = self.folder / "bin" / "srun"
        found = shutil.which("srun", path=SEARCHED)
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {found} "$@"\n', encoding="utf-8")
        srun.chmod(0o755)

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, env=self.environment, capture_output=True, encoding="utf-8")
        if done.returncode:
            raise Cannot(f"{command[0]} does not start: {done.stderr.strip()[-500:]}")

    def _states(self) -> set[str]:
        with contextlib.suppress(subprocess.CalledProcessError):
            return set(self.ask("sinfo", "--noheader", "--Node", "--format", "%T").split())
        return set()

    def _process(self, daemon: str) -> int:
        return int((self.folder / f"{daemon}.pid").read_text(encoding="utf-8"))

    def _end(self, daemon: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            process = self._process(daemon)
            os.kill(process, signal.SIGTERM)
            with contextlib.suppress(AssertionError):
                until(lambda: not Path(f"/proc/{process}").exists(), f"{daemon} to end", seconds=10)
                return
            os.kill(process, signal.SIGKILL)


def free_ports(count: int) -> int:
    """The first of `count` successive ports of the loopback that nobody listens on."""
    for first in range(17310, 32000, count):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise Cannot("no free ports on 127.0.0.1")


def until(holds: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Wait until `holds()`; an AssertionError names `what` was awaited for `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.5)


def _fields(line: str) -> Iterator[tuple[str, str]]:
    """`Key=value` pairs of one line; a word without a key belongs to the value before it."""
    key, value = "", ""
    for word in line.split(" "):
        name, equals, rest = word.partition("=")
        if equals and name[:1].isupper() and name.replace("/", "").replace(":", "").isalnum():
            if key:
                yield key, value.strip()
            key, value = name, rest
        else:
            value += f" {word}"
    yield key, value.strip()


def _processes_of(jobs: set[int]) -> Iterator[int]:
    """Processes of these jobs on this machine: SLURM's own step managers, and all that carries a job's id."""
    managers = tuple(f"slurmstepd: [{job}.".encode() for job in jobs)
    marks = {f"SLURM_JOB_ID={job}".encode() for job in jobs}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            manages = (folder / "cmdline").read_bytes().startswith(managers)
            if manages or marks & set((folder / "environ").read_bytes().split(b"\0")):
                yield int(folder.name)
