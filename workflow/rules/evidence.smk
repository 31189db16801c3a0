"""Scores, gathered for the run; shifts of test cases; floors and ceilings; the statistics; verdicts on the claims."""


include: "inputs/evidence.smk"


rule score:
    """Overlap and distances of every test case and structure, in the box and in native space."""
    input:
        scored_files,
    output:
        f"{RUN}/{CELL}/scores.csv",
    log:
        f"{LOGS}/{CELL}/score.log",
    benchmark:
        f"{LOGS}/{CELL}/score.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        cell=cell_dir,
        prepared=prepared_dir,
        masks=masks_dir,
        settings=score_settings,
        code=code_digest("evidence.score"),
    shell:
        "globalmask score --predictions {params.cell:q}/predictions --native {params.cell:q}/native"
        " --prepared {params.prepared:q} --masks {params.masks:q} --out {output:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule gather_scores:
    """All scores of the run in one table."""
    input:
        listed([f"{RUN}/{cell.path}/scores.csv" for cell in CELLS]),
    output:
        f"{RUN}/scores.csv",
    log:
        f"{LOGS}/gather_scores.log",
    benchmark:
        f"{LOGS}/gather_scores.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("evidence.score"),
    shell:
        "globalmask gather-scores {input:q} --out {output:q} > {log:q} 2>&1"


rule shift_case:
    """A test case under every intensity shift, with the masks of the clean scan and with masks remade."""
    input:
        unpack(shift_inputs),
        ct=raw_ct,
        mask=f"{RUN}/{{arm}}/masks/{{mask_set}}/{{case}}.nii.gz",
        record=f"{RUN}/{{arm}}/masks/{{mask_set}}/{{case}}.json",
    output:
        f"{RUN}/{{arm}}/shifted/{{mask_set}}/{{case}}.npz",
    log:
        f"{LOGS}/{{arm}}/shifted/{{mask_set}}/{{case}}.log",
    benchmark:
        f"{LOGS}/{{arm}}/shifted/{{mask_set}}/{{case}}.benchmark.tsv"
    conda:
        CONDA_ENV
    threads: CONFIG.threads
    resources:
        gpu=ON_GPU,
        mem_mb=growing(8000),
        runtime=60,
    params:
        files=shift_flags,
        device=CONFIG.device,
        settings=shift_settings,
        code=code_digest("evidence.shift_case"),
    shell:
        "globalmask shift-case --case {wildcards.case:q} --ct {input.ct:q} {params.files}"
        " --masks $(dirname {input.mask:q}) --out {output:q} --device {params.device} --threads {threads}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule score_shifted:
    """A model on its test cases under every shift: Dice against strength, with frozen and with remade masks."""
    input:
        shifted_files,
        model=f"{RUN}/{CELL}/model.safetensors",
    output:
        f"{RUN}/{CELL}/robustness.csv",
    log:
        f"{LOGS}/{CELL}/score_shifted.log",
    benchmark:
        f"{LOGS}/{CELL}/score_shifted.benchmark.tsv"
    conda:
        CONDA_ENV
    threads: CONFIG.threads
    resources:
        gpu=ON_GPU,
        mem_mb=growing(8000),
        runtime=4 * 60,
    params:
        shifted=shifted_dir,
        prepared=prepared_dir,
        masks=masks_dir,
        device=CONFIG.device,
        settings=score_settings,
        code=code_digest("evidence.score_shifted"),
    shell:
        "globalmask score-shifted --model {input.model:q} --shifted {params.shifted:q}"
        " --prepared {params.prepared:q} --masks {params.masks:q} --out {output:q}"
        " --device {params.device} --threads {threads} --settings {params.settings:q} > {log:q} 2>&1"


rule gather_robustness:
    """All scores under shifts of the run in one table."""
    input:
        [f"{RUN}/{cell.path}/robustness.csv" for cell in TESTED_CELLS],
    output:
        f"{RUN}/robustness.csv",
    log:
        f"{LOGS}/gather_robustness.log",
    benchmark:
        f"{LOGS}/gather_robustness.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("evidence.robustness"),
    shell:
        "globalmask gather-robustness {input:q} --out {output:q} > {log:q} 2>&1"


rule floors:
    """What needs no learning, on the test cases of a replicate: label atlas, resampling, second reader."""
    input:
        floor_files,
    output:
        f"{RUN}/{{arm}}/floors/r{{replicate}}.csv",
    log:
        f"{LOGS}/{{arm}}/floors/r{{replicate}}.log",
    benchmark:
        f"{LOGS}/{{arm}}/floors/r{{replicate}}.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        prepared=prepared_dir,
        settings=floor_settings,
        code=code_digest("evidence.floors"),
    shell:
        "globalmask floors --prepared {params.prepared:q} --out {output:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule gather_floors:
    """Floors and ceilings of the run in one table."""
    input:
        [f"{RUN}/{arm}/floors/r{replicate}.csv" for arm, replicate in FLOOR_CELLS],
    output:
        f"{RUN}/floors.csv",
    log:
        f"{LOGS}/gather_floors.log",
    benchmark:
        f"{LOGS}/gather_floors.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_digest("evidence.floors"),
    shell:
        "globalmask gather-floors {input:q} --out {output:q} > {log:q} 2>&1"


rule analyse:
    """Estimates with intervals and tests, by the plan of analysis; departures from it."""
    input:
        listed(TRAINING_RECORDS),
        listed(ROBUSTNESS),
        scores=f"{RUN}/scores.csv",
        plan=f"{RUN}/plan.json",
        analysis_plan=ANALYSIS_PLAN,
    output:
        STATISTICS,
    log:
        f"{LOGS}/analyse.log",
    benchmark:
        f"{LOGS}/analyse.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        run=run_dir,
        code=code_digest("evidence.analysis"),
    shell:
        "globalmask analyse --run {params.run:q} --plan {input.plan:q} --analysis-plan {input.analysis_plan:q}"
        " > {log:q} 2>&1"


rule judge:
    """Supported, contradicted, undecided or not testable: each of the paper's claims."""
    input:
        PUBLISHED,
        analysis=f"{RUN}/analysis.csv",
        plan=f"{RUN}/plan.json",
    output:
        CLAIMS,
    log:
        f"{LOGS}/judge.log",
    benchmark:
        f"{LOGS}/judge.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code_digest("evidence.claims"),
    shell:
        "globalmask judge-claims --analysis {input.analysis:q} --plan {input.plan:q} --out {output:q}"
        " > {log:q} 2>&1"
