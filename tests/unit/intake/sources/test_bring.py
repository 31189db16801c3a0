"""What all imports do alike: whole or absent, nothing overwritten, all faults at once, terms told."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from globalmask.errors import UserError, raise_all
from globalmask.intake.sources import bring as stage
from globalmask.intake.sources.bring import Options, bring
from globalmask.intake.sources.catalogue import ALL, SOURCES, source_of
from imports import blocks, rows, write


@pytest.fixture
def data(tmp_path):
    for number in (1001, 1002):
        for kind in ("image", "label"):
            write(blocks(500, 600), tmp_path / "data" / f"ct_train_{number}_{kind}.nii.gz")
    return tmp_path / "data"


def test_nothing_is_overwritten(data, tmp_path, bring_in):
    table = bring_in("mmwhs", data).table
    before = table.read_bytes()
    with pytest.raises(UserError, match="exists already"):
        bring_in("mmwhs", data)
    assert table.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "imported"]


def test_an_empty_folder_may_be_there(data, tmp_path, bring_in):
    (tmp_path / "imported").mkdir()
    assert len(rows(bring_in("mmwhs", data))) == 2


def test_a_stop_half_way_leaves_nothing(data, tmp_path):
    def stopped(cases):
        yield cases[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring(SOURCES["mmwhs"], data, tmp_path / "imported", Options(), progress=stopped)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_full_disk_leaves_nothing(data, tmp_path, bring_in, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stage, "write_text", full)
    with pytest.raises(UserError, match="could not be read or written") as told:
        bring_in("mmwhs", data)
    assert "No space left" in str(told.value)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_the_table_goes_on_when_all_is_moved_together(data, tmp_path, bring_in):
    bring_in("mmwhs", data)
    (tmp_path / "elsewhere").mkdir()
    for name in ("data", "imported"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    table = tmp_path / "elsewhere" / "imported" / "cases.tsv"
    assert str(tmp_path) not in table.read_text(encoding="utf-8")
    assert len(stage.read_cases(table, data_dir=None)) == 2


def test_an_option_of_another_source_is_refused(data, refused, tmp_path):
    told = refused("mmwhs", data, ct="x", structures=tmp_path)
    assert "'mmwhs' has no option --structures" in told
    assert "'mmwhs' has no option --ct" in told


@pytest.mark.parametrize(
    "source", [source for source in ALL if source.name != "folder"], ids=lambda source: source.name
)
def test_a_folder_without_such_data_says_how_to_get_it(source, tmp_path, refused):
    (tmp_path / "data").mkdir()
    told = refused(source.name, tmp_path / "data")
    assert "No case of this data was found." in told
    assert source.get in told


def test_data_that_is_not_there(tmp_path, refused):
    assert "The data is not there." in refused("mmwhs", tmp_path / "nothing")


def test_every_source_has_its_module_terms_and_page():
    for source in ALL:
        assert callable(source.module.find)
        assert source.licence and source.citation and source.page and source.get
    assert source_of("openkbp") is SOURCES["openkbp"]
    with pytest.raises(UserError, match="Unknown source"):
        source_of("mmhws")


def test_faults_of_faults_are_told_in_one_list():
    with pytest.raises(UserError) as inner:
        raise_all([UserError("a"), UserError("b")])
    with pytest.raises(UserError) as told:
        raise_all([inner.value, UserError("c")])
    assert str(told.value) == "3 faults were found.\n1. a\n2. b\n3. c"


def run(*words, cwd):
    command = [sys.executable, "-m", "globalmask", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, encoding="utf-8")


def test_the_command_says_table_structures_licence_and_citation(data, tmp_path, monkeypatch, repository):
    monkeypatch.setenv("PYTHONPATH", str(repository / "workflow"))
    done = run("import", "mmwhs", data, tmp_path / "imported", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for text in ("2 cases", "cases.tsv", "left_ventricle: 500", "licence: for research", "cite: Zhuang"):
        assert text in done.stdout
    again = run("import", "mmwhs", data, tmp_path / "imported", cwd=tmp_path)
    assert again.returncode == 2
    assert "Traceback" not in again.stderr
    page = run("download", "mmwhs", tmp_path / "down", cwd=tmp_path)
    assert page.returncode == 2
    assert SOURCES["mmwhs"].page in page.stderr
    assert not (tmp_path / "down").exists()


def test_an_archive_is_unpacked_beside_the_table(data, tmp_path, bring_in):
    pytest.importorskip("globalmask.intake.archive")
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", data)
    done = bring_in("mmwhs", Path(archive))
    assert rows(done)["ct_train_1001"].ct == str(tmp_path / "imported" / "_source" / "ct_train_1001_image.nii.gz")
