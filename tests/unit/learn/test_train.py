"""A cell trains from files: three outputs, a header that serves predict, and errors that name the case."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from safetensors.torch import load_file

from globalmask.config import TrainSettings
from globalmask.errors import UserError
from globalmask.imaging.images import array_of, read_image, write_image
from globalmask.learn import train as training
from globalmask.learn.train import train
from globalmask.network.model_file import load_model, read_file, read_header, save_model
from globalmask.network.unet import UNet
from globalmask.provenance import write_json

FACTS = {
    case: {"orientation": "RAS", "tilt_degrees": tilt, "lowest_hu": -500.0, "highest_hu": 50.0, "tissue_hu": 50.0}
    for case, tilt in (("a", 1.0), ("b", 4.0), ("c", 90.0))
}
SETTINGS = TrainSettings(
    channels=2,
    activation="leaky_relu",
    norm="instance",
    dropout=0.0,
    loss="dice_ce",
    augmentation=True,
    max_steps=2,
    validate_every=1,
    patience_steps=None,
)


@pytest.fixture()
def folders(tmp_path):
    z, y, x = np.mgrid[:32, :32, :32]
    ball = (z - 16) ** 2 + (y - 16) ** 2 + (x - 16) ** 2
    for case in ("a", "b", "c"):
        ct = np.where(ball < 100, 50, -500).astype(np.int16)
        folder = tmp_path / "prepared" / case
        write_image(sitk.GetImageFromArray(ct), folder / "ct.nii.gz")
        label = (ball < 30).astype(np.uint8) + (ball < 10)
        write_image(sitk.GetImageFromArray(label.astype(np.uint8)), folder / "label.nii.gz")
        write_image(sitk.GetImageFromArray((ball < 100).astype(np.uint8)), tmp_path / "masks" / f"{case}.nii.gz")
        (tmp_path / "masks" / f"{case}.json").write_text(json.dumps({"offset_zyx": [0, 0, 0]}))
        write_json(folder / "facts.json", FACTS[case])
    return tmp_path


def run(folders, **changes):
    options = {
        "prepared_dir": folders / "prepared",
        "masks_dir": folders / "masks",
        "train_cases": ["a", "b"],
        "validation_cases": ["c"],
        "scenario": "ct_mask",
        "settings": SETTINGS,
        "structures": ["outer", "inner"],
        "clip_hu": (-200.0, 200.0),
        "size_voxels": 32,
        "seed_words": {"seed": 1, "arm": "brain", "replicate": 0},
        "device": "cpu",
        "threads": 1,
        "out_dir": folders / "out",
        "checkpoint_dir": folders / "checkpoint",
        "header": {"arm": "brain", "variant": "modern", "n": 2, "replicate": 0, "grid": {"spacing_mm": 1.5}},
    }
    return train(**{**options, **changes})


def test_outputs_and_header(folders):
    state = run(folders)
    assert state.step == 2
    assert sorted(path.name for path in (folders / "out").iterdir()) == ["history.csv", "model.safetensors", "run.json"]
    network, header = load_model(folders / "out" / "model.safetensors")
    assert network.arguments["in_channels"] == 2 and network.arguments["out_channels"] == 3
    assert header["scenario"] == "ct_mask" and header["structures"] == ["outer", "inner"]
    assert header["clip_hu"] == [-200.0, 200.0] and header["size_voxels"] == 32
    assert header["grid"] == {"spacing_mm": 1.5} and header["settings"]["max_steps"] == 2
    record = json.loads((folders / "out" / "run.json").read_text(encoding="utf-8"))
    assert (record["variant"], record["n"], record["scenario"]) == ("modern", 2, "ct_mask")


def test_validation_can_be_left_out(folders):
    state = run(folders, validation_cases=[])
    assert state.best_step == 2 and state.best_val_dice is None
    record = json.loads((folders / "out" / "run.json").read_text(encoding="utf-8"))
    assert (record["cases"]["validation"], record["weights_kept"]) == ([], "last step")


def test_scrambled_labels_of_validation_cases_change_no_training_input(folders, monkeypatch):
    seen = []
    monkeypatch.setattr(training, "run_job", lambda train, validation, **settings: seen.append((train, validation)))
    run(folders)
    label = folders / "prepared" / "c" / "label.nii.gz"
    scrambled = np.random.default_rng(0).permuted(array_of(read_image(label)))
    write_image(sitk.GetImageFromArray(scrambled), label)
    run(folders)
    (train, validation), (train_after, validation_after) = seen
    for before, after in zip(train, train_after, strict=True):
        assert torch.equal(before.inputs, after.inputs) and torch.equal(before.label, after.label)
    assert torch.equal(validation[0].inputs, validation_after[0].inputs)
    assert not torch.equal(validation[0].label, validation_after[0].label)


def test_independent_outputs_train_and_are_loaded_as_such(folders):
    run(folders, settings=SETTINGS.model_copy(update={"output": "sigmoid"}))
    network, header = load_model(folders / "out" / "model.safetensors")
    assert header["network"]["output"] == header["settings"]["output"] == "sigmoid"
    assert (network.chances(torch.zeros(1, 2, 32, 32, 32))[:, 0] == 0.5).all()


def test_scenarios_start_from_the_same_weights(folders):
    fixed = SETTINGS.model_copy(update={"learning_rate": 1e-30})
    weights = {}
    for scenario in ("ct", "mask", "ct_mask"):
        run(folders, scenario=scenario, settings=fixed, out_dir=folders / scenario)
        weights[scenario] = load_model(folders / scenario / "model.safetensors")[0].state_dict()
    for name, value in weights["ct"].items():
        assert torch.allclose(value, weights["mask"][name], rtol=0, atol=1e-20), name
        if not name.startswith("down.0.0."):
            assert torch.allclose(value, weights["ct_mask"][name], rtol=0, atol=1e-20), name


def test_mask_network_travels_along(folders):
    mask = UNet(1, 2, channels=2, activation="leaky_relu", norm="instance", dropout=0.0)
    save_model(folders / "mask.safetensors", mask, {"part": "all"})
    run(folders, mask_network=folders / "mask.safetensors")
    assert read_header(folders / "out" / "model.safetensors")["extra_networks"]["mask"]["part"] == "all"
    loaded, _ = load_model(folders / "out" / "model.safetensors", part="mask")
    assert torch.equal(loaded.head.weight, mask.head.weight)


def test_the_header_tells_what_the_training_scans_were_like(folders):
    run(folders)
    saw = read_header(folders / "out" / "model.safetensors")["saw"]
    assert (saw["cases"], saw["orientations"]) == (2, ["RAS"])
    assert saw["ranges"]["tilt_degrees"] == [1.0, 4.0]


def registered(folders, template_is, **quality):
    template = folders / "template.nii.gz"
    write_image(sitk.GetImageFromArray(np.arange(27, dtype=np.int16).reshape(3, 3, 3)), template)
    for case in ("a", "b"):
        write_json(folders / "prepared" / case / "facts.json", FACTS[case] | {"covered": 1.0})
        record = {"overlap": 0.9, "similarity": 0.8, "rotation_deg": 3.0} | (quality if case == "b" else {})
        write_json(folders / "prepared" / case / "registration.json", record)
    registration = {"template": "data/head.nii.gz", "template_is": template_is}
    run(folders, template=template, header={"arm": "brain", "registration": registration})
    return template


@pytest.mark.parametrize("template_is", ["public", "average"])
def test_a_template_that_is_no_patient_s_travels_whole(folders, template_is):
    template = registered(folders, template_is)
    model = folders / "out" / "model.safetensors"
    entry = read_header(model)["template"]
    assert (entry["is"], entry["name"]) == (template_is, "head.nii.gz")
    assert read_file(model, entry["file"]) == template.read_bytes()
    assert read_header(model)["saw"]["ranges"]["overlap"] == [0.9, 0.9]


def test_a_patient_s_template_does_not_travel(folders):
    template = registered(folders, "patient", overlap=0.99, similarity=0.99)
    model = folders / "out" / "model.safetensors"
    assert read_header(model)["template"]["file"] is None
    assert not any(name.startswith("file.") for name in load_file(model))
    assert template.read_bytes() not in model.read_bytes()


def test_a_training_case_is_no_public_template(folders):
    with pytest.raises(UserError, match="a patient's scan") as caught:
        registered(folders, "average", overlap=0.99, similarity=0.99)
    assert caught.value.fields["case"] == "b"
    assert not (folders / "out").exists()


def test_value_that_is_no_structure_is_named(folders):
    with pytest.raises(UserError, match="no structure") as caught:
        run(folders, structures=["outer"])
    assert "case: a" in str(caught.value)


def test_gpu_that_is_not_there_is_an_error(folders, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="no GPU"):
        run(folders, device="cuda")
    assert not (folders / "out").exists()
