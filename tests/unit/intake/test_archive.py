"""Archives unpack whole, and what would land elsewhere, or swell, is refused before the first byte."""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from globalmask.errors import UserError
from globalmask.intake import archive
from globalmask.intake.archive import extract
from hostile_archives import NAMES, tarred, zip_with_link, zipped

FILES = {"set/a/ct.nii": b"ct" * 999, "set/a/label.nii": b"label", "set/Ä b.txt": b""}


@pytest.mark.parametrize(("make", "name"), [(zipped, "d.zip"), (tarred, "d.tar"), (tarred, "d.tar.gz")])
def test_an_archive_unpacks_whole(make, name, tmp_path):
    extract(make(tmp_path / name, FILES | {"empty/": b""} if make is zipped else FILES), tmp_path / "out")
    found = {path.relative_to(tmp_path / "out").as_posix(): path for path in (tmp_path / "out").rglob("*")}
    assert {name: path.read_bytes() for name, path in found.items() if path.is_file()} == FILES
    assert ("empty" in found) == (make is zipped)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "out"])


def test_rights_of_the_archive_are_not_taken(tmp_path):
    extract(tarred(tmp_path / "d.tar", FILES, mode=0o4777, uid=1234), tmp_path / "out")
    about = (tmp_path / "out/set/a/ct.nii").stat()
    assert not about.st_mode & (stat.S_ISUID | stat.S_IXUSR)
    assert about.st_uid == os.getuid()


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("kind", NAMES)
def test_a_name_that_leads_elsewhere_is_refused(kind, make, tmp_path):
    told = refused(make(tmp_path / "d.archive", FILES | {NAMES[kind]: b"evil"}), tmp_path)
    assert "so nothing of it is unpacked" in told
    assert repr(NAMES[kind]) in told


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(kind, tmp_path):
    path = tarred(tmp_path / "d.tar", {"set/link": b""}, type=kind, linkname="../../etc/passwd")
    assert "'set/link': a link or device" in refused(path, tmp_path)


def test_a_link_in_a_zip_is_refused(tmp_path):
    path = zip_with_link(tmp_path / "d.zip")
    assert "'set/link': a link or device" in refused(path, tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as out:
        out.writestr("set/a", b"1")
        out.writestr("set/a", b"2")
    assert "two files of one name" in refused(tmp_path / "d.zip", tmp_path)
    assert "a file and a folder" in refused(tarred(tmp_path / "d.tar", {"set": b"1", "set/a": b"2"}), tmp_path)


def test_what_swells_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "NEVER_A_BOMB_BYTES", 100_000)
    path = zipped(tmp_path / "d.zip", {"zeros": bytes(10_000_000)})
    assert "grow beyond all measure" in refused(path, tmp_path)
    monkeypatch.setattr(archive, "MOST_TIMES_LARGER", 2000)
    extract(path, tmp_path / "out")
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    (tmp_path / "out" / "zeros").unlink()
    (tmp_path / "out").rmdir()
    assert "no room" in refused(path, tmp_path)


def test_a_size_that_lies_is_no_way_round(tmp_path):
    """The header says 10 bytes and 1 MB follows: what is written ends at what was said, and the checksum tells."""
    path = zipped(tmp_path / "d.zip", {"zeros": bytes(1_000_000)})
    raw = path.read_bytes()
    path.write_bytes(raw.replace((1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    assert "cannot be read" in refused(path, tmp_path)


@pytest.mark.parametrize("spoil", ["cut zip", "cut tar", "text", "empty", "encrypted", "missing", "folder is there"])
def test_an_archive_that_cannot_be_read_leaves_nothing(spoil, tmp_path):
    path = tmp_path / "d.archive"
    if spoil == "cut zip":
        path.write_bytes(zipped(path, FILES).read_bytes()[:-40])
    elif spoil == "cut tar":
        path = tarred(tmp_path / "d.tar.gz", {"a": os.urandom(5000)})
        path.write_bytes(path.read_bytes()[:-900])
    elif spoil == "encrypted":
        raw = bytearray(zipped(path, {"a": b"1"}).read_bytes())
        raw[6] |= 1
        raw[raw.index(b"PK\1\2") + 8] |= 1
        path.write_bytes(raw)
    elif spoil != "missing":
        path.write_bytes(b"moved" * 300 if spoil == "text" else b"")
    if spoil == "folder is there":
        (tmp_path / "out").mkdir()
        with pytest.raises(UserError, match="exists already"):
            extract(path, tmp_path / "out")
        return
    assert "archive" in refused(path, tmp_path)


def refused(path: Path, folder: Path) -> str:
    """The block; nothing was written, here or above."""
    (folder / "in").mkdir(exist_ok=True)
    before = sorted(folder.rglob("*"))
    with pytest.raises(UserError) as told:
        extract(path, folder / "in" / "out")
    assert sorted(folder.rglob("*")) == before
    assert not Path("/tmp/evil").exists()
    return str(told.value)
