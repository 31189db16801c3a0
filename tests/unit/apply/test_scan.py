"""What a scan comes in: files, folders, archives with one scan in them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

import dicoms
from globalmask.apply.scan import opened, stem_of, volume_in
from globalmask.errors import UserError
from globalmask.imaging.images import array_of, read_image


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["a/ct.nii.gz", "readme.txt"], "a/ct.nii.gz"),
        (["study/series/1.dcm", "study/series/2.dcm"], "study/series"),
        (["IM1", "IM2", "__MACOSX/._IM1", ".DS_Store"], "."),
    ],
)
def test_the_one_scan_of_a_folder(tmp_path, names, found):
    assert volume_in(touch(tmp_path, *names), archive=Path("x.zip")) == tmp_path / found


@pytest.mark.parametrize("names", [["a.nii", "b.nii"], ["one/1.dcm", "two/1.dcm"], []])
def test_none_or_several_scans_are_told(tmp_path, names):
    with pytest.raises(UserError, match="exactly one scan"):
        volume_in(touch(tmp_path, *names), archive=Path("x.zip"))


def test_names_without_formats():
    names = ["a/pt.1.nii.gz", "pt.1.nii", "x.NRRD", "series.zip", "folder.with.dots"]
    assert [stem_of(Path(name)) for name in names] == ["pt.1", "pt.1", "x", "series", "folder.with.dots"]


def test_a_zip_of_a_series_is_the_series(scan, tmp_path):
    series = tmp_path / "series"
    dicoms.write_ct(read_image(scan[0]), series)
    with zipfile.ZipFile(tmp_path / "series.zip", "w") as archive:
        for file in series.iterdir():
            archive.write(file, f"study/{file.name}")
    with opened(tmp_path / "series.zip") as path:
        assert (array_of(read_image(path)) == array_of(read_image(series))).all()
    assert not path.exists()
