"""What needs no learning: the floor and the ceilings that a Dice stands between (STATISTICS.md section 6).

`atlas`: every test case gets one and the same map, made of the labels of the cell's own training subset. `resampling`:
the label itself, carried to the prepared grid and back (native), or held against what lies beyond the box (crop).
`readers`: a second reader's label against the first's. `silhouette`: the structures of a phantom that its silhouette
fixes, read off the mask on the network's grid. All are scored by the Dice of `evidence.score`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from globalmask.errors import UserError
from globalmask.evidence import score
from globalmask.imaging.geometry import cut, sub_grid
from globalmask.imaging.images import array_of, read_image, read_transform
from globalmask.intake.phantom_worlds import frame_of, structures_in
from globalmask.masks.quality import lost_shares
from globalmask.masks.record import read_box
from globalmask.prepare.grid import renumber, return_to_native

COLUMNS = ("run", "data", "arm", "method", "n_train", "replicate", "fold", "case", "structure", "space", "dice")
Row = dict[str, Any]


@dataclass(frozen=True)
class Boxed:
    """A volume (uint8, z, y, x) in a case's box, and the empty image of that box."""

    array: np.ndarray
    grid: sitk.Image


@dataclass(frozen=True)
class Truth:
    """The raw label of a test case, its values renamed to 1..C (uint8, z, y, x), and the way to the prepared grid."""

    raw: sitk.Image
    array: np.ndarray
    transform: sitk.Transform | None


def floors(
    *,
    prepared_dir: Path,
    masks_dirs: Mapping[int, Path],
    train_order: Sequence[str],
    raw_labels: Mapping[str, Path],
    second_labels: Mapping[str, Path],
    label_values: Mapping[str, int],
    silhouette_fixes: bool,
    meta: Mapping[str, Any],
    out_path: Path,
    transforms: Mapping[str, Path] | None = None,
) -> None:
    """Write `out_path` (columns: COLUMNS) for the test cases of one arm and replicate, the keys of `raw_labels`.

    `masks_dirs` gives for each training size the masks whose boxes its cells use; the first n cases of `train_order`
    make the atlas of size n; ceilings use the boxes of the largest size. `second_labels` holds the cases that a
    second reader has drawn. `silhouette_fixes`: a phantom of world `fixed`. `transforms` as in `score.score`.
    """
    numbers = {value: number for number, value in enumerate(label_values.values(), 1)}

    def boxed(case: str, n: int) -> Boxed:
        return _boxed(Path(prepared_dir) / case / "label.nii.gz", masks_dirs[n], case)

    atlases = {
        n: label_atlas([boxed(case, n).array for case in train_order[:n]], structures=len(numbers)) for n in masks_dirs
    }
    largest = max(masks_dirs)
    rows: list[Row] = []
    for case, path in raw_labels.items():
        truth = _truth(path, numbers, transforms[case] if transforms else None, case)
        label = boxed(case, largest)
        found: list[Row] = []
        for n, atlas in atlases.items():
            made = _atlas_rows(atlas, boxed(case, n), truth, label_values)
            found += [{"n_train": n, **row} for row in made]
        found += _resampling_rows(label, truth, label_values)
        if case in second_labels:
            second = _second_reader(second_labels[case], truth, numbers, case)
            found += _rows("readers", "native", truth.array, second, label_values)
        if silhouette_fixes:
            mask = _boxed(Path(masks_dirs[largest]) / f"{case}.nii.gz", masks_dirs[largest], case)
            found += _silhouette_rows(mask, label, numbers, label_values)
        rows += [{**meta, "case": case, **row} for row in found]
    score.write_rows(rows, out_path, columns=COLUMNS)


def label_atlas(labels: Sequence[np.ndarray], *, structures: int) -> np.ndarray:
    """One label map (uint8, z, y, x) for every case, from training labels in the box with values 1..`structures`.

    A structure is where at least k of the n labels have it; of all k, the one with the highest mean Dice with these
    labels themselves (the smaller on a tie). Where two structures meet, the more frequent one wins, then the first.
    """
    atlas = np.zeros(labels[0].shape, np.uint8)
    most = np.zeros(labels[0].shape, np.int32)
    for value in range(1, structures + 1):
        present = np.stack([label == value for label in labels])
        counts = present.sum(axis=0, dtype=np.int32)
        wins = (counts >= _best_count(counts, present)) & (counts > most)
        atlas[wins], most[wins] = value, counts[wins]
    return atlas


def gather(*, paths: Sequence[Path], out_path: Path) -> None:
    """Write all rows of `paths`, in that order, under one header."""
    score.gather(score_paths=paths, out_path=out_path, columns=COLUMNS)


def _best_count(counts: np.ndarray, present: np.ndarray) -> int:
    """The k for which `counts >= k` has the highest mean Dice with each of `present` (bool, case, z, y, x)."""
    n = len(present)

    def at_least(values: np.ndarray) -> np.ndarray:
        return np.bincount(values, minlength=n + 1)[::-1].cumsum()[::-1][1:]

    size = at_least(counts.ravel())
    shared = np.array([at_least(counts[here]) for here in present])
    totals = size + np.array([here.sum() for here in present])[:, None]
    means = np.divide(2 * shared, totals, out=np.zeros(totals.shape), where=totals > 0).mean(axis=0)
    return int(means.argmax()) + 1


def _atlas_rows(atlas: np.ndarray, label: Boxed, truth: Truth, structures: Mapping[str, int]) -> Iterator[Row]:
    yield from _rows("atlas", "crop", label.array, atlas, structures)
    yield from _rows("atlas", "native", truth.array, _native(atlas, label, truth, structures), structures)


def _resampling_rows(label: Boxed, truth: Truth, structures: Mapping[str, int]) -> Iterator[Row]:
    lost = lost_shares(truth.raw, label.grid, values=structures, transform=truth.transform)
    for name, share in lost.items():
        kept = float("nan") if share is None else 2 * (1 - share) / (2 - share)
        yield {"method": "resampling", "space": "crop", "structure": name, "dice": kept}
    yield from _rows("resampling", "native", truth.array, _native(label.array, label, truth, structures), structures)


def _silhouette_rows(
    mask: Boxed, label: Boxed, numbers: dict[int, int], structures: Mapping[str, int]
) -> Iterator[Row]:
    frame = frame_of(mask.array > 0, mask.grid.GetSpacing()[::-1])
    known = renumber(structures_in(frame, mask.array.shape, mask.grid.GetSpacing()[::-1]), numbers)
    yield from _rows("silhouette", "crop", label.array, known, structures)


def _rows(
    method: str, space: str, reference: np.ndarray, prediction: np.ndarray, structures: Mapping[str, int]
) -> Iterator[Row]:
    for value, name in enumerate(structures, 1):
        wanted, found = reference == value, prediction == value
        dice = score.dice(int((wanted & found).sum()), int(wanted.sum()), int(found.sum()))
        yield {"method": method, "space": space, "structure": name, "dice": dice}


def _native(array: np.ndarray, box: Boxed, truth: Truth, structures: Mapping[str, int]) -> np.ndarray:
    """A label map of the box on the raw scan's grid, the way predictions go."""
    classes = (array == np.arange(len(structures) + 1).reshape(-1, 1, 1, 1)).astype(np.float32)
    return array_of(return_to_native(classes, box.grid, truth.raw, truth.transform))


def _boxed(path: Path, masks_dir: Path, case: str) -> Boxed:
    image = read_image(path, case=case)
    offset, size = read_box(Path(masks_dir) / f"{case}.json")
    array = cut(array_of(image), offset_zyx=offset, size_zyx=size, fill=0)
    return Boxed(array, sub_grid(image, offset_zyx=offset, size_zyx=size))


def _truth(path: Path, numbers: dict[int, int], transform: Path | None, case: str) -> Truth:
    raw = read_image(path, case=case)
    return Truth(raw, renumber(array_of(raw), numbers), None if transform is None else read_transform(transform))


def _second_reader(path: Path, truth: Truth, numbers: dict[int, int], case: str) -> np.ndarray:
    second = read_image(path, case=case)
    if second.GetSize() != truth.raw.GetSize():
        raise UserError(
            "The second reader's label does not lie on the grid of the first.",
            case=case,
            file=path,
            found=f"{second.GetSize()} voxels (x, y, z)",
            expected=f"{truth.raw.GetSize()}",
            todo="Export it again on the CT's grid, or leave the field 'label2' empty.",
        )
    return renumber(array_of(second), numbers)
