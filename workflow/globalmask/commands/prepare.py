"""Commands of the room `prepare`: template, registration, the common grid."""

from __future__ import annotations

import json

from globalmask.commands.options import File, OptionalFile, Settings, Text, app, with_images


@app.command()
def make_template(ct: File, out: File, settings: Settings) -> None:
    """The template head, its mask, and the box that every case is cut to."""
    from globalmask.config import Grid, Registration
    from globalmask.prepare import register as stage

    given = json.loads(settings)
    stage.make_template(
        ct,
        out,
        grid=Grid(**given["grid"]),
        registration=Registration(**given["registration"]),
    )


@app.command()
def register(case: Text, ct: File, template: File, out: File, settings: Settings) -> None:
    """Registration of one case to the template, with its quality and a picture."""
    from globalmask.config import Registration
    from globalmask.prepare import register as stage

    registration = Registration(**json.loads(settings)["registration"])
    stage.register(ct, template, out, registration=registration, case=case, images=with_images())


@app.command()
def prepare_ct(
    ct: File,
    out: File,
    settings: Settings,
    box: OptionalFile = None,
    transform: OptionalFile = None,
) -> None:
    """One interpolation from raw to the prepared grid."""
    from globalmask.config import Grid
    from globalmask.prepare import grid as stage

    grid = Grid(**json.loads(settings)["grid"])
    stage.prepare_ct(ct, out, grid=grid, template_box=box, transform_path=transform)


@app.command()
def prepare_label(
    label: File,
    like: File,
    out: File,
    settings: Settings,
    transform: OptionalFile = None,
) -> None:
    """The label on the prepared CT's grid, its values numbered 1, 2 … in the order of the structures."""
    from globalmask.prepare import grid as stage

    values = {raw: new for new, raw in enumerate(json.loads(settings)["values"], 1)}
    stage.prepare_label(label, like, out, values=values, transform_path=transform)
