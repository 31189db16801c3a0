"""Archives as an attacker would make them."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

NAMES = {
    "climbs": "../evil",
    "climbs within": "set/../../evil",
    "absolute": "/tmp/evil",
    "drive": "C:evil",
    "backslash": "..\\evil",
    "control character": "set/evil\n",
}
"""Names of entries that lead out of the folder, here or on another system."""


def zipped(path: Path, files: Mapping[str, bytes], *, mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            about = zipfile.ZipInfo(name)
            about.compress_type = zipfile.ZIP_DEFLATED
            about.external_attr = mode << 16
            out.writestr(about, content)
    return path


def tarred(path: Path, files: Mapping[str, bytes], **fields: object) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as out:
        for name, content in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            for field, value in fields.items():
                setattr(about, field, value)
            out.addfile(about, io.BytesIO(content))
    return path


def zip_with_link(path: Path) -> Path:
    return zipped(path, {"set/link": b"../../etc/passwd"}, mode=stat.S_IFLNK | 0o777)


def tar_with_link(path: Path) -> Path:
    return tarred(path, {"set/link": b""}, type=tarfile.SYMTYPE, linkname="../../etc/passwd")
