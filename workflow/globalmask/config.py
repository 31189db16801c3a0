"""The configuration: every option with its type, unit, default and the section of the paper it comes from.

Models are frozen and closed; `load` tells every fault at once, each with the nearest valid key.
Imported when the Snakefile is parsed, so nothing heavy is imported here.
"""

from __future__ import annotations

import difflib
import math
import reprlib
import typing
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    create_model,
    model_validator,
)

from globalmask.errors import UserError, raise_all

RESERVED_VARIANTS = ("raw", "check", "splits", "template", "prepared", "coarse", "masks", "shifted", "floors")
RESERVED_ARMS = ("tables", "figures", "sheets", "checkpoints")

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=40)]
Scenario = Literal["ct", "mask", "ct_mask", "ct_coords", "ct_cut", "ct_wrongmask"]
Recipe = Literal["threshold", "unfilled", "learned", "file", "union"]
Shift = Literal[
    "offset_up", "offset_down", "scale_up", "scale_down", "gamma_up", "gamma_down",
    "inversion", "noise", "blur", "bias_field", "streaks",
]  # fmt: skip
Scenarios = Annotated[tuple[Scenario, ...], Field(min_length=1)]
Names = Annotated[tuple[Name, ...], Field(min_length=1)]
Replicates = dict[Annotated[int, Field(ge=1)] | Literal["full"], Annotated[int, Field(ge=1)]]
Sizes = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Grid(Section):
    """The box that the network sees (paper 2.3: 1.5 mm, 128 x 128 x 128)."""

    spacing_mm: float = Field(1.5, gt=0, le=20)
    size_voxels: int = Field(128, ge=32, multiple_of=16)


class Registration(Section):
    """Registration of every case to one template head (paper 2.2)."""

    template: str = Field(description="a CT file, or the id of a case that then trains in every fold")
    template_is: Literal["patient", "public", "average"] = Field(
        "patient", description="a template travels in a model only when it is public or an average of patients"
    )
    transform: Literal["rigid", "affine"] = "rigid"
    box_offset_mm: tuple[float, float, float] = Field(
        (0.0, 0.0, 0.0),
        description="from the centre of the template's head mask: superior, posterior, left",
    )
    least_overlap: float = Field(0.75, ge=0, le=1, description="head-mask Dice under which a registration failed")


class MaskSettings(Section):
    """How a case's global binary mask is made (paper 2.2), and whose labels it may use."""

    recipe: Recipe
    labels: Literal["full", "budget"] = "full"


class Phantom(Section):
    """Embedded synthetic cohort instead of a case table."""

    anatomy: Literal["head", "heart", "free", "fixed"] = Field(
        description="free, fixed: bodies whose structures are independent of the silhouette, or a function of it"
    )
    cases: int = Field(ge=3, le=999)

    @property
    def knows_its_mask(self) -> bool:
        """Whether the phantom writes its silhouette beside CT and label, for recipe `file`."""
        return self.anatomy in ("free", "fixed")


class SplitCounts(Section):
    train: int = Field(ge=1)
    validation: int = Field(ge=1)
    test: int = Field(ge=1)


class TrainSettings(Section):
    """What a training needs to know; the presets below give the values."""

    channels: int = Field(32, ge=2, multiple_of=2, description="of the first block; doubled after every pooling")
    activation: Literal["sigmoid", "leaky_relu"] = "sigmoid"
    norm: Literal["batch", "instance"] = "batch"
    dropout: float = Field(0.2, ge=0, lt=1)
    output: Literal["softmax", "sigmoid"] = Field("softmax", description="structures exclusive, or each by itself")
    loss: Literal["dice", "dice_ce"] = "dice"
    learning_rate: float = Field(1.0e-4, gt=0)
    schedule: Literal["constant", "one_cycle"] = "constant"
    augmentation: bool = False
    precision: Literal["fp32", "bf16"] = "fp32"
    max_steps: int = Field(30_000, ge=1, description="optimiser steps")
    validate_every: int = Field(250, ge=1, description="optimiser steps between validations")
    patience_steps: int | None = Field(5_000, ge=1, description="stop after so many without a better Dice or loss")


PRESETS: dict[str, TrainSettings] = {
    "paper": TrainSettings(),
    "modern": TrainSettings(
        activation="leaky_relu",
        norm="instance",
        dropout=0.0,
        loss="dice_ce",
        learning_rate=3.0e-3,
        schedule="one_cycle",
        augmentation=True,
        precision="bf16",
        max_steps=10_000,
        validate_every=250,
        patience_steps=None,
    ),
}


_OVERRIDES: dict[str, Any] = {
    name: (Annotated[field.annotation, Field(description=field.description), *field.metadata] | None, None)
    for name, field in TrainSettings.model_fields.items()
}
TrainOverrides = create_model("TrainOverrides", __base__=Section, **_OVERRIDES)


def resolve(preset: str, overrides: BaseModel) -> TrainSettings:
    """The preset's values with the config's single overrides in their place."""
    return TrainSettings(**PRESETS[preset].model_dump() | overrides.model_dump(exclude_unset=True))


class MaskNetwork(Section):
    """The whole-organ U-Net of recipe `learned`: coarse grid, fixed steps, last weights (paper 2.2)."""

    grid: Grid = Grid(spacing_mm=3.0, size_voxels=128)
    crossfit_folds: int = Field(5, ge=2, description="networks for the training cases' own masks")
    preset: Literal["paper", "modern"] = "paper"
    train: TrainOverrides = TrainOverrides()

    @property
    def settings(self) -> TrainSettings:
        return resolve(self.preset, self.train)


class Arm(Section):
    """One data set with its structures."""

    data: Literal["real", "synthetic"] = "real"
    cases: str | None = Field(None, description="case table (TSV): case, ct, label [, mask, role, group, label2]")
    data_dir: str | None = Field(None, description="folder that paths in the table start from")
    phantom: Phantom | None = None
    structures: dict[Name, int] = Field(min_length=1, description="value of each structure in the label files")
    ignored_values: tuple[int, ...] = Field((), description="label values that count as background")
    mask_values: tuple[int, ...] = Field((), description="inside values of the mask files; all but 0 when empty")
    published: Literal["brain", "heart"] | None = Field(None, description="the paper's data set to print beside")
    floors: bool = Field(False, description="also score what needs no learning: label atlas, resampling, two readers")
    split: SplitCounts | Literal["auto"] = "auto"
    split_table: str | None = Field(None, description="the user's own table: case, role [, fold, order]")
    folds: int = Field(1, ge=1)
    sizes: Sizes | Literal["auto"] = "auto"
    clip_hu: tuple[float, float] = (-200.0, 200.0)
    grid: Grid = Grid()
    registration: Registration | None = None
    mask: MaskSettings
    mask_network: MaskNetwork = MaskNetwork()

    @model_validator(mode="after")
    def _consistent(self) -> Arm:
        faults = list(self._faults())
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        if (self.cases is None) == (self.phantom is None):
            yield "give either 'cases' (a table of your scans) or 'phantom' (synthetic scans)"
        if self.phantom and self.data == "real":
            yield "a phantom arm is synthetic: write 'data: synthetic'"
        if len(set(self.structures.values())) < len(self.structures):
            yield "two structures have the same label value"
        if min(self.structures.values(), default=1) < 1:
            yield "label values of structures are 1 or more; 0 is background"
        if self.clip_hu[0] >= self.clip_hu[1]:
            yield "clip_hu is [lower, upper] with lower < upper"
        if self.sizes != "auto":
            if list(self.sizes) != sorted(set(self.sizes)):
                yield "sizes are unique and ascending"
            if isinstance(self.split, SplitCounts) and max(self.sizes) > self.split.train:
                yield f"size {max(self.sizes)} is larger than the {self.split.train} training cases"
        if self.mask.recipe in ("threshold", "unfilled") and self.registration is None:
            yield f"recipe '{self.mask.recipe}' needs 'registration': the head mask is cut in template space"


class Variant(Section):
    """Everything about training and masks that is not the network's input."""

    preset: Literal["paper", "modern"]
    arms: Names | None = Field(None, description="all arms when left out")
    scenarios: Scenarios = ("ct", "mask", "ct_mask")
    replicates: Annotated[Replicates, Field(min_length=1)] | None = Field(
        None, description="training sizes of this variant and the replicates at each; the run's when left out"
    )
    mask: dict[Name, MaskSettings] = Field(default_factory=dict, description="other recipe for an arm")
    oracle: bool = Field(False, description="masks and crops may come from the labels of test cases: recipe 'union'")
    validation: Literal["labels", "none"] = Field(
        "labels", description="none: no validation label is read, max_steps are made, the last weights are kept"
    )
    train: TrainOverrides = TrainOverrides()

    @property
    def settings(self) -> TrainSettings:
        return resolve(self.preset, self.train)


class Robustness(Section):
    """Test CTs under intensity shifts, frozen and remade masks, models as they are (strengths: evidence/shifts.py)."""

    shifts: Annotated[tuple[Shift, ...], Field(min_length=1)] = typing.get_args(Shift)
    sizes: Annotated[tuple[Annotated[int, Field(ge=1)] | Literal["full"], ...], Field(min_length=1)] = ("full",)
    variants: Names | None = Field(None, description="the first variant of each arm when left out")


class Config(Section):
    """One run: `results/{run}/` holds everything that comes from it."""

    run: Name
    seed: int = Field(2022, ge=0)
    replicates: int = Field(1, ge=1, description="each a new subset draw, new weights and the next test fold")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    trainings_per_gpu: int = Field(
        1, ge=1, le=64, description="networks side by side on each GPU of one box, where device is cuda"
    )
    threads: int = Field(1, ge=1, description="threads of one training on the CPU")
    images: Literal["all", "none"] = Field("all", description="none: no picture of a patient is drawn anywhere")
    data_dir: str | None = Field(None, description="the same for all arms that name none")
    arms: dict[Name, Arm] = Field(min_length=1)
    variants: dict[Name, Variant] = Field(min_length=1)
    robustness: Robustness | None = Field(None, description="off when left out")

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        faults = list(self._faults())
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        for name in set(self.arms) & set(RESERVED_ARMS):
            yield f"'{name}' is a folder of every run and cannot name an arm"
        for name, variant in self.variants.items():
            if name in RESERVED_VARIANTS:
                yield f"'{name}' is a folder of every arm and cannot name a variant"
            if len(set(variant.scenarios)) < len(variant.scenarios):
                yield f"variant '{name}' names a scenario twice"
            if max((variant.replicates or {}).values(), default=1) > self.replicates:
                yield f"variant '{name}' asks for more replicates than the {self.replicates} of the run"
            unknown = {*(variant.arms or ()), *variant.mask} - set(self.arms)
            for arm in unknown:
                yield f"variant '{name}' names the arm '{arm}', which is not under 'arms'"
            if not unknown:
                yield from self._label_faults(name)
        for name in set((self.robustness and self.robustness.variants) or ()) - set(self.variants):
            yield f"'robustness' names the variant '{name}', which is not under 'variants'"

    def _label_faults(self, name: str) -> Iterator[str]:
        """Leaks that nobody asked for by name, and settings that need labels the variant does not read."""
        variant = self.variants[name]
        leaking = [arm for arm in self.arms_of(name) if self.mask_of(name, arm).recipe == "union"]
        if leaking and not variant.oracle:
            yield (
                f"variant '{name}' would take masks and crops from the labels of its own test cases (recipe 'union',"
                f" arm '{leaking[0]}'): choose another recipe, or write 'oracle: true' in the variant, whose scores"
                " are then marked as leaking and enter no verdict"
            )
        if variant.oracle and not leaking:
            yield f"variant '{name}' is called an oracle, and none of its arms has the mask recipe 'union'"
        if variant.validation == "none" and variant.train.model_dump()["patience_steps"]:
            yield f"variant '{name}' has 'patience_steps' and no validation to wait for"
        recipes = {self.mask_of(name, arm).recipe for arm in self.arms_of(name)}
        if "ct_wrongmask" in variant.scenarios and "union" in recipes:
            yield f"variant '{name}': 'ct_wrongmask' would show one case the labels of another (recipe 'union')"

    def arms_of(self, variant: str) -> tuple[str, ...]:
        """Names of the arms that a variant trains on, in the config's order."""
        chosen = self.variants[variant].arms
        return tuple(name for name in self.arms if chosen is None or name in chosen)

    def mask_of(self, variant: str, arm: str) -> MaskSettings:
        """The mask recipe of an arm under a variant."""
        return self.variants[variant].mask.get(arm, self.arms[arm].mask)


def read(path: str | Path) -> Config:
    """The config in a YAML file; raises one UserError that tells every fault."""
    import yaml

    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError("The config cannot be read.", file=path, found=error.strerror) from None
    except yaml.YAMLError as error:
        raise UserError("The config is no YAML.", file=path, found=" ".join(str(error).split())) from None
    if not isinstance(values, dict):
        raise UserError("The config has no options.", file=path, expected="'run:', 'arms:', 'variants:' and so on")
    refuse_repeated_keys(path)
    return load(values, file=str(path))


def load(values: Mapping[str, Any], *, file: str = "the config") -> Config:
    """Validate a parsed YAML file; raises one UserError that tells every fault."""
    try:
        return Config.model_validate(dict(values))
    except ValidationError as invalid:
        raise_all([_explain(error, file) for error in _of_the_kind_meant(invalid.errors())])
        raise


def _of_the_kind_meant(errors: Sequence[Any]) -> Iterator[Any]:
    """Errors without those of the other kind where an option is a word (`auto`) or something else."""
    words = {error["loc"][:-1]: error["input"] for error in errors if _of_a_word(error)}
    for error in errors:
        loc = error["loc"]
        option = next((loc[:end] for end in range(len(loc)) if loc[:end] in words), None)
        if option is None:
            yield error
        elif _of_a_word(error) == isinstance(words[option], str):
            yield error | {"loc": option + loc[len(option) + 1 :]}


def _of_a_word(error: Any) -> bool:
    return any(str(part).startswith("literal[") for part in error["loc"][-1:])


SHORT = reprlib.Repr()
SHORT.maxlevel, SHORT.maxstring, SHORT.maxother = 2, 200, 200
LEFT_OUT = "(a path of this machine)"


def without_paths(config: Config, cases: Container[str]) -> dict[str, Any]:
    """The config as plain values for a report that is given away, without paths: they may name patients.

    A template that is one of `cases` stays.
    """
    values = config.model_dump()
    for section in (values, *values["arms"].values()):
        section |= {name: LEFT_OUT for name in ("data_dir", "cases", "split_table") if section.get(name)}
        registration = section.get("registration")
        if registration and registration["template"] not in cases:
            registration["template"] = LEFT_OUT
    return values


EXPECTED = {
    "string_pattern_mismatch": "a letter, then letters, digits or underscores: it names a folder",
    "model_type": "a section of options, each 'name: value'",
    "dict_type": "a section, each line 'name: value'",
}
"""By pydantic's name of an error, where its own words would not help."""


def refuse_repeated_keys(file: str | Path) -> None:
    """Raise UserError where a YAML file has a key twice in one section: a parser keeps the last, in silence."""
    import yaml

    try:
        with open(file, encoding="utf-8") as stream:
            root = yaml.compose(stream, Loader=yaml.SafeLoader)
    except yaml.YAMLError:  # JSON with tabs, say: Snakemake has read it before
        return
    raise_all(list(_repeated_keys(root, str(file), set())))


def _repeated_keys(node: Any, file: str, seen: set[int]) -> Iterator[UserError]:
    if node is None or isinstance(node.value, str) or id(node) in seen:
        return
    seen.add(id(node))  # an alias may name a section many times, or itself
    pairs = node.value if node.id == "mapping" else [(None, item) for item in node.value]
    lines: dict[str, int] = {}
    for key, value in pairs:
        yield from _repeated_keys(value, file, seen)
        if key is None or not isinstance(key.value, str):
            continue
        line = key.start_mark.line + 1
        if key.value in lines:
            yield UserError(
                f"Option '{key.value}' is there twice.",
                file=f"{file}, line {line}",
                found=f"the first in line {lines[key.value]}",
                todo="keep one of the two, or give the second another name",
            )
        lines.setdefault(key.value, line)


def _explain(error: Any, file: str) -> UserError:
    keys = [str(part) for part in error["loc"] if part != "[key]"]
    where = ".".join(keys) or "top level"
    if error["type"] == "extra_forbidden":
        known = sorted(_keys_beside(keys))
        near = difflib.get_close_matches(keys[-1], known, n=1, cutoff=0.5)
        todo = f"write '{near[0]}'" if near else f"use one of: {', '.join(known)}"
        return UserError(f"Unknown option '{where}'.", file=file, found=keys[-1], todo=todo)
    if error["type"] == "missing":
        return UserError(f"Option '{where}' is missing.", file=file, todo=f"add '{keys[-1]}'")
    if error["type"] == "value_error":
        subject = f"Option '{where}'" if keys else "The config"
        return UserError(f"{subject} does not fit: {error['ctx']['error']}.", file=file)
    return UserError(
        f"Option '{where}' does not fit.",
        file=file,
        found=None if isinstance(error["input"], dict) else SHORT.repr(error["input"]),
        expected=EXPECTED.get(error["type"]) or error["msg"].removeprefix("Input should be "),
        todo=_as_number(error["input"]),
    )


def _as_number(text: Any) -> str | None:
    """What to write instead of a number that YAML reads as text: it wants a dot and a sign, 1.0e+3."""
    try:
        number = float(text) if isinstance(text, str) else math.nan
    except ValueError:
        return None
    return f"write {number:g}, which YAML does not read as text" if math.isfinite(number) else None


def _keys_beside(location: list[str]) -> set[str]:
    """Valid keys of the section in which the last part of `location` stands."""
    kinds: list[Any] = [Config]
    for part in location[:-1]:
        below = [kind.model_fields[part].annotation for kind in kinds if part in kind.model_fields]
        kinds = [section for kind in below or kinds for section in _sections_in(kind)]
    return {key for kind in kinds for key in kind.model_fields}


def _sections_in(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [found for part in typing.get_args(annotation) for found in _sections_in(part)]
