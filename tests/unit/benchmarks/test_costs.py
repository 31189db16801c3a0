"""The table of costs knows every rule's benchmark file."""

from __future__ import annotations

import re
import runpy

import pytest


@pytest.fixture(scope="module")
def costs(repository):
    return runpy.run_path(str(repository / "benchmarks" / "costs.py"))


def test_every_benchmark_file_of_a_rule_belongs_to_a_stage(repository, costs):
    rules = (repository / "workflow" / "rules").glob("*.smk")
    files = [
        path
        for text in (rule.read_text(encoding="utf-8") for rule in rules)
        for path in re.findall(r'"([^"]+\.benchmark\.tsv)"', text)
    ]
    assert len(files) > 20
    assert {costs["stage_of"](path) for path in files} == set(costs["STAGES"])
