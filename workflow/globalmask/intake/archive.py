"""Unpacking an archive that somebody else made: nothing of it lands outside its folder.

Every entry is looked at before the first byte is written. Refused are entries that climb out (`..`, absolute
names, drive letters), links and devices, two entries of one name, and sizes that no scan explains.
"""

from __future__ import annotations

import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from globalmask.errors import UserError, raise_all
from globalmask.provenance import atomic_folder

MOST_ENTRIES = 1_000_000
MOST_TIMES_LARGER = 200
"""Unpacked size over packed size of a whole archive: raw CTs give 2 to 4, label maps alone up to about 100."""
NEVER_A_BOMB_BYTES = 1 << 30
MOST_TOLD = 5
BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True)
class Entry:
    """One entry of an archive: `fault` says why it is refused; `read` opens a plain file, None is a folder."""

    name: str
    size: int
    fault: str | None
    read: Callable[[], IO[bytes] | None] | None


def extract(archive: str | Path, folder: str | Path) -> None:
    """Unpack `archive` (zip, or tar plain or compressed) into the new `folder`, whole or not at all.

    Files get the rights of new files, whatever the archive says. Raises UserError when the archive cannot be
    read, an entry is refused, or there is no room.
    """
    archive, folder = Path(archive), Path(folder)
    if folder.exists():
        raise UserError("The folder to unpack into exists already.", file=folder, todo="Name a new folder.")
    try:
        with atomic_folder(folder) as partial, _entries(archive) as entries:
            _refuse_hostile(archive, entries)
            _refuse_bombs(archive, entries, partial)
            for entry in entries:
                _write(entry, partial)
    except BROKEN as error:
        raise _unreadable(archive, str(error) or type(error).__name__) from error


@contextmanager
def _entries(archive: Path) -> Iterator[list[Entry]]:
    if not archive.is_file():
        raise UserError("The archive does not exist.", file=archive)
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            yield [_of_zip(zipped, about) for about in zipped.infolist()]
    else:
        with tarfile.open(archive) as tarred:
            yield [_of_tar(tarred, about) for about in tarred]


def _of_zip(zipped: zipfile.ZipFile, about: zipfile.ZipInfo) -> Entry:
    kind = stat.S_IFMT(about.external_attr >> 16)
    fault = "a link or device" if kind not in (0, stat.S_IFREG, stat.S_IFDIR) else _name_fault(about.orig_filename)
    if about.flag_bits & 1:
        fault = fault or "encrypted"
    return Entry(about.filename, about.file_size, fault, None if about.is_dir() else lambda: zipped.open(about))


def _of_tar(tarred: tarfile.TarFile, about: tarfile.TarInfo) -> Entry:
    fault = "a link or device" if not (about.isreg() or about.isdir()) else _name_fault(about.name)
    return Entry(about.name, about.size, fault, None if about.isdir() else lambda: tarred.extractfile(about))


def _name_fault(name: str) -> str | None:
    if not name.isprintable() or "\\" in name:
        return "a name with a backslash or control character"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "an absolute name"
    return "a name that climbs out of its folder" if ".." in PurePosixPath(name).parts else None


def _refuse_hostile(archive: Path, entries: Sequence[Entry]) -> None:
    refused = [(entry.name, entry.fault) for entry in entries if entry.fault]
    files = [PurePosixPath(entry.name) for entry in entries if entry.read]
    known = set(files)
    parents = {parent for file in files for parent in file.parents}
    refused += [(str(file), "a file and a folder of one name") for file in known & parents]
    if len(known) < len(files):
        refused.append(("", "two files of one name"))
    raise_all(
        [
            UserError(
                "The archive holds what no data set needs, so nothing of it is unpacked.",
                file=archive,
                found=f"{name!r}: {fault}" if name else fault,
                expected="plain files and folders inside the archive's own folder",
                todo="Do not trust this archive: get it again from where it is published.",
            )
            for name, fault in refused[:MOST_TOLD]
        ]
    )


def _refuse_bombs(archive: Path, entries: Sequence[Entry], beside: Path) -> None:
    total, packed = sum(entry.size for entry in entries), archive.stat().st_size
    if len(entries) > MOST_ENTRIES or total > max(NEVER_A_BOMB_BYTES, MOST_TIMES_LARGER * packed):
        raise UserError(
            "The archive would grow beyond all measure, so nothing of it is unpacked.",
            file=archive,
            found=f"{len(entries)} entries, {total} bytes from {packed}",
            expected=f"at most {MOST_ENTRIES} entries, {MOST_TIMES_LARGER} times the size of the archive",
            todo="Do not trust this archive; or unpack it by hand and import the folder.",
        )
    free = shutil.disk_usage(beside).free
    if total > free:
        raise UserError(
            "There is no room to unpack the archive.",
            file=archive,
            found=f"{free} bytes free at {beside.parent}",
            expected=f"{total} bytes",
            todo="Make room, or choose another disk.",
        )


def _write(entry: Entry, folder: Path) -> None:
    path = folder / entry.name
    if entry.read is None:
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = entry.read()
    if stream is None:
        raise ValueError(f"{entry.name} cannot be read")
    with stream, path.open("xb") as out:
        shutil.copyfileobj(stream, out, 1 << 20)


def _unreadable(archive: Path, reason: str) -> UserError:
    return UserError(
        "The archive cannot be read.",
        file=archive,
        found=reason,
        expected="a whole zip or tar file (.zip, .tar, .tar.gz, .tgz, .tar.xz, .tar.bz2), not encrypted",
        todo="Get it again, or unpack it by hand and import the folder.",
    )
