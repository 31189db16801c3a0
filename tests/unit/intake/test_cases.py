"""The case table: what is read, and the block that each kind of fault prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from globalmask.errors import UserError
from globalmask.intake.cases import CaseRow, WantedTable, bad_id, missing_data_block, read_cases


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Scans of two patients, under names that a scanner's owner would give."""
    for name in ("first patient.nii.gz", "first contours.nrrd", "second.mha", "second_label.nii.gz", "heart.nii.gz"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "series").mkdir()
    return tmp_path


GOOD = """case\tct\tlabel
p1\tfirst patient.nii.gz\tfirst contours.nrrd
p2\tseries\tsecond_label.nii.gz
"""


def write(folder: Path, text: str | bytes) -> Path:
    table = folder / "cases.tsv"
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    return table


def block(folder: Path, text: str | bytes, **options: object) -> str:
    with pytest.raises(UserError) as told:
        read_cases(write(folder, text), data_dir=None, **options)  # type: ignore[arg-type]
    return str(told.value)


def test_rows_come_with_absolute_paths_from_the_tables_folder(folder: Path) -> None:
    assert read_cases(write(folder, GOOD), data_dir=None) == [
        CaseRow("p1", str(folder / "first patient.nii.gz"), str(folder / "first contours.nrrd"), None, None, None),
        CaseRow("p2", str(folder / "series"), str(folder / "second_label.nii.gz"), None, None, None),
    ]


def test_data_dir_is_where_relative_paths_start(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    table = tmp_path_factory.mktemp("elsewhere") / "cases.tsv"
    absolute = folder / "second.mha"
    table.write_text(f"case\tct\tlabel\np1\t{absolute}\t./series/../second_label.nii.gz\n")

    (row,) = read_cases(table, data_dir=folder)

    assert (row.ct, row.label) == (str(absolute), str(folder / "second_label.nii.gz"))


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.rstrip("\n").encode(),
        ("# two patients, not a header\n\n  # more\n" + GOOD.replace("\np2", "\n#p3\tx\ty\n\np2")).encode(),
        GOOD.replace("case\tct\tlabel", "Case\tCT\tlabel\t\t").replace(".nrrd", ".nrrd\t\t").encode(),
        GOOD.replace("first patient.nii.gz", '"first patient.nii.gz"').encode(),
    ],
    ids=["mark", "crlf", "no-last-newline", "comments", "trailing-tabs", "quotes"],
)
def test_what_editors_and_spreadsheets_write_is_read(folder: Path, text: bytes) -> None:
    rows = read_cases(write(folder, text), data_dir=None)

    assert [row.case for row in rows] == ["p1", "p2"]
    assert rows[0].ct == str(folder / "first patient.nii.gz")


def test_optional_columns(folder: Path) -> None:
    text = "group\trole\tmask\tlabel\tct\tcase\nA\ttest\theart.nii.gz\tfirst contours.nrrd\t\tp1\n"

    (row,) = read_cases(write(folder, text), data_dir=None)

    assert row == CaseRow("p1", None, str(folder / "first contours.nrrd"), str(folder / "heart.nii.gz"), "test", "A")


ROW = "p1\tsecond.mha\tsecond_label.nii.gz\n"
HEADER = "case\tct\tlabel\n"
BAD = {
    "unknown column": ("case\tct\tlabel\tgroups\n" + ROW, ["Unknown column.", "'groups'", "Did you mean 'group'?"]),
    "no like column": ("case\tct\tlabel\tzzz\n" + ROW, ["Unknown column.", "'zzz'", "Remove the column."]),
    "missing column": ("case\tct\np1\tsecond.mha\n", ["A column is missing.", "a column 'label'"]),
    "column twice": ("case\tct\tlabel\tct\n" + ROW, ["A column is there twice.", "'ct'"]),
    "commas": ("case,ct,label\np1,a,b\n", ["not separated by tabs", "Save it with tabs"]),
    "empty file": ("", ["The table is empty."]),
    "no case": (HEADER, ["The case table has no case."]),
    "utf-16": (GOOD.encode("utf-16"), ["not UTF-8 text", "0xff at position 0"]),
    "zeros": (b"case\0ct", ["not text"]),
    "surplus": (HEADER + "p1\tsecond.mha\tsecond_label.nii.gz\tmore\n", ["more fields than the header", "line 2"]),
    "slash": (HEADER + ROW.replace("p1", "a/b"), ["The case id cannot be used.", "'a/b'"]),
    "dots": (HEADER + ROW.replace("p1", "a..b"), ["The case id cannot be used.", "'a..b'"]),
    "up": (HEADER + ROW.replace("p1", "../../x"), ["The case id cannot be used.", "'../../x'"]),
    "space": (HEADER + ROW.replace("p1", "a b"), ["The case id cannot be used.", "'a b'"]),
    "newline": (HEADER + ROW.replace("p1", '"p1\n"'), ["The case id cannot be used.", "'p1\\n'"]),
    "300 letters": (HEADER + ROW.replace("p1", "a" * 300), ["The case id cannot be used.", "(300 characters)"]),
    "65 letters": (HEADER + ROW.replace("p1", "a" * 65), ["The case id cannot be used."]),
    "unicode": (HEADER + ROW.replace("p1", "Müller"), ["The case id cannot be used.", "'Müller'"]),
    "markup": (HEADER + ROW.replace("p1", "<b>"), ["The case id cannot be used."]),
    "empty id": (HEADER + ROW.replace("p1", ""), ["The case id cannot be used.", "''"]),
    "hidden": (HEADER + ROW.replace("p1", ".p1"), ["The case id cannot be used."]),
    "same id": (
        HEADER + ROW + "p1\tseries\tfirst contours.nrrd\n",
        ["A case id is there twice.", "line 3", "p1 at", "line 2"],
    ),
    "same id in capitals": (
        HEADER + ROW + "P1\tseries\tfirst contours.nrrd\n",
        ["Two case ids differ only in case.", "case: P1"],
    ),
    "same ct": (
        HEADER + ROW + "p2\t./series/../second.mha\tfirst contours.nrrd\n",
        ["The same file is used twice: as ct of p1 and as ct of p2."],
    ),
    "ct is label": (HEADER + "p1\tsecond.mha\tsecond.mha\n", ["as ct of p1 and as label of p1"]),
    "empty label": (HEADER + "p1\tsecond.mha\t\n", ["The field 'label' is empty.", "case: p1", "line 2"]),
    "role": (
        "case\tct\tlabel\trole\n" + ROW.replace("\n", "\ttraining\n"),
        ["Unknown role.", "training", "Did you mean 'train'?"],
    ),
    "control character": (HEADER + ROW.replace("second.mha", "sec\x07ond.mha"), ["control character"]),
    "missing ct": (
        HEADER + ROW.replace("second.mha", "secnd.mha"),
        ["A CT file does not exist.", "nearest names in", "second.mha"],
    ),
    "endless path": (HEADER + ROW.replace("second.mha", "x" * 5000), ["A CT file does not exist."]),
    "no such user": (HEADER + ROW.replace("second.mha", "~nobody_here/a.nii"), ["A CT file does not exist."]),
    "missing folder": (
        HEADER + ROW.replace("second.mha", "scans/second.mha"),
        ["A CT file does not exist.", "scans does not exist"],
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_table_gives_its_block(folder: Path, kind: str) -> None:
    text, parts = BAD[kind]

    told = block(folder, text)

    for part in parts:
        assert part in told
    assert not told.startswith("2 faults")


def test_a_second_reader_s_file_may_also_hold_the_mask_of_that_case(folder: Path) -> None:
    both = "case\tct\tlabel\tmask\tlabel2\np1\tseries\tsecond.mha\tsecond_label.nii.gz\tsecond_label.nii.gz\n"
    (row,) = read_cases(write(folder, both), data_dir=None)
    assert row.mask == row.label2
    assert "as mask of p1 and as label2 of p2" in block(
        folder,
        both.replace("\tsecond_label.nii.gz\n", "\t\n")
        + "p2\tfirst patient.nii.gz\tfirst contours.nrrd\t\tsecond_label.nii.gz\n",
    )


def test_a_missing_table_names_its_neighbours(folder: Path) -> None:
    write(folder, GOOD)

    with pytest.raises(UserError, match=r"nearest names in .*: cases\.tsv"):
        read_cases(folder / "case.tsv", data_dir=None)


def test_required_columns_must_be_filled(folder: Path) -> None:
    text = "case\tct\tlabel\tmask\np1\t\tfirst contours.nrrd\t\n"
    assert len(read_cases(write(folder, text), data_dir=None)) == 1

    told = block(folder, text, required=("ct", "label", "mask"))

    assert "The field 'ct' is empty." in told
    assert "The field 'mask' is empty." in told


def test_a_link_is_no_other_scan(folder: Path) -> None:
    (folder / "linked.mha").symlink_to(folder / "second.mha")

    told = block(folder, HEADER + ROW + "p2\tlinked.mha\tfirst contours.nrrd\n")

    assert "The same file is used twice: as ct of p1 and as ct of p2." in told


def test_all_faults_are_told_together(folder: Path) -> None:
    text = HEADER + "a/b\tsecond.mha\tgone.nii.gz\np1\tsecond.mha\t\n"

    told = block(folder, text)

    assert told.startswith("4 faults were found.\n1. ")
    for what in ("The case id cannot be used.", "The field 'label' is empty.", "The same file", "A label file"):
        assert what in told


def test_one_fault_when_no_file_is_where_the_table_says(folder: Path) -> None:
    told = block(folder, HEADER + "".join(f"p{n}\tct/{n}.nii\tlabel/{n}.nii\n" for n in range(20)))

    assert told.startswith("None of the 40 files of the case table exists.")
    assert "Set data_dir" in told


def test_the_block_for_missing_data_shows_what_to_lay_out(tmp_path: Path) -> None:
    brain = WantedTable("brain", tmp_path / "brain.tsv", None, {"brain_stem": 1, "left_eye": 2})
    heart = WantedTable("heart", tmp_path / "heart.tsv", tmp_path / "mmwhs", {"LV": 500})

    told = str(missing_data_block([brain, heart]))

    assert told.startswith("The data is not there yet")
    for part in (
        f"case table looked for:  {tmp_path / 'brain.tsv'}\n    paths in it start at:   {tmp_path}\n",
        f"paths in it start at:   {tmp_path / 'mmwhs'}  (no such folder)",
        "values in a label file: brain_stem = 1, left_eye = 2",
        "    case     ct                          label\n    anna_01  scans/first patient.nii.gz ",
        "    make demo",
    ):
        assert part in told


@pytest.mark.parametrize("name", ["openkbp", "example_brain", "example_heart"])
def test_the_tables_that_ship_are_in_order(repository: Path, tmp_path: Path, name: str) -> None:
    table = repository / "workflow" / "config" / "cases" / f"{name}.tsv"
    rows = [
        line.split("\t") for line in table.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")
    ]
    for row in rows[1:]:
        for path in row[1:4] if "mask" in rows[0] else row[1:3]:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).touch()

    found = read_cases(table, data_dir=tmp_path)

    assert len(found) == len(rows) - 1
    assert len(found) == 46 or name != "openkbp"


@pytest.mark.real
def test_the_openkbp_table_fits_the_real_data(repository: Path, real_data: Path) -> None:
    table = repository / "workflow" / "config" / "cases" / "openkbp.tsv"

    rows = read_cases(table, data_dir=real_data / "openkbp", required=("ct", "label"))

    folders = {path.name for path in (real_data / "openkbp").glob("pt_*")}
    assert {row.case for row in rows} == folders


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, globalmask.intake.cases, globalmask.intake.splits;"
        "print([m for m in ('numpy', 'pandas', 'SimpleITK', 'torch', 'matplotlib') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        encoding="utf-8",
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert found.stdout.strip() == "[]"


@settings(deadline=None)
@given(st.text(max_size=70))
def test_a_good_id_is_a_plain_file_name(case: str) -> None:
    if not bad_id(case):
        assert Path("results", case).parent == Path("results")
        assert case.isascii()
        assert not set(case) & set("/\\ \n\t\0:*?\"<>|'$;&")


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.text("casetlb#\t\n\r\"'/. 1\ufeff", max_size=200).map(str.encode)))
def test_no_table_crashes_but_with_our_own_error(tmp_path: Path, raw: bytes) -> None:
    for text in (raw, HEADER.encode() + raw):
        try:
            read_cases(write(tmp_path, text), data_dir=None)
        except UserError as error:
            assert str(error)
