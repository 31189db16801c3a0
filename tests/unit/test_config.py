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
    "name",
    [
        "config.yaml",
        *(f"workflow/config/{n}.yaml" for n in ("demo", "tiny", "openkbp", "ladder", "worlds", "evidence")),
    ],
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
        ("run", "a/b", "names a folder"),
    ],
)
def test_what_cannot_work_is_refused(path, value, told):
    with pytest.raises(UserError, match=None) as raised:
        config.load(changed(path, value))
    assert told in str(raised.value)


LEARNED = {"recipe": "learned"}
UNION = {"recipe": "union"}


@pytest.mark.parametrize(
    ("variant", "told"),
    [
        ({"mask": {"brain": UNION}}, "write 'oracle: true'"),
        ({"mask": {"brain": LEARNED}, "oracle": True}, "called an oracle"),
        ({"validation": "none", "train": {"patience_steps": 100}}, "no validation to wait for"),
        ({"mask": {"brain": UNION}, "oracle": True}, None),
        ({"validation": "none", "train": {"patience_steps": None}}, None),
    ],
)
def test_labels_are_read_only_by_variants_that_say_so(variant, told):
    values = changed("variants.modern", {"preset": "modern", **variant})
    if told is None:
        config.load(values)
        return
    with pytest.raises(UserError) as raised:
        config.load(values)
    assert told in str(raised.value)


def test_label_centred_crops_are_refused_where_an_arm_has_them_for_all_its_variants():
    values = changed("arms.brain.mask", UNION)
    with pytest.raises(UserError, match="masks and crops from the labels of its own test cases"):
        config.load(values)


def test_an_override_replaces_one_value_of_the_preset():
    values = changed("variants.modern.train", {"max_steps": 7, "patience_steps": None})
    settings = config.load(values).variants["modern"].settings
    assert settings == config.PRESETS["modern"].model_copy(update={"max_steps": 7, "patience_steps": None})


def test_text_that_is_a_number_is_read_as_one():
    values = changed("variants.modern.train", {"learning_rate": "1e-3"})
    assert config.load(values).variants["modern"].settings.learning_rate == 1e-3


FACTORS = ("activation", "norm", "dropout", "loss", "schedule", "augmentation")


def test_the_ladder_moves_one_factor_at_a_time_from_paper_to_modern(repository):
    ladder = config.load(yaml.safe_load((repository / "workflow/config/ladder.yaml").read_text(encoding="utf-8")))
    settings = {name: variant.settings.model_dump() for name, variant in ladder.variants.items()}
    paper, modern, long = (settings.pop(name) for name in ("paper", "modern", "paper_own_rate_long"))
    moved = {name: {key for key in own if own[key] != paper[key]} for name, own in settings.items()}
    alone = ("learning_rate", "output", "precision", *FACTORS)
    assert sorted(map(sorted, moved.values())) == sorted([name] for name in alone)
    assert {key for key in paper if paper[key] != modern[key]} == set(FACTORS)
    assert all(own[key] == modern[key] for name, own in settings.items() for key in moved[name] & set(FACTORS))
    own = config.PRESETS["paper"]
    assert settings["paper_fp32"]["precision"] == own.precision
    assert settings["paper_own_rate"]["learning_rate"] == own.learning_rate
    longer = {key for key in long if long[key] != settings["paper_own_rate"][key]}
    assert longer == {"max_steps", "validate_every"}


def test_the_ladder_starts_from_the_paper_of_the_evidence(repository):
    ladder, evidence = (config.read(repository / f"workflow/config/{name}.yaml") for name in ("ladder", "evidence"))
    assert ladder.variants["paper"].settings == evidence.variants["paper"].settings
    for name in ("cases", "structures", "ignored_values", "split", "folds", "grid", "registration", "mask", "floors"):
        assert getattr(ladder.arms["brain"], name) == getattr(evidence.arms["brain"], name)


def test_a_misspelt_shift_is_told_with_those_there_are():
    with pytest.raises(UserError, match=r"robustness\.shifts\.0") as raised:
        config.load(VALID | {"robustness": {"shifts": ["blurr"]}})
    assert "'bias_field'" in str(raised.value)
    assert config.load(VALID | {"robustness": {}}).robustness.sizes == ("full",)


def test_the_commented_shifts_of_the_config_are_the_default(repository):
    lines = (repository / "config.yaml").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("# robustness:"))
    told = yaml.safe_load("\n".join(line.removeprefix("# ") for line in lines[start:]))["robustness"]
    assert config.Robustness(**told) == config.Robustness(variants=("paper",))


@pytest.mark.parametrize(
    ("path", "value", "told", "silent"),
    [
        ("arms.brain.split", {"train": 0, "validation": 1, "test": 1}, "arms.brain.split.train", "auto"),
        ("arms.brain.split", "atuo", "expected: 'auto'", "section"),
        ("arms.brain.sizes", [0, 1], "arms.brain.sizes.0", "auto"),
        ("trainings_per_gpu", 0, "'trainings_per_gpu'", "threads"),
        ("trainings_per_gpu", 1.5, "'trainings_per_gpu'", "threads"),
        ("variants.modern.train", {"max_steps": "1e4"}, "write 10000, which YAML does not read as text", "write None"),
        ("arms.brain.clip_hu", [float("nan"), 1], "finite number", "write"),
        ("variants.modern.scenarios", ["ct", "ct"], "names a scenario twice", "expected"),
        ("arms.brain.grid", None, "a section of options", "Grid"),
    ],
)
def test_a_fault_is_told_once_and_in_the_words_of_a_config(path, value, told, silent):
    with pytest.raises(UserError) as raised:
        config.load(changed(path, value))
    text = str(raised.value)
    assert told in text
    assert silent not in text
    assert not text.startswith("2 faults")


def test_a_config_to_be_shown_holds_no_path_but_the_ids_of_templates():
    values = changed("arms.heart", ARM | {"registration": {"template": "scans/Anna.nii.gz"}, "data_dir": "/home/anna"})
    shown = config.without_paths(config.load(values | {"data_dir": "/home/anna"}), {"brain_01"})
    assert "nna" not in str(shown)
    assert shown["data_dir"] == shown["arms"]["heart"]["registration"]["template"] == "(a path of this machine)"
    assert shown["arms"]["brain"]["registration"]["template"] == "brain_01"
    assert shown["arms"]["brain"]["cases"] is None


def test_json_with_tabs_is_no_fault_and_neither_is_an_alias(tmp_path):
    for text in ('{\t"run":\t"x"}', "a: &a {x: 1}\nb: *a\nc: *a"):
        (tmp_path / "config").write_text(text, encoding="utf-8")
        config.refuse_repeated_keys(tmp_path / "config")


def test_a_file_with_an_option_twice_is_not_read(tmp_path):
    (tmp_path / "config.yaml").write_text("run: a\nseed: 1\nseed: 2\n", encoding="utf-8")
    with pytest.raises(UserError, match="'seed' is there twice"):
        config.read(tmp_path / "config.yaml")
