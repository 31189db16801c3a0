"""DeepMind's labels of TCIA planning CTs: `{test,validation}/{oncologist,radiographer}/CASE/…`, two readers.

The repository has one file a structure (`segmentations/Orbit-Lt.nrrd`; a few cases spell `Orbit_Lt.nrrd`); label
maps made from it (`CASE_labels.nii.gz`, with the values below) are read too. The readers' maps may be cut
differently out of one lattice: both are brought onto the smallest grid of that lattice that holds them, by
whole voxels. `label` is the oncologist's, `label2` and `mask` the radiographer's (set `mask_values: [1, 4]` for
brain and brain stem as a global mask). The CT is taken where Git LFS fetched it, else its field stays empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from globalmask.errors import UserError, raise_all
from globalmask.imaging.geometry import cut, sub_grid
from globalmask.imaging.images import array_of, image_like, read_image, write_image
from globalmask.intake.sources.bring import Case, Found, LeftOut, Options
from globalmask.intake.sources.catalogue import SOURCES
from globalmask.intake.sources.files import is_lfs_pointer, read_label, unknown_values
from globalmask.intake.sources.structures import merge
from globalmask.intake.volume_faults import grid_faults

READERS = ("oncologist", "radiographer")
VALUES = {"Brainstem": 1, "Orbit-Lt": 2, "Orbit-Rt": 3, "Brain": 4, "Mandible": 5, "Spinal-Canal": 6}
"""Where two masks overlap the first wins."""
NEEDED = ("Brainstem", "Orbit-Lt", "Orbit-Rt", "Brain")
OFF_LATTICE = 0.05
"""How far, in voxels, grids of one lattice may lie from whole steps: headers are written in single precision."""


def find(folder: Path, options: Options) -> Found:
    """Each case that any reader labelled, with the files of both readers."""
    readers: dict[str, dict[str, Path]] = {}
    for reader in READERS:
        # A label map before the files it was made of.
        for path in sorted(folder.rglob(f"{reader}/*"), key=lambda path: (path.is_dir(), path)):
            name = re.fullmatch(r"([A-Za-z0-9-]+)(_labels\.nii\.gz)?", path.name)
            if name and path.is_dir() != bool(name[2]):
                readers.setdefault(name[1], {}).setdefault(reader, path)
    found = Found([], SOURCES["tcia-deepmind"].structures)
    alone = [case for case in sorted(readers) if "radiographer" not in readers[case]]
    if alone:
        found.notes.append(f"{len(alone)} cases have the oncologist's labels alone: no label2 and no mask.")
    without = [case for case in sorted(readers) if _ct(readers[case]) is None]
    if without:
        found.notes.append(f"{len(without)} cases have no CT (Git LFS did not fetch it): the table has their labels.")
    found.cases += [_case(case, readers[case]) for case in sorted(readers)]
    return found


def common_grid(images: Sequence[sitk.Image]) -> tuple[sitk.Image, list[tuple[int, ...]]]:
    """The smallest grid that holds all `images` of one lattice, and where each starts in it, voxels (z, y, x).

    Raises UserError where spacing, direction or origin are not of one lattice.
    """
    first = images[0]
    starts = np.array([_offset(image, first) for image in images])
    ends = starts + np.array([image.GetSize()[::-1] for image in images])
    low = starts.min(axis=0)
    grid = sub_grid(first, offset_zyx=low.tolist(), size_zyx=(ends.max(axis=0) - low).tolist())
    return grid, [tuple(start) for start in (starts - low).tolist()]


def _offset(image: sitk.Image, first: sitk.Image) -> np.ndarray:
    index = np.array(first.TransformPhysicalPointToContinuousIndex(image.GetOrigin()))[::-1]
    same = np.allclose(image.GetSpacing(), first.GetSpacing(), rtol=1e-4) and np.allclose(
        image.GetDirection(), first.GetDirection(), atol=1e-4
    )
    if not same or np.abs(index - np.round(index)).max() > OFF_LATTICE:
        raise UserError(
            "The two readers' labels do not lie on one lattice.",
            found=f"{index.round(2).tolist()} voxels apart (z, y, x), "
            f"spacing {image.GetSpacing()} and {first.GetSpacing()}",
            expected="the same spacing and direction, whole voxels apart",
        )
    return np.round(index).astype(int)


def _case(case: str, readers: Mapping[str, Path]) -> Case:
    def make(folder: Path) -> dict[str, Path | str]:
        if READERS[0] not in readers:
            raise LeftOut("the oncologist did not label it")
        maps = [_map(readers[reader]) for reader in READERS if reader in readers]
        ct = _ct(readers)
        grid, starts = common_grid(maps + ([read_image(ct)] if ct else []))
        folder.mkdir()
        files = {name: folder / f"{name}.nii.gz" for name, _ in zip(("label", "label2"), maps, strict=False)}
        for image, start, file in zip(maps, starts, files.values(), strict=False):
            back = [-step for step in start]
            voxels = cut(array_of(image), offset_zyx=back, size_zyx=grid.GetSize()[::-1], fill=0)
            write_image(image_like(voxels, grid), file)
        group = re.sub(r"(?<=\d)[a-z]$", "", case)
        both = {"mask": files["label2"]} if "label2" in files else {}
        return {**files, **both, **({"ct": ct} if ct else {}), "group": group}

    return Case(case, make)


def _ct(readers: Mapping[str, Path]) -> Path | None:
    for path in readers.values():
        ct = path / "CT_IMAGE.nrrd"
        if ct.exists() and not is_lfs_pointer(ct):
            return ct
    return None


def _map(path: Path) -> sitk.Image:
    """One reader's label of a case, uint8: a label map as it is, or made of the files of the structures."""
    if path.is_file():
        image, voxels = read_label(path)
        unknown_values(voxels, set(VALUES.values()), path)
        return image_like(voxels.astype(np.uint8), image)
    files = {name: _file_of(path / "segmentations", name) for name in VALUES}
    lost = [name for name in NEEDED if files[name] is None]
    if lost:
        raise UserError("Files of structures are missing.", file=path / "segmentations", found=f"no {', '.join(lost)}")
    images = {name: read_image(file) for name, file in files.items() if file}
    grid = images[NEEDED[0]]
    raise_all(
        [fault for name, image in images.items() for fault in grid_faults(image, grid, name=name, other=NEEDED[0])]
    )
    return image_like(merge([(VALUES[name], array_of(image) > 0) for name, image in images.items()]), grid)


def _file_of(folder: Path, name: str) -> Path | None:
    for spelling in (name, name.replace("-", "_")):
        if (folder / f"{spelling}.nrrd").exists():
            return folder / f"{spelling}.nrrd"
    return None
