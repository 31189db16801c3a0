"""One arm's cases as the Snakefile needs them: whose mask stands in for whose, and what a phantom brings."""

from __future__ import annotations

import pytest

import bad_runs
from globalmask import config
from globalmask.errors import UserError
from globalmask.intake.cases import CaseRow
from globalmask.intake.cohort import Cohort, read_run


def arm(**changes):
    return {
        "data": "synthetic",
        "phantom": {"anatomy": "head", "cases": 4},
        "structures": {"eye": 1},
        "mask": {"recipe": "union"},
        **changes,
    }


def settings(**changes):
    return config.load(
        {"run": "x", "arms": {"a": arm(**changes)}, "variants": {"modern": {"preset": "modern", "oracle": True}}}
    )


def cohort(*groups: str | None) -> Cohort:
    """Cases c0, c1 … of these groups."""
    rows = (CaseRow(f"c{number}", "ct", "label", group=group) for number, group in enumerate(groups))
    return Cohort(settings(), "a", tuple(rows))


def test_the_next_case_in_the_table_lends_its_mask_and_the_first_follows_the_last():
    four = cohort(None, None, None, None)
    lent = {case: four.next_case(case, among=list(four.cases)) for case in four.cases}
    assert lent == {"c0": "c1", "c1": "c2", "c2": "c3", "c3": "c0"}


def test_only_cases_that_have_a_mask_lend_it():
    assert cohort(None, None, None, None).next_case("c1", among=["c3", "c0"]) == "c3"
    assert cohort(None, None, None, None).next_case("c3", among=["c3", "c1"]) == "c1"


def test_another_scan_of_the_same_patient_is_no_other_case():
    four = cohort("anna", "anna", None, "bert")
    assert four.next_case("c0", among=list(four.cases)) == "c2"
    assert four.next_case("c3", among=["c3", "c0"]) == "c0"


def test_no_other_case_is_told():
    with pytest.raises(UserError, match="no other case"):
        cohort("anna", "anna").next_case("c0", among=["c0", "c1"])


@pytest.mark.parametrize(("anatomy", "known"), [("head", False), ("heart", False), ("free", True), ("fixed", True)])
def test_the_two_worlds_bring_their_mask(anatomy, known):
    rows = Cohort.of(settings(phantom={"anatomy": anatomy, "cases": 3}), "a").rows
    assert [row.case for row in rows] == ["a_01", "a_02", "a_03"]
    assert [row.mask for row in rows] == [f"results/x/a/raw/{row.case}/mask.nii.gz" if known else None for row in rows]


def test_a_run_is_read_with_its_tables(tmp_path):
    settings, cohorts = bad_runs.read(tmp_path)
    assert settings.run == "heads"
    assert cohorts["brain"].template_case == "a"
    assert set(cohorts["brain"].split(0).train_order) > {"a"}
    _, without = read_run(
        {
            "run": "x",
            "arms": {"a": arm(data="real", phantom=None, cases="no.tsv")},
            "variants": {"modern": {"preset": "modern", "oracle": True}},
        },
        [],
        needs_data=False,
    )
    assert without["a"].rows == ()


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("no such template", "neither one of its cases nor a file"),
        ("template of a case", "write `template: d`"),
        ("braces in a path", "which Snakemake takes for names"),
        ("option twice", "Option 'seed' is there twice"),
        ("no such table", "no case table was found"),
    ],
)
def test_what_a_run_cannot_begin_with_is_told(kind, told, tmp_path):
    with pytest.raises(UserError) as raised:
        bad_runs.read(tmp_path, **bad_runs.spoiled(kind))
    assert told in str(raised.value)


@pytest.mark.parametrize("template_is", ["public", "average"])
def test_a_case_of_the_run_is_no_template_that_travels(template_is):
    registration = {"template": "a_02", "template_is": template_is}
    with pytest.raises(UserError, match="never holds a patient's image") as caught:
        Cohort.of(settings(registration=registration), "a").check()
    assert caught.value.fields["case"] == "a_02"


def test_another_file_travels_and_a_case_may_be_a_template_that_stays(tmp_path):
    (tmp_path / "mean.nii.gz").write_bytes(b"")
    average = {"template": str(tmp_path / "mean.nii.gz"), "template_is": "average"}
    for registration in (average, {"template": "a_02"}):
        Cohort.of(settings(registration=registration), "a").check()
