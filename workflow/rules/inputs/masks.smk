"""Targets and inputs of masks.smk."""

LEARNED = matrix.learned_sets(MASK_SETS)


def cases_of_mask_set(arm, mask_set):
    """Cases that need a mask of this set: those of the cell's split, or all where no label is spent."""
    cell = MASK_SETS[arm, mask_set]
    if (arm, mask_set) not in LEARNED or mask_set.startswith("full"):
        return list(COHORTS[arm].cases)
    split = split_of(cell)
    return split.train_order[: cell.n] + split.validation + split.test


def mask_parts(arm, mask_set):
    """Networks of a learned mask set: on which cases each is trained, and to which it is applied."""
    cell = MASK_SETS[arm, mask_set]
    train = split_of(cell).train_order
    budget = train if mask_set.startswith("full") else train[: cell.n]
    return matrix.crossfit(
        budget,
        cases_of_mask_set(arm, mask_set),
        folds=CONFIG.arms[arm].mask_network.crossfit_folds,
    )


MASKS = [
    f"{RUN}/{arm}/masks/{mask_set}/{case}.{suffix}"
    for arm, mask_set in MASK_SETS
    for case in cases_of_mask_set(arm, mask_set)
    for suffix in ("nii.gz", "json")
]
MASK_QUALITY = [
    f"{RUN}/{arm}/masks/{mask_set}/{case}.quality.json"
    for arm, mask_set in MASK_SETS
    for case in cases_of_mask_set(arm, mask_set)
]


def box_settings(wildcards):
    arm = CONFIG.arms[wildcards.arm]
    return as_json(
        {
            "size_voxels": arm.grid.size_voxels,
            "registered": arm.registration is not None,
        }
    )


def supplied_settings(wildcards):
    values = CONFIG.arms[wildcards.arm].mask_values
    chosen = {"values": values} if values else {}
    return as_json(json.loads(box_settings(wildcards)) | chosen)


def coarse_settings(wildcards):
    return as_json({"grid": CONFIG.arms[wildcards.arm].mask_network.grid.model_dump()})


def filled_flag(wildcards):
    return "--no-filled" if wildcards.mask_set == "unfilled" else ""


def mask_file(wildcards):
    return COHORTS[wildcards.arm].cases[wildcards.case].mask


def mask_network_cases(wildcards):
    return mask_parts(wildcards.arm, wildcards.mask_set)[wildcards.part].trained_on


def coarse_of_mask_network(wildcards):
    cases = mask_network_cases(wildcards)
    return per_case("coarse/{case}/ct.nii.gz", wildcards.arm, cases) + per_case(
        "coarse/{case}/label.nii.gz", wildcards.arm, cases
    )


def mask_network_settings(wildcards):
    arm = CONFIG.arms[wildcards.arm]
    return as_json(
        {
            "cases": mask_network_cases(wildcards),
            "train": arm.mask_network.settings.model_dump(),
            "clip_hu": arm.clip_hu,
            "seed": CONFIG.seed,
            "arm": wildcards.arm,
            "replicate": MASK_SETS[wildcards.arm, wildcards.mask_set].replicate,
            "grid": arm.mask_network.grid.model_dump(),
            "mask_set": wildcards.mask_set,
            "part": wildcards.part,
        }
    )


def quality_settings(wildcards):
    arm = CONFIG.arms[wildcards.arm]
    split = split_of(MASK_SETS[wildcards.arm, wildcards.mask_set])
    return as_json(
        {
            "role": role_in(split, wildcards.case),
            "structures": arm.structures,
            "fixed_box": arm.registration is not None,
        }
    )
