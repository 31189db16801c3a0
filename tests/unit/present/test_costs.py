"""Costs of a run: every rule and every benchmark file belongs to a stage; sums by hand."""

from __future__ import annotations

import re

import pytest

from globalmask.present.costs import RULES, as_markdown, costs, jobs_of_stages, stage_of_log, stage_of_rule

HEADER = "s\tmax_rss\n"


def rules_text(repository):
    return "\n".join(path.read_text(encoding="utf-8") for path in (repository / "workflow" / "rules").glob("*.smk"))


def test_every_benchmark_file_of_a_rule_belongs_to_a_stage(repository):
    files = re.findall(r'"([^"]+\.benchmark\.tsv)"', rules_text(repository))
    assert len(files) > 20
    assert {stage_of_log(path) for path in files} == set(RULES)


def test_every_rule_belongs_to_the_stage_of_its_benchmark_file(repository):
    text = rules_text(repository)
    blocks = re.split(r"^ *rule ?", text, flags=re.MULTILINE)[1:]
    assert len(blocks) > 25
    for block in blocks:
        name = re.match(r"(\w+):|:\s+name:\s+f\"(\w+)\{", block)
        rule = (name[1] or name[2] + "arm").removesuffix(":")
        assert stage_of_rule(rule) == stage_of_log(re.search(r'"([^"]+\.benchmark\.tsv)"', block)[1]), rule


def test_jobs_of_stages_keep_the_order_of_the_workflow():
    found = jobs_of_stages(
        {"train": 3, "train_mask_network": 2, "predict_cell_brain_f0": 3, "mask_learned_heart_full_f0": 1}
    )
    assert found | {"models": 3, "mask networks": 2, "predictions": 3, "masks": 1} == found
    assert list(found) == list(RULES)


@pytest.fixture
def run(tmp_path):
    logs, results = tmp_path / "logs" / "a", tmp_path / "results" / "a"
    for name, seconds, memory in (("r0", 3600, 500), ("r1", 1800, 900)):
        cell = f"brain/paper/ct/n1/{name}"
        (logs / cell).mkdir(parents=True)
        (logs / cell / "train.benchmark.tsv").write_text(f"{HEADER}{seconds}\t{memory}\n", encoding="utf-8")
        (results / cell).mkdir(parents=True)
        (results / cell / "model.safetensors").write_bytes(bytes(2_000_000))
    (logs / "make_tables.benchmark.tsv").write_text(f"{HEADER}60\tNA\n", encoding="utf-8")
    return logs, results


def test_costs_by_hand(run):
    models = costs(*run).loc["models"]
    assert models.tolist() == pytest.approx([2, 2700, 1.5, 900, 4.0])


def test_memory_that_was_not_measured_and_stages_without_jobs(run):
    table = costs(*run)
    assert table.loc["tables, figures, report", "jobs"] == 1
    assert table["memory_mb"].isna()["tables, figures, report"]
    assert table.loc["check", "jobs"] == 0
    assert "| models | 2 | 2700.0 | 90.0 | 900 MB | 4 MB |" in as_markdown(table)
    assert "check" not in as_markdown(table)
