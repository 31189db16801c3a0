"""A model to give away: its card, no name of a case, never a patient's image; `info` reads its header alone."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest
from safetensors.torch import load_file, save_file

from globalmask.apply.card import read_words, scores_of, text_of
from globalmask.apply.export import export
from globalmask.errors import UserError
from globalmask.network.model_file import load_model, read_header
from globalmask.network.unet import UNet
from globalmask.provenance import write_json

CARD = "data: balls\nlicence: CC0\nintended_use: tests\nlimits: [no patients, no eyes]\n"
DICE = (0.7, 0.8, 0.9)


@pytest.fixture
def cell(tmp_path, make_model):
    """A finished cell of a run, and the words of its card."""
    folder = tmp_path / "results/r/ball/modern/ct_mask/n2/r0"
    folder.mkdir(parents=True)
    make_model().rename(folder / "model.safetensors")
    rows = [
        {"structure": name, "space": space, "dice": dice if name == "one" else "", "hd95_mm": 2, "com_mm": 1}
        for name in ("one", "two")
        for space in ("crop", "native")
        for dice in DICE
    ]
    with (folder / "scores.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "card.yaml").write_text(CARD, encoding="utf-8")
    return folder


@pytest.fixture
def words(cell, tmp_path):
    return read_words(tmp_path / "card.yaml")


def test_the_card_tells_budget_scores_and_the_makers_words(cell, words, tmp_path):
    export(cell, tmp_path / "out.safetensors", words=words)
    header = read_header(tmp_path / "out.safetensors")
    card = header["card"]
    assert (card["data"], card["licence"], card["limits"]) == ("balls", "CC0", ["no patients", "no eyes"])
    assert card["budget"] == {"train": 2, "validation": 1, "mask": 0}
    text = text_of(header)
    assert "Dice, one, native: 0.800 (95 % interval 0.552 to 1.048), worst 0.700, 3 test cases" in text
    assert "limit: no eyes" in text and "scenario ct_mask, n 2, replicate 0" in text


def test_scores_by_hand(cell):
    """Three values 0.1 apart: t(0.975, 2) = 4.3027, standard error 0.1 / sqrt(3)."""
    found = {(row["structure"], row["space"], row["metric"]): row for row in scores_of(cell / "scores.csv")}
    one = found["one", "crop", "dice"]
    assert one["mean"] == 0.8 and one["worst"] == 0.7 and one["cases"] == 3
    assert one["interval95"] == pytest.approx([0.8 - 0.24841, 0.8 + 0.24841], abs=1e-4)
    assert ("two", "crop", "dice") not in found
    assert found["two", "crop", "hd95_mm"]["interval95"] == [2.0, 2.0]


def test_no_case_is_named(cell, words, tmp_path):
    assert b"Doe^Jane" in (cell / "model.safetensors").read_bytes()
    export(cell, tmp_path / "out.safetensors", words=words)
    assert b"Doe^Jane" not in (tmp_path / "out.safetensors").read_bytes()


def test_names_in_the_mask_network_do_not_travel_either(cell, words, tmp_path, make_model):
    mask = UNet(1, 2, channels=2, activation="leaky_relu", norm="instance", dropout=0.0)
    model = make_model(extra_networks={"mask": (mask, {"cases": ["Roe^Richard"], "grid": {}})})
    model.rename(cell / "model.safetensors")
    export(cell, tmp_path / "out.safetensors", words=words)
    assert b"Roe^Richard" not in (tmp_path / "out.safetensors").read_bytes()
    assert read_header(tmp_path / "out.safetensors")["card"]["budget"]["mask"] == 1


def test_the_weights_are_the_same(cell, words, tmp_path):
    export(cell, tmp_path / "out.safetensors", words=words)
    before, after = (
        load_model(path)[0].state_dict() for path in (cell / "model.safetensors", tmp_path / "out.safetensors")
    )
    assert all((before[name] == after[name]).all() for name in before)


def test_anything_but_networks_in_the_file_is_refused(cell, words, tmp_path):
    """A volume smuggled in beside the weights, with a digest that is true."""
    import torch

    from globalmask.network.model_file import digest_of

    path = cell / "model.safetensors"
    tensors = load_file(path) | {"scan": torch.zeros(4, 4, 4)}
    header = read_header(path) | {"sha256": digest_of(tensors)}
    save_file(tensors, path, metadata={"globalmask": json.dumps(header)})
    with pytest.raises(UserError, match="holds more than networks") as caught:
        export(cell, tmp_path / "out.safetensors", words=words)
    assert "scan" in str(caught.value)
    assert not (tmp_path / "out.safetensors").exists()


def with_template(cell, make_model, records):
    entry = {"is": "average", "name": "head.nii.gz", "file": "template.nii.gz", "voxels_sha256": "0"}
    registration = {"template": "/home/doe/head.nii.gz", "template_is": "average"}
    model = make_model(template=entry, files={"template.nii.gz": b"an average"}, registration=registration)
    model.rename(cell / "model.safetensors")
    for case, record in records.items():
        write_json(cell.parents[3] / "prepared" / case / "registration.json", record)


FAR = {"overlap": 0.97, "similarity": 0.89}
ITSELF = {"overlap": 0.99, "similarity": 0.988}


def test_an_average_template_travels(cell, words, tmp_path, make_model):
    with_template(cell, make_model, {"a": FAR})
    export(cell, tmp_path / "out.safetensors", words=words)
    content = (tmp_path / "out.safetensors").read_bytes()
    assert b"an average" in content
    assert b"/home/doe" not in content


@pytest.mark.parametrize(("records", "fault"), [({"a": FAR, "b": ITSELF}, "a patient's scan"), ({}, "are not there")])
def test_a_patient_s_scan_that_is_called_average_is_refused(cell, words, tmp_path, make_model, records, fault):
    with_template(cell, make_model, records)
    with pytest.raises(UserError, match=fault):
        export(cell, tmp_path / "out.safetensors", words=words)
    assert not (tmp_path / "out.safetensors").exists()


def test_a_model_without_scores_is_refused(cell, words, tmp_path):
    (cell / "scores.csv").unlink()
    with pytest.raises(UserError, match="no scores"):
        export(cell, tmp_path / "out.safetensors", words=words)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (CARD.replace("licence: CC0\n", ""), ["'licence'"]),
        (CARD.replace("licence: CC0", "licence: ''"), ["'licence'"]),
        ("data: x\nlimits: []\nlicense: y\n", ["'licence'", "'intended_use'", "'limits'", "'license'"]),
        ("[", ["cannot be read"]),
    ],
)
def test_a_card_with_gaps_is_refused_with_every_gap(tmp_path, text, faults):
    (tmp_path / "card.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_words(tmp_path / "card.yaml")
    assert all(fault in str(caught.value) for fault in faults)


def test_info_reads_the_header_alone(cell, repository):
    """Without the weights, which are cut off here, and without torch or any image library."""
    path = cell / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: 8 + int.from_bytes(content[:8], "little")])
    code = (
        "import sys; from globalmask.cli import app; app(['info', sys.argv[1]], standalone_mode=False); "
        "print(sorted({'torch', 'SimpleITK', 'numpy', 'safetensors', 'pandas', 'ants'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=repository / "workflow", capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert "one, two: run r, arm ball" in done.stdout
    assert "no model card" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
