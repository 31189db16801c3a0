"""What `docs/train_evidence.py` keeps of a run, and what it takes for missing."""

from __future__ import annotations

import json
import shutil

import pytest

from docs import train_evidence as train


@pytest.fixture
def run(repository, tmp_path, monkeypatch):
    """The evidence run in a folder of its own, with nothing made and nothing kept."""
    shutil.copytree(repository / "workflow" / "config", tmp_path / "workflow" / "config")
    monkeypatch.setattr(train, "ROOT", tmp_path)
    return train.Run("evidence", tmp_path / "docs" / "evidence")


def make_cell(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text('{"host": "x", "inputs": {"a": "b"}, "steps": 400}', encoding="utf-8")


def test_a_cell_without_its_history_is_not_finished(run):
    cell = run.missing()[0]
    make_cell(run.results / cell.path, "scores.csv", "run.json")
    assert run.collect() == 0
    make_cell(run.results / cell.path, "history.csv")
    assert run.collect() == 1
    assert cell not in run.missing()
    assert run.collect() == 0


def test_a_kept_record_tells_nothing_of_the_machine(run):
    cell = run.missing()[0]
    make_cell(run.results / cell.path, *train.KEPT)
    run.collect()
    kept = json.loads((run.kept / "cells" / cell.path / "run.json").read_text(encoding="utf-8"))
    assert kept == {"steps": 400}


def test_tables_under_shifts_are_kept_beside_their_cells(run):
    cell = run.missing_shifts()[0]
    assert cell.n == 26
    make_cell(run.results / cell.path, *train.KEPT, train.SHIFTED)
    run.collect()
    run.collect_shifts()
    assert (run.kept / "cells" / cell.path / train.SHIFTED).is_file()
    assert cell not in run.missing_shifts()


def test_every_run_has_the_floors_that_are_kept():
    for run in train.RUNS:
        assert all(arm.floors for arm in train.config.read(run.config).arms.values()), run.name


def test_replicates_grow_together_and_words_choose(run):
    cells = train.asked(run.missing(), ["/modern/"])
    assert [cell.replicate for cell in cells] == sorted(cell.replicate for cell in cells)
    assert {cell.n for cell in train.asked(cells, ["/n4/", "/ct/"])} == {4}
    assert {cell.scenario for cell in train.asked(cells, ["/n4/", "/ct/"])} == {"ct"}
