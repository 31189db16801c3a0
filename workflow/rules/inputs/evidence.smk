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

# Arm and replicate -> training size -> the first cell of that size: its boxes are the floor's boxes.
FLOOR_CELLS = {
    (arm, replicate): {
        cell.n: cell
        for cell in reversed(CELLS)
        if (cell.arm, cell.replicate) == (arm, replicate)
    }
    for arm, replicate in dict.fromkeys((cell.arm, cell.replicate) for cell in CELLS)
    if CONFIG.arms[arm].floors
}
FLOORS = [f"{RUN}/{arm}/floors/r{replicate}.csv" for arm, replicate in FLOOR_CELLS] + [
    f"{RUN}/floors.csv"
] * bool(FLOOR_CELLS)


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


def floor_cells(wildcards):
    """Training sizes of an arm and replicate, ascending, with a cell of each."""
    return dict(sorted(FLOOR_CELLS[wildcards.arm, int(wildcards.replicate)].items()))


def floor_files(wildcards):
    """Labels of the training subset and of the test cases, and the boxes they are cut to."""
    cells, cohort = floor_cells(wildcards), COHORTS[wildcards.arm]
    split = cohort.split(int(wildcards.replicate))
    patterns = {
        "prepared/{case}/label.nii.gz": split.train_order[: max(cells)] + split.test
    }
    for n, cell in cells.items():
        box = f"masks/{matrix.mask_set_of(CONFIG, cell)}/{{case}}.json"
        patterns[box] = split.train_order[:n] + split.test
    if silhouette_fixes(cohort):
        patterns[box.replace(".json", ".nii.gz")] = split.test
    if wildcards.arm in REGISTERED:
        patterns["prepared/{case}/to_template.mat"] = split.test
    rows = [cohort.cases[case] for case in split.test]
    return [
        path
        for pattern, cases in patterns.items()
        for path in per_case(pattern, wildcards.arm, cases)
    ] + [path for row in rows for path in (row.label, row.label2) if path]


def silhouette_fixes(cohort):
    """A phantom whose structures its silhouette fixes has one ceiling more."""
    return bool(cohort.arm.phantom and cohort.arm.phantom.anatomy == "fixed")


def floor_settings(wildcards):
    cells, cohort = floor_cells(wildcards), COHORTS[wildcards.arm]
    split = cohort.split(int(wildcards.replicate))
    rows = [cohort.cases[case] for case in split.test]
    return as_json(
        {
            "masks": {n: masks_folder(cell) for n, cell in cells.items()},
            "train_order": split.train_order[: max(cells)],
            "raw_labels": {row.case: row.label for row in rows},
            "second_labels": {row.case: row.label2 for row in rows if row.label2},
            "structures": cohort.arm.structures,
            "silhouette_fixes": silhouette_fixes(cohort),
            "registered": wildcards.arm in REGISTERED,
            "row": {
                "run": CONFIG.run,
                "data": cohort.arm.data,
                "arm": wildcards.arm,
                "replicate": int(wildcards.replicate),
                "fold": split.fold,
            },
        }
    )
