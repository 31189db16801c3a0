"""One new scan through the workflow's own stages: registration, grid, mask, network, and back to the scan's grid."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from globalmask.apply.measure import measure
from globalmask.apply.model import Model
from globalmask.apply.vote import majority
from globalmask.config import Grid
from globalmask.errors import UserError
from globalmask.imaging.images import array_of, image_like, read_image
from globalmask.learn import predict as stage
from globalmask.learn.seen import differences, facts_of
from globalmask.learn.template import digest_of_scan, unpack_template
from globalmask.masks.coarse import coarsen_ct
from globalmask.masks.learned import predict_masks
from globalmask.masks.record import write_mask
from globalmask.masks.supplied import file_mask
from globalmask.masks.threshold import make_threshold_mask
from globalmask.prepare.grid import prepare_ct


@dataclass(frozen=True)
class Prediction:
    """What the models say of one scan.

    `label` (uint8, 0 background, i + 1 the i-th of `structures`) and `agreement` (float32, share of the models that
    gave the voxel its label; None for one model) lie on the scan's own grid. `measures` is of `measure`, `facts` of
    `facts_of`; each of `warnings` is one sentence on how the scan differs from what a model saw.
    """

    label: sitk.Image
    agreement: sitk.Image | None
    structures: list[str]
    measures: dict[str, dict[str, Any]]
    facts: dict[str, Any]
    warnings: list[str]


@dataclass(frozen=True)
class Request:
    """One scan (a path that `read_image` takes), its name, and what the models cannot carry."""

    scan: Path
    case: str
    mask: Path | None = None
    template: Path | None = None
    device: str = "auto"
    threads: int = 1


def predict_case(request: Request, models: Sequence[Model]) -> Prediction:
    """Predict one scan; several models vote voxel by voxel.

    Raises UserError for an unreadable scan, a failed registration, and a mask or template that a model needs and
    does not carry.
    """
    natives, warnings, facts = [], [], {}
    with tempfile.TemporaryDirectory(prefix="globalmask-") as temporary:
        for number, model in enumerate(models):
            place = _Place(Path(temporary), request, model, number)
            place.prepare()
            place.make_mask()
            natives.append(place.predict())
            facts = facts_of(place.prepared, request.case)
            warnings += [*differences(model.header["saw"], facts), *place.mask_warnings()]
    label, agreement = natives[0], None
    if len(models) > 1:
        voted, share = majority([array_of(native) for native in natives], len(models[0].structures) + 1)
        label, agreement = image_like(voted, natives[0]), image_like(share, natives[0])
    measures = measure(label, models[0].structures)
    warnings += [f"{name} was not found" for name, found in measures.items() if not found["volume_ml"]]
    return Prediction(label, agreement, models[0].structures, measures, facts, list(dict.fromkeys(warnings)))


class _Place:
    """A model's folder of work for one scan, laid out as an arm of the workflow."""

    def __init__(self, root: Path, request: Request, model: Model, number: int) -> None:
        self.request, self.model, self.case = request, model, request.case
        self.arm = root / model.preparation
        self.prepared = self.arm / "prepared"
        self.masks = self.arm / "masks" / str(number)
        self.native = self.arm / "native" / str(number)
        self.ct = self.prepared / self.case / "ct.nii.gz"
        registered = model.registration is not None
        self.transform = self.prepared / self.case / "to_template.mat" if registered else None

    def prepare(self) -> None:
        """The scan on the prepared grid; once for all models that see it alike."""
        if self.ct.is_file():
            return
        box = None
        registration = self.model.registration
        if registration is not None:
            from globalmask.prepare.register import make_template, register

            template = self.arm / "template"
            make_template(self._template(), template, grid=self.model.grid, registration=registration)
            folder = self.prepared / self.case
            register(self.request.scan, template, folder, registration=registration, case=self.case)
            box = template / "box.json"
        try:
            prepare_ct(
                self.request.scan, self.ct, grid=self.model.grid, template_box=box, transform_path=self.transform
            )
        except UserError as error:
            error.fields |= {"case": self.case, "file": self.request.scan}
            error.fields["what to do"] = "see that it is a CT of the region that the model knows, with a true header"
            raise

    def _template(self) -> Path:
        """The template that travels in the model, or the user's; a wrong one is refused."""
        entry, given = self.model.header["template"], self.request.template
        if given is None and (own := unpack_template(self.model.path, self.arm)):
            return own
        if given is None:
            raise UserError(
                "The model needs its template, which is a patient's scan and does not travel in it.",
                file=self.model.path,
                expected=f"the CT that it was trained with: {entry['name']}",
                todo="name it: --template FILE",
            )
        if digest_of_scan(given) != entry["voxels_sha256"]:
            raise UserError(
                "The template is not the one that the model was trained with.",
                file=given,
                found="other voxels or another grid",
                expected=f"the CT {entry['name']}, as it was in training",
            )
        return given

    def make_mask(self) -> None:
        """The scan's mask by the model's own recipe."""
        recipe, mask = self.model.recipe, self.request.mask
        out = {"out_mask": self.masks / f"{self.case}.nii.gz", "out_json": self.masks / f"{self.case}.json"}
        if mask is not None and recipe != "file":
            raise UserError(
                "The model makes its own mask.",
                file=self.model.path,
                found=f"recipe '{recipe}' and --mask",
                todo="leave out --mask",
            )
        if recipe in ("threshold", "unfilled"):
            make_threshold_mask(
                self.request.scan, self.transform, self.ct, case=self.case, filled=recipe == "threshold", **out
            )
        elif recipe == "learned":
            self._learned_mask()
        elif mask is not None:
            file_mask(
                mask_path=mask,
                prepared_ct_path=self.ct,
                size_voxels=self.model.grid.size_voxels,
                case=self.case,
                registered=self.transform is not None,
                values=self.model.header.get("mask_values", ()),
                transform_path=self.transform,
                **out,
            )
        else:
            self._no_mask(**out)

    def _learned_mask(self) -> None:
        coarse = self.masks / "coarse"
        grid = Grid(**self.model.header["extra_networks"]["mask"]["grid"])
        coarsen_ct(ct_path=self.request.scan, out_ct=coarse / self.case / "ct.nii.gz", grid=grid, case=self.case)
        predict_masks(
            networks={"all": self.model.path},
            parts={self.case: "all"},
            coarse_dir=coarse,
            prepared_dir=self.prepared,
            masks_dir=self.masks,
            size_voxels=self.model.grid.size_voxels,
            device=self.request.device,
            threads=self.request.threads,
            registered=self.transform is not None,
            transforms=None if self.transform is None else {self.case: self.transform},
            stored_as="mask",
        )

    def _no_mask(self, *, out_mask: Path, out_json: Path) -> None:
        if self.model.needs_mask:
            raise UserError(
                "The model needs a mask of the scan, and none is given.",
                case=self.case,
                file=self.model.path,
                found="recipe 'file'",
                todo="name it: --mask FILE, one for each CT",
            )
        prepared = read_image(self.ct, case=self.case)
        empty = np.zeros(prepared.GetSize()[::-1], bool)
        write_mask(
            empty,
            prepared,
            out_mask=out_mask,
            out_json=out_json,
            case=self.case,
            recipe="file",
            size_voxels=self.model.grid.size_voxels,
            fixed_box=True,
        )

    def mask_warnings(self) -> list[str]:
        record = json.loads((self.masks / f"{self.case}.json").read_text(encoding="utf-8"))
        empty = record["status"] != "ok" and self.model.needs_mask
        return ["mask: nothing was found inside it; the network saw the middle of the scan"] if empty else []

    def predict(self) -> sitk.Image:
        """The label on the scan's own grid."""
        stage.predict(
            model_path=self.model.path,
            prepared_dir=self.prepared,
            masks_dir=self.masks,
            raw_cts={self.case: self.request.scan},
            cases=[self.case],
            out_dir=self.native / "prepared",
            native_dir=self.native,
            device=self.request.device,
            threads=self.request.threads,
            transforms=None if self.transform is None else {self.case: self.transform},
        )
        return read_image(self.native / f"{self.case}.nii.gz", case=self.case)
