"""What can be wrong with the contents of a label: pure functions on images and arrays.

Faults are collected and not raised, so that a user reads all of them at once (issue 2 item 2,
REQUIREMENTS A-39 and A-41).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk

from globalmask.errors import UserError
from globalmask.intake.sides import side_pairs

WHOLE_TOLERANCE = 1e-4
"""A label scaled by its header may miss whole numbers by the rounding of single precision."""
TINY_VOXELS = 10


def label_facts(
    label: sitk.Image, voxels: np.ndarray, values: Mapping[str, int], ignored: Sequence[int] = ()
) -> dict[str, Any]:
    """For every structure its value, voxels, ml, centre (LPS, mm) and touched borders of the scan.

    `voxels` (z, y, x) holds whole numbers. A structure that is absent has 0 voxels and no centre.
    """
    voxel_ml = float(np.prod(label.GetSpacing())) / 1000
    found, counts = np.unique(voxels, return_counts=True)
    voxels_of = {int(value): int(count) for value, count in zip(found, counts, strict=True)}
    structures = {}
    for name, value in values.items():
        count = voxels_of.get(value, 0)
        place = _place(label, np.equal(voxels, value)) if count else {"centre_lps_mm": None, "touches": []}
        structures[name] = {
            "value": value,
            "voxels": count,
            "ml": round(count * voxel_ml, 4),
        } | place
    known = {0, *values.values(), *ignored}
    return {
        "structures": structures,
        "ignored_ml": {str(v): round(voxels_of[v] * voxel_ml, 4) for v in ignored if v in voxels_of},
        "unknown_ml": {str(v): round(n * voxel_ml, 4) for v, n in voxels_of.items() if v not in known},
    }


def whole_number_faults(voxels: np.ndarray, name: str) -> list[UserError]:
    """A fault when a label holds fractions or NaN; `voxels` (z, y, x)."""
    if voxels.dtype.kind in "iub":
        return []
    with np.errstate(invalid="ignore"):
        broken = ~(np.abs(voxels - np.round(voxels)) <= WHOLE_TOLERANCE)
    count = int(np.count_nonzero(broken))
    if not count:
        return []
    example = ", ".join(f"{value:g}" for value in np.unique(voxels[broken])[:4])
    return [
        UserError(
            f"The {name} has values that are not whole numbers.",
            found=f"{count} voxels, such as {example}",
            expected="one whole number for each structure, 0 outside",
            todo="Export the label without smoothing; resample labels with the nearest neighbour.",
        )
    ]


def label_faults(facts: Mapping[str, Any]) -> list[UserError]:
    """Faults in `label_facts`: empty label, unknown values, missing structures, swapped sides."""
    structures, unknown = facts["structures"], facts["unknown_ml"]
    wanted = {name: about["value"] for name, about in structures.items()}
    faults = [_unknown(unknown, wanted)] if unknown else []
    if not any(about["voxels"] for about in structures.values()):
        empty = UserError(
            "The label is empty.",
            found="none of the structures' values",
            expected=_values_text(wanted),
            todo="Is this the label of this case? If so, correct 'structures' in the config.",
        )
        return faults or [empty]
    faults += [
        UserError(
            f"The structure '{name}' is missing in the label.",
            found=_found_text(structures, unknown),
            expected=f"voxels with the value {about['value']}",
            todo="Add the structure to the label, put a '#' before the case in the table, "
            "or correct 'structures' in the config.",
        )
        for name, about in structures.items()
        if not about["voxels"]
    ]
    return faults + _swapped_sides(structures)


def label_warnings(facts: Mapping[str, Any]) -> list[str]:
    """Odd structures: tiny, or cut by the border of the scan."""
    warnings = []
    for name, about in facts["structures"].items():
        if 0 < about["voxels"] < TINY_VOXELS:
            warnings.append(f"The structure '{name}' has only {about['voxels']} voxels.")
        if about["touches"]:
            sides = ", ".join(about["touches"])
            warnings.append(f"The structure '{name}' touches the border of the scan ({sides}).")
    return warnings


def _place(label: sitk.Image, inside: np.ndarray) -> dict[str, Any]:
    """Centre (LPS, mm) and touched borders of the voxels `inside` (z, y, x), at least one."""
    profiles = [np.asarray(inside.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    ends = [(int(line.argmax()), int(line.size - 1 - line[::-1].argmax())) for line in profiles]
    box = tuple(slice(first, last + 1) for first, last in ends)
    index = [  # in the order of the array, (z, y, x)
        float(where.mean()) + first for where, (first, _) in zip(np.nonzero(inside[box]), ends, strict=True)
    ]
    centre = label.TransformContinuousIndexToPhysicalPoint(index[::-1])
    code = sitk.DICOMOrientImageFilter_GetOrientationFromDirectionCosines(label.GetDirection())
    opposite = dict(zip("LRAPSI", "RLPAIS", strict=True))
    words = {"L": "left", "R": "right", "A": "front", "P": "back", "S": "top", "I": "bottom"}
    touches = []
    for axis, (first, last) in enumerate(ends):
        towards = code[2 - axis]
        touches += [words[opposite[towards]]] if first == 0 else []
        touches += [words[towards]] if last == inside.shape[axis] - 1 else []
    return {"centre_lps_mm": [round(mm, 2) for mm in centre], "touches": touches}


def _values_text(values: Mapping[str, int]) -> str:
    return ", ".join(f"{value} = {name}" for name, value in values.items())


def _found_text(structures: Mapping[str, Any], unknown: Mapping[str, float]) -> str:
    parts = [
        f"{about['value']} ({name}, {about['ml']:.4g} ml)" for name, about in structures.items() if about["voxels"]
    ]
    parts += [f"{value} (unknown, {ml:.4g} ml)" for value, ml in unknown.items()]
    return "values " + ", ".join(parts[:12]) if parts else "no value other than 0"


def _unknown(unknown: Mapping[str, float], wanted: Mapping[str, int]) -> UserError:
    parts = []
    for value, ml in list(unknown.items())[:10]:
        name, near = min(wanted.items(), key=lambda item: abs(item[1] - int(value)))
        parts.append(f"{value} ({ml:.4g} ml; nearest known value {near} = {name})")
    more = f" and {len(unknown) - 10} more values" if len(unknown) > 10 else ""
    return UserError(
        "The label has unknown values.",
        found="; ".join(parts) + more,
        expected=f"0 or {_values_text(wanted)}",
        todo="Correct the label; or add the value to 'structures', or to 'ignored_values' if it means nothing here.",
    )


def _swapped_sides(structures: Mapping[str, Any]) -> list[UserError]:
    faults = []
    for left, right in side_pairs(list(structures)):
        centres = structures[left]["centre_lps_mm"], structures[right]["centre_lps_mm"]
        if None in centres or centres[0][0] > centres[1][0]:
            continue
        away = centres[1][0] - centres[0][0]
        faults.append(
            UserError(
                f"Left and right are swapped: '{left}' lies to the patient's right of '{right}'.",
                found=f"'{left}' {away:.1f} mm further right, by the header's directions",
                expected="the patient's left (not the picture's) at larger x in LPS coordinates",
                todo="Swap the two values, or correct a mirrored header of CT and label.",
            )
        )
    return faults
