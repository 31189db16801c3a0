"""The rule graph of the README: Snakemake's own graph of the demo, without arrows that follow from others."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "README.md"
BLOCK = re.compile(r"(<!-- rules -->\n).*?(<!-- end of rules -->)", re.S)
Edges = set[tuple[str, str]]


def rule_graph() -> Edges:
    """(rule, rule that needs it) of the demo's jobs; rules made in a loop are one, target rules none."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--rulegraph", "dot", "--configfile", "workflow/config/demo.yaml"],
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    names = dict(re.findall(r'^\s*(\d+)\[label = "(\w+)"', done.stdout, re.M))
    pairs = re.findall(r"^\s*(\d+) -> (\d+)", done.stdout, re.M)
    edges = {(_plain(names[one]), _plain(names[other])) for one, other in pairs}
    return {(one, other) for one, other in edges if other != "all" and one != other}


def reduced(edges: Edges) -> Edges:
    """The arrows that no longer way replaces."""
    after: dict[str, set[str]] = {}
    for one, other in edges:
        after.setdefault(one, set()).add(other)

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        waiting = [start]
        while waiting:
            for name in after.get(waiting.pop(), set()) - found:
                found.add(name)
                waiting.append(name)
        return found

    far = {name: reached(name) for name in after}
    return {(one, other) for one, other in edges if not any(other in far.get(mid, ()) for mid in after[one] - {other})}


def mermaid(edges: Edges) -> str:
    """The graph as Mermaid text, a box a room."""
    rooms = _rooms()
    rules = {rule for edge in edges for rule in edge}
    lines = ["```mermaid", "flowchart LR"]
    for room, names in rooms.items():
        lines += [f"  subgraph {room}", *(f"    {name}" for name in names if name in rules), "  end"]
    lines += [f"  {one} --> {other}" for one, other in sorted(edges)]
    return "\n".join([*lines, "```"]) + "\n"


def page(text: str) -> str:
    """`text` with the graph between its marks made anew."""
    return BLOCK.sub(lambda block: block[1] + mermaid(reduced(rule_graph())) + block[2], text)


def _plain(rule: str) -> str:
    """`predict_cell` of `predict_cell_brain_f0`, `mask_learned` of `mask_learned_heart_full_f0`."""
    return next((name for name in ("predict_cell", "mask_learned") if rule.startswith(f"{name}_")), rule)


def _rooms() -> dict[str, list[str]]:
    """Rules of each room, in the order of its file."""
    found = {}
    for room in ("intake", "prepare", "masks", "learn", "evidence", "present"):
        text = (REPOSITORY / "workflow" / "rules" / f"{room}.smk").read_text(encoding="utf-8")
        found[room] = [
            _plain(name)
            for name in re.findall(r'^rule (\w+):|f"((?:predict_cell|mask_learned)_)', text, re.M)
            for name in name
            if name
        ]
    return found


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
