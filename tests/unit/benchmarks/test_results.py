"""Every line is in the table; what was missed carries its reason; one module is replaced and the others stay."""

from __future__ import annotations

import ast
import dataclasses
import json

import pytest

from benchmarks import lines, record, run
from benchmarks.lines import LINES
from benchmarks.record import Line, measured, merged, missing, table

FAST = Line("prepare a case", "MONAI", "x", least=8, reason="Reading takes most of it. Next: a faster gunzip.")


def test_a_figure_is_the_median_with_its_range():
    found = measured(FAST, [9.0, 12.0, 8.5], threads=1)
    assert (found["figure"], found["spread"], found["met"], found["reason"]) == (9.0, [8.5, 12.0], True, "")
    assert found["facts"] == {"repeats": 3, "threads": 1}


def test_a_missed_goal_carries_its_reason():
    assert measured(FAST, [7.9])["met"] is False
    assert measured(FAST, [7.9])["reason"] == FAST.reason


@pytest.mark.parametrize(
    ("line", "figure", "met"),
    [
        (Line("", "", "x", least=3), 3.0, True),
        (Line("", "", "x", least=3), 2.9, False),
        (Line("", "", "%", most=5), 5.1, False),
        (Line("", "", "Dice", most=0.02, size=True), -0.03, False),
        (Line("", "", "Dice", most=0.02, size=True), -0.02, True),
        (Line("", "", "s"), 1e9, None),
    ],
)
def test_bounds(line, figure, met):
    assert line.met(figure) is met


def test_goals_read_as_the_issue_writes_them():
    goals = [Line("", "", "x", least=8), Line("", "", "%", most=5), Line("", "", "Dice", most=0.02, size=True)]
    assert [line.goal for line in goals] == ["at least 8x", "at most 5 %", "within ±0.02 Dice"]
    assert Line("", "", "s").goal == "reported"


def test_merging_keeps_what_was_not_measured_again_and_forgets_lines_that_are_gone():
    known = {"a.one": FAST, "b.one": FAST, "c.one": FAST}
    old = {"a.one": measured(FAST, [9.0]), "b.one": measured(FAST, [9.0]), "gone.one": measured(FAST, [9.0])}
    found = merged(known, old, {"b.one": measured(FAST, [5.0])})
    assert [(name, each["figure"]) for name, each in found.items()] == [("a.one", 9.0), ("b.one", 5.0), ("c.one", None)]
    assert found["c.one"]["reason"] == "not measured yet"


def test_a_reason_or_goal_written_later_is_shown_without_measuring_again():
    old = {"a.one": measured(FAST, [7.0])}
    later = dataclasses.replace(FAST, reason="another one")
    assert merged({"a.one": later}, old, {})["a.one"]["reason"] == "another one"
    easier = dataclasses.replace(FAST, least=6)
    assert (
        merged({"a.one": easier}, old, {})["a.one"]["met"],
        merged({"a.one": easier}, old, {})["a.one"]["reason"],
    ) == (
        True,
        "",
    )


def test_the_table_has_a_row_for_every_line_in_their_order():
    text = table(merged(LINES, {}, {"step.demo": measured(LINES["step.demo"], [4.0, 6.0, 5.5], threads=1)}))
    rows = [row for row in text.splitlines() if row.startswith("| ")][1:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [line.what for line in LINES.values()]
    assert "| at most 5 % | 5.5 % | 4 to 6 | **no** |" in text
    assert "- **step.demo**: repeats 3; threads 1" in text


def test_the_committed_table_is_the_one_of_the_committed_records(repository):
    folder = repository / "benchmarks"
    records = record.read(folder / "results.json")
    assert list(records) == list(LINES)
    assert table(merged(LINES, records, {})) == (folder / "results.md").read_text(encoding="utf-8")
    fields = {"what", "against", "goal", "figure", "spread", "met", "reason"}
    assert all(fields <= set(each) for each in records.values())


def test_every_line_has_a_module_that_measures(repository):
    for module in lines.modules():
        tree = ast.parse((repository / "benchmarks" / f"{module}.py").read_text(encoding="utf-8"))
        assert "records" in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)], module


def test_missing_libraries_and_failures_are_told_line_by_line(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "PEERS", tmp_path / "nowhere")
    found = run.measure("training", smoke=True)
    assert set(found) == set(lines.of("training"))
    assert {each["reason"] for each in found.values()} == {"the other libraries are not installed: make peers"}
    monkeypatch.setattr(lines, "PEERS", ())
    monkeypatch.setattr(run, "environment", lambda: {"PYTHONPATH": str(tmp_path)})
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
    failed = run.measure("cli", smoke=True)
    assert set(failed) == set(lines.of("cli"))
    assert all(each["reason"].startswith("failed with exit code") for each in failed.values())


def test_an_unknown_line_is_refused(capsys):
    with pytest.raises(SystemExit):
        run.main(["stepp"])
    assert "no such line: stepp" in capsys.readouterr().err


def test_smoke_of_the_command_line_s_lines_writes_json_and_table(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "SMOKE", tmp_path)
    assert run.main(["--smoke", "cli.help"]) == 0
    found = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert found["cli.imports"]["figure"] == 0
    assert found["cli.help"]["figure"] > 0
    assert found["step.demo"] == missing(LINES["step.demo"], "not measured yet")
    assert LINES["cli.help"].what in (tmp_path / "results.md").read_text(encoding="utf-8")
