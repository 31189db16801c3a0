"""Digests that see the numbers and not the prose; writes that are whole or absent; derived seeds."""

from __future__ import annotations

import errno
import hashlib
import json
import resource

import numpy as np
import pytest

from globalmask import provenance, verify
from globalmask.errors import UserError


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of two modules: `room.stage` imports `room.helper`."""
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "helper.py").write_text(
        '"""Helper."""\n\n\ndef twice(x):\n    """Double."""\n    return 2 * x\n'
    )
    (tmp_path / "room" / "stage.py").write_text("from globalmask.room.helper import twice\n\nVALUE = twice(3)\n")
    (tmp_path / "config.py").write_text("A = 1\n")
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)

    def digest():
        for cached in (provenance.code_digest, provenance._tree, provenance._imports, provenance._syntax):
            cached.cache_clear()
        return provenance.code_digest("room.stage")

    yield tmp_path, digest
    for cached in (provenance.code_digest, provenance._tree, provenance._imports, provenance._syntax):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("Double.", "Twice the value, as a docstring.", True),
        ("    return", "    # a comment\n    return", True),
        ("2 * x", "3 * x", False),
    ],
)
def test_digest_sees_code_through_imports_and_no_prose(package, old, new, same):
    folder, digest = package
    before = digest()
    helper = folder / "room" / "helper.py"
    helper.write_text(helper.read_text(encoding="utf-8").replace(old, new))
    assert (digest() == before) is same


def test_digest_ignores_what_arrives_as_settings(package):
    folder, digest = package
    stage = folder / "room" / "stage.py"
    stage.write_text("from globalmask import config\n" + stage.read_text(encoding="utf-8"))
    before = digest()
    (folder / "config.py").write_text("A = 2\n")
    assert digest() == before


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "deep" / "scores.csv"
    provenance.write_text(path, "old")
    with pytest.raises(RuntimeError), provenance.atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text(encoding="utf-8") == "old"
    assert [found.name for found in path.parent.iterdir()] == ["scores.csv"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])
def test_what_stops_a_write_names_the_file_that_was_meant(tmp_path, number):
    path = tmp_path / "scores.csv"
    with pytest.raises(OSError, match=r"scores\.csv") as caught, provenance.atomic(path):
        raise OSError(number, "refused")
    assert caught.value.errno == number
    assert list(tmp_path.iterdir()) == []


def test_an_error_about_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="input"), provenance.atomic(tmp_path / "scores.csv"):
        (tmp_path / "input").read_text(encoding="utf-8")


def test_a_library_that_hides_a_size_limit_is_seen_through(tmp_path):
    """The writer says something of its own; the file can grow no more, and that is what is told."""
    path, before = tmp_path / "scan.nii.gz", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match=r"scan\.nii\.gz") as caught, provenance.atomic(path):
            raise RuntimeError("gzwrite failed")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
    with pytest.raises(RuntimeError, match="its own fault"), provenance.atomic(path):
        raise RuntimeError("its own fault")


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A job of the run `results/demo`, in a folder of its own; by hand afterwards."""
    monkeypatch.chdir(tmp_path)
    provenance.watch(["score", "--ct", "raw.mha", "--settings", '{"ct": "raw.mha"}'], "results/demo")
    yield tmp_path / "results" / "demo"
    provenance.watch([], None)


def test_a_job_leaves_a_record_of_what_it_read_and_wrote(job):
    (job / "arm").mkdir(parents=True)
    (job / "arm" / "label.json").write_text("1", encoding="utf-8")
    (job.parents[1] / "raw.mha").write_text("2", encoding="utf-8")
    (job / "arm" / "label.json").read_text(encoding="utf-8")
    provenance.reads("raw.mha")
    provenance.write_text(job / "arm" / "scores.csv", "3")
    (job / "arm" / "scores.csv").read_text(encoding="utf-8")
    provenance.keep_record()
    record = json.loads((job / "provenance" / "arm" / "scores.csv.json").read_text(encoding="utf-8"))
    digests = {text: hashlib.sha256(text.encode()).hexdigest() for text in "123"}
    outside = "outside/" + hashlib.sha256(b"raw.mha").hexdigest()[:16]
    assert record["inputs"] == {"arm/label.json": digests["1"], outside: digests["2"]}
    assert record["outputs"] == {"arm/scores.csv": digests["3"]}
    assert record["command"] == "score"
    assert record["arguments"] == ["--ct", outside, "--settings", f'{{"ct": "{outside}"}}']  # a path may tell a name
    assert verify.verify(job) == (3, [])
    found = verify.record_of(job / "arm" / "scores.csv")
    assert found["inputs"] == {"arm/label.json": digests["1"], "raw.mha": digests["2"]}


def test_the_later_record_of_a_file_counts_and_what_is_gone_claims_nothing(job):
    for text in "12":
        (job / "arm").mkdir(parents=True, exist_ok=True)
        (job / "arm" / "label.json").write_text(text, encoding="utf-8")
        provenance.watch(["score"], "results/demo")
        (job / "arm" / "label.json").read_text(encoding="utf-8")
        provenance.write_text(job / f"{text}.csv", text)
        provenance.write_text(job / "both.csv", text)
        provenance.keep_record()
    (job / "1.csv").rename(job.parent / "aside")
    assert verify.verify(job)[1] == []
    (job.parent / "aside").rename(job / "1.csv")
    assert [str(mismatch) for mismatch in verify.verify(job)[1]] == [
        "arm/label.json is another one now; made from it as it was: 1.csv"
    ]


def test_a_damaged_record_and_a_folder_without_records_are_told(job):
    with pytest.raises(UserError, match="No job of this run left a record"):
        verify.verify(job)
    with pytest.raises(UserError, match="No job left a record of this file"):
        verify.record_of(job / "scores.csv")
    provenance.write_text(job / "provenance" / "scores.csv.json", "[1]")
    with pytest.raises(UserError, match="damaged"):
        verify.verify(job)


def test_a_folder_has_one_digest_whatever_its_path(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(2):
            (tmp_path / name / f"{number}.dcm").write_text(str(number), encoding="utf-8")
    assert provenance.sha256(tmp_path / "a") == provenance.sha256(tmp_path / "b")
    (tmp_path / "b" / "1.dcm").write_text("2", encoding="utf-8")
    assert provenance.sha256(tmp_path / "a") != provenance.sha256(tmp_path / "b")


def test_a_temporary_file_keeps_the_suffixes_that_image_writers_need(tmp_path):
    with provenance.atomic(tmp_path / "a.nii.gz") as temporary:
        assert temporary.name.endswith(".nii.gz")
    assert (tmp_path / "a.nii.gz").stat().st_mode & 0o444


def test_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError):
        provenance.write_json(tmp_path / "a.json", {"x": float("nan")})
    provenance.write_json(tmp_path / "a.json", {"x": 1})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"x": 1}


def test_seeds_depend_on_every_word_and_on_nothing_else():
    first = provenance.entropy(2022, "brain", 0, "weights")
    assert first == provenance.entropy(2022, "brain", 0, "weights")
    assert first != provenance.entropy(2022, "brain", 1, "weights")
    assert np.random.SeedSequence(first).entropy == first
    assert provenance.torch_seed(2022, "a", "bc") != provenance.torch_seed(2022, "ab", "c")
    assert 0 <= provenance.torch_seed(1) < 2**63
