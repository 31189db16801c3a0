"""Targets, inputs and the plan of present.smk."""

from globalmask.present import outputs


def plan():
    """The run in one JSON object: what the tables, figures and report need to know of the config."""
    return {
        "run": CONFIG.run,
        "seed": CONFIG.seed,
        "replicates": CONFIG.replicates,
        "images": CONFIG.images,
        "config": configuration.without_paths(
            CONFIG, {case for cohort in COHORTS.values() for case in cohort.cases}
        ),
        "robustness": list(
            dict.fromkeys((cell.arm, cell.variant, cell.n) for cell in TESTED_CELLS)
        ),
        "arms": [plan_of_arm(name) for name in CONFIG.arms],
        "variants": [
            {
                "name": name,
                "preset": variant.preset,
                "oracle": variant.oracle,
                "arms": list(CONFIG.arms_of(name)),
                "scenarios": list(variant.scenarios),
                "settings": variant.settings.model_dump(),
                "replicates": {
                    arm: matrix.replicates_of(CONFIG, name, SIZES[arm])
                    for arm in CONFIG.arms_of(name)
                },
                "mask_sets": {
                    arm: sorted(
                        {
                            matrix.mask_set_of(CONFIG, cell)
                            for cell in CELLS
                            if (cell.arm, cell.variant) == (arm, name)
                        }
                    )
                    for arm in CONFIG.arms_of(name)
                },
            }
            for name, variant in CONFIG.variants.items()
        ],
    }


def plan_of_arm(name):
    arm = CONFIG.arms[name]
    replicates = range(min(arm.folds, CONFIG.replicates))
    return {
        "name": name,
        "published": arm.published,
        "synthetic": arm.data == "synthetic",
        "structures": list(arm.structures),
        "sizes": list(SIZES[name]),
        "registered": arm.registration is not None,
        "clip_hu": arm.clip_hu,
        "size_voxels": arm.grid.size_voxels,
        "spacing_mm": arm.grid.spacing_mm,
        "cases": list(COHORTS[name].cases),
        "test_cases": {
            str(replicate): COHORTS[name].split(replicate).test
            for replicate in replicates
        },
    }


PLAN = plan()
TABLES = [f"{RUN}/tables/{name}" for name in outputs.table_files(PLAN)]
FIGURES = [f"{RUN}/figures/{name}" for name in outputs.figure_files(PLAN)]
SHEETS = [f"{RUN}/sheets/{name}" for name in outputs.sheet_files(PLAN)]
PAPER = [f"{RUN}/paper/{name}" for name in outputs.PAPER_FILES]
REPORT = [f"{RUN}/report.html"]


def in_report(files, kind, suffix):
    """Files of an output; those of one type go into `snakemake --report`, with their kind's caption."""

    def shown(path):
        name = Path(path).stem
        caption = f"../report/{kind}.rst"
        return report(
            path, caption=caption, category=kind.capitalize(), labels={"name": name}
        )

    return [shown(path) if path.endswith(suffix) else path for path in files]


FEATURES = [
    f"{RUN}/{arm}/{variant}/{scenario}/n{n}/r0/features.npz"
    for edition in outputs.editions(PLAN)
    for arm, variant, scenario, n in outputs.feature_cells(PLAN, edition)
]
RECORDS = [f"{RUN}/{cell.path}/run.json" for cell in CELLS]
HISTORIES = [f"{RUN}/{cell.path}/history.csv" for cell in CELLS]
REGISTRATIONS = [
    f"{RUN}/{arm}/prepared/{case}/registration.json"
    for arm in REGISTERED
    for case in COHORTS[arm].cases
]

# Not code, so no digest sees them: the page's templates and its table of assumptions.
PACKAGE = Path(PACKAGE_PARENT) / "globalmask"
PAGE = sorted(str(path) for path in (PACKAGE / "present" / "templates").iterdir())
PAGE += [str(PACKAGE / "present" / "assumptions.tsv")]
