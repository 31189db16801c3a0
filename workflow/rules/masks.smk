"""Global binary masks by recipe: threshold, unfilled, learned, file, union. Which cells use which set: matrix.mask_set_of."""


include: "inputs/masks.smk"


rule mask_threshold:
    """Head mask: HU over -200 on the registered scan, largest component; holes filled, but in set `unfilled`."""
    input:
        ct=raw_ct,
        like=rules.prepare_ct.output.ct,
        transform=rules.register.output.transform,
    output:
        mask=f"{RUN}/{{arm}}/masks/{{mask_set}}/{{case}}.nii.gz",
        box=f"{RUN}/{{arm}}/masks/{{mask_set}}/{{case}}.json",
    log:
        f"{LOGS}/{{arm}}/masks/{{mask_set}}/{{case}}.log",
    benchmark:
        f"{LOGS}/{{arm}}/masks/{{mask_set}}/{{case}}.benchmark.tsv"
    wildcard_constraints:
        mask_set="base|unfilled",
    conda:
        CONDA_ENV
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        filled=filled_flag,
        code=code_digest("masks.threshold"),
    shell:
        "globalmask mask-threshold --case {wildcards.case:q} --ct {input.ct:q}"
        " --transform {input.transform:q} --like {input.like:q} {params.filled}"
        " --mask {output.mask:q} --box {output.box:q} > {log:q} 2>&1"


rule mask_file:
    """A mask that the user supplies: BODY contour, another program's output."""
    input:
        unpack(registration_of),
        mask=mask_file,
        like=rules.prepare_ct.output.ct,
    output:
        mask=f"{RUN}/{{arm}}/masks/file/{{case}}.nii.gz",
        box=f"{RUN}/{{arm}}/masks/file/{{case}}.json",
    log:
        f"{LOGS}/{{arm}}/masks/file/{{case}}.log",
    benchmark:
        f"{LOGS}/{{arm}}/masks/file/{{case}}.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        registered=registration_flags,
        settings=supplied_settings,
        code=code_digest("masks.supplied"),
    shell:
        "globalmask mask-file --case {wildcards.case:q} --source {input.mask:q} --like {input.like:q}"
        " {params.registered} --mask {output.mask:q} --box {output.box:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule mask_union:
    """Union of the labels: an oracle that leaks by design, and is flagged so."""
    input:
        label=rules.prepare_label.output,
    output:
        mask=f"{RUN}/{{arm}}/masks/oracle/{{case}}.nii.gz",
        box=f"{RUN}/{{arm}}/masks/oracle/{{case}}.json",
    log:
        f"{LOGS}/{{arm}}/masks/oracle/{{case}}.log",
    benchmark:
        f"{LOGS}/{{arm}}/masks/oracle/{{case}}.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        settings=box_settings,
        code=code_digest("masks.supplied"),
    shell:
        "globalmask mask-union --case {wildcards.case:q} --label {input.label:q}"
        " --mask {output.mask:q} --box {output.box:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule coarsen_ct:
    """The raw CT on the mask network's coarse grid."""
    input:
        check=ancient(f"{RUN}/{{arm}}/check.tsv"),
        ct=raw_ct,
    output:
        f"{RUN}/{{arm}}/coarse/{{case}}/ct.nii.gz",
    log:
        f"{LOGS}/{{arm}}/coarse/{{case}}.ct.log",
    benchmark:
        f"{LOGS}/{{arm}}/coarse/{{case}}.ct.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        settings=coarse_settings,
        code=code_digest("masks.coarse"),
    shell:
        "globalmask coarsen-ct --case {wildcards.case:q} --ct {input.ct:q} --out {output:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule coarsen_label:
    """The union of a training case's labels on the mask network's coarse grid."""
    input:
        label=raw_label,
        ct=rules.coarsen_ct.output,
    output:
        f"{RUN}/{{arm}}/coarse/{{case}}/label.nii.gz",
    log:
        f"{LOGS}/{{arm}}/coarse/{{case}}.label.log",
    benchmark:
        f"{LOGS}/{{arm}}/coarse/{{case}}.label.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        settings=label_settings,
        code=code_digest("masks.coarse"),
    shell:
        "globalmask coarsen-label --case {wildcards.case:q} --label {input.label:q}"
        " --like {input.ct:q} --out {output:q} --settings {params.settings:q} > {log:q} 2>&1"


rule train_mask_network:
    """The whole-organ U-Net: fixed steps, last weights; parts k0, k1 … leave out the cases they are applied to."""
    input:
        coarse_of_mask_network,
    output:
        model=f"{RUN}/{{arm}}/masks/{{mask_set}}/networks/{{part}}/model.safetensors",
        history=f"{RUN}/{{arm}}/masks/{{mask_set}}/networks/{{part}}/history.csv",
        record=f"{RUN}/{{arm}}/masks/{{mask_set}}/networks/{{part}}/run.json",
    log:
        f"{LOGS}/{{arm}}/masks/{{mask_set}}/train_{{part}}.log",
    benchmark:
        f"{LOGS}/{{arm}}/masks/{{mask_set}}/train_{{part}}.benchmark.tsv"
    conda:
        CONDA_ENV
    threads: CONFIG.threads
    resources:
        gpu=ON_GPU,
        mem_mb=growing(16000),
        runtime=24 * 60,
    params:
        coarse=coarse_dir,
        checkpoint=f"{RUN}/checkpoints/{{arm}}/masks/{{mask_set}}/{{part}}",
        device=CONFIG.device,
        settings=mask_network_settings,
        code=code_digest("masks.learned"),
    shell:
        "globalmask train-mask-network --coarse {params.coarse:q} --out $(dirname {output.model:q})"
        " --checkpoint {params.checkpoint:q} --device {params.device} --threads {threads}"
        " --settings {params.settings:q} > {log:q} 2>&1"


for arm, mask_set in LEARNED:

    rule:
        name:
            f"mask_learned_{arm}_{mask_set.replace('-', '_')}"
        input:
            networks=[
                f"{RUN}/{arm}/masks/{mask_set}/networks/{part}/model.safetensors"
                for part in mask_parts(arm, mask_set)
            ],
            coarse=per_case(
                "coarse/{case}/ct.nii.gz", arm, cases_of_mask_set(arm, mask_set)
            ),
            like=per_case(
                "prepared/{case}/ct.nii.gz", arm, cases_of_mask_set(arm, mask_set)
            ),
        output:
            masks=per_case(
                f"masks/{mask_set}/{{case}}.nii.gz",
                arm,
                cases_of_mask_set(arm, mask_set),
            ),
            boxes=per_case(
                f"masks/{mask_set}/{{case}}.json",
                arm,
                cases_of_mask_set(arm, mask_set),
            ),
        log:
            f"{LOGS}/{arm}/masks/{mask_set}/predict.log",
        benchmark:
            f"{LOGS}/{arm}/masks/{mask_set}/predict.benchmark.tsv"
        conda:
            CONDA_ENV
        threads: CONFIG.threads
        resources:
            gpu=ON_GPU,
            mem_mb=growing(8000),
            runtime=60,
        params:
            device=CONFIG.device,
            settings=as_json(
                {
                    "applied_to": {
                        part: fit.applied_to
                        for part, fit in mask_parts(arm, mask_set).items()
                    },
                    "size_voxels": CONFIG.arms[arm].grid.size_voxels,
                    "registered": arm in REGISTERED,
                }
            ),
            code=code_digest("masks.learned"),
        shell:
            "globalmask mask-learned --masks $(dirname {output.masks[0]:q})"
            " --device {params.device} --threads {threads}"
            " --settings {params.settings:q} > {log:q} 2>&1"


rule measure_mask:
    """Quality of a mask and its box against the labels, in a file that nothing but checks and reports reads."""
    input:
        unpack(registration_of),
        mask=f"{RUN}/{{arm}}/masks/{{mask_set}}/{{case}}.nii.gz",
        record=f"{RUN}/{{arm}}/masks/{{mask_set}}/{{case}}.json",
        label=rules.prepare_label.output,
        raw_label=raw_label,
    output:
        f"{RUN}/{{arm}}/masks/{{mask_set}}/{{case}}.quality.json",
    log:
        f"{LOGS}/{{arm}}/masks/{{mask_set}}/{{case}}.quality.log",
    benchmark:
        f"{LOGS}/{{arm}}/masks/{{mask_set}}/{{case}}.quality.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        registered=registration_flags,
        settings=quality_settings,
        code=code_digest("masks.quality"),
    shell:
        "globalmask measure-mask --case {wildcards.case:q} --mask {input.mask:q}"
        " --record {input.record:q} --label {input.label:q} --raw-label {input.raw_label:q}"
        " {params.registered} --out {output:q} --settings {params.settings:q} > {log:q} 2>&1"
