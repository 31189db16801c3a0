"""docs/paper-to-config.md: each option on the page has, in config.yaml or the preset, the value on the page."""

from __future__ import annotations

import re
from functools import reduce

import pytest
import yaml

from globalmask import config
from globalmask.present import outputs


@pytest.fixture(scope="module")
def page(repository):
    return (repository / "docs" / "paper-to-config.md").read_text(encoding="utf-8")


def test_every_option_has_the_value_on_the_page(page, repository):
    settings = config.read(repository / "config.yaml").model_dump(mode="json")
    preset = config.PRESETS["paper"].model_dump(mode="json")
    rows = re.findall(r"^\| [^|]+ \| [^|]+ \| (preset: )?`([\w.]+)` \| `(.+)` \|$", page, re.M)
    assert len(rows) == len(re.findall(r"^\| (?:\d\.\d|silent) ", page, re.M)) > 20
    for from_preset, option, told in rows:
        found = (
            preset[option] if from_preset else reduce(lambda section, key: section[key], option.split("."), settings)
        )
        wanted = yaml.safe_load(told)
        if isinstance(found, dict):
            found = {key: found[key] for key in wanted}
        assert found == wanted, option


def test_the_files_on_the_page_are_those_of_the_paper_s_run(page, repository):
    settings = config.read(repository / "config.yaml")
    arms = [{"name": name, "published": arm.published} for name, arm in settings.arms.items()]
    tables = {
        f"tables/{outputs.table_name({'arms': arms}, arm['name'], what)}" for arm in arms for what in outputs.QUANTITIES
    }
    figures = {f"figures/{name}" for name in outputs.FIGURES}
    assert set(re.findall(r"`((?:tables|figures)/\w+)`", page)) == tables | figures
