"""Raw scans and their checks: synthetic scans where the arm is a phantom, a look at every case, the splits."""


include: "inputs/intake.smk"


rule phantom:
    """One synthetic CT and its label, written as a scanner would."""
    output:
        ct=f"{RUN}/{{arm}}/raw/{{case}}/ct.nii.gz",
        label=f"{RUN}/{{arm}}/raw/{{case}}/label.nii.gz",
    log:
        f"{LOGS}/{{arm}}/phantom/{{case}}.log",
    benchmark:
        f"{LOGS}/{{arm}}/phantom/{{case}}.benchmark.tsv"
    wildcard_constraints:
        arm=any_of(PHANTOMS),
    conda:
        CONDA_ENV
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        mask=phantom_mask_flag,
        settings=phantom_settings,
        code=code_digest("intake.phantom"),
    shell:
        "globalmask phantom --ct {output.ct:q} --label {output.label:q} {params.mask}"
        " --settings {params.settings:q} > {log:q} 2>&1"


use rule phantom as phantom_with_mask with:
    # The same for phantoms that know their silhouette.
    output:
        ct=f"{RUN}/{{arm}}/raw/{{case}}/ct.nii.gz",
        label=f"{RUN}/{{arm}}/raw/{{case}}/label.nii.gz",
        mask=f"{RUN}/{{arm}}/raw/{{case}}/mask.nii.gz",
    wildcard_constraints:
        arm=any_of(MASKED_PHANTOMS),


rule check_case:
    """Faults, facts and one picture of a case; a fault is written down here and told by check_cohort."""
    input:
        unpack(scan_files),
    output:
        facts=f"{RUN}/{{arm}}/check/{{case}}.json",
        picture=f"{RUN}/{{arm}}/check/{{case}}.png",
    log:
        f"{LOGS}/{{arm}}/check/{{case}}.log",
    benchmark:
        f"{LOGS}/{{arm}}/check/{{case}}.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        files=scan_flags,
        settings=check_settings,
        code=code_digest("intake.check"),
    shell:
        "globalmask check-case --case {wildcards.case:q} {params.files}"
        " --facts {output.facts:q} --picture {output.picture:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule check_cohort:
    """All cases of an arm together; stops the run when a case has a real fault."""
    input:
        checked_cases,
    output:
        f"{RUN}/{{arm}}/check.tsv",
    log:
        f"{LOGS}/{{arm}}/check_cohort.log",
    benchmark:
        f"{LOGS}/{{arm}}/check_cohort.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=cohort_settings,
        code=code_digest("intake.check"),
    shell:
        "globalmask check-cohort {input:q} --out {output:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule write_split:
    """Role, fold and rank in the nested subsets of every case; a user's own table goes into the config."""
    output:
        f"{RUN}/{{arm}}/splits/r{{replicate}}.tsv",
    log:
        f"{LOGS}/{{arm}}/splits/r{{replicate}}.log",
    benchmark:
        f"{LOGS}/{{arm}}/splits/r{{replicate}}.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=500,
        runtime=5,
    params:
        split=split_settings,
        code=code_digest("intake.splits"),
    shell:
        "globalmask write-split --out {output:q} --split {params.split:q} > {log:q} 2>&1"
