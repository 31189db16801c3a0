"""CT series with RTSTRUCT contours, as a treatment planning system exports them.

Contours are read with pydicom and filled by `contours.fill`. rt-utils 1.2.7 was tried and not taken: it rounds
contour points to pixels and paints the outline too (an analytic sphere of 20 mm radius came out 6.6 % too large, of
10 mm 15 %; here 0.2 % and 0.9 %), wants a reference to the image in every contour, and brings 190 MB of OpenCV.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from globalmask.errors import UserError, raise_all
from globalmask.imaging.images import image_like, read_image, write_image
from globalmask.intake.sources.bring import Case, Found, Options, in_case
from globalmask.intake.sources.contours import fill, stack
from globalmask.intake.sources.structures import EXAMPLE, Names, match, merge, missing, read_names

if TYPE_CHECKING:
    import SimpleITK as sitk

CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
OFF_PLANE = 0.1
"""How far, in slices, the points of a contour may lie from a plane of the CT's slices."""
HEADER = [
    "Modality", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID", "ReferencedFrameOfReferenceSequence",
    "StructureSetROISequence",
]  # fmt: skip


@dataclass(frozen=True)
class Series:
    """The files of one CT series."""

    uid: str
    frame: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Contours:
    """One RTSTRUCT file: whom it belongs to, which CT it was drawn on, and the names of its structures."""

    file: Path
    patient: str
    series: str | None
    frames: tuple[str, ...]
    names: tuple[str, ...]


def find(folder: Path, options: Options) -> Found:
    """Every RTSTRUCT below `folder` with the CT series that it refers to."""
    series, structs = _look(folder)
    if not structs:
        return Found([], {})
    if options.structures is None:
        raise _names_wanted(structs)
    names = read_names(options.structures)
    faults: list[UserError] = []
    found = Found([], names.values)
    groups: dict[str, str] = {}
    for case, struct in _named(structs, folder):
        try:
            scan = _series_of(struct, series)
            chosen = _chosen(names, struct, options)
        except UserError as fault:
            faults += in_case(fault, case, struct.file)
            continue
        group = groups.setdefault(struct.patient, case) if struct.patient else ""
        found.cases.append(_case(case, struct, scan, names, chosen, group, found.notes))
    raise_all(faults)
    return found


def label_of(masks: Mapping[str, np.ndarray], names: Names) -> np.ndarray:
    """The label (z, y, x, uint8) of the named masks."""
    return merge([(value, masks[name]) for name, value in names.values.items() if name in masks])


def _look(folder: Path) -> tuple[dict[str, Series], list[Contours]]:
    dicom = _pydicom()
    slices: dict[tuple[str, str], list[Path]] = {}
    structs = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            header = dicom.dcmread(path, stop_before_pixels=True, specific_tags=HEADER)
        except (dicom.errors.InvalidDicomError, OSError):
            continue
        if header.get("Modality") == "CT":
            key = (str(header.get("SeriesInstanceUID", "")), str(header.get("FrameOfReferenceUID", "")))
            slices.setdefault(key, []).append(path)
        elif header.get("Modality") == "RTSTRUCT":
            structs.append(_contours(path, header))
    return {uid: Series(uid, frame, tuple(files)) for (uid, frame), files in slices.items()}, structs


def _pydicom() -> Any:
    try:
        import pydicom
    except ModuleNotFoundError as error:
        raise UserError(
            "DICOM contours need pydicom, which is not installed.", todo='pip install "globalmask[dicom]"'
        ) from error
    return pydicom


def _contours(path: Path, header: Any) -> Contours:
    frames, series = [], None
    for frame in header.get("ReferencedFrameOfReferenceSequence", []):
        frames.append(str(frame.get("FrameOfReferenceUID", "")))
        for study in frame.get("RTReferencedStudySequence", []):
            for one in study.get("RTReferencedSeriesSequence", []):
                series = series or str(one.get("SeriesInstanceUID", ""))
    names = tuple(str(roi.get("ROIName", "")) for roi in header.get("StructureSetROISequence", []))
    return Contours(path, str(header.get("PatientID", "") or ""), series, tuple(frames), names)


def _named(structs: Sequence[Contours], folder: Path) -> Iterator[tuple[str, Contours]]:
    """Each RTSTRUCT with a case id: the name of its patient's folder, never the PatientID.

    Patients' folders are those that tell the files apart: the first below what all have in common.
    """
    parents = {struct.file.parent for struct in structs}
    common = Path(os.path.commonpath(parents)) if len(parents) > 1 else folder
    names = [_id(struct.file, common) for struct in structs]
    seen: Counter[str] = Counter()
    for name, struct in zip(names, structs, strict=True):
        seen[name] += 1
        yield (name if names.count(name) == 1 else f"{name}_{seen[name]}"), struct


def _id(file: Path, common: Path) -> str:
    parts = file.relative_to(common).parts
    name = parts[0] if len(parts) > 1 else common.absolute().name
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[:60] or "case"


def _series_of(struct: Contours, series: Mapping[str, Series]) -> Series:
    """The CT that the contours refer to; where no series is named, the only one in their frame of reference."""
    if struct.series is not None and struct.series in series:
        return series[struct.series]
    same = [one for one in series.values() if one.frame in struct.frames]
    if struct.series is None and len(same) == 1:
        return same[0]
    raise UserError(
        "The CT that the contours were drawn on is not there.",
        found=f"{len(series)} CT series, {len(same)} in the contours' frame of reference",
        expected=f"series {struct.series}" if struct.series else "one CT series in the contours' frame of reference",
        todo="Export the CT together with its contours, or take the RTSTRUCT out of the folder.",
    )


def _chosen(names: Names, struct: Contours, options: Options) -> dict[str, str]:
    chosen = match(names.wanted, struct.names)
    if not options.allow_missing:
        raise_all(missing(names.wanted, chosen, struct.names))
    if not set(chosen) & set(names.structures):
        raise UserError("None of the structures is in the data.", found=", ".join(struct.names))
    return chosen


def _names_wanted(structs: Sequence[Contours]) -> UserError:
    counts = Counter(name for struct in structs for name in set(struct.names))
    return UserError(
        "Which structures? The data calls them by its own names.",
        found=", ".join(f"{name} ({count} of {len(structs)})" for name, count in counts.most_common()),
        expected="a YAML file that maps your names to those, the most important first",
        todo=f"Write a file such as structures.yaml and give it by --structures:\n{EXAMPLE}",
    )


def _case(
    case: str,
    struct: Contours,
    scan: Series,
    names: Names,
    chosen: Mapping[str, str],
    group: str,
    notes: list[str],
) -> Case:
    def make(folder: Path) -> dict[str, Path | str]:
        ct = _read_ct(scan, case)
        masks, told = read_masks(struct.file, chosen, ct)
        notes.extend(f"{case}: {note}" for note in told)
        folder.mkdir()
        files = {"ct": ct, "label": image_like(label_of(masks, names), ct)}
        if "mask" in masks:
            files["mask"] = image_like(masks["mask"], ct)
        for name, image in files.items():
            write_image(image, folder / f"{name}.nii.gz")
        return {name: folder / f"{name}.nii.gz" for name in files} | {"group": group}

    return Case(case, make)


def _read_ct(scan: Series, case: str) -> sitk.Image:
    """The series as one image; linked into a folder of its own, for the user's may hold other series."""
    with tempfile.TemporaryDirectory() as folder:
        for number, file in enumerate(scan.files):
            (Path(folder) / f"{number:05d}.dcm").symlink_to(file.absolute())
        try:
            return read_image(folder, case=case)
        except UserError as fault:
            fault.fields["file"] = scan.files[0].parent
            raise


def read_masks(file: Path, chosen: Mapping[str, str], ct: sitk.Image) -> tuple[dict[str, np.ndarray], list[str]]:
    """The chosen structures of an RTSTRUCT as masks (z, y, x) on the grid of `ct`, and what was filled in.

    `chosen` maps our names to the file's. Raises one UserError for all structures without a closed contour,
    with contours across the slices, or with no voxel inside the scan.
    """
    struct = _pydicom().dcmread(file)
    numbers = {str(roi.ROIName): int(roi.ROINumber) for roi in struct.StructureSetROISequence}
    rois = {int(roi.ReferencedROINumber): roi for roi in struct.get("ROIContourSequence", [])}
    masks: dict[str, np.ndarray] = {}
    notes = []
    faults = []
    for name, own in chosen.items():
        try:
            masks[name], made_up = _mask(_closed(rois.get(numbers[own])), ct)
            if made_up:
                notes.append(f"{len(made_up)} slices of '{own}' have no contour and were filled in between others.")
        except UserError as fault:
            fault.fields["found"] = f"{own}: {fault.fields['found']}"
            faults.append(fault)
    raise_all(faults)
    return masks, notes


def _closed(roi: Any) -> list[np.ndarray]:
    """The closed contours (point, xyz in LPS mm) of a structure; points and open lines are no volume."""
    items = roi.get("ContourSequence", []) if roi is not None else []
    closed = [item for item in items if item.get("ContourGeometricType") in CLOSED]
    if not closed:
        raise UserError(
            "A structure has no closed contour.",
            found=f"{len(items)} contours, points or lines",
            todo="Draw it, or take its name out of the file of structures.",
        )
    return [np.asarray(item.ContourData, float).reshape(-1, 3) for item in closed]


def _mask(contours: Sequence[np.ndarray], ct: sitk.Image) -> tuple[np.ndarray, list[int]]:
    columns, rows, slices = ct.GetSize()
    drawn: dict[float, list[np.ndarray]] = {}
    for points in contours:
        index = _indices(points, ct)
        if np.ptp(index[:, 2]) > 2 * OFF_PLANE:
            raise UserError(
                "A contour does not lie on a slice of its CT.",
                found=f"it crosses {np.ptp(index[:, 2]):.1f} slices",
                todo="Draw the structure on the slices of this series.",
            )
        drawn.setdefault(round(float(index[:, 2].mean()), 1), []).append(index[:, :2])
    spacing = ct.GetSpacing()
    planes = {place: fill(polygons, (rows, columns)) for place, polygons in drawn.items()}
    volume, made_up = stack(planes, slices=slices, spacing_mm=(spacing[2], spacing[1], spacing[0]))
    if not volume.any():
        raise UserError("The contours hold no voxel of the scan.", found=f"{len(contours)} contours")
    return volume, made_up


def _indices(points: np.ndarray, ct: sitk.Image) -> np.ndarray:
    """Continuous indices (point, xyz) of physical points (point, xyz in LPS mm)."""
    axes = np.array(ct.GetDirection()).reshape(3, 3) * np.array(ct.GetSpacing())
    return np.linalg.solve(axes, (points - np.array(ct.GetOrigin())).T).T
