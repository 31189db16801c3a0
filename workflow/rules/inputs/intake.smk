"""Targets and inputs of intake.smk."""

CHECKED = [f"{RUN}/{arm}/check.tsv" for arm in CONFIG.arms]
SPLITS = [
    f"{RUN}/{arm}/splits/r{replicate}.tsv"
    for arm in CONFIG.arms
    for replicate in range(CONFIG.replicates)
]


def check_settings(wildcards):
    arm = CONFIG.arms[wildcards.arm]
    return as_json({"structures": arm.structures, "ignored_values": arm.ignored_values})


def supplied_mask(wildcards):
    mask = COHORTS[wildcards.arm].cases[wildcards.case].mask
    return [mask] if mask else []


def supplied_mask_flag(wildcards):
    return " ".join(f"--mask {shlex.quote(mask)}" for mask in supplied_mask(wildcards))


def cohort_settings(wildcards):
    cohort = COHORTS[wildcards.arm]
    return as_json({"arm": wildcards.arm, "counts": cohort.counts.model_dump()})


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
