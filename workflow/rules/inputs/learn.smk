"""Targets and inputs of learn.smk."""

CELL = "{arm}/{variant}/{scenario}/n{n}/r{replicate}"
MODELS = [f"{RUN}/{cell.path}/model.safetensors" for cell in CELLS]
PREDICTIONS = [
    f"{RUN}/{cell.path}/{space}/{case}.nii.gz"
    for cell in CELLS
    for space in ("predictions", "native")
    for case in split_of(cell).test
]
TEST_SETS = {
    (arm, matrix.fold_of(CONFIG, arm, replicate)): COHORTS[arm].split(replicate).test
    for arm in CONFIG.arms
    for replicate in range(CONFIG.replicates)
}


def case_files(cell, cases, *, labels):
    """Prepared files and masks that a job of this cell reads for these cases."""
    masks = f"masks/{matrix.mask_set_of(CONFIG, cell)}"
    others = [other for other in mask_cases(cell, cases).values() if other not in cases]
    patterns = {
        "prepared/{case}/ct.nii.gz": cases,
        f"{masks}/{{case}}.nii.gz": [*cases, *others],
        f"{masks}/{{case}}.json": [*cases, *others],
    }
    if labels:
        patterns["prepared/{case}/label.nii.gz"] = cases
        patterns["prepared/{case}/facts.json"] = cases
    return [
        path
        for pattern, names in patterns.items()
        for path in per_case(pattern, cell.arm, names)
    ]


def mask_cases(cell, cases):
    """The case whose mask each case gets where that is not its own: a rule, not a choice."""
    if cell.scenario != "ct_wrongmask":
        return {}
    masked = cases_of_mask_set(cell.arm, matrix.mask_set_of(CONFIG, cell))
    return {case: COHORTS[cell.arm].next_case(case, among=masked) for case in cases}


def mask_case_settings(cell, cases):
    """An entry of the settings, for the one scenario that needs it."""
    others = mask_cases(cell, cases)
    return {"mask_cases": others} if others else {}


def mask_network_of(cell):
    """The mask network that travels with the model of a cell; none unless the recipe is `learned`."""
    if CONFIG.mask_of(cell.variant, cell.arm).recipe != "learned":
        return []
    return [f"{masks_folder(cell)}/networks/all/model.safetensors"]


def validation_cases(cell):
    """Cases whose labels choose the weights of a cell; none where its variant reads no validation label."""
    reads = CONFIG.variants[cell.variant].validation == "labels"
    return split_of(cell).validation if reads else []


def training_files(wildcards):
    cell = cell_of(wildcards)
    cases = split_of(cell).train_order[: cell.n] + validation_cases(cell)
    return case_files(cell, cases, labels=True) + mask_network_of(cell)


def box_quality_of_training(wildcards):
    """A fixed box that cuts a training structure is told here, before hours are spent on it."""
    cell = cell_of(wildcards)
    masks = f"masks/{matrix.mask_set_of(CONFIG, cell)}"
    return per_case(
        f"{masks}/{{case}}.quality.json", cell.arm, split_of(cell).train_order[: cell.n]
    )


def cell_dir(wildcards):
    return f"{RUN}/{cell_of(wildcards).path}"


def masks_dir(wildcards):
    return masks_folder(cell_of(wildcards))


def mask_network_flag(wildcards):
    network = mask_network_of(cell_of(wildcards))
    return f"--mask-network {shlex.quote(network[0])}" if network else ""


def template_of_model(wildcards):
    """The template head: by name and digest in the model, whole only where it is no patient's."""
    return (
        {"template": template_source(wildcards)} if wildcards.arm in REGISTERED else {}
    )


def template_flag(wildcards, input):
    return (
        f"--template {shlex.quote(input.template)}"
        if "template" in input.keys()
        else ""
    )


def train_settings(wildcards):
    cell = cell_of(wildcards)
    arm = CONFIG.arms[cell.arm]
    variant = CONFIG.variants[cell.variant]
    split = split_of(cell)
    return as_json(
        {
            "run": CONFIG.run,
            "data": arm.data,
            "arm": cell.arm,
            "variant": cell.variant,
            "preset": variant.preset,
            "scenario": cell.scenario,
            "n": cell.n,
            "replicate": cell.replicate,
            "fold": split.fold,
            "seed": CONFIG.seed,
            "train_cases": split.train_order[: cell.n],
            "validation_cases": validation_cases(cell),
            "structures": list(arm.structures),
            "clip_hu": arm.clip_hu,
            "grid": arm.grid.model_dump(),
            "registration": arm.registration and arm.registration.model_dump(),
            "mask": CONFIG.mask_of(cell.variant, cell.arm).model_dump(),
            "mask_set": matrix.mask_set_of(CONFIG, cell),
            "train": variant.settings.model_dump(),
            **mask_case_settings(cell, split.train_order[: cell.n] + split.validation),
            **mask_value_settings(cell),
        }
    )


def mask_value_settings(cell):
    """What counts as inside in supplied masks, where that is said: the model needs it for a new patient."""
    values = CONFIG.arms[cell.arm].mask_values
    supplied = CONFIG.mask_of(cell.variant, cell.arm).recipe == "file"
    return {"mask_values": values} if supplied and values else {}


def replicates_on(arm, fold):
    """Wildcard constraint: the replicates that test on this fold."""
    return any_of(
        str(replicate)
        for replicate in range(CONFIG.replicates)
        if matrix.fold_of(CONFIG, arm, replicate) == fold
    )


def prediction_files(wildcards):
    cell = cell_of(wildcards)
    cases = split_of(cell).test
    transforms = (
        per_case("prepared/{case}/to_template.mat", cell.arm, cases)
        if cell.arm in REGISTERED
        else []
    )
    raw = [scan_of(cell.arm, case) for case in cases]
    return case_files(cell, cases, labels=False) + transforms + raw


def predict_settings(wildcards):
    cell = cell_of(wildcards)
    cases = split_of(cell).test
    return as_json(
        {
            "raw_cts": {case: scan_of(cell.arm, case) for case in cases},
            "registered": cell.arm in REGISTERED,
            **mask_case_settings(cell, cases),
        }
    )


def feature_case(wildcards):
    """The first test case: a rule, not a choice by eye."""
    return COHORTS[wildcards.arm].split(int(wildcards.replicate)).test[0]


def feature_files(wildcards):
    return case_files(cell_of(wildcards), [feature_case(wildcards)], labels=True)
