"""Bring what `make openkbp` gave into `docs/`: scores, plan, Figure 4, and the table of `openkbp.md`.

.venv/bin/python docs/build_openkbp.py RESULTS     copies from RESULTS (results/openkbp), then rebuilds
.venv/bin/python docs/build_openkbp.py             rebuilds the table from the committed scores alone
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

from globalmask.present.results import read_scores
from globalmask.present.tables import dice_table, markdown

DOCS = Path(__file__).parent
PAGE = DOCS / "openkbp.md"
DATA = DOCS / "openkbp"
TABLE = re.compile(r"(<!-- table -->\n).*?(\n<!-- end of table -->)", re.DOTALL)
RUNS = re.compile(r"(<!-- replicates -->\n).*?(\n<!-- end of replicates -->)", re.DOTALL)


def copy_results(results: Path) -> None:
    """Copy scores, Figure 4 and the plan without its config, which holds paths of the machine."""
    DATA.mkdir(exist_ok=True)
    shutil.copy(results / "scores.csv", DATA / "scores.csv")
    shutil.copy(results / "figures" / "fig4.png", DATA / "fig4.png")
    plan = json.loads((results / "plan.json").read_text(encoding="utf-8"))
    del plan["config"]
    (DATA / "plan.json").write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")


def paper_table() -> str:
    """Table 1 of this run beside the paper's brain-stem rows, as Markdown."""
    plan = json.loads((DATA / "plan.json").read_text(encoding="utf-8"))
    return markdown(dice_table(plan, "brain", "modern", read_scores(DATA)))


def replicate_table() -> str:
    """Mean test Dice of every single training, as Markdown: rows sizes, columns scenario and replicate."""
    scores = read_scores(DATA)
    means = scores[scores["space"] == "crop"].pivot_table(
        index="n_train", columns=["scenario", "replicate"], values="dice", aggfunc="mean"
    )[["ct", "mask", "ct_mask"]]
    heads = ["n", *(f"{scenario} r{replicate}" for scenario, replicate in means.columns)]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---:|" * len(heads)]
    for n, row in zip(means.index, means.to_numpy(), strict=True):
        lines.append(f"| {n} | " + " | ".join(f"{value:.3f}" for value in row) + " |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with both tables replaced by what the committed scores give."""
    text = TABLE.sub(lambda match: match[1] + paper_table() + match[2], text)
    return RUNS.sub(lambda match: match[1] + replicate_table() + match[2], text)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        copy_results(Path(sys.argv[1]))
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
