"""docs/data.md: every import on the page is given as it stands there, on real or made data; terms as in the code."""

from __future__ import annotations

import re
import shlex
import shutil

import numpy as np
import pytest

import dicoms
from globalmask.cli import app
from globalmask.intake.cases import read_cases
from globalmask.intake.sources.catalogue import ALL
from globalmask.intake.sources.totalsegmentator import HEART
from heads import BRAIN, EYE, make_scan
from imports import blocks, write


@pytest.fixture(scope="module")
def page(repository):
    return (repository / "docs" / "data.md").read_text(encoding="utf-8")


def blocks_of(page, kind):
    return [text for told, text in re.findall(r"^```(\w*)\n(.*?)^```", page, re.S | re.M) if told == kind]


def commands(page):
    return [line for block in blocks_of(page, "") for line in block.splitlines() if line]


def exports(page, real_data):
    """Two patients with the names that the page's file of structures gives."""
    (text,) = blocks_of(page, "yaml")
    with open("structures.yaml", "w", encoding="utf-8") as file:
        file.write(text)
    for tilt in (0, 12):
        ct, outline, _ = make_scan(spacing_xyz=(7, 7, 8), tilt_deg=(tilt, 0, 0), noise_hu=0)
        hu, body = dicoms.sitk.GetArrayFromImage(ct), dicoms.sitk.GetArrayFromImage(outline) == 1
        left = np.arange(hu.shape[2]) > hu.shape[2] // 2
        parts = {"BRAINSTEM": hu == BRAIN, "Eye_L": (hu == EYE) & left, "Eye R": (hu == EYE) & ~left, "External": body}
        folder = dicoms.Path("exports") / f"patient {tilt}"
        series, frame = dicoms.write_ct(ct, folder)
        drawn = {name: dicoms.outlines(inside, ct) for name, inside in parts.items()}
        dicoms.write_struct(drawn, folder / "RS.dcm", series=series, frame=frame)


def scans(page, real_data):
    for name in ("ct/anna", "ct/bert", "labels/anna_seg", "labels/bert_seg"):
        write(blocks(1, 2), dicoms.Path("scans") / f"{name}.nii.gz")


def open_kbp(page, real_data):
    patients = dicoms.Path("open-kbp") / "provided-data" / "train-pats"
    patients.mkdir(parents=True)
    (patients / "pt_30").symlink_to((real_data / "openkbp_raw" / patients.relative_to("open-kbp") / "pt_30").resolve())


def tcia_ct_scan_dataset(page, real_data):
    for reader in ("oncologist", "radiographer"):
        folder = dicoms.Path("tcia-ct-scan-dataset") / "test" / reader
        folder.mkdir(parents=True)
        shutil.copy(real_data / "deepmind_tcia_labels" / "validation" / reader / "0522c0727a_labels.nii.gz", folder)


def mm_whs(page, real_data):
    for kind in ("image", "label"):
        write(blocks(500, 421, 820), dicoms.Path("MM-WHS") / "ct_train" / f"ct_train_1001_{kind}.nii.gz")


def downloads(page, real_data):
    pytest.importorskip("globalmask.intake.archive")
    subject = dicoms.Path("made") / "Totalsegmentator_dataset" / "s0001"
    write(blocks(40), subject / "ct.nii.gz")
    for names in HEART.structures.values():
        write(blocks(1, dtype=np.uint8), subject / "segmentations" / f"{names[0]}.nii.gz")
    dicoms.Path("downloads").mkdir()
    shutil.make_archive("downloads/Totalsegmentator_dataset", "zip", "made")


def image_cas(page, real_data):
    write(blocks(40), dicoms.Path("ImageCAS") / "1-200" / "1.img.nii.gz")
    write(blocks(*range(1, 11)), dicoms.Path("ImageCAS") / "ImageCAS-STACOM2025" / "segmentations" / "1.nii.gz")


MADE = {
    "dicom-rt": exports,
    "folder": scans,
    "openkbp": open_kbp,
    "tcia-deepmind": tcia_ct_scan_dataset,
    "mmwhs": mm_whs,
    "totalsegmentator": downloads,
    "imagecas-stacom": image_cas,
}


@pytest.mark.parametrize("source", MADE)
def test_the_import_on_the_page_works_as_printed(source, page, real_data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    MADE[source](page, real_data)
    (command,) = [line for line in commands(page) if line.startswith(f"globalmask import {source} ")]
    app(shlex.split(command)[1:], standalone_mode=False)
    (table,) = (tmp_path / "data").glob("*/cases.tsv")
    assert read_cases(table, data_dir=None)
    assert "licence: " in capsys.readouterr().out


def test_every_command_of_the_page_is_known_to_this_test(page):
    told = [line.split()[:3] for line in commands(page) if line.startswith("globalmask")]
    assert sorted(" ".join(words[1:]) for words in told) == sorted(
        ["import SOURCE", "download totalsegmentator", *(f"import {name}" for name in MADE)]
    )
    assert set(MADE) == {source.name for source in ALL}


@pytest.mark.parametrize("source", ALL, ids=lambda source: source.name)
def test_the_terms_on_the_page_are_those_of_the_code(source, page):
    section = " ".join(page.split(f"\n## {source.name}\n")[1].split("\n## ")[0].split())
    if source.citation != "none":
        assert f"Licence: {source.licence}." in section
        assert f"Cite: {source.citation}." in section
        assert source.page.removeprefix("https://doi.org/") in section
    for clone in re.findall(r"git (?:clone|-C) .*", source.get):
        assert clone in section
