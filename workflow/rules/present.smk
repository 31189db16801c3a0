"""What people see: tables and figures as in the paper, sheets of pictures, one report."""


include: "inputs/present.smk"


rule write_plan:
    """The run in one file, for everything below and for a reader."""
    output:
        f"{RUN}/plan.json",
    log:
        f"{LOGS}/write_plan.log",
    benchmark:
        f"{LOGS}/write_plan.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=500,
        runtime=5,
    params:
        plan=as_json(PLAN),
    shell:
        "globalmask write-plan --out {output:q} --plan {params.plan:q} > {log:q} 2>&1"


rule make_tables:
    """Tables 1 to 6, each cell beside the published one; masks' quality against Dice."""
    input:
        listed(RECORDS),
        PUBLISHED,
        listed(MASK_QUALITY),
        listed(REGISTRATIONS),
        plan=f"{RUN}/plan.json",
        scores=f"{RUN}/scores.csv",
    output:
        in_report(TABLES, "tables", ".csv"),
    log:
        f"{LOGS}/make_tables.log",
    benchmark:
        f"{LOGS}/make_tables.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        run=run_dir,
        code=code_digest("present.tables"),
    shell:
        "globalmask make-tables --run {params.run:q} --plan {input.plan:q} > {log:q} 2>&1"


rule make_figures:
    """Figures 3 to 8, gains, Dice in its context, masks' quality against Dice."""
    input:
        listed(HISTORIES),
        PUBLISHED,
        FEATURES,
        listed(PREDICTIONS),
        listed(PREPARED),
        listed(MASKS),
        listed(MASK_QUALITY),
        listed(REGISTRATIONS),
        listed(ROBUSTNESS),
        listed(FLOORS),
        plan=f"{RUN}/plan.json",
        scores=f"{RUN}/scores.csv",
        analysis=f"{RUN}/analysis.csv",
    output:
        in_report(FIGURES, "figures", ".png"),
    log:
        f"{LOGS}/make_figures.log",
    benchmark:
        f"{LOGS}/make_figures.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        run=run_dir,
        code=code_digest("present.figures"),
    shell:
        "globalmask make-figures --run {params.run:q} --plan {input.plan:q} > {log:q} 2>&1"


rule make_sheets:
    """Contact sheets of checks and registrations, and one sheet a test case."""
    input:
        listed(CHECKED),
        listed(REGISTRATIONS),
        listed(PREDICTIONS),
        listed(PREPARED),
        listed(MASKS),
        plan=f"{RUN}/plan.json",
        scores=f"{RUN}/scores.csv",
    output:
        in_report(SHEETS, "sheets", ".png"),
    log:
        f"{LOGS}/make_sheets.log",
    benchmark:
        f"{LOGS}/make_sheets.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        run=run_dir,
        code=code_digest("present.sheets"),
    shell:
        "globalmask make-sheets --run {params.run:q} --plan {input.plan:q} > {log:q} 2>&1"


rule make_paper:
    """For a paper: methods with references, a CLAIM checklist, Dice with intervals."""
    input:
        SPLITS,
        RECORDS,
        PAGE,
        plan=f"{RUN}/plan.json",
        analysis=f"{RUN}/analysis.csv",
        analysis_record=f"{RUN}/analysis.json",
    output:
        PAPER,
    log:
        f"{LOGS}/make_paper.log",
    benchmark:
        f"{LOGS}/make_paper.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        run=run_dir,
        code=code_digest("present.paper"),
    shell:
        "globalmask make-paper --run {params.run:q} --plan {input.plan:q} > {log:q} 2>&1"


rule make_report:
    """One self-contained page."""
    input:
        TABLES,
        FIGURES,
        SHEETS,
        PAPER,
        listed(SPLITS),
        listed(RECORDS),
        listed(HISTORIES),
        listed(PREPARED),
        listed(MASKS),
        listed(PREDICTIONS),
        PUBLISHED,
        PAGE,
        listed(MASK_QUALITY),
        listed(REGISTRATIONS),
        listed(FLOORS),
        plan=f"{RUN}/plan.json",
        scores=f"{RUN}/scores.csv",
        analysis=f"{RUN}/analysis.csv",
        analysis_record=f"{RUN}/analysis.json",
        claims=f"{RUN}/claims.csv",
    output:
        REPORT,
    log:
        f"{LOGS}/make_report.log",
    benchmark:
        f"{LOGS}/make_report.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        run=run_dir,
        code=code_digest("present.report"),
    shell:
        "globalmask make-report --run {params.run:q} --plan {input.plan:q} --out {output:q}"
        " > {log:q} 2>&1"
