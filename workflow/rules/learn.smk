"""Trainings, predictions and feature maps: one job a model each, every per-case file declared."""


include: "inputs/learn.smk"


rule train:
    """One cell of the matrix: a U-Net from scratch, the weights of its best validation."""
    input:
        training_files,
        unpack(template_of_model),
        quality=ancient(box_quality_of_training),
    output:
        model=f"{RUN}/{CELL}/model.safetensors",
        history=f"{RUN}/{CELL}/history.csv",
        record=f"{RUN}/{CELL}/run.json",
    log:
        f"{LOGS}/{CELL}/train.log",
    benchmark:
        f"{LOGS}/{CELL}/train.benchmark.tsv"
    conda:
        CONDA_ENV
    threads: CONFIG.threads
    resources:
        gpu=ON_GPU,
        mem_mb=growing(16000),
        runtime=48 * 60,
    params:
        prepared=prepared_dir,
        masks=masks_dir,
        network=mask_network_flag,
        template=template_flag,
        checkpoint=f"{RUN}/checkpoints/{CELL}",
        device=CONFIG.device,
        settings=train_settings,
        code=code_digest("learn.train"),
    shell:
        "globalmask train --prepared {params.prepared:q} --masks {params.masks:q} {params.network}"
        " {params.template} --out $(dirname {output.model:q}) --checkpoint {params.checkpoint:q}"
        " --device {params.device} --threads {threads} --settings {params.settings:q} > {log:q} 2>&1"


for arm, fold in TEST_SETS:

    rule:
        name:
            f"predict_cell_{arm}_f{fold}"
        input:
            prediction_files,
            model=f"{RUN}/{CELL}/model.safetensors",
        output:
            grid=expand(
                f"{RUN}/{CELL}/predictions/{{case}}.nii.gz",
                case=TEST_SETS[arm, fold],
                allow_missing=True,
            ),
            native=expand(
                f"{RUN}/{CELL}/native/{{case}}.nii.gz",
                case=TEST_SETS[arm, fold],
                allow_missing=True,
            ),
        log:
            f"{LOGS}/{CELL}/predict.log",
        benchmark:
            f"{LOGS}/{CELL}/predict.benchmark.tsv"
        wildcard_constraints:
            arm=arm,
            replicate=replicates_on(arm, fold),
        conda:
            CONDA_ENV
        threads: CONFIG.threads
        resources:
            gpu=ON_GPU,
            mem_mb=growing(8000),
            runtime=60,
        params:
            prepared=prepared_dir,
            masks=masks_dir,
            device=CONFIG.device,
            settings=predict_settings,
            code=code_digest("learn.predict"),
        shell:
            "globalmask predict-cell --model {input.model:q} --prepared {params.prepared:q}"
            " --masks {params.masks:q} --out $(dirname {output.grid[0]:q})"
            " --native $(dirname {output.native[0]:q}) --device {params.device} --threads {threads}"
            " --settings {params.settings:q} > {log:q} 2>&1"


rule features:
    """Feature maps of the last double convolution of the fourth up block, for Figures 7 and 8."""
    input:
        feature_files,
        model=f"{RUN}/{CELL}/model.safetensors",
    output:
        temp(f"{RUN}/{CELL}/features.npz"),
    log:
        f"{LOGS}/{CELL}/features.log",
    benchmark:
        f"{LOGS}/{CELL}/features.benchmark.tsv"
    conda:
        CONDA_ENV
    threads: CONFIG.threads
    resources:
        mem_mb=8000,
        runtime=30,
    params:
        prepared=prepared_dir,
        masks=masks_dir,
        case=feature_case,
        code=code_digest("learn.features"),
    shell:
        "globalmask features --model {input.model:q} --prepared {params.prepared:q}"
        " --masks {params.masks:q} --case {params.case:q} --out {output:q} --threads {threads}"
        " > {log:q} 2>&1"
