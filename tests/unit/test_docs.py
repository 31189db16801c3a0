"""Numbers in the docs follow from committed results, and what the README names exists."""

from __future__ import annotations

import importlib.util
import re

import pytest


@pytest.fixture(scope="module")
def build(repository):
    spec = importlib.util.spec_from_file_location("build_openkbp", repository / "docs" / "build_openkbp.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_of_the_openkbp_page_follow_from_its_scores(build):
    text = build.PAGE.read_text(encoding="utf-8")
    assert build.paper_table() in text
    assert build.replicate_table() in text
    assert build.page(text) == text


def test_a_changed_score_changes_the_page(build, tmp_path, monkeypatch):
    for name in ("plan.json", "scores.csv"):
        (tmp_path / name).write_bytes((build.DATA / name).read_bytes())
    lines = (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()
    first = lines[1].split(",")
    first[14] = "0.000000" if first[14] != "0.000000" else "1.000000"
    (tmp_path / "scores.csv").write_text("\n".join([lines[0], ",".join(first), *lines[2:]]) + "\n")
    monkeypatch.setattr(build, "DATA", tmp_path)
    text = build.PAGE.read_text(encoding="utf-8")
    assert build.page(text) != text


def test_files_and_targets_named_in_the_readme_exist(repository):
    text = (repository / "README.md").read_text(encoding="utf-8")
    for path in re.findall(r"(?:profiles|workflow/config|docs|envs)/[\w./-]*\w", text):
        assert (repository / path).exists(), path
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make (\w+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
