"""Targets and inputs of intake.smk."""

CHECKED = [f"{RUN}/{arm}/check.tsv" for arm in CONFIG.arms]
CHECKED_BEFORE = {
    path: Path(path).stat().st_mtime_ns for path in CHECKED if Path(path).exists()
}
SPLITS = [
    f"{RUN}/{arm}/splits/r{replicate}.tsv"
    for arm in CONFIG.arms
    for replicate in range(CONFIG.replicates)
]
MASKED_PHANTOMS = [
    name
    for name, arm in CONFIG.arms.items()
    if arm.phantom and arm.phantom.knows_its_mask
]
PHANTOMS = [
    name
    for name, arm in CONFIG.arms.items()
    if arm.phantom and name not in MASKED_PHANTOMS
]


def checked_again():
    """Checks that this command has made anew, of those that were there before it.

    What waits for a check does so by `ancient` inputs, so that a case more reruns no other case; and Snakemake 9.27
    plans nothing behind those while the check itself has to run (its issue 4166).
    """
    return [
        path
        for path, before in CHECKED_BEFORE.items()
        if Path(path).stat().st_mtime_ns != before
    ]


def check_settings(wildcards):
    arm = CONFIG.arms[wildcards.arm]
    return as_json({"structures": arm.structures, "ignored_values": arm.ignored_values})


def scan_files(wildcards):
    """What the case table names of a case: CT, label, mask; a field left empty is left out."""
    row = COHORTS[wildcards.arm].cases[wildcards.case]
    files = {"ct": row.ct, "label": row.label, "mask": row.mask}
    return {name: path for name, path in files.items() if path}


def scan_flags(wildcards):
    files = scan_files(wildcards)
    return " ".join(f"--{name} {shlex.quote(path)}" for name, path in files.items())


def cohort_settings(wildcards):
    cohort = COHORTS[wildcards.arm]
    return as_json({"arm": wildcards.arm, "counts": cohort.counts.model_dump()})


def phantom_mask_flag(wildcards, output):
    return f"--mask {output.mask}" if "mask" in output.keys() else ""


def phantom_settings(wildcards):
    cohort = COHORTS[wildcards.arm]
    return as_json(
        {
            "anatomy": cohort.arm.phantom.anatomy,
            "index": list(cohort.cases).index(wildcards.case),
            "seed": CONFIG.seed,
        }
    )


def checked_cases(wildcards):
    return per_case("check/{case}.json", wildcards.arm, COHORTS[wildcards.arm].cases)


def split_settings(wildcards):
    split = COHORTS[wildcards.arm].split(int(wildcards.replicate))
    return as_json(dataclasses.asdict(split))
