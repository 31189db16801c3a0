"""Faults in the middle of trainings on the cluster: the same command again, the same numbers to the byte.

One run holds a training for each fault. First its main process is killed and `make unlock` ends what it left;
then the same command goes on, and each training meets its fault when it has made some steps.
"""

from __future__ import annotations

import datetime
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from cluster import until
from main_process import CONFIG, FOLDER, ON_GPU, MainProcess

from checkout import bare

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
RUN = "results/cluster"
DISTURBED = (*CONFIG, str(FOLDER / "disturbed.yaml"))
# Which training meets which fault: scenario and number of training cases.
CELLS = {
    "cancelled": ("ct", 1),
    "requeued": ("ct", 2),
    "preempted": ("mask", 1),
    "past its time limit": ("mask", 2),
    "out of memory": ("ct_mask", 1),
    "on a node that crashes": ("ct_mask", 2),
}
WARNED = ("cancelled", "requeued", "preempted", "past its time limit")


def path_of(fault):
    scenario, n = CELLS[fault]
    return f"brain/disturbed/{scenario}/n{n}/r0"


def only(fault, then, otherwise):
    """A resource of rule train that differs for the training of one fault."""
    scenario, n = CELLS[fault]
    return f"({then}) if (wildcards.scenario, wildcards.n) == ('{scenario}', '{n}') else ({otherwise})"


PARTITION = only("preempted", "'scavenger'", only("on a node that crashes", "'frail'", "'main'"))
# Torch does not fit into the first attempt's memory.
MEMORY = only("out of memory", "250 * 8 ** (attempt - 1)", "4000")
COMMAND = ("scores", *DISTURBED, *ON_GPU, f"train:slurm_partition={PARTITION}", f"train:mem_mb={MEMORY}")


class Disturbed:
    """The run that is disturbed: its trainings' jobs, and what was done to them."""

    def __init__(self, cluster, checkout):
        self.cluster, self.checkout = cluster, checkout
        self.struck, self.made = {}, {}
        self.left_over, self.spared = set(), set()

    def jobs_of(self, fault):
        """This training's jobs in the order of their submission."""
        scenario, n = CELLS[fault]
        comment = f"rule_train_wildcards_brain_disturbed_{scenario}_{n}_0"
        here = str(self.checkout.folder)
        jobs = self.cluster.jobs().items()
        return [(number, job) for number, job in jobs if (job.get("Comment"), job["WorkDir"]) == (comment, here)]

    def amid(self, fault):
        """The running job of a training that has made some steps since it was started, or None."""
        running = [(number, job) for number, job in self.jobs_of(fault) if job["JobState"] == "RUNNING"]
        if not running or not self.log_of(fault).is_file():
            return None
        started = datetime.datetime.fromisoformat(running[-1][1]["StartTime"]).timestamp()
        fresh = self.log_of(fault).stat().st_mtime > started + 1
        return running[-1] if fresh and self.steps(fault) else None

    def log_of(self, fault):
        return self.checkout.folder / "logs/cluster" / path_of(fault) / "train.log"

    def steps(self, fault):
        """Steps that a training has told of since it was started."""
        told = self.log_of(fault).read_text(encoding="utf-8")
        return [int(step) for step in re.findall(r"^step (\d+)/", told, re.MULTILINE)]

    def strike(self, fault, number, job):
        """Let the fault happen; the job and the steps that it had made are kept."""
        self.struck[fault], self.made[fault] = number, self.steps(fault)[-1]
        ask = self.cluster.ask
        match fault:
            case "cancelled":
                ask("scancel", str(number))
            case "requeued":
                ask("scontrol", "requeue", str(number))
            case "preempted":
                ask("sbatch", "--partition=urgent", "--gpus=2", "--output=/dev/null", "--wrap=sleep 1")
            case "past its time limit":
                soon = datetime.datetime.now() + datetime.timedelta(seconds=2)
                ask("scontrol", "update", f"JobId={number}", f"EndTime={soon.isoformat(timespec='seconds')}")
                # SLURM looks for it every 30 s, in which an idle machine ends the training.
                ask("scancel", "--signal=STOP", str(number))
            case "on a node that crashes":
                self.cluster.crash_node(job["NodeList"])
                self.cluster.start_node(job["NodeList"])


@pytest.fixture(scope="module")
def undisturbed(local, tmp_path_factory):
    """The same trainings on this machine."""
    copy = local.copy(tmp_path_factory.mktemp("undisturbed"))
    copy.snakemake("scores", *DISTURBED)
    return copy


@pytest.fixture(scope="module")
def run(cluster, local, tmp_path_factory):
    """The disturbed run when all is over."""
    run = Disturbed(cluster, local.copy(tmp_path_factory.mktemp("disturbed run")))
    folder = tmp_path_factory.mktemp("output")
    with MainProcess(cluster, run.checkout, folder / "killed.txt", *COMMAND) as main:
        until(lambda: run.amid("cancelled") and run.amid("requeued"), "two trainings to make steps", seconds=900)
        main.kill()
    strangers = [
        stranger(cluster, folder, f"globalmask_{uuid.uuid4()}"),
        stranger(cluster, run.checkout.folder, "other"),
    ]
    run.left_over = {number for fault in CELLS for number, job in run.jobs_of(fault) if job["JobState"] == "RUNNING"}
    make_unlock(cluster, run.checkout.folder)
    run.spared = {cluster.jobs()[number]["JobState"] for number in strangers}
    with MainProcess(cluster, run.checkout, folder / "again.txt", *COMMAND) as main:
        waiting = set(CELLS) - {"out of memory"}
        while waiting:
            until(lambda: not main.runs() or any(map(run.amid, waiting)), f"trainings to be {waiting}", seconds=900)
            assert main.runs(), f"Snakemake ended before its trainings were {waiting}"
            for fault in sorted(waiting):
                if found := run.amid(fault):
                    run.strike(fault, *found)
                    waiting.remove(fault)
        main.finish(seconds=1800)
    return run


def stranger(cluster, folder, name):
    """A job that `make unlock` must leave alone; returns its id."""
    command = ("sbatch", "--parsable", f"--job-name={name}", f"--chdir={folder}", "--output=/dev/null", "--mem=100")
    return int(cluster.ask(*command, "--wrap=sleep 86400"))


def make_unlock(cluster, folder):
    """The command that README names after a killed main process."""
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "Makefile").write_bytes((FOLDER.parents[1] / "Makefile").read_bytes())
    environment = cluster.environment | {"PYTHONPATH": str(folder / "workflow")}
    command = ["make", "--old-file", ".venv/.installed", "unlock"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr


def results_of(checkout, cell):
    """What a training and its predictions and scores leave, by path, without clocks; not the record of attempts."""
    folder = checkout.folder / RUN / cell
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "run.json"]
    return {str(path.relative_to(folder)): bare(path) for path in files}


def lost_and_changed(run, undisturbed, cells):
    """How many results are missing, and how many differ from the undisturbed run."""
    lost, changed = [], []
    for cell in cells:
        there, here = results_of(run.checkout, cell), results_of(undisturbed, cell)
        assert {"model.safetensors", "history.csv", "scores.csv"} < set(here)
        lost += [f"{cell}/{name}" for name in here if name not in there]
        changed += [f"{cell}/{name}" for name in here if name in there and here[name] != there[name]]
    return lost, changed


@pytest.mark.parametrize("fault", CELLS)
def test_a_training_that_is(fault, run, undisturbed, tally):
    """… cancelled, requeued, preempted and so on, ends with the results of the undisturbed one."""
    lost, changed = lost_and_changed(run, undisturbed, [path_of(fault)])
    tally.fault(f"a training {fault} on SLURM", survived=not lost, lost=len(lost), changed=len(changed))
    assert (lost, changed) == ([], [])
    assert_it_was_struck(run, fault)


def assert_it_was_struck(run, fault):
    """SLURM itself tells that the fault happened."""
    jobs = dict(run.jobs_of(fault))
    last = jobs[max(jobs)]
    assert last["JobState"] == "COMPLETED"
    if fault in ("requeued", "preempted", "on a node that crashes"):
        # The same job, started again.
        assert max(jobs) == run.struck[fault]
        assert int(last["Restarts"]) == 1
    else:
        # A job of its own for the next attempt.
        assert jobs[run.struck.get(fault, sorted(jobs)[-2])]["JobState"] in (
            "CANCELLED",
            "TIMEOUT",
            "FAILED",
            "OUT_OF_MEMORY",
        )
    expected = {"past its time limit": "DUE TO TIME LIMIT", "out of memory": "exceeded memory limit",
                "preempted": "DUE TO PREEMPTION", "requeued": "DUE TO JOB REQUEUE"}.get(fault, "")  # fmt: skip
    assert any(expected in Path(job["StdOut"]).read_text(encoding="utf-8") for job in jobs.values())


@pytest.mark.parametrize("fault", WARNED)
def test_a_warned_training_loses_no_step(fault, run):
    """SIGTERM reaches it, and SLURM leaves it the time to write its checkpoint."""
    (resumed,) = re.findall(r"^resumed at step (\d+)", run.log_of(fault).read_text(encoding="utf-8"), re.MULTILINE)
    assert int(resumed) >= run.made[fault]


def test_unlock_ends_what_a_killed_main_process_left_and_no_other_job(run, cluster):
    jobs = cluster.jobs()
    assert len(run.left_over) >= 2
    assert {jobs[number]["JobState"] for number in run.left_over} == {"CANCELLED"}
    assert run.spared <= {"PENDING", "RUNNING"}


def test_after_a_killed_main_process_the_same_command_gives_the_same_scores(run, undisturbed, tally):
    lost, changed = lost_and_changed(run, undisturbed, [path_of(fault) for fault in CELLS])
    scores = [checkout.folder / RUN / "scores.csv" for checkout in (run.checkout, undisturbed)]
    changed += ["scores.csv"] if scores[0].read_bytes() != scores[1].read_bytes() else []
    tally.fault("the main process killed on SLURM", survived=not lost, lost=len(lost), changed=len(changed))
    assert (lost, changed) == ([], [])
    assert not list((run.checkout.folder / RUN).rglob("*.safetensors.tmp"))
