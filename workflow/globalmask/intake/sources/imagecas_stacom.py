"""ImageCAS CTs (`12.img.nii.gz`) with the whole-heart labels of STACOM 2025 (`segmentations/12.nii.gz`).

The labels were computed by a network and not drawn by hand, so they are no measure of truth. Scans 90 and 141
have none. A label's file name is the scan's number, with or without `.label` or `.img` behind it; ImageCAS's own
`12.label.nii.gz` (coronary arteries, 0 and 1) is told from it by its folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from globalmask.intake.sources.bring import Case, Found, Options
from globalmask.intake.sources.catalogue import SOURCES
from globalmask.intake.sources.files import matching, read_label, unknown_values

IMAGE = r"(\d+)\.img\.nii\.gz"
LABEL = r"(\d+)(?:\.img|\.label)?\.nii\.gz"


def find(folder: Path, options: Options) -> Found:
    """Each CT whose number has a label in a folder `segmentations`."""
    source = SOURCES["imagecas-stacom"]
    known = {*source.structures.values(), *source.ignored_values}
    labels = {hit[1]: path for path, hit in matching(folder, LABEL) if path.parent.name == "segmentations"}
    images = {hit[1]: path for path, hit in matching(folder, IMAGE) if path.parent.name != "segmentations"}
    both = sorted(set(images) & set(labels), key=int)
    found = Found([_case(number, images[number], labels[number], known) for number in both], source.structures)
    alone = {"CTs have no label": set(images) - set(labels), "labels have no CT": set(labels) - set(images)}
    for what, numbers in alone.items():
        if numbers:
            some = ", ".join(sorted(numbers, key=int)[:8])
            found.notes.append(f"{len(numbers)} {what} and are not in the table ({some}).")
    return found


def _case(number: str, ct: Path, label: Path, known: set[int]) -> Case:
    def make(folder: Path) -> Mapping[str, Path | str]:
        unknown_values(read_label(label)[1], known, label)
        return {"ct": ct, "label": label}

    return Case(f"imagecas_{int(number):04d}", make)
