"""From raw CT to the network's grid: a template, one registration a case, one interpolation from raw."""


include: "inputs/prepare.smk"


rule make_template:
    """The template head, its mask, and the box that every case of the arm is cut to."""
    input:
        check=ancient(f"{RUN}/{{arm}}/check.tsv"),
        ct=template_source,
    output:
        ct=f"{RUN}/{{arm}}/template/ct.nii.gz",
        mask=f"{RUN}/{{arm}}/template/mask.nii.gz",
        box=f"{RUN}/{{arm}}/template/box.json",
    log:
        f"{LOGS}/{{arm}}/template.log",
    benchmark:
        f"{LOGS}/{{arm}}/template.benchmark.tsv"
    wildcard_constraints:
        arm=any_of(REGISTERED),
    conda:
        CONDA_ENV
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        settings=registration_settings,
        code=code_digest("prepare.register"),
    shell:
        "globalmask make-template --ct {input.ct:q} --out $(dirname {output.ct:q})"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule register:
    """Registration of one case to the template, with its quality and a picture."""
    input:
        check=ancient(f"{RUN}/{{arm}}/check.tsv"),
        ct=raw_ct,
        template=rules.make_template.output,
    output:
        transform=f"{RUN}/{{arm}}/prepared/{{case}}/to_template.mat",
        quality=f"{RUN}/{{arm}}/prepared/{{case}}/registration.json",
        picture=f"{RUN}/{{arm}}/prepared/{{case}}/registration.png",
    log:
        f"{LOGS}/{{arm}}/register/{{case}}.log",
    benchmark:
        f"{LOGS}/{{arm}}/register/{{case}}.benchmark.tsv"
    wildcard_constraints:
        arm=any_of(REGISTERED),
    conda:
        CONDA_ENV
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        settings=registration_settings,
        code=code_digest("prepare.register"),
    shell:
        "globalmask register --case {wildcards.case:q} --ct {input.ct:q}"
        " --template $(dirname {input.template[0]:q}) --out $(dirname {output.transform:q})"
        " --settings {params.settings:q} > {log:q} 2>&1"


rule prepare_ct:
    """One interpolation from raw: the box in template space, or the whole scan of an unregistered arm."""
    input:
        unpack(registration_of),
        check=ancient(f"{RUN}/{{arm}}/check.tsv"),
        ct=raw_ct,
    output:
        ct=f"{RUN}/{{arm}}/prepared/{{case}}/ct.nii.gz",
        facts=f"{RUN}/{{arm}}/prepared/{{case}}/facts.json",
    log:
        f"{LOGS}/{{arm}}/prepare_ct/{{case}}.log",
    benchmark:
        f"{LOGS}/{{arm}}/prepare_ct/{{case}}.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        registered=box_flags,
        settings=grid_settings,
        code=code_digest("prepare.grid"),
    shell:
        "globalmask prepare-ct --ct {input.ct:q} {params.registered}"
        " --out {output.ct:q} --settings {params.settings:q} > {log:q} 2>&1"


rule prepare_label:
    """The label on the prepared CT's grid; never read before training and scoring."""
    input:
        unpack(registration_of),
        ct=rules.prepare_ct.output.ct,
        label=raw_label,
    output:
        f"{RUN}/{{arm}}/prepared/{{case}}/label.nii.gz",
    log:
        f"{LOGS}/{{arm}}/prepare_label/{{case}}.log",
    benchmark:
        f"{LOGS}/{{arm}}/prepare_label/{{case}}.benchmark.tsv"
    conda:
        CONDA_ENV
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        registered=registration_flags,
        settings=label_settings,
        code=code_digest("prepare.grid"),
    shell:
        "globalmask prepare-label --label {input.label:q} --like {input.ct:q}"
        " {params.registered} --out {output:q} --settings {params.settings:q} > {log:q} 2>&1"
