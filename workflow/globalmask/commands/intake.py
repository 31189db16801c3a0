"""Commands of the room `intake`: synthetic scans, checks, splits."""

from __future__ import annotations

import json

from globalmask.commands.options import File, Files, OptionalFile, Settings, Text, app, with_images


@app.command()
def phantom(ct: File, label: File, settings: Settings, mask: OptionalFile = None) -> None:
    """One synthetic CT and its label, written as a scanner would; in the two worlds also the silhouette."""
    from globalmask.imaging.images import write_image
    from globalmask.intake import phantom as stage

    given = json.loads(settings)
    files = [ct, label] if mask is None else [ct, label, mask]
    draw = stage.make_case if mask is None else stage.make_body
    for path, image in zip(files, draw(given["anatomy"], given["index"], seed=given["seed"]), strict=True):
        write_image(image, path)


@app.command()
def check_case(
    case: Text,
    label: File,
    facts: File,
    picture: File,
    settings: Settings,
    ct: OptionalFile = None,
    mask: OptionalFile = None,
) -> None:
    """Faults, facts and one picture of a case."""
    from globalmask.intake import check

    given = json.loads(settings)
    check.check_case(
        case=case,
        ct=ct,
        label=label,
        mask=mask,
        values=given["structures"],
        ignored_values=given["ignored_values"],
        needs_ct=ct is not None,
        out_json=facts,
        out_png=picture,
        images=with_images(),
    )


@app.command()
def check_cohort(facts: Files, out: File, settings: Settings) -> None:
    """All cases of an arm together; fails when a case has a real fault."""
    from globalmask.intake import check

    given = json.loads(settings)
    check.check_cohort(jsons=facts, arm=given["arm"], counts=tuple(given["counts"].values()), out_tsv=out)


@app.command()
def write_split(out: File, split: Settings) -> None:
    """Role, fold and rank in the nested subsets of every case."""
    from globalmask.intake.splits import Split
    from globalmask.intake.splits import write_split as write

    write(Split(**json.loads(split)), out)
