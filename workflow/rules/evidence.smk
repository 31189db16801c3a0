"""Scores: one table a model, one row a case and structure, gathered for the run; floors and ceilings beside them."""


include: "inputs/evidence.smk"


rule score:
    """Dice and centre-of-mass distance of every test case and structure, in the box and in native space."""
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
        runtime=30,
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
        [f"{RUN}/{cell.path}/scores.csv" for cell in CELLS],
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
