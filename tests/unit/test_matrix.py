"""The matrix: 33 trainings and 6 mask networks from config.yaml, mask sets, cross-fitting."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from globalmask import config, matrix
from globalmask.errors import UserError


def paper(repository):
    return config.load(yaml.safe_load((repository / "config.yaml").read_text(encoding="utf-8")))


def test_the_paper_has_33_trainings(repository):
    loaded = paper(repository)
    sizes = {name: arm.sizes for name, arm in loaded.arms.items()}
    cells = list(matrix.cells(loaded, sizes))
    assert len(cells) == len(set(cells)) == 33
    assert cells[0].path == "brain/paper/ct/n1/r0"


def test_the_paper_has_6_mask_trainings():
    training_cases = [f"c{number}" for number in range(12)]
    fits = matrix.crossfit(training_cases, [*training_cases, "v", "t"], folds=5)
    assert sorted(fits) == ["all", "k0", "k1", "k2", "k3", "k4"]
    assert fits["all"] == matrix.Fit(training_cases, ["v", "t"])


def test_cells_share_mask_sets_by_what_the_mask_depends_on(repository):
    values = yaml.safe_load((repository / "config.yaml").read_text(encoding="utf-8"))
    values["arms"]["heart"]["folds"] = 4
    values["variants"]["strict"] = {"preset": "paper", "mask": {"heart": {"recipe": "learned", "labels": "budget"}}}
    values["variants"]["holes"] = {
        "preset": "paper",
        "mask": {"brain": {"recipe": "unfilled"}, "heart": {"recipe": "file"}},
    }
    loaded = config.load(values)

    def mask_set(arm, variant, n, replicate):
        return matrix.mask_set_of(loaded, matrix.Cell(arm, variant, "ct", n, replicate))

    assert mask_set("brain", "paper", 4, 3) == "base"
    assert (mask_set("brain", "holes", 4, 3), mask_set("heart", "holes", 4, 3)) == ("unfilled", "file")
    assert mask_set("heart", "paper", 1, 5) == mask_set("heart", "paper", 12, 1) == "full-f1"
    assert mask_set("heart", "strict", 4, 2) == "budget-f2-r2-n4"


def test_a_variant_may_train_at_some_sizes_with_fewer_replicates(repository):
    values = yaml.safe_load((repository / "config.yaml").read_text(encoding="utf-8"))
    values["replicates"] = 5
    values["variants"]["ladder"] = {"preset": "modern", "replicates": {4: 2, "full": 3, 99: 1}}
    loaded = config.load(values)
    assert matrix.replicates_of(loaded, "ladder", (1, 4, 12)) == {4: 2, 12: 3}
    assert matrix.replicates_of(loaded, "paper", (1, 4)) == {1: 5, 4: 5}
    values["variants"]["ladder"]["replicates"] = {4: 6}
    with pytest.raises(UserError, match="more replicates than the 5 of the run"):
        config.load(values)


def test_shifts_are_off_unless_asked_and_then_test_the_first_variant_at_full_size(repository):
    values = yaml.safe_load((repository / "config.yaml").read_text(encoding="utf-8"))
    values["variants"]["modern"] = {"preset": "modern", "arms": ["heart"], "scenarios": ["ct"]}
    values["replicates"] = 2
    sizes = {"brain": (1, 2, 26), "heart": (1, 12)}

    def tested(robustness):
        loaded = config.load(values | {"robustness": robustness})
        return {cell.path for cell in matrix.robustness_cells(loaded, sizes)}

    assert tested(None) == set()
    scenarios = [f"{scenario}/{n}" for scenario in ("ct", "mask", "ct_mask") for n in ("n26", "n12")]
    assert {path.split("/", 2)[2].rsplit("/", 1)[0] for path in tested({})} == set(scenarios)
    assert len(tested({})) == 2 * 3 * 2
    some = tested({"sizes": [1, "full"], "variants": ["modern"]})
    assert some == {f"heart/modern/ct/{n}/{r}" for n in ("n1", "n12") for r in ("r0", "r1")}
    with pytest.raises(UserError, match="names the variant 'modem'"):
        tested({"variants": ["modem"]})


@given(st.integers(1, 15), st.integers(0, 8), st.integers(2, 6))
def test_no_mask_comes_from_a_network_that_saw_the_case(budget_size, others, folds):
    budget = [f"b{number}" for number in range(budget_size)]
    cases = [*budget, *(f"o{number}" for number in range(others))]
    fits = matrix.crossfit(budget, cases, folds=folds)
    served = [case for fit in fits.values() for case in fit.applied_to]
    assert sorted(served) == sorted(cases)
    if budget_size > 1:
        assert all(not set(fit.trained_on) & set(fit.applied_to) for fit in fits.values())
    assert all(fit.trained_on for fit in fits.values())


def test_labels_that_a_mask_cost():
    learned = config.MaskSettings(recipe="learned", labels="full")
    counts = {"train": 12, "others": 8}
    assert matrix.labels_of_mask(learned, 2, **counts) == 12
    assert matrix.labels_of_mask(learned.model_copy(update={"labels": "budget"}), 2, **counts) == 2
    assert matrix.labels_of_mask(config.MaskSettings(recipe="threshold"), 2, **counts) == 0
    assert matrix.labels_of_mask(config.MaskSettings(recipe="file"), 2, **counts) == 0
    assert matrix.labels_of_mask(config.MaskSettings(recipe="union"), 2, **counts) == 2 + 8
