"""Targets and inputs of evidence.smk."""

SCORES = [f"{RUN}/{cell.path}/scores.csv" for cell in CELLS] + [f"{RUN}/scores.csv"]

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
                "labels_val": len(split.validation),
                "labels_mask": matrix.labels_of_mask(
                    mask, cell.n, len(split.train_order)
                ),
            },
        }
    )


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
