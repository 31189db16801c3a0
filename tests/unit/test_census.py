"""docs/dependencies.md and the rule graph follow from what they are made of; the reference of the package builds."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from docs import build_dependencies as census
from docs import build_rules as rules

REPOSITORY = Path(__file__).parents[2]


def without_sizes(text):
    """The table without the column MB, which differs from machine to machine."""
    return [[*row.split("|")[:4], *row.split("|")[5:]] for row in text.splitlines() if row.startswith("|")]


def test_the_census_follows_from_pyproject_lock_and_what_is_installed():
    page = census.PAGE.read_text(encoding="utf-8")
    blocks = {match[2]: match[0] for match in census.BLOCK.finditer(page)}
    assert without_sizes(blocks["table"]) == without_sizes(census.table())
    assert set(blocks) == {"table", "sums"}


def test_no_library_of_the_census_is_gone():
    rows = (REPOSITORY / "docs" / "dependencies.tsv").read_text(encoding="utf-8").splitlines()[1:]
    assert {row.split("\t")[0] for row in rows} == {name for names in census.declared().values() for name in names}


def test_a_plain_installation_leaves_the_largest_library_of_the_workflow_out():
    plain = census.brought(census.declared()[""])
    assert not plain & {"vtk", "snakemake", "pymeshmetrics"}
    assert plain > {"torch", "antspyx", "typer"}


@pytest.mark.workflow
def test_the_rule_graph_is_that_of_the_rules():
    text = rules.PAGE.read_text(encoding="utf-8")
    assert rules.page(text) == text


def test_arrows_that_follow_from_others_are_left_out():
    assert rules.reduced({("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")}) == {("a", "b"), ("b", "c"), ("a", "d")}


@pytest.mark.slow
def test_the_reference_builds_without_warnings(tmp_path):
    pytest.importorskip("pdoc")
    asked = ["make", "--dry-run", "docs", f"VENV={sys.prefix}", "--old-file", f"{sys.prefix}/.installed"]
    told = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, encoding="utf-8", check=True).stdout
    command = re.search(r"bin/python (.*)--output-directory", told.replace("\\\n", ""))[1]
    done = subprocess.run(
        [sys.executable, *shlex.split(command), "--output-directory", str(tmp_path)],
        cwd=REPOSITORY / "workflow",
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "A fault in the user" in (tmp_path / "globalmask" / "errors.html").read_text(encoding="utf-8")
    package = REPOSITORY / "workflow" / "globalmask"
    rooms = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    left_out = {"__init__", "__main__", "commands"}
    assert {path.stem for path in (tmp_path / "globalmask").glob("*.html")} >= rooms - left_out
