"""Splits: whole groups, disjoint folds, nested subsets, and nothing that exists changes when more is added."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from globalmask.errors import UserError
from globalmask.intake.cases import CaseRow
from globalmask.intake.splits import (
    Split,
    as_yaml,
    make_split,
    propose,
    propose_for,
    read_split_table,
    sizes_up_to,
    write_split,
)

CASES = [f"case_{number:02d}" for number in range(20)]


def split(cases: Any = CASES, **options: Any) -> Split:
    given = {"counts": (12, 3, 5), "folds": 4, "fold": 0, "replicate": 0, "seed": 2022, "arm": "heart"}
    return make_split(cases, **(given | options))


def rows(groups: dict[str, str] | None = None, roles: dict[str, str] | None = None) -> list[CaseRow]:
    return [
        CaseRow(case, f"{case}.nii", f"{case}_l.nii", role=(roles or {}).get(case), group=(groups or {}).get(case))
        for case in CASES
    ]


def roles_of(found: Split) -> dict[str, str]:
    named = {"train": found.train_order, "validation": found.validation, "test": found.test}
    return {case: role for role, cases in named.items() for case in cases}


def assert_is_partition(found: Split, cases: list[str], counts: tuple[int, int, int]) -> None:
    lists = (found.train_order, found.validation, found.test)
    assert tuple(map(len, lists)) == counts
    assert Counter(case for part in lists for case in part) == Counter(cases)


@st.composite
def set_ups(draw: st.DrawFn) -> dict[str, Any]:
    """Counts, folds, seed and perhaps a template case, for any cohort where they fit."""
    counts = tuple(draw(st.integers(1, 9)) for _ in range(3))
    cases = [f"c{number}" for number in range(sum(counts))]
    template = draw(st.none() | st.sampled_from(cases))
    most = (len(cases) - (template is not None)) // counts[2]
    folds = draw(st.integers(1, most))
    return {
        "cases": cases,
        "counts": counts,
        "folds": folds,
        "template_case": template,
        "seed": draw(st.integers(0, 2**32)),
        "arm": draw(st.sampled_from(["brain", "heart"])),
    }


@settings(deadline=None)
@given(set_ups())
def test_every_fold_is_a_partition_and_test_sets_are_disjoint(set_up: dict[str, Any]) -> None:
    tested: list[str] = []
    for fold in range(set_up["folds"]):
        found = make_split(**set_up, fold=fold, replicate=fold)
        assert_is_partition(found, set_up["cases"], set_up["counts"])
        assert set_up["template_case"] in [None, *found.train_order]
        tested += found.test
    assert len(set(tested)) == len(tested) == set_up["folds"] * set_up["counts"][2]


@settings(deadline=None)
@given(set_ups(), st.integers(0, 50), st.randoms())
def test_a_split_depends_on_what_it_is_for_and_not_on_the_order_of_the_table(
    set_up: dict[str, Any], replicate: int, random: Any
) -> None:
    first = make_split(**set_up, fold=0, replicate=replicate)
    shuffled = random.sample(set_up["cases"], len(set_up["cases"]))

    assert make_split(**(set_up | {"cases": shuffled}), fold=0, replicate=replicate) == first
    # More folds are more blocks after those that exist.
    assert make_split(**(set_up | {"folds": 1}), fold=0, replicate=replicate) == first
    # Another replicate of the fold: the same roles, an order of its own.
    other = make_split(**set_up, fold=0, replicate=replicate + 1)
    assert roles_of(other) == roles_of(first)


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), min_size=9, max_size=24), st.integers(0, 1000), st.booleans())
def test_groups_keep_together(groups: list[int], seed: int, with_template: bool) -> None:
    cases = [CaseRow(f"c{number}", None, "l", group=f"g{group}") for number, group in enumerate(groups)]
    template = "c0" if with_template else None
    if len(set(groups)) < 3 + with_template:
        return
    proposal = propose_for(cases, seed=seed, arm="brain", template_case=template)
    counts = (proposal["train"], proposal["validation"], proposal["test"])
    for fold in range(proposal["folds"]):
        found = make_split(
            cases,
            counts=counts,
            folds=proposal["folds"],
            fold=fold,
            replicate=fold,
            seed=seed,
            arm="brain",
            template_case=template,
        )
        assert_is_partition(found, [row.case for row in cases], counts)
        roles = roles_of(found)
        assert all(len({roles[row.case] for row in cases if row.group == f"g{group}"}) == 1 for group in set(groups))


def test_subsets_are_nested_and_differ_between_replicates() -> None:
    orders = [split(replicate=replicate).train_order for replicate in range(6)]

    assert len({tuple(order) for order in orders}) == 6
    # Subset n is the head of the order, so 1 in 2 in 4 … by construction; first cases vary.
    assert len({order[0] for order in orders}) > 2


def test_a_case_is_drawn_first_about_as_often_as_any_other() -> None:
    first = Counter(split(folds=1, replicate=replicate).train_order[0] for replicate in range(1200))

    # 100 expected for each of 12 cases; six standard deviations are 57.
    assert len(first) == 12
    assert min(first.values()) > 43
    assert max(first.values()) < 157


def test_roles_are_drawn_about_evenly_over_seeds() -> None:
    tested = Counter(case for seed in range(400) for case in split(seed=seed).test)
    validated = Counter(case for seed in range(400) for case in split(seed=seed).validation)

    # 100 and 60 expected for each of 20 cases.
    assert min(tested.values()) > 55 and max(tested.values()) < 150
    assert min(validated.values()) > 20 and max(validated.values()) < 105


def test_arms_and_seeds_draw_apart() -> None:
    assert split(arm="brain").test != split(arm="heart").test
    assert split(seed=1).test != split(seed=2).test


def test_the_draw_of_the_default_seed_stays_as_it_is() -> None:
    found = split()

    # Results of earlier runs belong to these draws: a change here must be wanted.
    drawn = [" ".join(case[-2:] for case in part) for part in (found.train_order, found.validation, found.test)]
    assert drawn == ["09 14 13 18 02 16 01 08 03 17 19 04", "05 11 15", "00 06 07 10 12"]


def test_roles_of_the_table_are_kept_and_the_others_drawn() -> None:
    roles = {"case_03": "test", "case_04": "validation", "case_05": "train", "case_06": "test"}

    found = split(rows(roles=roles), folds=1)

    assert_is_partition(found, CASES, (12, 3, 5))
    assert {case: roles_of(found)[case] for case in roles} == roles


def test_a_role_moves_its_group() -> None:
    found = split(rows(groups={"case_01": "A", "case_02": "A"}, roles={"case_01": "test"}), folds=1)

    assert {"case_01", "case_02"} <= set(found.test)


def test_groups_and_roles_can_be_given_apart_from_the_rows() -> None:
    found = split(folds=1, groups={"case_01": "A", "case_02": "A"}, roles={"case_01": "test"})

    assert {"case_01", "case_02"} <= set(found.test)


NINE_GROUPS = {case: f"g{number // 4}" for number, case in enumerate(CASES)}
BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "too few": (
        {"counts": (26, 10, 10)},
        ["Arm 'heart' has too few cases for its split.", "found: 20 cases", "26 train + 10 validation + 10 test = 46"],
    ),
    "some left over": (
        {"counts": (10, 3, 5)},
        ["Arm 'heart' has more cases than its split.", "split: {train: 12, validation: 3, test: 5}", "folds: 4"],
    ),
    "too many folds": ({"folds": 5}, ["too few cases for its folds", "5 folds of 5 test cases = 25", "folds: 4"]),
    "template and all folds": ({"template_case": "case_00", "fold": 3}, ["The test set in fold 3 cannot have exactly"]),
    "unknown template": ({"template_case": "case_99"}, ["is no case of its table", "case_99"]),
    "template tests": (
        {"cases": rows(roles={"case_00": "test"}), "template_case": "case_00", "folds": 1},
        ["The template case always trains", "found: test"],
    ),
    "torn group": (
        {"cases": rows({"case_00": "A", "case_01": "A"}, {"case_00": "test", "case_01": "train"}), "folds": 1},
        ["Cases of one group have different roles.", "case_00, case_01"],
    ),
    "test role and folds": (
        {"cases": rows(roles={"case_00": "test"})},
        ["rotates its test cases", "Write folds: 1"],
    ),
    "too many of a role": (
        {"cases": rows(roles=dict.fromkeys(CASES[:4], "validation")), "folds": 1},
        ["more cases have the role 'validation'", "4 in the case table", "3 or fewer"],
    ),
    "groups do not fit": (
        {"cases": rows(NINE_GROUPS), "folds": 1},
        ["The test set in fold 0 cannot have exactly 5 cases.", "split: auto"],
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_an_impossible_split_gives_its_block(kind: str) -> None:
    options, parts = BAD[kind]

    with pytest.raises(UserError) as told:
        split(**options)

    for part in parts:
        assert part in str(told.value)


@pytest.mark.parametrize(
    ("n_cases", "counts", "folds", "sizes"),
    [
        (3, (1, 1, 1), 3, [1]),
        (20, (12, 3, 5), 4, [1, 2, 4, 8, 12]),
        (30, (17, 6, 7), 4, [1, 2, 4, 8, 16, 17]),
        (46, (26, 10, 10), 4, [1, 2, 4, 8, 16, 26]),
        (92, (52, 20, 20), 4, [1, 2, 4, 8, 16, 32, 52]),
    ],
)
def test_proposals(n_cases: int, counts: tuple[int, int, int], folds: int, sizes: list[int]) -> None:
    names = ("train", "validation", "test")

    assert propose(n_cases) == dict(zip(names, counts, strict=True)) | {"folds": folds, "sizes": sizes}


@settings(deadline=None)
@given(st.integers(3, 400), st.booleans())
def test_any_number_of_cases_has_a_proposal_that_works(n_cases: int, with_template: bool) -> None:
    cases = [f"c{number}" for number in range(n_cases)]
    template = "c1" if with_template else None
    proposal = propose(n_cases, template_case=template)
    counts = (proposal["train"], proposal["validation"], proposal["test"])

    assert sum(counts) == n_cases
    assert min(counts) >= 1
    assert proposal["sizes"][-1] == proposal["train"]
    last = proposal["folds"] - 1
    found = make_split(
        cases,
        counts=counts,
        folds=last + 1,
        fold=last,
        replicate=0,
        seed=0,
        arm="brain",
        template_case=template,
    )
    assert_is_partition(found, cases, counts)


@settings(deadline=None)
@given(st.integers(3, 200))
def test_one_more_case_moves_a_proposal_little(n_cases: int) -> None:
    few, more = propose(n_cases), propose(n_cases + 1)

    assert all(0 <= more[role] - few[role] <= 1 for role in ("validation", "test"))
    assert abs(more["train"] - few["train"]) <= 1


def test_two_cases_are_too_few() -> None:
    with pytest.raises(UserError, match="too few cases for a split"):
        propose(2)


def test_the_roles_of_a_whole_table_are_the_proposal() -> None:
    roles = {
        case: "test" if number < 4 else "validation" if number < 8 else "train" for number, case in enumerate(CASES)
    }

    proposal = propose_for(rows(roles=roles), seed=1, arm="heart")

    assert (proposal["train"], proposal["validation"], proposal["test"], proposal["folds"]) == (12, 4, 4, 1)


def test_a_whole_table_without_a_test_case_is_refused() -> None:
    with pytest.raises(UserError, match="leaves a role without a case"):
        propose_for(rows(roles=dict.fromkeys(CASES, "train")), seed=1, arm="heart")


def test_two_groups_cannot_fill_three_roles() -> None:
    groups = {case: "A" if number < 9 else "B" for number, case in enumerate(CASES)}

    with pytest.raises(UserError, match="leave no way"):
        propose_for(rows(groups), seed=1, arm="heart")


def test_a_proposal_can_be_pasted_into_the_config() -> None:
    assert as_yaml(propose(20)) == ("split: {train: 12, validation: 3, test: 5}\nfolds: 4\nsizes: [1, 2, 4, 8, 12]\n")


@pytest.mark.parametrize(("n_train", "sizes"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (16, [1, 2, 4, 8, 16])])
def test_sizes(n_train: int, sizes: list[int]) -> None:
    assert sizes_up_to(n_train) == sizes


TABLE = "case\trole\nc1\ttrain\nc2\ttrain\nc3\tvalidation\nc4\ttest\n"
NAMES = ["c1", "c2", "c3", "c4"]


def test_a_table_of_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "split.tsv"
    path.write_text(TABLE.replace("\n", "\r\n"))

    table = read_split_table(path, cases=NAMES)

    assert table.folds == 1
    found = [table.split(fold=0, replicate=replicate, seed=1, arm="brain") for replicate in range(8)]
    assert {tuple(split.train_order) for split in found} == {("c1", "c2"), ("c2", "c1")}
    assert (found[0].validation, found[0].test) == (["c3"], ["c4"])


def test_folds_and_order_of_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "split.tsv"
    path.write_text(
        "# mine\ncase\trole\tfold\torder\n"
        "c1\ttrain\t7\t20\nc2\ttrain\t7\t3\nc3\tvalidation\t7\t\nc4\ttest\t7\t\n"
        "c1\ttest\t9\t\nc2\ttrain\t9\t2\nc3\ttrain\t9\t1\nc4\tvalidation\t9\t\n"
    )

    table = read_split_table(path, cases=NAMES)

    assert table.folds == 2
    assert table.split(fold=0, replicate=5, seed=1, arm="brain") == Split(["c2", "c1"], ["c3"], ["c4"], 0)
    assert table.split(fold=1, replicate=6, seed=1, arm="brain") == Split(["c3", "c2"], ["c4"], ["c1"], 1)


BAD_TABLES: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "unknown case": (TABLE + "c5\ttest\n", {}, ["names a case that the case table does not have", "'c5'", "line 6"]),
    "unknown role": (TABLE.replace("\ttest", "\ttests"), {}, ["Unknown role.", "'tests'"]),
    "two roles": (TABLE + "c1\ttest\n", {}, ["A case has two roles.", "train, then test"]),
    "twice": (TABLE + "c1\ttrain\n", {}, ["A case is there twice.", "case: c1"]),
    "case left out": (TABLE.replace("c2\ttrain\n", ""), {}, ["Cases of the case table have no role.", "case: c2"]),
    "no test": (TABLE.replace("\ttest", "\ttrain"), {}, ["No case has the role 'test'."]),
    "template": (TABLE, {"template_case": "c4"}, ["The template case must train in every fold.", "case: c4"]),
    "group": (TABLE, {"groups": {"c1": "A", "c4": "A"}}, ["Cases of one group have different roles.", "c1, c4"]),
    "empty": ("case\trole\n", {}, ["The split table has no case."]),
    "unknown column": (TABLE.replace("role", "rule"), {}, ["Unknown column.", "'role'"]),
    "fold": (
        "case\trole\tfold\nc1\ttrain\tA\nc2\ttrain\t0\nc3\tvalidation\t0\nc4\ttest\t-1\n",
        {},
        ["2 faults", "The field 'fold' is no whole number.", "'A'", "'-1'"],
    ),
    "order": (
        "case\trole\torder\nc1\ttrain\t1\nc2\ttrain\t1\nc3\tvalidation\t\nc4\ttest\t\n",
        {},
        ["The column 'order' does not rank the training cases."],
    ),
    "tests twice": (
        "case\trole\tfold\n"
        + "".join(
            f"c{n}\t{r}\t{f}\n" for f in (0, 1) for n, r in enumerate(("train", "train", "validation", "test"), 1)
        ),
        {},
        ["A case tests in two folds.", "case: c4", "folds 0 and 1"],
    ),
}


@pytest.mark.parametrize("kind", BAD_TABLES)
def test_a_bad_split_table_gives_its_block(tmp_path: Path, kind: str) -> None:
    text, options, parts = BAD_TABLES[kind]
    path = tmp_path / "split.tsv"
    path.write_text(text)

    with pytest.raises(UserError) as told:
        read_split_table(path, cases=NAMES, **options)

    for part in parts:
        assert part in str(told.value)


def test_a_written_split_reads_back(tmp_path: Path) -> None:
    found = split(fold=2, replicate=6)
    path = tmp_path / "splits" / "r6.tsv"

    write_split(found, path)

    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "case\trole\tfold\torder"
    assert lines[1] == f"{found.train_order[0]}\ttrain\t2\t1"
    assert len(lines) == 21
    table = read_split_table(path, cases=CASES)
    assert table.split(fold=0, replicate=0, seed=0, arm="") == Split(found.train_order, found.validation, found.test, 0)
