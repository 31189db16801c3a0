"""DeepMind's labels of TCIA CTs: the real label maps of two readers, the real single files, and both layouts made."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import yaml

from globalmask.config import load
from globalmask.errors import UserError
from globalmask.intake.cohort import Cohort
from globalmask.intake.sources.tcia_deepmind import VALUES, common_grid
from imports import blocks, rows, voxels, write

READERS = ("oncologist", "radiographer")


def at_places(image, *, up_to=99):
    """Every voxel of values 1 to `up_to` as (x, y, z in mm, value), in the order of the array."""
    array = sitk.GetArrayFromImage(image)
    index = np.argwhere((array > 0) & (array <= up_to))
    axes = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    return np.column_stack([index[:, ::-1] @ axes.T + image.GetOrigin(), array[tuple(index.T)]])


def grid_of(path):
    image = sitk.ReadImage(path)
    return image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()


@pytest.mark.real
def test_two_readers_on_one_grid_and_no_voxel_moved(real_data, tmp_path, bring_in):
    """The real label maps, cut differently for each reader; two of them are scans of one patient."""
    cases = dict.fromkeys(("0522c0727a", "0522c0727b"), "validation")
    for case, part in cases.items():
        for reader in READERS:
            target = tmp_path / "data" / part / reader / f"{case}_labels.nii.gz"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to((real_data / "deepmind_tcia_labels" / part / reader / target.name).resolve())
    done = bring_in("tcia-deepmind", tmp_path / "data")
    found = rows(done)
    assert list(found) == sorted(cases)
    for case, row in found.items():
        assert row.ct is None
        assert row.mask == row.label2
        assert grid_of(row.label) == grid_of(row.label2)
        for reader, path in zip(READERS, (row.label, row.label2), strict=True):
            source = tmp_path / "data" / cases[case] / reader / f"{case}_labels.nii.gz"
            one, other = at_places(sitk.ReadImage(path)), at_places(sitk.ReadImage(str(source)))
            assert np.allclose(one, other, atol=1e-3)
    assert found["0522c0727a"].group == found["0522c0727b"].group == "0522c0727"
    assert "2 cases have no CT" in done.notes[0]


@pytest.mark.real
def test_the_single_files_give_the_label_map_that_was_made_of_them(real_data, tmp_path, bring_in):
    """0522c0659 spells Orbit_Lt with an underscore."""
    case = "0522c0659"
    source = real_data / "deepmind_tcia_labels"
    folder = tmp_path / "data" / "test" / "oncologist"
    folder.mkdir(parents=True)
    (folder / case).symlink_to((source / "original_nrrd" / "test" / "oncologist" / case).resolve())
    done = bring_in("tcia-deepmind", tmp_path / "data")
    row = rows(done)[case]
    assert row.label2 is None and row.mask is None
    derived = source / "test" / "oncologist" / f"{case}_labels.nii.gz"
    # The stored originals hold four of the structures; none of them overlaps another.
    one, other = at_places(sitk.ReadImage(row.label)), at_places(sitk.ReadImage(str(derived)), up_to=4)
    assert np.allclose(one, other, atol=1e-3)
    assert set(one[:, 3]) == {1, 2, 3, 4}


@pytest.fixture
def cloned(tmp_path):
    """The repository's layout: one file a structure, `_` in one case, Git LFS's pointer as a CT."""
    for case, mark in (("0522c0001", "-"), ("0522c0659", "_")):
        for reader in READERS:
            folder = tmp_path / "data" / "nrrds" / "test" / reader / case
            for number, name in enumerate(VALUES):
                mask = (blocks(*range(1, 7)) == number + 1).astype(np.uint8)
                write(mask, folder / "segmentations" / f"{name.replace('-', mark)}.nrrd")
            write(blocks(*range(1, 7)), folder / "segmentations" / "Lens-Lt.nrrd")
            (folder / "CT_IMAGE.nrrd").write_text("version https://git-lfs.github.com/spec/v1\n", encoding="utf-8")
    return tmp_path / "data"


def test_the_layout_of_the_repository(cloned, bring_in):
    found = rows(bring_in("tcia-deepmind", cloned))
    assert list(found) == ["0522c0001", "0522c0659"]
    for row in found.values():
        assert np.array_equal(voxels(row.label), blocks(*range(1, 7)))
        assert np.array_equal(voxels(row.label2), blocks(*range(1, 7)))
        assert row.ct is None


def test_a_fetched_ct_gives_its_grid(cloned, bring_in):
    case = cloned / "nrrds" / "test" / "radiographer" / "0522c0001"
    ct = write(np.full((9, 8, 7), 40, np.int16), case / "CT_IMAGE.nrrd", origin=(-1.0, -2.0, 0.0))
    row = rows(bring_in("tcia-deepmind", cloned))["0522c0001"]
    assert row.ct == str(ct)
    assert grid_of(row.label) == grid_of(row.ct)
    assert np.array_equal(voxels(row.label)[:8, 2:7, 1:], blocks(*range(1, 7)))


def test_missing_files_of_all_cases_are_told(cloned, refused):
    for case, name in (("0522c0001", "Orbit-Lt"), ("0522c0659", "Brain")):
        (cloned / "nrrds" / "test" / "oncologist" / case / "segmentations" / f"{name}.nrrd").unlink()
    told = refused("tcia-deepmind", cloned)
    assert "2 faults" in told
    assert "no Orbit-Lt" in told and "no Brain" in told


def test_a_case_of_the_radiographer_alone_is_left_out(cloned, bring_in):
    (cloned / "nrrds" / "test" / "oncologist" / "0522c0001").rename(cloned / "elsewhere")
    done = bring_in("tcia-deepmind", cloned)
    assert list(rows(done)) == ["0522c0659"]
    assert any("the oncologist did not label it: 1 (0522c0001)" in note for note in done.notes)


def volume(size, origin, spacing=(1.0, 1.0, 2.5)):
    image = sitk.Image(size, sitk.sitkUInt8)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    return image


def test_the_smallest_grid_of_both_by_hand():
    one, two = volume((4, 5, 6), (10.0, 20.0, 30.0)), volume((3, 9, 2), (12.0, 18.0, 27.5))
    grid, starts = common_grid([one, two])
    assert grid.GetOrigin() == (10.0, 18.0, 27.5)
    assert grid.GetSize() == (5, 9, 7)
    assert starts == [(1, 2, 0), (0, 0, 2)]


@pytest.mark.parametrize(
    "other", [volume((4, 5, 6), (10.4, 20.0, 30.0)), volume((4, 5, 6), (10.0, 20.0, 30.0), (1.0, 1.0, 2.0))]
)
def test_grids_of_two_lattices_are_refused(other):
    with pytest.raises(UserError, match="not lie on one lattice"):
        common_grid([volume((4, 5, 6), (10.0, 20.0, 30.0)), other])


@pytest.mark.real
def test_the_config_of_two_readers_fits_the_35_cases(real_data, tmp_path, repository):
    """readers.yaml needs no CT, tests every case once in its five folds, and keeps scans of a patient together."""
    files = (real_data / "deepmind_tcia_labels").glob("*/oncologist/*_labels.nii.gz")
    names = sorted(path.name.removesuffix("_labels.nii.gz") for path in files)
    lines = ["case\tct\tlabel\tmask\tgroup\tlabel2"]
    for name in names:
        for kind in ("label", "label2"):
            (tmp_path / f"{name}_{kind}.nii.gz").touch()
        group = name.rstrip("ab") if name.startswith("0522c0727") else name
        lines.append(f"{name}\t\t{name}_label.nii.gz\t{name}_label2.nii.gz\t{group}\t{name}_label2.nii.gz")
    (tmp_path / "cases.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    values = yaml.safe_load((repository / "workflow" / "config" / "readers.yaml").read_text(encoding="utf-8"))
    values["arms"]["readers"]["cases"] = str(tmp_path / "cases.tsv")
    cohort = Cohort.of(load(values), "readers")
    cohort.check()
    tested = [cohort.split(replicate).test for replicate in range(5)]
    assert len(names) == 35
    assert sorted(case for block in tested for case in block) == names
    assert all(("0522c0727a" in block) == ("0522c0727b" in block) for block in tested)
