"""globalmask: do global binary masks help a 3D U-Net when few labelled CTs exist?

Contents page of the workflow. `snakemake --cores all` makes the report of `config.yaml`; a stage is a
target of its own: check splits prepared masks models predictions scores robustness statistics claims tables
figures report.
"""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

if not workflow.configfiles:

    configfile: Path(workflow.basedir) / "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/intake.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/masks.smk"
include: "workflow/rules/learn.smk"
include: "workflow/rules/evidence.smk"
include: "workflow/rules/present.smk"


localrules:
    all,
    check,
    splits,
    prepared,
    masks,
    models,
    predictions,
    scores,
    robustness,
    statistics,
    claims,
    tables,
    figures,
    report,
    # A second each; no queue entry on a cluster.
    check_cohort,
    write_split,
    write_plan,


rule all:
    """Everything: every file of every stage is listed, so that a deleted one comes back."""
    default_target: True
    input:
        listed(CHECKED),
        listed(SPLITS),
        listed(PREPARED),
        listed(MASKS),
        listed(MODELS),
        listed(PREDICTIONS),
        listed(SCORES),
        listed(FLOORS),
        listed(ROBUSTNESS),
        STATISTICS,
        CLAIMS,
        TABLES,
        FIGURES,
        SHEETS,
        listed(MASK_QUALITY),
        PAPER,
        REPORT,


rule check:
    """Look at every scan before any work."""
    input:
        listed(CHECKED),


rule splits:
    """Roles, folds and nested subsets as tables."""
    input:
        listed(SPLITS),


rule prepared:
    """Every case on the network's grid."""
    input:
        listed(PREPARED),


rule masks:
    """Every global binary mask."""
    input:
        listed(MASKS),


rule models:
    """Every trained network."""
    input:
        listed(MODELS),


rule predictions:
    """Every predicted label map, on the prepared grid and on the CT's own."""
    input:
        listed(PREDICTIONS),


rule scores:
    """One row a case and structure; floors and ceilings where an arm asks for them."""
    input:
        listed(SCORES),
        listed(FLOORS),


rule robustness:
    """Dice against the strength of intensity shifts of the test CTs, where the config asks for it."""
    input:
        listed(ROBUSTNESS),


rule statistics:
    """Estimates, intervals, tests; departures from the plan of analysis."""
    input:
        STATISTICS,


rule claims:
    """A verdict on each of the paper's claims."""
    input:
        CLAIMS,


rule tables:
    """Tables 1 to 6 beside the published numbers."""
    input:
        TABLES,


rule figures:
    """Figures 3 to 8."""
    input:
        FIGURES,


rule report:
    """The page that a reader opens first."""
    input:
        PAPER,
        REPORT,


onsuccess:
    asked = workflow.dag_settings
    if (
        (again := checked_again())
        and asked.targets != {"check"}
        and not asked.forceall
    ):
        print(ONCE_MORE.format(", ".join(again)), file=sys.stderr)
        sys.exit(1)


onerror:
    print(FAILURE_HELP, file=sys.stderr)
