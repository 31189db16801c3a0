"""Targets and inputs of evidence.smk."""

SCORES = [f"{RUN}/{cell.path}/scores.csv" for cell in CELLS] + [f"{RUN}/scores.csv"]
STATISTICS = [f"{RUN}/analysis.csv", f"{RUN}/analysis.json"]
ANALYSIS_PLAN = str(Path(workflow.basedir) / "workflow/config/analysis_plan.yaml")
TRAINING_RECORDS = [
    f"{RUN}/{cell.path}/{name}" for cell in CELLS for name in ("run.json", "history.csv")
]
CLAIMS = [f"{RUN}/claims.csv"]

# Not code, so no digest sees them.
PUBLISHED = sorted(
    str(path)
    for path in Path(PACKAGE_PARENT).glob("globalmask/evidence/data/published_*.csv")
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
