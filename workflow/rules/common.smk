"""Common to all stages: the validated config, the case tables, the matrix, small helpers."""

import dataclasses
import json
import re
import shlex
import sys
import typing
from pathlib import Path

PACKAGE_PARENT = str(Path(workflow.basedir) / "workflow")
sys.path.insert(0, PACKAGE_PARENT)

from globalmask import config as configuration
from globalmask import matrix
from globalmask.errors import UserError
from globalmask.intake.cohort import read_run
from globalmask.provenance import code_digest


def stop(error):
    """End with one block on the terminal instead of a traceback."""
    print(error, file=sys.stderr, flush=True)
    sys.exit(2)


try:
    # A lint and an unlocking need no data; everything else does.
    CONFIG, COHORTS = read_run(
        config,
        workflow.configfiles,
        needs_data=not {"--lint", "--unlock"} & set(sys.argv),
    )
except UserError as error:
    stop(error)
for cohort in COHORTS.values():
    if cohort.proposal:
        print(
            f"split: auto of arm '{cohort.name}' proposes\n{cohort.proposal}",
            file=sys.stderr,
        )

RUN = f"results/{CONFIG.run}"
LOGS = f"logs/{CONFIG.run}"
SIZES = {name: cohort.sizes for name, cohort in COHORTS.items()}
CELLS = list(matrix.cells(CONFIG, SIZES))
MASK_SETS = matrix.mask_sets(CONFIG, CELLS)
REGISTERED = [name for name, arm in CONFIG.arms.items() if arm.registration]
CONDA_ENV = "../../envs/globalmask.yaml"
ON_GPU = int(CONFIG.device == "cuda")

# Under --sdm conda the environment's own python runs the stage, else the one that runs Snakemake.
PYTHON = (
    "python"
    if "conda"
    in [str(method) for method in workflow.deployment_settings.deployment_method]
    else shlex.quote(sys.executable)
)
# `exec`: SLURM's SIGTERM also ends a shell between, and with it the job, before a training has written its checkpoint.
shell.prefix(
    f"set -euo pipefail; export PYTHONPATH={shlex.quote(PACKAGE_PARENT)} GLOBALMASK_RUN={shlex.quote(RUN)};"
    # No parameters: whether a picture is drawn, or a GPU shared, changes no number, so nothing has to run again.
    f" export GLOBALMASK_IMAGES={CONFIG.images} GLOBALMASK_TRAININGS_PER_GPU={CONFIG.trainings_per_gpu};"
    f' globalmask() {{{{ exec {PYTHON} -m globalmask "$@"; }}}}; '
)

ONCE_MORE = (
    "The check has run again, and passed: {}. What follows from it was not planned before it had run. Give the same"
    " command once more."
)
FAILURE_HELP = (
    f"A job failed. Its log is shown above and lies under {LOGS}/. After mending the cause, the same"
    " command goes on where it stopped. README.md, section Troubleshooting, lists the usual causes."
)


def any_of(names):
    """A wildcard constraint that matches exactly these names, and nothing when there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    arm=any_of(CONFIG.arms),
    variant=any_of(CONFIG.variants),
    scenario=any_of(typing.get_args(configuration.Scenario)),
    case=any_of({case for cohort in COHORTS.values() for case in cohort.cases}),
    mask_set=any_of({mask_set for _, mask_set in MASK_SETS}),
    part=r"all|k\d+",
    n=r"\d+",
    replicate=r"\d+",


def as_json(value):
    """Settings for a command line; keys keep their order, for the order of structures numbers the labels."""
    return json.dumps(value)


def growing(megabytes):
    """Memory of a job, and twice as much when it is tried again, for it may have run out (profiles/slurm)."""
    return lambda wildcards, attempt: megabytes * min(attempt, 2)


def cell_of(wildcards):
    return matrix.Cell(
        wildcards.arm,
        wildcards.variant,
        wildcards.scenario,
        int(wildcards.n),
        int(wildcards.replicate),
    )


def masks_folder(cell):
    return f"{RUN}/{cell.arm}/masks/{matrix.mask_set_of(CONFIG, cell)}"


def split_of(cell):
    return COHORTS[cell.arm].split(cell.replicate)


def role_in(split, case):
    """Role of a case in a split."""
    if case in split.train_order:
        return "train"
    return "validation" if case in split.validation else "test"


def run_dir(wildcards):
    return RUN


def prepared_dir(wildcards):
    return f"{RUN}/{wildcards.arm}/prepared"


def coarse_dir(wildcards):
    return f"{RUN}/{wildcards.arm}/coarse"


def scan_of(arm, case):
    """The CT of a case; its mask gives the grid where the arm uses no CT."""
    row = COHORTS[arm].cases[case]
    return row.ct or row.mask


def raw_ct(wildcards):
    return scan_of(wildcards.arm, wildcards.case)


def raw_label(wildcards):
    return COHORTS[wildcards.arm].cases[wildcards.case].label


def per_case(pattern, arm, cases):
    """Files of one arm, one a case; `pattern` starts below the arm's folder."""
    return [f"{RUN}/{arm}/{pattern.format(case=case)}" for case in cases]


def listed(files):
    """An input function for a long list: Snakemake goes through it where the rule is planned, not at every parsing."""

    def input_files(wildcards):
        return files

    return input_files
