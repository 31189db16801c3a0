"""Scores, one row a case and structure, gathered for the run; the statistics; verdicts on the paper's claims."""


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


rule analyse:
    """Estimates with intervals and tests, by the plan of analysis; departures from it."""
    input:
        TRAINING_RECORDS,
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
