"""Structures that come in pairs, told by their names alone."""

from __future__ import annotations

import re
from collections.abc import Sequence


def side_pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Names of structures that differ only in left and right (or l and r), as (left, right)."""
    mirror = {"left": "right", "l": "r"}
    pairs = []
    for name in names:
        parts = re.split(r"(_)", name)
        for number, part in enumerate(parts):
            if part.lower() in mirror:
                other = "".join([*parts[:number], mirror[part.lower()], *parts[number + 1 :]])
                pairs += [(name, found) for found in names if found.lower() == other.lower()]
    return pairs


def mirror_partners(names: Sequence[str]) -> dict[str, str]:
    """For each name that has one, the name of the same structure on the other side."""
    return {name: other for pair in side_pairs(names) for name, other in (pair, pair[::-1])}
