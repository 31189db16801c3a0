"""Numbers in the docs follow from committed results, and what the README names exists."""

from __future__ import annotations

import re
import shutil

import pandas as pd
import pytest

from docs import build_evidence as evidence
from docs import build_openkbp as build


def test_the_tables_of_the_openkbp_page_follow_from_its_scores():
    text = build.PAGE.read_text(encoding="utf-8")
    assert build.paper_table() in text
    assert build.replicate_table() in text
    assert build.page(text) == text


def test_a_changed_score_changes_the_page(tmp_path, monkeypatch):
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


@pytest.fixture(scope="module")
def evidence_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evidence")
    evidence.rebuilt(evidence.DATA, folder)
    return folder


def test_the_numbers_of_the_evidence_page_follow_from_the_committed_cells(evidence_run):
    text = evidence.PAGE.read_text(encoding="utf-8")
    assert evidence.page(text, evidence.blocks(evidence_run)) == text


@pytest.mark.parametrize("name", ["analysis.csv", "claims.csv"])
def test_the_tables_of_the_evidence_follow_from_the_committed_cells(evidence_run, name):
    committed, rebuilt = (folder / name for folder in (evidence.DATA, evidence_run / "evidence"))
    assert committed.read_text(encoding="utf-8") == rebuilt.read_text(encoding="utf-8")


def test_every_mark_of_the_evidence_page_is_known(evidence_run):
    marks = {match[2] for match in evidence.BLOCK.finditer(evidence.PAGE.read_text(encoding="utf-8"))}
    assert marks == set(evidence.blocks(evidence_run))


def test_a_changed_cell_changes_the_evidence_page(tmp_path):
    data = tmp_path / "data"
    shutil.copytree(evidence.DATA, data)
    path = next(data.rglob("cells/brain/modern/ct_mask/n1/r0/scores.csv"))
    rows = path.read_text(encoding="utf-8").splitlines()
    fields = rows[1].split(",")
    fields[rows[0].split(",").index("dice")] = "0.000000"
    path.write_text("\n".join([rows[0], ",".join(fields), *rows[2:]]) + "\n", encoding="utf-8")
    evidence.rebuilt(data, tmp_path / "run")
    text = evidence.PAGE.read_text(encoding="utf-8")
    assert evidence.page(text, evidence.blocks(tmp_path / "run")) != text


def test_a_variant_below_nnunet_is_called_weak_on_the_evidence_page(tmp_path):
    about = {"arm": "brain", "scenario": "ct", "space": "crop", "n_train": 4, "replicate": 0, "structure": "brain_stem"}
    ours, theirs = (
        pd.DataFrame([about | {"variant": variant, "case": case, "dice": dice} for case in "ab"])
        for variant, dice in (("modern", 0.70), ("nnunet", 0.75))
    )
    theirs.to_csv(tmp_path / "4_r0.csv", index=False)
    assert "| modern | 4 | 0.700 | 0.750 | −0.050 (−0.050\u00a0to\u00a0−0.050) | 2 | 1 | weak baseline |" in (
        evidence.reference_text(evidence.against_nnunet(ours, tmp_path), tmp_path)
    )


def test_the_evidence_page_says_that_nnunet_is_missing(tmp_path):
    assert evidence.against_nnunet(pd.DataFrame(), tmp_path) == []
    assert evidence.reference_text([], tmp_path) == "nnU-Net has not been trained yet.\n\n"
