"""Targets and inputs of prepare.smk."""

PREPARED = [
    f"{RUN}/{arm}/prepared/{case}/{file}"
    for arm, cohort in COHORTS.items()
    for case in cohort.cases
    for file in ("ct.nii.gz", "facts.json", "label.nii.gz")
]


def template_source(wildcards):
    cohort = COHORTS[wildcards.arm]
    if cohort.template_case:
        return cohort.cases[cohort.template_case].ct
    return cohort.arm.registration.template


def registration_settings(wildcards):
    arm = CONFIG.arms[wildcards.arm]
    return as_json(
        {"registration": arm.registration.model_dump(), "grid": arm.grid.model_dump()}
    )


def grid_settings(wildcards):
    return as_json({"grid": CONFIG.arms[wildcards.arm].grid.model_dump()})


def label_settings(wildcards):
    values = CONFIG.arms[wildcards.arm].structures.values()
    return as_json({"values": list(values)})


def registration_of(wildcards):
    """What the registration of a case gave; nothing in an arm that is not registered."""
    if wildcards.arm not in REGISTERED:
        return {}
    case = f"{RUN}/{wildcards.arm}/prepared/{wildcards.case}"
    return {
        "box": f"{RUN}/{wildcards.arm}/template/box.json",
        "transform": f"{case}/to_template.mat",
        "quality": f"{case}/registration.json",
    }


def registration_flags(wildcards, input, flags=("transform",)):
    return " ".join(
        f"--{name} {shlex.quote(str(getattr(input, name)))}"
        for name in flags
        if name in input.keys()
    )


def box_flags(wildcards, input):
    return registration_flags(wildcards, input, flags=("box", "transform"))
