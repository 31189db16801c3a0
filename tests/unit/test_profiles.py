"""What the profile for SLURM says of the rules, where Snakemake itself would not notice a slip."""

from __future__ import annotations

import re

import pytest
import yaml


@pytest.fixture(scope="module")
def profile(repository):
    return yaml.safe_load((repository / "profiles" / "slurm" / "config.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rules(repository):
    """Text of every rule with a fixed name."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (repository / "workflow" / "rules").glob("*.smk"))
    named = re.findall(r"^rule (\w+):\n(.*?)(?=^\S)", text + "\n#", re.MULTILINE | re.DOTALL)
    return dict(named) | dict.fromkeys(re.findall(r"^use rule \w+ as (\w+)", text, re.MULTILINE), "")


def test_every_grouped_rule_exists_and_needs_no_gpu(profile, rules):
    grouped = dict(pair.split("=") for pair in profile["groups"])
    assert set(grouped) <= set(rules)
    assert not [name for name in grouped if "gpu=" in rules[name]]


def test_every_group_is_packed_but_the_one_that_is_whole(profile):
    groups = {pair.split("=")[1] for pair in profile["groups"]}
    packed = {pair.split("=")[0] for pair in profile["group-components"]}
    assert groups - packed == {"report"}


def test_a_retry_asks_for_more_memory_and_is_not_made_in_the_same_allocation(profile, rules):
    assert profile["retries"] > 0
    assert not [name for name, text in rules.items() if "retries:" in text]
    assert all("mem_mb=growing(" in text for text in rules.values() if "gpu=" in text)


def test_jobs_can_be_found_by_their_name(profile):
    from globalmask import cluster

    assert cluster.NAME.fullmatch(f"{profile['slurm-jobname-prefix']}_0f0f0f0f-1111-4222-8333-444444444444")
    assert profile["slurm-logdir"] == cluster.LOGS
