"""The user's names for structures, matched to the names in the data, and masks merged into one label.

The names are a YAML file. Their order gives the label values (1, 2, …) and decides overlaps: the first wins.

    structures:
      brain_stem: [Brainstem, BrainStem_]
      left_eye: [Eye-Lt, Orbit-Lt]
    mask: [BODY, External]
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from globalmask.errors import UserError, raise_all

EXAMPLE = "structures:\n  brain_stem: [Brainstem, Brain Stem]\n  left_eye: [Orbit-Lt, Eye_L]\nmask: [BODY, External]"


@dataclass(frozen=True)
class Names:
    """What each structure, and the supplied mask, may be called in the data."""

    structures: Mapping[str, Sequence[str]]
    mask: Sequence[str] = ()

    @property
    def values(self) -> dict[str, int]:
        """Label value of each structure: 1, 2, … in the user's order."""
        return {name: value for value, name in enumerate(self.structures, 1)}

    @property
    def wanted(self) -> dict[str, Sequence[str]]:
        """All that is looked for in a case; the mask under the name `mask`."""
        return {**self.structures, **({"mask": self.mask} if self.mask else {})}


def read_names(file: Path) -> Names:
    """Read the YAML file; one UserError tells all that is wrong with it."""
    import yaml

    try:
        given = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError("The file of structures cannot be read.", file=file, found=error) from error
    faults = list(_faults(given))
    raise_all([_in_file(fault, file) for fault in faults])
    mask = given.get("mask") or []
    return Names({name: tuple(said) for name, said in given["structures"].items()}, tuple(mask))


def match(wanted: Mapping[str, Sequence[str]], present: Iterable[str]) -> dict[str, str]:
    """For each wanted structure the one name in `present` that is one of its names.

    Capitals, spaces, `_`, `-` and `.` make no difference, unless two names in the data differ in them
    alone. A structure that is not there is left out (see `missing`). Raises UserError for one that is
    there twice, and for one name that two structures ask for.
    """
    present = list(present)
    found: dict[str, str] = {}
    faults = []
    for structure, names in wanted.items():
        hits = [name for name in present if name in names] or [
            name for name in present if _plain(name) in {_plain(own) for own in names}
        ]
        if len(hits) > 1:
            faults.append(
                UserError(
                    f"The structure '{structure}' is there {len(hits)} times.",
                    found=", ".join(hits),
                    todo="Name the right one alone in the file of structures, spelt as in the data.",
                )
            )
        elif hits and hits[0] in found.values():
            faults.append(UserError("Two structures have one name in the data.", found=hits[0]))
        elif hits:
            found[structure] = hits[0]
    raise_all(faults)
    return found


def missing(wanted: Mapping[str, Sequence[str]], found: Mapping[str, str], present: Iterable[str]) -> list[UserError]:
    """A fault for each wanted structure that was not found, with the names that come near."""
    present = list(present)
    faults = []
    for structure in (name for name in wanted if name not in found):
        near = _near([*wanted[structure], structure], present)
        hint = f"Did you mean {' or '.join(map(repr, near))}? Add it" if near else "Add its name"
        faults.append(
            UserError(
                f"The structure '{structure}' is not in the data.",
                found=", ".join(sorted(present)) or "no structure",
                expected=" or ".join(wanted[structure]),
                todo=f"{hint} to the file of structures, take the case away, or take what is there by --allow-missing.",
            )
        )
    return faults


def merge(masks: Sequence[tuple[int, np.ndarray]]) -> np.ndarray:
    """One label (z, y, x, uint8) from (value, mask) pairs; where two overlap the first wins."""
    label = np.zeros(masks[0][1].shape, np.uint8)
    for value, inside in reversed(masks):
        label[inside] = value
    return label


def _near(names: Sequence[str], present: Sequence[str]) -> list[str]:
    """At most three names in the data that come near to one of `names`, the nearest first."""

    def likeness(name: str) -> float:
        return max(difflib.SequenceMatcher(None, _plain(own), _plain(name)).ratio() for own in names)

    return sorted((name for name in present if likeness(name) >= 0.6), key=likeness, reverse=True)[:3]


def _plain(name: str) -> str:
    return re.sub(r"[\s_.-]", "", name).lower()


def _in_file(fault: UserError, file: Path) -> UserError:
    fault.fields["file"] = file
    fault.fields["what to do"] = fault.fields["what to do"] or f"Write it like this:\n{EXAMPLE}"
    return fault


def _faults(given: Any) -> Iterable[UserError]:
    if not isinstance(given, dict) or not isinstance(given.get("structures"), dict) or not given["structures"]:
        yield UserError(
            "The file of structures names no structure.", expected="structures: {name: [names in the data]}"
        )
        return
    for key in set(given) - {"structures", "mask"}:
        near = difflib.get_close_matches(str(key), ("structures", "mask"), n=1)
        yield UserError("Unknown key.", found=key, todo=f"Did you mean '{near[0]}'?" if near else None)
    lists = {**given["structures"], **({"mask": given["mask"]} if "mask" in given else {})}
    for name, names in lists.items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,39}", str(name)):
            yield UserError("The name of a structure cannot be used.", found=name, expected="letters, digits and '_'")
        if not isinstance(names, list) or not names or not all(isinstance(one, str) for one in names):
            yield UserError(f"'{name}' has no list of names.", found=names, expected="[name, other name]")
