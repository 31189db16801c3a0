"""Pages of the docs as their reader meets them: code blocks, and commands run in a checkout as they are printed."""

from __future__ import annotations

import re
from pathlib import Path

COMMAND = ""
"""Kind of a block of commands: blocks of commands have no language, other blocks have one."""


def blocks_of(page: str, kind: str) -> list[str]:
    """Text of every code block of a kind, in order."""
    return [text for told, text in re.findall(r"^ *```(\w*)\n(.*?)^ *```", page, re.S | re.M) if told == kind]


def commands_of(page: str) -> list[str]:
    """Every line of the blocks of commands, without comments."""
    lines = [line for block in blocks_of(page, COMMAND) for line in block.replace("\\\n", "").splitlines()]
    told = [re.sub(r"(^|\s)#.*", "", line).strip() for line in lines]
    return [line for line in told if line]


def pages(repository: Path) -> list[Path]:
    """The README and all pages below docs/."""
    return [repository / "README.md", *sorted((repository / "docs").glob("*.md"))]
