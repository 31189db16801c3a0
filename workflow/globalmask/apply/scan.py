"""A user's scan, whatever it comes in, as a path that `read_image` takes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import SimpleITK as sitk

from globalmask.errors import UserError

VOLUMES = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")
ARCHIVES = (".zip",)


@contextmanager
def opened(ct: str | Path | sitk.Image) -> Iterator[Path]:
    """The file or DICOM folder of a scan; a zip is unpacked, an image written, for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="globalmask-") as temporary:
        folder = Path(temporary)
        if isinstance(ct, sitk.Image):
            sitk.WriteImage(ct, str(folder / "scan.mha"))
            yield folder / "scan.mha"
        elif Path(ct).name.lower().endswith(ARCHIVES):
            from globalmask.intake.archive import extract

            extract(Path(ct), folder / "unpacked")
            yield volume_in(folder / "unpacked", archive=Path(ct))
        else:
            yield Path(ct)


def volume_in(folder: Path, *, archive: Path) -> Path:
    """The one volume file below `folder`, or the one folder whose files are a DICOM series."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not _hidden(path.relative_to(folder))]
    volumes = [path for path in files if path.name.lower().endswith(VOLUMES)]
    found = volumes or sorted({path.parent for path in files})
    if len(found) != 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found[:5])
        raise UserError(
            "The archive does not hold exactly one scan.",
            file=archive,
            found=f"{len(found)}: {names}" if found else "no file",
            expected="one volume file, or one folder with one DICOM series",
            todo="unpack it and name the scan, or each of the scans",
        )
    return found[0]


def stem_of(ct: Path) -> str:
    """Name of a scan without what tells its format."""
    for suffix in sorted((*VOLUMES, *ARCHIVES), key=len, reverse=True):
        if ct.name.lower().endswith(suffix):
            return ct.name[: -len(suffix)]
    return ct.resolve().name


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)
