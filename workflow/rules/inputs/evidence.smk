"""Targets and inputs of evidence.smk."""

SCORES = [f"{RUN}/{cell.path}/scores.csv" for cell in CELLS] + [f"{RUN}/scores.csv"]
STATISTICS = [f"{RUN}/analysis.csv", f"{RUN}/analysis.json"]
ANALYSIS_PLAN = str(Path(workflow.basedir) / "workflow/config/analysis_plan.yaml")
TRAINING_RECORDS = [
    f"{RUN}/{cell.path}/{name}"
    for cell in CELLS
    for name in ("run.json", "history.csv")
]
CLAIMS = [f"{RUN}/claims.csv"]

# Not code, so no digest sees them.
PUBLISHED = sorted(
    str(path)
    for path in Path(PACKAGE_PARENT).glob("globalmask/evidence/data/published_*.csv")
)


# A case without a CT has nothing to shift.
TESTED_CELLS = [
    cell
    for cell in matrix.robustness_cells(CONFIG, SIZES)
    if all(COHORTS[cell.arm].cases[case].ct for case in split_of(cell).test)
]
ROBUSTNESS = [f"{RUN}/{cell.path}/robustness.csv" for cell in TESTED_CELLS] + (
    [f"{RUN}/robustness.csv"] if TESTED_CELLS else []
)


def scored_files(wildcards):
    cell = cell_of(wildcards)
    cases = split_of(cell).test
    cohort = COHORTS[cell.arm]
    masks = f"masks/{matrix.mask_set_of(CONFIG, cell)}"
    patterns = [
        f"{cell.path.split('/', 1)[1]}/predictions/{{case}}.nii.gz",
        f"{cell.path.split('/', 1)[1]}/native/{{case}}.nii.gz",
        "prepared/{case}/label.nii.gz",
        f"{masks}/{{case}}.json",
    ]
    if cell.arm in REGISTERED:
        patterns.append("prepared/{case}/to_template.mat")
    declared = [
        path for pattern in patterns for path in per_case(pattern, cell.arm, cases)
    ]
    return declared + [cohort.cases[case].label for case in cases]


def score_settings(wildcards):
    cell = cell_of(wildcards)
    arm = CONFIG.arms[cell.arm]
    mask = CONFIG.mask_of(cell.variant, cell.arm)
    split = split_of(cell)
    return as_json(
        {
            "raw_labels": {
                case: COHORTS[cell.arm].cases[case].label for case in split.test
            },
            "registered": cell.arm in REGISTERED,
            "structures": arm.structures,
            "row": {
                "run": CONFIG.run,
                "data": arm.data,
                "arm": cell.arm,
                "variant": cell.variant,
                "preset": CONFIG.variants[cell.variant].preset,
                "mask_recipe": mask.recipe,
                "mask_set": matrix.mask_set_of(CONFIG, cell),
                "scenario": cell.scenario,
                "n_train": cell.n,
                "replicate": cell.replicate,
                "fold": split.fold,
                "labels_train": cell.n,
                "labels_val": len(validation_cases(cell)),
                "labels_mask": matrix.labels_of_mask(
                    mask,
                    cell.n,
                    train=len(split.train_order),
                    others=len(validation_cases(cell) + split.test),
                ),
            },
        }
    )


def shift_settings(wildcards):
    arm = CONFIG.arms[wildcards.arm]
    cell = MASK_SETS[wildcards.arm, wildcards.mask_set]
    return as_json(
        {
            "arm": wildcards.arm,
            "seed": CONFIG.seed,
            "shifts": CONFIG.robustness.shifts,
            "clip_hu": arm.clip_hu,
            "grid": arm.grid.model_dump(),
            "recipe": CONFIG.mask_of(cell.variant, cell.arm).recipe,
            "coarse_grid": arm.mask_network.grid.model_dump(),
        }
    )


def shift_inputs(wildcards):
    """Registration of the case where there is one, and the network that makes a learned mask."""
    network = mask_network_of(MASK_SETS[wildcards.arm, wildcards.mask_set])
    return registration_of(wildcards) | ({"network": network[0]} if network else {})


def shift_flags(wildcards, input):
    return registration_flags(wildcards, input, flags=("box", "transform", "network"))


def shifted_dir(wildcards):
    mask_set = matrix.mask_set_of(CONFIG, cell_of(wildcards))
    return f"{RUN}/{wildcards.arm}/shifted/{mask_set}"


def shifted_files(wildcards):
    cell = cell_of(wildcards)
    cases = split_of(cell).test
    mask_set = matrix.mask_set_of(CONFIG, cell)
    patterns = [
        f"shifted/{mask_set}/{{case}}.npz",
        "prepared/{case}/label.nii.gz",
        f"masks/{mask_set}/{{case}}.json",
    ]
    if cell.arm in REGISTERED:
        patterns.append("prepared/{case}/to_template.mat")
    declared = [
        path for pattern in patterns for path in per_case(pattern, cell.arm, cases)
    ]
    return declared + [COHORTS[cell.arm].cases[case].label for case in cases]
