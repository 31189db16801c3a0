"""The config: closed, typed, all faults at once, nearest key named."""

from __future__ import annotations

import copy

import pytest
import yaml

from globalmask import config
from globalmask.errors import UserError

ARM = {
    "data": "synthetic",
    "phantom": {"anatomy": "head", "cases": 6},
    "structures": {"eye": 1},
    "split": {"train": 4, "validation": 1, "test": 1},
    "sizes": [1, 4],
    "registration": {"template": "brain_01"},
    "mask": {"recipe": "threshold"},
}
VALID = {"run": "x", "arms": {"brain": ARM}, "variants": {"modern": {"preset": "modern"}}}


def changed(path, value):
    values = copy.deepcopy(VALID)
    *folders, name = path.split(".")
    section = values
    for folder in folders:
        section = section[folder]
    section[name] = value
    return values


@pytest.mark.parametrize(
    "name", ["config.yaml", *(f"workflow/config/{n}.yaml" for n in ("demo", "tiny", "openkbp", "worlds"))]
)
def test_shipped_configs_are_valid(repository, name):
    config.load(yaml.safe_load((repository / name).read_text(encoding="utf-8")))


def test_the_paper_s_matrix_is_the_default(repository):
    paper = config.load(yaml.safe_load((repository / "config.yaml").read_text(encoding="utf-8")))
    assert paper.arms["brain"].sizes == (1, 2, 4, 8, 16, 26)
    assert paper.arms["heart"].sizes == (1, 2, 4, 8, 12)
    settings = paper.variants["paper"].settings
    assert (settings.activation, settings.norm, settings.loss) == ("sigmoid", "batch", "dice")
    assert (settings.learning_rate, settings.channels, settings.dropout) == (1e-4, 32, 0.2)


def test_every_fault_is_told_at_once_with_the_nearest_key():
    values = changed("arms.brain.spilt", "auto")
    values["variants"]["modern"]["train"] = {"learning_rat": 1, "max_steps": "many"}
    with pytest.raises(UserError) as raised:
        config.load(values)
    text = str(raised.value)
    assert text.startswith("3 faults")
    assert "write 'split'" in text
    assert "write 'learning_rate'" in text
    assert "variants.modern.train.max_steps" in text


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("arms.brain.sizes", [1, 5], "larger than the 4 training cases"),
        ("arms.brain.sizes", [4, 1], "ascending"),
        ("arms.brain.clip_hu", [200, -200], "lower < upper"),
        ("arms.brain.data", "real", "data: synthetic"),
        ("arms.brain.registration", None, "needs 'registration'"),
        ("arms.brain", ARM | {"registration": None, "mask": {"recipe": "unfilled"}}, "'unfilled' needs 'registration'"),
        (
            "variants.modern",
            {"preset": "modern", "scenarios": ["ct_wrongmask"], "mask": {"brain": {"recipe": "union"}}},
            "the labels of another",
        ),
        ("variants.floors", {"preset": "paper"}, "cannot name a variant"),
        ("arms.brain.structures", {"a": 1, "b": 1}, "same label value"),
        ("arms.brain.cases", "cases.tsv", "either 'cases'"),
        ("arms.brain.grid", {"size_voxels": 50}, "multiple of 16"),
        ("arms.tables", ARM, "cannot name an arm"),
        ("variants.masks", {"preset": "paper"}, "cannot name a variant"),
        ("variants.modern.arms", ["hart"], "not under 'arms'"),
        ("variants.modern.scenarios", ["ct+mask"], "'ct_mask'"),
        ("variants.modern.preset", "fast", "'paper' or 'modern'"),
        ("seed", "tomorrow", "integer"),
        ("run", "a/b", "pattern"),
    ],
)
def test_what_cannot_work_is_refused(path, value, told):
    with pytest.raises(UserError, match=None) as raised:
        config.load(changed(path, value))
    assert told in str(raised.value)


def test_an_override_replaces_one_value_of_the_preset():
    values = changed("variants.modern.train", {"max_steps": 7, "patience_steps": None})
    settings = config.load(values).variants["modern"].settings
    assert settings == config.PRESETS["modern"].model_copy(update={"max_steps": 7, "patience_steps": None})


def test_text_that_is_a_number_is_read_as_one():
    values = changed("variants.modern.train", {"learning_rate": "1e-3"})
    assert config.load(values).variants["modern"].settings.learning_rate == 1e-3
