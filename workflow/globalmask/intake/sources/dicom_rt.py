"""CT series with RTSTRUCT contours, as a treatment planning system exports them.

Contours are read with pydicom and filled by `contours.fill`. rt-utils 1.2.7 was tried and not taken: it rounds
contour points to pixels and paints the outline too (an analytic sphere of 20 mm radius came out 6.6 % too large, of
10 mm 15 %; here 0.2 % and 0.9 %), wants a reference to the image in every contour, and brings 190 MB of OpenCV.
"""

from __future__ import annotations

import os
import re
import struct
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from globalmask.errors import UserError, in_case, missing_library, raise_all
from globalmask.imaging.images import SLICE_TOLERANCE_MM, image_like, read_image, write_image
from globalmask.intake.sources.bring import Case, Found, Options
from globalmask.intake.sources.contours import ON_SLICE, fill, stack
from globalmask.intake.sources.structures import EXAMPLE, Names, match, merge, missing, read_names

if TYPE_CHECKING:
    import SimpleITK as sitk

CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
OFF_PLANE = 0.1
"""How far, in slices, the points of a contour may lie from a plane of the CT's slices."""
DAMAGED = (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, NotImplementedError, struct.error)
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
    groups = _groups(structs, folder, found.notes)
    for case, drawing in _named(structs, folder):
        try:
            scan = _series_of(drawing, series)
            chosen = _chosen(names, drawing, options)
        except UserError as fault:
            faults += in_case(fault, case, drawing.file)
            continue
        found.cases.append(_case(case, drawing, scan, names, chosen, groups[case], found.notes))
    raise_all(faults)
    return found


def label_of(masks: Mapping[str, np.ndarray], names: Names) -> np.ndarray:
    """The label (z, y, x, uint8) of the named masks."""
    return merge([(value, masks[name]) for name, value in names.values.items() if name in masks])


def _look(folder: Path) -> tuple[dict[str, Series], list[Contours]]:
    """All CT series and RTSTRUCTs below `folder`; other files, DICOM or not, are nobody's fault."""
    dicom = _pydicom()
    slices: dict[tuple[str, str], list[Path]] = {}
    structs = []
    faults = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            header = dicom.dcmread(path, stop_before_pixels=True, specific_tags=HEADER)
            if header.get("Modality") == "CT":
                key = (str(header.get("SeriesInstanceUID", "")), str(header.get("FrameOfReferenceUID", "")))
                slices.setdefault(key, []).append(path)
            elif header.get("Modality") == "RTSTRUCT":
                structs.append(_contours(path, header))
        except dicom.errors.InvalidDicomError:
            continue
        except DAMAGED as error:
            faults.append(_damaged(path, error))
    raise_all(faults)
    return {uid: Series(uid, frame, tuple(files)) for (uid, frame), files in slices.items()}, structs


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(
        "The DICOM file is damaged.",
        file=path,
        found=error,
        todo="Export it again, or take it out of the folder.",
    )


def _pydicom() -> Any:
    try:
        import pydicom
    except ModuleNotFoundError as error:
        raise missing_library(error) from None
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
    """Each RTSTRUCT with a case id: the name of its patient's folder, never the PatientID."""
    names = _folders(structs, folder)
    seen: Counter[str] = Counter()
    for name, drawing in zip(names, structs, strict=True):
        seen[name] += 1
        yield (name if names.count(name) == 1 else f"{name}_{seen[name]}"), drawing


def _groups(structs: Sequence[Contours], folder: Path, notes: list[str]) -> dict[str, str]:
    """Group of each case: the first case of the same PatientID, or of the same folder where that tells nothing."""
    folders = _folders(structs, folder)
    anonymous = len({drawing.patient for drawing in structs}) == 1 and len(set(folders)) > 1
    if anonymous:
        notes.append(
            "All scans carry one PatientID: each folder counts as a patient. Where that is wrong, correct the"
            " column 'group', or scans of one patient train and test."
        )
    first: dict[str, str] = {}
    return {
        case: first.setdefault(name if anonymous or not drawing.patient else f"id {drawing.patient}", case)
        for (case, drawing), name in zip(_named(structs, folder), folders, strict=True)
    }


def _folders(structs: Sequence[Contours], folder: Path) -> list[str]:
    """The patient's folder of each RTSTRUCT: the first below what all of them have in common."""
    parents = {drawing.file.parent for drawing in structs}
    common = Path(os.path.commonpath(parents)) if len(parents) > 1 else folder
    return [_id(drawing.file, common) for drawing in structs]


def _id(file: Path, common: Path) -> str:
    parts = file.relative_to(common).parts
    name = parts[0] if len(parts) > 1 else common.absolute().name
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[:60] or "case"


def _series_of(drawing: Contours, series: Mapping[str, Series]) -> Series:
    """The CT that the contours refer to; where no series is named, the only one in their frame of reference."""
    if drawing.series is not None and drawing.series in series:
        return series[drawing.series]
    same = [one for one in series.values() if one.frame in drawing.frames]
    if drawing.series is None and len(same) == 1:
        return same[0]
    raise UserError(
        "The CT that the contours were drawn on is not there.",
        found=f"{len(series)} CT series, {len(same)} in the contours' frame of reference",
        expected=f"series {drawing.series}" if drawing.series else "one CT series in the contours' frame of reference",
        todo="Export the CT together with its contours, or take the RTSTRUCT out of the folder.",
    )


def _chosen(names: Names, drawing: Contours, options: Options) -> dict[str, str]:
    chosen = match(names.wanted, drawing.names)
    if not options.allow_missing:
        raise_all(missing(names.wanted, chosen, drawing.names))
    if not set(chosen) & set(names.structures):
        raise UserError("None of the structures is in the data.", found=", ".join(drawing.names))
    return chosen


def _names_wanted(structs: Sequence[Contours]) -> UserError:
    counts = Counter(name for drawing in structs for name in set(drawing.names))
    return UserError(
        "Which structures? The data calls them by its own names.",
        found=", ".join(f"{name} ({count} of {len(structs)})" for name, count in counts.most_common()),
        expected="a YAML file that maps your names to those, the most important first",
        todo=f"Write a file such as structures.yaml and give it by --structures:\n{EXAMPLE}",
    )


def _case(
    case: str,
    drawing: Contours,
    scan: Series,
    names: Names,
    chosen: Mapping[str, str],
    group: str,
    notes: list[str],
) -> Case:
    def make(folder: Path) -> dict[str, Path | str]:
        ct = _read_ct(scan, case)
        masks, told = read_masks(drawing.file, chosen, ct)
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
    try:
        contours = _closed_contours(file, set(chosen.values()))
    except DAMAGED as error:
        raise _damaged(file, error) from error
    masks: dict[str, np.ndarray] = {}
    notes = []
    faults = []
    for name, own in chosen.items():
        try:
            masks[name], told = _mask(contours[own], ct)
            notes += [f"'{own}': {note}" for note in told]
        except UserError as fault:
            fault.fields["found"] = f"'{own}': {fault.fields['found']}"
            faults.append(fault)
    raise_all(faults)
    return masks, notes


def _closed_contours(file: Path, names: set[str]) -> dict[str, list[np.ndarray]]:
    """The closed contours (point, xyz in LPS mm) of each name; points and open lines are no volume."""
    drawing = _pydicom().dcmread(file)
    name_of = {int(roi.ROINumber): str(roi.ROIName) for roi in drawing.StructureSetROISequence}
    contours: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for roi in drawing.get("ROIContourSequence", []):
        name = name_of.get(int(roi.ReferencedROINumber))
        if name in names:
            closed = [item for item in roi.get("ContourSequence", []) if item.ContourGeometricType in CLOSED]
            contours[name] += [np.asarray(item.ContourData, float).reshape(-1, 3) for item in closed]
    return contours


def _mask(contours: Sequence[np.ndarray], ct: sitk.Image) -> tuple[np.ndarray, list[str]]:
    """The mask (z, y, x) of contours (point, xyz in LPS mm), and what the user should know of it."""
    columns, rows, slices = ct.GetSize()
    spacing_mm = ct.GetSpacing()[::-1]
    if not contours:
        raise UserError(
            "A structure has no closed contour.",
            found="points, open lines or nothing",
            todo="Draw it, or take its name out of the file of structures.",
        )
    drawn: dict[float, list[np.ndarray]] = {}
    for points in contours:
        index = _indices(points, ct)
        drawn.setdefault(_plane(index[:, 2], spacing_mm[0]), []).append(index[:, :2])
    planes = {place: fill(polygons, (rows, columns)) for place, polygons in drawn.items()}
    volume, made_up = stack(planes, slices=slices, spacing_mm=spacing_mm)
    if not volume.any():
        raise UserError("The contours hold no voxel of the scan.", found=f"{len(contours)} contours")
    beyond = sum(not -0.5 <= place < slices - 0.5 for place in planes)
    notes = [f"{beyond} planes with contours lie outside the scan."] if beyond else []
    return volume, notes + ([f"{len(made_up)} slices without a contour were filled in."] if made_up else [])


def _plane(places: np.ndarray, slice_mm: float) -> float:
    """Where a contour lies, in slices: on one of them, but for the rounding of DICOM's numbers, or between two."""
    if np.ptp(places) > 2 * OFF_PLANE:
        raise UserError(
            "A contour does not lie on a slice of its CT.",
            found=f"it crosses {np.ptp(places):.1f} slices",
            todo="Draw the structure on the slices of this series.",
        )
    place = float(places.mean())
    on_slice = abs(place - round(place)) <= max(ON_SLICE, SLICE_TOLERANCE_MM / slice_mm)
    return float(round(place)) if on_slice else round(place, 1)


def _indices(points: np.ndarray, ct: sitk.Image) -> np.ndarray:
    """Continuous indices (point, xyz) of physical points (point, xyz in LPS mm)."""
    axes = np.array(ct.GetDirection()).reshape(3, 3) * np.array(ct.GetSpacing())
    return np.linalg.solve(axes, (points - np.array(ct.GetOrigin())).T).T
