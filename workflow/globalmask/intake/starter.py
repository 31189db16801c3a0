"""The first config of a study of one's own: a case table and a commented `config.yaml` in a new folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from globalmask import config
from globalmask.errors import UserError, raise_all
from globalmask.intake.cases import read_cases
from globalmask.intake.sources import folder as pairs
from globalmask.intake.sources.bring import Options, bring
from globalmask.intake.sources.catalogue import source_of
from globalmask.provenance import write_text

RECIPES = ("threshold", "learned", "file")
"""What can make the masks of scans that nobody has prepared; `unfilled` and `union` are for comparisons."""


@dataclass(frozen=True)
class Wishes:
    """What the config says besides the cases. `template` is a case or a file, for recipe `threshold`."""

    arm: str
    structures: Mapping[str, int]
    recipe: str
    template: str | None = None
    trial: bool = False


def start_study(start: Path, to: Path, wishes: Wishes, options: Options) -> Path:
    """Write `to/config.yaml` and, where `start` is a folder of scans, `to/cases.tsv`; return the config.

    `start` may also be a case table, as `globalmask import` writes them; it stays where it is. Raises UserError for
    everything that is amiss, before anything is written; what exists is never overwritten.
    """
    path = to / "config.yaml"
    _refuse(start, path, wishes, options)
    if start.is_file():
        rows = read_cases(start, data_dir=None, required=_required(wishes))
        table, labels = start, {row.case: Path(row.label) for row in rows}
    else:
        table, labels = to / "cases.tsv", _labels(start, options)
    _name_structures(wishes, labels)
    text = _config_text(table, list(labels), wishes)
    if not start.is_file():
        bring(source_of("folder"), start, to, options)
    write_text(path, text)
    return path


def parse_structures(words: Sequence[str]) -> dict[str, int]:
    """`["liver=1", "tumour=2"]` as a mapping; UserError for words of another form."""
    found: dict[str, int] = {}
    faults = []
    for word in words:
        name, _, value = word.partition("=")
        if not value.isascii() or not value.isdigit() or name in found:
            faults.append(UserError("A structure does not fit.", found=word, expected="NAME=VALUE, each name once"))
        else:
            found[name] = int(value)
    raise_all(faults)
    return found


def _refuse(start: Path, path: Path, wishes: Wishes, options: Options) -> None:
    patterns = [name for name in pairs.FIELDS if getattr(options, name)]
    faults = []
    if path.exists():
        todo = "Name a new folder: nothing is overwritten."
        faults.append(UserError("A config is there already.", file=path, todo=todo))
    if start.is_file() and patterns:
        faults.append(UserError("A case table needs no patterns.", file=start, found=f"--{patterns[0]}"))
    if start.is_dir() and "ct" not in patterns:
        todo = "For example --ct 'ct/{case}.nii.gz'."
        faults.append(UserError("Scans in a folder need --ct.", file=start, todo=todo))
    if start.is_dir() and wishes.recipe == "file" and "mask" not in patterns:
        todo = "For example --mask 'masks/{case}.nii.gz'."
        faults.append(UserError("Recipe 'file' needs --mask.", file=start, todo=todo))
    if wishes.template and wishes.recipe != "threshold":
        faults.append(UserError(f"Recipe '{wishes.recipe}' has no template.", found=f"--template {wishes.template}"))
    if not start.exists():
        faults.append(UserError("The data is not there.", file=start, expected="a folder of scans, or a case table"))
    raise_all(faults)


def _required(wishes: Wishes) -> tuple[str, ...]:
    return ("ct", "label", "mask") if wishes.recipe == "file" else ("ct", "label")


def _labels(start: Path, options: Options) -> dict[str, Path]:
    found = pairs.find(start, options)
    if not found.cases:
        raise UserError("No file fits the patterns.", file=start, expected=str(start / str(options.ct)))
    return {case.case: Path(case.make(start)["label"]) for case in found.cases}


def _name_structures(wishes: Wishes, labels: Mapping[str, Path]) -> None:
    """Without --structure, tell the values in the first label: that is what has to be named."""
    if wishes.structures:
        return
    import numpy as np

    from globalmask.intake.sources.files import read_label

    case, path = next(iter(labels.items()))
    values = [int(value) for value in np.unique(read_label(path)[1]) if value]
    raise UserError(
        "The structures have no names yet.",
        case=case,
        file=path,
        found="values " + ", ".join(map(str, values[:20])),
        todo="Name those that count: " + " ".join(f"--structure NAME={value}" for value in values[:3]),
    )


def _config_text(table: Path, cases: Sequence[str], wishes: Wishes) -> str:
    """The config as text; UserError where it would not be valid, or where the template is neither case nor file."""
    template = wishes.template or cases[0]
    if wishes.recipe == "threshold" and template not in cases and not Path(template).is_file():
        raise UserError("The template is neither a case nor a file.", found=template, expected=f"{cases[0]}, or a path")
    scale = _TRIAL if wishes.trial else _FULL
    text = _CONFIG.format(
        arm=wishes.arm,
        table=_quoted(table),
        structures=", ".join(f"{name}: {value}" for name, value in wishes.structures.items()),
        sizes=scale["sizes"],
        grid=scale["grid"],
        mask=_MASKS[wishes.recipe].format(template=_quoted(template), **scale),
        train=scale["train"],
    )
    import yaml

    config.load(yaml.safe_load(text), file="the config that these flags give")
    return "\n".join(map(_aligned, text.splitlines())) + "\n"


def _aligned(line: str) -> str:
    """The line with its comment in one column with the others."""
    option, mark, comment = line.partition(" # ")
    return option.rstrip().ljust(37) + mark + comment if option.strip() and mark else line


def _quoted(text: object) -> str:
    """A YAML string in single quotes."""
    return "'" + str(text).replace("'", "''") + "'"


_CONFIG = """\
# A study of one's own. Every option is checked before any work; config.yaml of the repository explains all of them.

run: {arm} # results go to results/{arm}/, logs to logs/{arm}/
seed: 2022 # everything random is derived from it
replicates: 1 # 3 or more: new subsets and weights each, for intervals that hold
device: auto # auto | cpu | cuda

arms:
  {arm}:
    data: real
    cases: {table}
    structures: {{{structures}}} # values in the label files
    ignored_values: [] # other values in the label files that count as background
    split: auto # or for example {{train: 20, validation: 5, test: 5}}
    sizes: {sizes} # labelled training cases; auto: 1, 2, 4 … all
    clip_hu: [-200, 200] # the CT is cut to this window and scaled to 0..1
    grid: {grid} # the box that the network sees: spacing times size in mm
{mask}
variants:
  modern: # paper: as published; both may stand here
    preset: modern
    scenarios: [ct, mask, ct_mask]{train}
"""

_MASKS = {
    "threshold": """\
    registration: # every CT is brought to one template
      template: {template} # a case, which then always trains, or a CT file
      transform: rigid # rigid | affine
      box_offset_mm: [0, 0, 0] # superior, posterior, left of the template's mask; look at check and registration
    mask: {{recipe: threshold}} # the body: HU over -200, its largest part, holes filled
""",
    "learned": """\
    mask: {{recipe: learned, labels: full}} # a network for all structures together; budget: only the n of the cell
    mask_network:{mask_network}
""",
    "file": """\
    mask: {{recipe: file}} # the column `mask` of the case table
    mask_values: [] # values inside the mask; all but 0 when empty
""",
}
_FULL = {
    "sizes": "auto",
    "grid": "{spacing_mm: 1.5, size_voxels: 128}",
    "mask_network": " {grid: {spacing_mm: 3.0, size_voxels: 128}} # coarse: must hold the whole scan",
    "train": "",
}
_TRIAL = {
    "sizes": "[1, 2]",
    "grid": "{spacing_mm: 6.0, size_voxels: 32}",
    "mask_network": """
      grid: {spacing_mm: 12.0, size_voxels: 32}
      crossfit_folds: 2
      preset: modern
      train: {channels: 4, max_steps: 20, precision: fp32}""",
    "train": """
    # A trial: too small to learn much. Without --trial these numbers are the preset's.
    train: {channels: 4, max_steps: 60, validate_every: 30, precision: fp32}""",
}
