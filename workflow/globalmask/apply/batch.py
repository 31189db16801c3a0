"""Many scans one after the other: what is finished is kept, what failed is told at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from globalmask import provenance
from globalmask.apply.case import Prediction, Request, predict_case
from globalmask.apply.model import Model
from globalmask.apply.rtstruct import write_rtstruct
from globalmask.apply.scan import VOLUMES, opened, stem_of
from globalmask.errors import UserError, in_case, raise_all
from globalmask.imaging.images import read_image, write_image
from globalmask.intake.check_picture import draw_case

MARGIN_MM = 60.0


@dataclass(frozen=True)
class Wanted:
    """What is written of a scan beside its label."""

    as_json: bool = False
    preview: bool = False
    rtstruct: bool = False


@dataclass(frozen=True)
class Outputs:
    """Files of one scan; the label's suffix decides its format."""

    label: Path

    def beside(self, ending: str) -> Path:
        return self.label.with_name(stem_of(self.label) + ending)

    @property
    def all(self) -> list[Path]:
        endings = (".agreement.nii.gz", ".json", ".png", ".rtstruct.dcm")
        return [self.label, *map(self.beside, endings)]


def predict_batch(
    cts: Sequence[Path],
    models: Sequence[Model],
    out: Path,
    *,
    masks: Sequence[Path] = (),
    template: Path | None = None,
    wanted: Wanted = Wanted(),
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Predict every scan of `cts`; `out` is a file for one of them, else a folder.

    Files of an older prediction are removed before a scan is begun, so nothing old passes for new. Raises one
    UserError that tells every scan that failed; the others are finished and kept.
    """
    if masks and len(masks) != len(cts):
        raise UserError("Masks and CTs do not pair.", found=f"{len(masks)} masks, {len(cts)} CTs")
    places = outputs_of(cts, out)
    _refuse_overwriting([*cts, *masks, *([template] if template else [])], places)
    failures: list[UserError] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=len(cts))
        for number, (ct, place) in enumerate(zip(cts, places, strict=True)):
            case = stem_of(place.label)
            progress.update(task, description=case)
            for old in place.all:
                old.unlink(missing_ok=True)
            try:
                mask = masks[number] if masks else None
                with opened(ct) as scan:
                    request = Request(scan, case, mask, template, device, threads)
                    prediction = predict_case(request, models)
                    _write(prediction, scan, place, models, ct=ct, wanted=wanted)
                for warning in prediction.warnings:
                    console.print(f"{case}: {warning}", style="yellow", markup=False, highlight=False)
            except UserError as error:
                failures += in_case(error, case, ct)
            except Exception as error:
                failures += in_case(UserError(f"{type(error).__name__}: {error}"), case, ct)
            progress.advance(task)
    print(f"{len(cts) - len(failures)} of {len(cts)} predicted: {out}")
    raise_all(failures)


def outputs_of(cts: Sequence[Path], out: Path) -> list[Outputs]:
    """Where each scan's files go; scans of one name (`pt_1/ct.nii.gz`, `pt_2/ct.nii.gz`) get their folder's too.

    Raises UserError where two would still write the same files.
    """
    if len(cts) == 1 and out.name.lower().endswith(VOLUMES) and not out.is_dir():
        return [Outputs(out)]
    names = [stem_of(ct) for ct in cts]
    if len(set(names)) < len(names):
        names = [f"{ct.resolve().parent.name}_{name}" for ct, name in zip(cts, names, strict=True)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            "Two scans would be written to the same file.",
            found=", ".join(twice),
            todo="predict them one by one, or into two folders",
        )
    return [Outputs(out / f"{name}.nii.gz") for name in names]


def _refuse_overwriting(inputs: Sequence[Path], places: Sequence[Outputs]) -> None:
    kept = {path.resolve() for path in inputs}
    lost = [path for place in places for path in place.all if path.resolve() in kept]
    if lost:
        raise UserError(
            "A prediction would overwrite a file that it is made from.",
            file=lost[0],
            todo="choose another -o",
        )


def _write(
    prediction: Prediction, scan: Path, place: Outputs, models: Sequence[Model], *, ct: Path, wanted: Wanted
) -> None:
    """Everything beside the label first: where the label is, everything is."""
    if prediction.agreement is not None:
        write_image(prediction.agreement, place.beside(".agreement.nii.gz"))
    if wanted.rtstruct:
        write_rtstruct(prediction.label, scan, place.beside(".rtstruct.dcm"), structures=prediction.structures)
    if wanted.preview:
        draw_preview(prediction, read_image(scan), place.beside(".png"), title=stem_of(place.label))
    if wanted.as_json:
        provenance.write_json(place.beside(".json"), record_of(prediction, models, ct=ct))
    write_image(prediction.label, place.label)


def draw_preview(prediction: Prediction, ct: sitk.Image, path: Path, *, title: str) -> None:
    """Three planes of the scan around what was found, with contours and volumes; the warnings."""
    start, size = _around(prediction.label)
    shown, label = (sitk.RegionOfInterest(image, size, start) for image in (ct, prediction.label))
    notes = [(f"{name}: {found['volume_ml']:.1f} ml", "black") for name, found in prediction.measures.items()]
    notes += [(warning, "#D55E00") for warning in prediction.warnings]
    values = {name: number for number, name in enumerate(prediction.structures, 1)}
    draw_case(path, title=f"{title}: prediction", notes=notes, ct=shown, label=label, values=values)


def _around(label: sitk.Image) -> tuple[list[int], list[int]]:
    """Start and size (x, y, z) in voxels of what is labelled and `MARGIN_MM` around it; the whole where nothing is."""
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(label > 0)
    box = shapes.GetBoundingBox(1) if shapes.HasLabel(1) else (0, 0, 0, *label.GetSize())
    margins = [round(MARGIN_MM / spacing) for spacing in label.GetSpacing()]
    sides = zip(box[:3], box[3:], margins, label.GetSize(), strict=True)
    ends = [(max(0, start - margin), min(whole, start + size + margin)) for start, size, margin, whole in sides]
    return [start for start, _ in ends], [end - start for start, end in ends]


def record_of(prediction: Prediction, models: Sequence[Model], *, ct: Path) -> dict[str, Any]:
    """What `--json` writes: structures with their measures, warnings, facts of the scan, models, versions."""
    told = ("arm", "variant", "scenario", "n", "replicate", "sha256")
    return {
        "ct": str(ct),
        "structures": prediction.measures,
        "warnings": prediction.warnings,
        "facts": prediction.facts,
        "models": [{"file": str(model.path), **{name: model.header.get(name) for name in told}} for model in models],
        "versions": provenance.versions("globalmask", "torch", "SimpleITK", "antspyx"),
    }
