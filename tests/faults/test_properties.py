"""Thousands of grids, tables and configs that nobody would write: right results, or our own error and no other."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from any_grid import angles, grids
from globalmask import config
from globalmask.errors import UserError
from globalmask.imaging.geometry import cut, inverse, paste, resample, scan_grid, sub_grid
from globalmask.intake.cases import CASE_ID, COLUMNS, read_cases
from globalmask.intake.split_table import read_split_table
from globalmask.prepare.grid import return_to_native

shifts_mm = st.tuples(*[st.floats(-30, 30)] * 3)
small_grids = grids(smallest=2, largest=4, spacings_mm=(0.7, 2.0))


def many(examples: int) -> settings:
    slack = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=examples, deadline=None, suppress_health_check=slack)


def any_labels(grid: sitk.Image, seed: int, classes: int = 3) -> sitk.Image:
    """A class at random in every voxel: nothing smooth, so that one wrong voxel is seen."""
    label = np.random.default_rng(seed).integers(0, classes, grid.GetSize()[::-1]).astype(np.uint8)
    image = sitk.GetImageFromArray(label)
    image.CopyInformation(grid)
    return image


def moved_grid(scan: sitk.Image, move: sitk.Transform, spacing_mm: float) -> sitk.Image:
    """A fine grid around the scan where `move` maps it to the scan: points of the grid to points of the scan."""
    back = inverse(move)
    corners = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    ends = np.array(scan.GetSize())
    points = [scan.TransformContinuousIndexToPhysicalPoint((np.array(c) * ends - 0.5).tolist()) for c in corners]
    places = np.array([back.TransformPoint(point) for point in points])
    low, high = places.min(axis=0) - spacing_mm, places.max(axis=0) + spacing_mm
    grid = sitk.Image([int(np.ceil(extent / spacing_mm)) + 1 for extent in high - low], sitk.sitkUInt8)
    grid.SetSpacing([spacing_mm] * 3)
    grid.SetOrigin(low.tolist())
    return grid


@many(400)
@given(small_grids, angles, shifts_mm, st.integers(0, 2**32 - 1))
def test_labels_resampled_there_and_back_are_the_same(scan, turn, shift, seed) -> None:
    """Fine voxels are half a coarse one wide, so the one nearest to a coarse voxel's centre lies inside that voxel."""
    label = any_labels(scan, seed)
    move = sitk.Euler3DTransform((0, 0, 0), *np.radians(turn).tolist(), shift)
    fine = moved_grid(scan, move, 0.5 * min(scan.GetSpacing()))
    there = resample(label, fine, transform=move, interpolation="nearest", outside=0)
    back = resample(there, scan, transform=inverse(move), interpolation="nearest", outside=0)
    assert np.array_equal(sitk.GetArrayViewFromImage(back), sitk.GetArrayViewFromImage(label))


@many(150)
@given(small_grids, angles, shifts_mm, st.integers(0, 2**32 - 1))
def test_predictions_return_to_the_scan_whatever_its_axes(scan, turn, shift, seed) -> None:
    """All eight fine voxels about a coarse centre lie inside that voxel, so linear chances decide as it did."""
    label = any_labels(scan, seed)
    move = sitk.Euler3DTransform((0, 0, 0), *np.radians(turn).tolist(), shift)
    fine = moved_grid(scan, move, 0.25 * min(scan.GetSpacing()))
    there = sitk.GetArrayFromImage(resample(label, fine, transform=move, interpolation="nearest", outside=0))
    native = return_to_native(np.stack([there == c for c in range(3)]).astype(np.float32), fine, scan, move)
    assert native.GetPixelID() == sitk.sitkUInt8
    assert native.GetDirection() == scan.GetDirection()
    assert np.array_equal(sitk.GetArrayViewFromImage(native), sitk.GetArrayViewFromImage(label))


@many(300)
@given(grids(smallest=1, largest=6), st.tuples(*[st.integers(-9, 9)] * 3), st.tuples(*[st.integers(1, 7)] * 3))
def test_a_crop_lies_where_it_was_cut(scan, offset, size) -> None:
    """Resampling onto the crop's grid and cutting the array are one thing, for boxes that reach over the border too."""
    label = any_labels(scan, 0, classes=5)
    array = sitk.GetArrayFromImage(label)
    box = cut(array, offset_zyx=offset, size_zyx=size, fill=0)
    part = sub_grid(scan, offset_zyx=offset, size_zyx=size)
    assert np.array_equal(box, sitk.GetArrayViewFromImage(resample(label, part, interpolation="nearest", outside=0)))
    again = cut(paste(box, offset_zyx=offset, shape_zyx=array.shape), offset_zyx=offset, size_zyx=size, fill=0)
    assert np.array_equal(again, box)


@many(150)
@given(grids(smallest=1, largest=6), st.floats(0.5, 6.0))
def test_every_scan_fits_into_its_even_grid(scan, spacing_mm) -> None:
    grid = scan_grid(scan, spacing_mm=spacing_mm)
    whole = resample(sitk.Image(scan.GetSize(), sitk.sitkUInt8) + 1, grid, interpolation="nearest", outside=0)
    assert grid.GetSpacing() == pytest.approx([spacing_mm] * 3)
    assert all(size >= 1 for size in whole.GetSize())
    corner = [-0.5, -0.5, -0.5]
    for end in (corner, [size - 0.5 for size in scan.GetSize()]):
        index = grid.TransformPhysicalPointToContinuousIndex(scan.TransformContinuousIndexToPhysicalPoint(end))
        assert all(-0.51 <= i <= n - 0.49 for i, n in zip(index, grid.GetSize(), strict=True))


cells = st.one_of(
    st.sampled_from(["a", "b", "A", "x.nii", "y.nii", "train", "test", "", " ", "..", "/", '"', "#", "~", "~root"]),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
)
columns = st.lists(st.one_of(st.sampled_from(COLUMNS), cells), min_size=1, max_size=8)


@many(1500)
@given(columns, st.lists(st.lists(cells, max_size=9), max_size=5), st.sampled_from(["\n", "\r\n", "\r", "\n\n"]))
def test_a_case_table_is_read_or_refused(tmp_path: Path, header, rows, end) -> None:
    for name in ("x.nii", "y.nii"):
        (tmp_path / name).touch()
    table = tmp_path / "cases.tsv"
    for names in (header, ["case", "ct", "label", *header[:3]]):
        table.write_bytes(end.join("\t".join(row) for row in [names, *rows]).encode("utf-8"))
        with contextlib.suppress(UserError):
            found = read_cases(table, data_dir=None)
            assert len({row.case.lower() for row in found}) == len(found) > 0
            assert all(CASE_ID.fullmatch(row.case) and Path(row.label).is_absolute() for row in found)


@many(500)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcd"),
            st.sampled_from(["train", "validation", "test", ""]),
            st.sampled_from(["", "0", "1", "-1", "٣", "x"]),
        ),
        max_size=9,
    ),
    st.one_of(st.none(), st.sampled_from("abz")),
)
def test_a_split_table_is_read_or_refused(tmp_path: Path, rows, template) -> None:
    table = tmp_path / "split.tsv"
    table.write_text("case\trole\tfold\n" + "".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    with contextlib.suppress(UserError):
        split = read_split_table(table, cases=list("abcd"), template_case=template).split(
            fold=0, replicate=0, seed=1, arm="x"
        )
        assert sorted(split.train_order + split.validation + split.test) == list("abcd")


def _places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(place for key, below in inner for place in _places(below, (*way, key)))]


SHIPPED = [
    yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parents[2] / "workflow" / "config").glob("*.yaml"))
    if path.stem != "analysis_plan"
]
PLACES = [(number, place) for number, values in enumerate(SHIPPED) for place in _places(values)[1:]]
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**30), st.floats(), st.text(max_size=8),
    st.sampled_from(["auto", "full", "1e-3", "ct", "file", "union", "learned", "paper", "heart", "../x", "none"]),
)  # fmt: skip
keys = st.one_of(st.sampled_from(["case", "brain", "heart", "full", "train"]), st.text(max_size=5), st.integers(-1, 3))
wild = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=3))


@many(1500)
@given(st.sampled_from(PLACES), wild, st.booleans(), keys)
def test_a_config_is_read_or_refused(place, value, insert, key) -> None:
    """One place of a shipped config replaced, or given one more option, by anything that YAML can say."""
    number, (*way, last) = place
    values = copy.deepcopy(SHIPPED[number])
    section = values
    for part in way:
        section = section[part]
    if insert and isinstance(section, dict):
        section[key] = value
    else:
        section[last] = value
    with contextlib.suppress(UserError):
        config.without_paths(config.load(values), ())


@pytest.mark.parametrize("text", ["a: &a [*a]", "? [1, 2]\n: 3", "{1: 2, null: 3}", "- 1", "", "1e-3"])
def test_yaml_of_any_shape_has_its_keys_looked_at(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    config.refuse_repeated_keys(file)


def test_a_config_that_swells_is_refused_in_a_few_lines(tmp_path: Path) -> None:
    """Nine lists of nine names of the list before: a billion, were it written out."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    file = tmp_path / "config.yaml"
    file.write_text("\n".join(lines) + "\nrun: *a9\n", encoding="utf-8")
    config.refuse_repeated_keys(file)
    with pytest.raises(UserError) as told:
        config.load(yaml.safe_load(file.read_text(encoding="utf-8")))
    assert len(str(told.value)) < 10_000
