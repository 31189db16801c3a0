"""Digests that see the numbers and not the prose; writes that are whole or absent; derived seeds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from globalmask import provenance


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
