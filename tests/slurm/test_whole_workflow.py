"""Every stage on the cluster, undisturbed: the results of this machine, and what the profile asks SLURM for."""

from __future__ import annotations

import re

import pytest
from main_process import CONFIG, GROUPS, NETWORKS, ON_GPU, MainProcess

from checkout import Checkout, bare

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
RUN = "results/cluster"
# Hours of training, the report that shows them, and records of when and where a file was made.
TIMED = re.compile(r"report\.html|tables/table[56]_hours_.*|provenance/.*")


@pytest.fixture(scope="module")
def on_cluster(cluster, repository, tmp_path_factory):
    """A checkout, in a folder with a space in its name, in which the whole workflow has run on the cluster."""
    made = Checkout(repository, tmp_path_factory.mktemp("on the cluster"))
    output = tmp_path_factory.mktemp("output") / "whole.txt"
    with MainProcess(cluster, made, output, *CONFIG, *ON_GPU, *GROUPS) as main:
        main.finish(seconds=1800)
    return made


@pytest.fixture(scope="module")
def asked(cluster, on_cluster):
    """What SLURM was asked for: jobs by the rule or group in their comment."""
    jobs = {}
    for job in cluster.jobs().values():
        if job["WorkDir"] == str(on_cluster.folder):
            jobs.setdefault(job["Comment"].split("_wildcards_")[0].removeprefix("rule_"), []).append(job)
    return jobs


def files_of(checkout):
    """Every result, by its path below the run's folder."""
    folder = checkout.folder / RUN
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def test_every_file_is_that_of_a_run_on_this_machine(on_cluster, local):
    here, there = files_of(local), files_of(on_cluster)
    assert set(here) == set(there)
    timeless = {name for name in here if not TIMED.fullmatch(name)}
    assert {"scores.csv", "tables/table1_dice_brain.csv", "figures/fig4.png"} < timeless
    assert {name for name in timeless if bare(here[name]) != bare(there[name])} == set()


def test_networks_ask_for_one_gpu_and_nothing_else_does(asked):
    gpus = {name: {job.get("TresPerJob") for job in jobs} for name, jobs in asked.items()}
    assert {name for name, kinds in gpus.items() if kinds == {"gres:gpu:1"}} == set(NETWORKS)
    assert all(kinds == {None} for name, kinds in gpus.items() if name not in NETWORKS)


def test_memory_and_time_are_those_of_the_rule(asked):
    (train,) = asked["train"]
    assert (train["MinMemoryNode"], train["TimeLimit"], train["NumCPUs"]) == ("16000M", "2-00:00:00", "1")
    # Two cases one after the other: a phantom and a check of ten minutes each, the memory of the larger.
    intake = next(job for name, jobs in asked.items() if name.startswith("intake") for job in jobs)
    assert (intake["MinMemoryNode"], intake["TimeLimit"], intake["NumCPUs"]) == ("4000M", "00:40:00", "1")


def test_short_jobs_share_an_allocation(asked):
    """46 jobs of rules that are queued, in 18: cases by the two, and one for all from scores.csv to the report."""
    assert sum(map(len, asked.values())) == 18
    assert not {"check_cohort", "write_split", "write_plan"} & set(asked)
