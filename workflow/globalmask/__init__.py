"""Do global binary masks help a 3D U-Net when few labelled CTs exist?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import SimpleITK as sitk

    from globalmask.apply.case import Prediction

__version__ = "0.1.0"
__all__ = ["predict"]


def predict(
    ct: str | Path | sitk.Image,
    model: str | Path | Sequence[str | Path],
    *,
    mask: str | Path | None = None,
    template: str | Path | None = None,
    device: str = "auto",
    threads: int = 1,
) -> Prediction:
    """Find a model's structures in one CT, as `globalmask predict` does.

    `ct` is a file (NIfTI, NRRD, MHA), a folder with one DICOM series, a zip of one, or a SimpleITK image in HU.
    `model` is a model file, or several, which then vote voxel by voxel. `mask` is needed where the model's mask recipe
    is `file`, `template` where its template is a patient's scan, which never travels in a model. `device` is auto,
    cpu or cuda; `threads` are those of the CPU.

    Returns a `Prediction`: `label`, a SimpleITK image (uint8, 0 background, i + 1 the i-th of `structures`) on the
    CT's own grid; `agreement`, the share of the models that gave each voxel its label (None for one model);
    `measures`, volume (ml), centroid (LPS, mm) and bounding box (voxels) of each structure; `warnings`, in what the
    scan differs from what the model saw. Raises `globalmask.errors.UserError`.
    """
    from globalmask.apply.case import Request, predict_case
    from globalmask.apply.model import read_models
    from globalmask.apply.scan import opened, stem_of

    models = read_models([model] if isinstance(model, (str, Path)) else model)
    name = stem_of(Path(ct)) if isinstance(ct, (str, Path)) else "scan"
    given = [None if path is None else Path(path) for path in (mask, template)]
    with opened(ct) as scan:
        return predict_case(Request(scan, name, given[0], given[1], device, threads), models)
