"""The table of docs/dependencies.md, from pyproject.toml, the lock and what is installed.

`docs/dependencies.tsv` says what each library is for, and the newest release that its registry knew on the day of the
census (`CENSUS`). Sizes are those of the installed files on the machine that runs this.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "dependencies.md"
CENSUS = "2026-11-22"
BLOCK = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.S)
SHORT = {"Apache Software License": "Apache-2.0", "MIT License": "MIT", "BSD License": "BSD"}


def declared() -> dict[str, list[str]]:
    """Names of the direct dependencies of each extra; "" are those of a plain installation."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: [_name(line) for line in lines] for extra, lines in extras.items() if extra != "dev"}


def locked() -> dict[str, str]:
    lines = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8").split()
    return {_key(name): version for name, version in (line.split("==") for line in lines)}


def size_mb(names: Iterable[str]) -> float:
    """Megabytes of the installed files of these distributions."""
    files = [path.locate() for name in names for path in metadata.files(name) or ()]
    return sum(Path(path).stat().st_size for path in files if Path(path).is_file()) / 1e6


def brought(names: Iterable[str]) -> set[str]:
    """These distributions and all that they require, extras left out."""
    found: set[str] = set()
    waiting = [_key(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another system
            continue
        found.add(name)
        waiting += [_key(_name(line)) for line in needed if "extra ==" not in line]
    return found


def licence(name: str) -> str:
    """As the distribution's own metadata says it."""
    about = metadata.metadata(name)
    classes = [line.split(" :: ")[-1] for line in about.get_all("Classifier") or () if line.startswith("License ::")]
    told = about.get("License-Expression") or next(iter(classes), None) or about.get("License") or "not stated"
    told = SHORT.get(told, told)
    return told if len(told) < 40 else f"{told.split(' AND ')[0]} and others"


def table() -> str:
    """One row a direct dependency."""
    with open(REPOSITORY / "docs" / "dependencies.tsv", newline="", encoding="utf-8") as file:
        words = {row["library"]: row for row in csv.DictReader(file, delimiter="\t")}
    pins = locked()
    lines = [
        f"| library | extra | what for | MB | licence | locked | newest, {CENSUS} |",
        "|---|---|---|---:|---|---|---|",
    ]
    for extra, names in declared().items():
        for name in names:
            about = words[name]
            lines.append(
                f"| {name} | {extra} | {about['for']} | {size_mb([name]):.0f} | {licence(name)}"
                f" | {pins[_key(name)]} | {about['newest']} |"
            )
    return "\n".join(lines) + "\n"


def sums() -> str:
    """What a plain installation and each extra take, everything that they bring with them included."""
    extras = declared()
    plain = brought(extras[""])
    lines = ["| installation | distributions | MB | of these torch |", "|---|---:|---:|---:|"]
    torch = size_mb(["torch"])
    for extra, names in extras.items():
        whole = plain | brought(names)
        call = f'`pip install ".[{extra}]"`' if extra else "`pip install .`"
        lines.append(f"| {call} | {len(whole)} | {size_mb(whole):.0f} | {torch:.0f} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """`text` with the blocks between its marks made anew."""
    made = {"table": table, "sums": sums}
    return BLOCK.sub(lambda block: block[1] + made[block[2]]() + block[3], text)


def _name(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0]  # type: ignore[index]


def _key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
