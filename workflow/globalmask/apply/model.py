"""A trained model as `predict` uses it: what its header asks of a new scan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from globalmask.config import Grid, Registration
from globalmask.errors import UserError
from globalmask.network.model_file import read_header


@dataclass(frozen=True)
class Model:
    """One model file and its header."""

    path: Path
    header: dict[str, Any]

    @property
    def structures(self) -> list[str]:
        """Names of the structures; the label of the i-th is i + 1."""
        return list(self.header["structures"])

    @property
    def grid(self) -> Grid:
        return Grid(**self.header["grid"])

    @property
    def registration(self) -> Registration | None:
        given = self.header["registration"]
        return Registration(**given) if given else None

    @property
    def recipe(self) -> str:
        """The mask recipe."""
        return str(self.header["mask"]["recipe"])

    @property
    def needs_mask(self) -> bool:
        """Whether the mask decides anything: as an input, or by the place of the box."""
        return self.registration is None or self.header["scenario"] not in ("ct", "ct_coords")

    @property
    def preparation(self) -> str:
        """Equal for models that see a scan on the same grid and template."""
        asked = [self.header["grid"], self.header["registration"], self.header.get("template")]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def read_models(paths: Sequence[str | Path]) -> list[Model]:
    """The models of `paths`; reads headers only.

    Raises UserError for none, a file that is no segmentation model, models of different structures, and models that
    cannot see a new patient: masks from labels (recipe `union`), another patient's mask (`ct_wrongmask`).
    """
    models = [Model(Path(path), read_header(path)) for path in paths]
    if not models:
        raise UserError("No model is given.", todo="name one by --model")
    for model in models:
        _refuse_unfit(model)
        if model.structures != models[0].structures:
            raise UserError(
                "The models know different structures.",
                file=model.path,
                found=", ".join(model.structures),
                expected=", ".join(models[0].structures),
                todo="predict with models of one arm",
            )
    return models


def _refuse_unfit(model: Model) -> None:
    if "structures" not in model.header:
        raise UserError(
            "The model finds a mask, no structures.",
            file=model.path,
            todo="name the model of a cell: results/{run}/{arm}/{variant}/{scenario}/n{n}/r{r}/model.safetensors",
        )
    reason = None
    if model.recipe == "union":
        reason = "recipe 'union': its masks came from the labels"
    elif model.header["scenario"] == "ct_wrongmask":
        reason = "scenario 'ct_wrongmask': it sees another patient's mask"
    if reason:
        raise UserError("The model is a control and cannot see a new patient.", file=model.path, found=reason)
