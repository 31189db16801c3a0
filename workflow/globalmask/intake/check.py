"""Look at every case before any work, and tell all faults at once (issue 2 item 2, DESIGN.md 4).

`check_case` never stops for a fault of the data: it writes what it found, with a picture, so that
one broken case does not hide the next. `check_cohort` gathers the cases and stops the run if one of
them has a fault.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import SimpleITK as sitk

from globalmask.errors import UserError, raise_all
from globalmask.imaging.images import read_image
from globalmask.intake import label_faults, volume_faults
from globalmask.intake.check_picture import draw_case
from globalmask.intake.nifti_faults import nifti_faults
from globalmask.intake.table import nearest
from globalmask.provenance import sha256, write_json, write_text

FEW_FOR_OUTLIERS = 5
OUTLIER_FACTOR = 5
COLUMNS = (
    "case",
    "verdict",
    "faults",
    "warnings",
    "size_zyx",
    "spacing_mm",
    "orientation",
    "hu_range",
)


@dataclass
class Findings:
    """What is known of one case while it is looked at."""

    case: str
    faults: list[UserError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    broken_grid: bool = False
    """A grid is wrong by itself: comparing it with another would tell the same fault twice."""

    def add(self, faults: Sequence[UserError], file: object) -> None:
        """Add faults, each with its case and file."""
        for fault in faults:
            fault.fields["case"] = self.case
            fault.fields["file"] = fault.fields["file"] or file
        self.faults += faults


def check_case(
    *,
    case: str,
    ct: str | Path | None,
    label: str | Path,
    mask: str | Path | None = None,
    values: Mapping[str, int],
    needs_ct: bool,
    out_json: str | Path,
    out_png: str | Path,
    ignored_values: Sequence[int] = (),
    images: bool = True,
) -> None:
    """Look at one case and write `out_json` and a picture; a fault of the data is written, never
    raised.

    `values` maps structure to label value; `ignored_values` may be in the label and mean nothing.
    The JSON has `case`, `faults` (list of `what file found expected todo`), `warnings` (sentences)
    and `facts` (`ct`, `label`, `mask`: grid, HU range, structures with ml, SHA-256). Nothing else
    is taken from headers. Without `images` the picture holds words alone.
    """
    findings = Findings(case)
    if ct is None and needs_ct:
        findings.add([_no_ct()], None)
    ct_image = _check_ct(ct, findings) if ct is not None else None
    label_image = _check_label(label, findings, values, ignored_values, ct_image)
    if mask is not None:
        reference = ct_image if ct_image is not None else label_image
        _check_mask(mask, findings, reference, "CT" if ct_image is not None else "label")
    write_json(out_json, _as_json(findings))
    draw_case(
        out_png,
        title=f"{case}: {_verdict_words(findings)}",
        notes=_notes(findings),
        ct=ct_image if images else None,
        label=label_image if images else None,
        values=values,
    )


def check_cohort(
    *,
    jsons: Sequence[str | Path],
    arm: str,
    counts: tuple[int, int, int] | None,
    out_tsv: str | Path,
) -> None:
    """Gather the checked cases of an arm into a table, one row a case.

    `counts` = (train, validation, test), or None where the split is not a matter of numbers. Raises
    one UserError with every fault of every case, after writing the table as `check.failed.tsv`
    beside `out_tsv`.
    """
    out_tsv = Path(out_tsv)
    cases = sorted(
        (json.loads(Path(path).read_text("utf-8")) for path in jsons),
        key=lambda about: about["case"],
    )
    cohort = _same_voxels(cases)
    _add_outliers(cases)
    faults = [_from_json(about["case"], fault) for about in cases for fault in about["faults"]] + cohort
    if counts is not None and sum(counts) > len(cases):
        faults.append(_too_few(arm, len(cases), counts))
    failed = out_tsv.with_name(out_tsv.stem + ".failed.tsv")
    write_text(failed if faults else out_tsv, _table(cases))
    if not faults:
        failed.unlink(missing_ok=True)
    raise_all(faults)


def _no_ct() -> UserError:
    return UserError(
        "The case has no CT.",
        found="an empty field 'ct' in the case table",
        expected="a CT: a scenario or the mask recipe of this arm reads it",
        todo="Name the CT in the case table, or use only scenario 'mask' with recipe 'file'.",
    )


def _missing(path: Path, name: str) -> UserError:
    return UserError(
        f"The {name} file does not exist.",
        found=nearest(path.absolute()),
        todo="Correct the path in the case table, or put the file there.",
    )


def _read(path: str | Path, findings: Findings, name: str) -> sitk.Image | None:
    """The volume, or None after noting why not; its grid is looked at and recorded."""
    if not Path(path).exists():
        findings.add([_missing(Path(path), name)], path)
        return None
    try:
        image = read_image(path, case=findings.case)
    except UserError as error:
        findings.add([error], path)
        return None
    mended, numbers = nifti_faults(path, name)
    grid = mended or volume_faults.geometry_faults(image, name)
    findings.add(grid + numbers, path)
    findings.broken_grid |= bool(grid)
    findings.facts[name.lower()] = volume_faults.geometry_facts(image) | {
        "sha256": sha256(Path(path)),
        "voxels_sha256": _voxels_sha256(sitk.GetArrayViewFromImage(image)),
    }
    return image


def _check_ct(path: str | Path, findings: Findings) -> sitk.Image | None:
    image = _read(path, findings, "CT")
    if image is None:
        return None
    voxels = sitk.GetArrayViewFromImage(image)
    faults = volume_faults.intensity_faults(voxels)
    findings.add(faults, path)
    findings.facts["ct"]["hu"] = volume_faults.intensity_facts(voxels)
    findings.warnings += volume_faults.geometry_warnings(image)
    if not faults:
        findings.warnings += volume_faults.intensity_warnings(voxels)
    return image


def _check_label(
    path: str | Path,
    findings: Findings,
    values: Mapping[str, int],
    ignored: Sequence[int],
    ct: sitk.Image | None,
) -> sitk.Image | None:
    image = _read(path, findings, "label")
    if image is None:
        return None
    if ct is not None and not findings.broken_grid:
        findings.add(volume_faults.grid_faults(image, ct, name="label", other="CT"), path)
        _record_difference(findings, "label", volume_faults.grid_difference(image, ct))
    voxels = sitk.GetArrayViewFromImage(image)
    fractions = label_faults.whole_number_faults(voxels, "label")
    findings.add(fractions, path)
    if fractions:
        return image
    whole = voxels if voxels.dtype.kind in "iu" else np.round(voxels).astype(np.int64)
    facts = label_faults.label_facts(image, whole, values, ignored)
    findings.facts["label"] |= facts
    findings.add(label_faults.label_faults(facts), path)
    findings.warnings += label_faults.label_warnings(facts)
    return image


def _check_mask(path: str | Path, findings: Findings, reference: sitk.Image | None, other: str) -> None:
    image = _read(path, findings, "mask")
    if image is None:
        return
    if reference is not None and not findings.broken_grid:
        findings.add(volume_faults.grid_faults(image, reference, name="mask", other=other), path)
        _record_difference(findings, "mask", volume_faults.grid_difference(image, reference))
    inside = sitk.GetArrayViewFromImage(image) != 0
    share = float(inside.mean())
    findings.facts["mask"]["ml"] = round(inside.sum() * float(np.prod(image.GetSpacing())) / 1000, 3)
    if share in (0.0, 1.0):
        findings.add(
            [
                UserError(
                    f"The mask is {'empty' if share == 0 else 'full'}.",
                    found=f"{share:.0%} of the voxels are not 0",
                    expected="0 outside and another number inside",
                    todo="Export the mask again, or leave the field 'mask' empty.",
                )
            ],
            path,
        )


def _record_difference(findings: Findings, name: str, away_mm: float) -> None:
    if math.isfinite(away_mm):
        findings.facts[name]["grid_difference_mm"] = round(away_mm, 5)


def _voxels_sha256(voxels: np.ndarray) -> str:
    """SHA-256 of shape and values, whatever number type and compression they are stored with."""
    digest = hashlib.sha256(repr(voxels.shape).encode())
    for plane in voxels:
        digest.update(np.ascontiguousarray(plane, dtype=np.float32).tobytes())
    return digest.hexdigest()


def _as_json(findings: Findings) -> dict[str, Any]:
    faults = []
    for fault in findings.faults:
        fields = {name: None if value is None else str(value) for name, value in fault.fields.items()}
        fields["todo"] = fields.pop("what to do")
        del fields["case"]
        faults.append({"what": fault.what, **fields})
    return {
        "case": findings.case,
        "faults": faults,
        "warnings": findings.warnings,
        "facts": findings.facts,
    }


def _from_json(case: str, fault: Mapping[str, Any]) -> UserError:
    return UserError(
        fault["what"],
        case=case,
        file=fault["file"],
        found=fault["found"],
        expected=fault["expected"],
        todo=fault["todo"],
    )


def _verdict_words(findings: Findings) -> str:
    if findings.faults:
        return f"{len(findings.faults)} fault{'s' * (len(findings.faults) > 1)}"
    if findings.warnings:
        return f"usable, {len(findings.warnings)} warning{'s' * (len(findings.warnings) > 1)}"
    return "in order"


def _notes(findings: Findings) -> list[tuple[str, str]]:
    """Lines for the picture: faults, warnings, then the facts a reader wants to see."""
    notes = []
    for fault in findings.faults:
        found = fault.fields["found"]
        notes.append((f"FAULT  {fault.what}" + (f"  Found: {found}" if found else ""), "#B00020"))
    notes += [(f"WARNING  {text}", "#8A5A00") for text in findings.warnings]
    facts = findings.facts.get("ct") or findings.facts.get("label")
    if facts:
        size = " x ".join(map(str, facts["size_zyx"]))
        spacing = " x ".join(f"{side:.3g}" for side in facts["spacing_mm"])
        text = f"{size} voxels (z, y, x), {spacing} mm, axes {facts['orientation']}"
        text += f", tilt {facts['tilt_degrees']:.1f} degrees"
        if facts.get("hu"):
            text += f", {facts['hu']['min']:g} to {facts['hu']['max']:g} HU"
        notes.append((text, "black"))
    structures = findings.facts.get("label", {}).get("structures", {})
    if structures:
        parts = [f"{name} {about['ml']:.3g} ml" for name, about in structures.items()]
        notes.append((", ".join(parts), "black"))
    return notes


def _same_voxels(cases: Sequence[Mapping[str, Any]]) -> list[UserError]:
    """Faults for CTs (or labels, where there is no CT) with the same voxels under two ids."""
    first: dict[str, str] = {}
    faults = []
    for about in cases:
        name = "ct" if "ct" in about["facts"] else "label"
        digest = about["facts"].get(name, {}).get("voxels_sha256")
        if digest is None:
            continue
        if digest in first:
            faults.append(
                UserError(
                    f"The {'CT' if name == 'ct' else name} of two cases has the same voxels.",
                    case=f"{first[digest]} and {about['case']}",
                    found=f"SHA-256 {digest[:16]}… twice",
                    expected="every patient once: a copy in two roles would leak",
                    todo="Put a '#' before one of them in the case table.",
                )
            )
        first.setdefault(digest, about["case"])
    return faults


def _add_outliers(cases: Sequence[dict[str, Any]]) -> None:
    """Warn of structures whose volume is far from that of the other cases."""
    volumes: dict[str, dict[str, float]] = {}
    for about in cases:
        for name, facts in about["facts"].get("label", {}).get("structures", {}).items():
            if facts["voxels"]:
                volumes.setdefault(name, {})[about["case"]] = facts["ml"]
    for name, of_case in volumes.items():
        usual = median(of_case.values())
        if len(of_case) < FEW_FOR_OUTLIERS:
            continue
        for about in cases:
            ml = of_case.get(about["case"], usual)
            if not usual / OUTLIER_FACTOR <= ml <= usual * OUTLIER_FACTOR:
                about["warnings"].append(f"The structure '{name}' has {ml:.3g} ml; the arm's median is {usual:.3g} ml.")


def _too_few(arm: str, n_cases: int, counts: tuple[int, int, int]) -> UserError:
    return UserError(
        f"Arm '{arm}' has too few cases for its split.",
        found=f"{n_cases} cases",
        expected=f"{counts[0]} train + {counts[1]} validation + {counts[2]} test = {sum(counts)}",
        todo="Add cases, or write `split: auto`.",
    )


def _table(cases: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(n for c in cases for n in c["facts"].get("label", {}).get("structures", {})))
    rows = [[*COLUMNS, *(f"{name}_ml" for name in names)]]
    for about in cases:
        facts = about["facts"].get("ct") or about["facts"].get("label") or {}
        hu = facts.get("hu") or {}
        structures = about["facts"].get("label", {}).get("structures", {})
        rows.append(
            [
                about["case"],
                "fault" if about["faults"] else "warning" if about["warnings"] else "ok",
                "; ".join(fault["what"] for fault in about["faults"]),
                "; ".join(about["warnings"]),
                " ".join(map(str, facts.get("size_zyx", []))),
                " ".join(f"{side:g}" for side in facts.get("spacing_mm", [])),
                facts.get("orientation", ""),
                f"{hu['min']:g} to {hu['max']:g}" if hu else "",
                *(f"{structures[name]['ml']:g}" if name in structures else "" for name in names),
            ]
        )
    return "".join("\t".join(" ".join(cell.split()) for cell in row) + "\n" for row in rows)
