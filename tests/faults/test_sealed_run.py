"""One whole run of DICOM heads whose headers and folders name a patient, without network and without pictures.

Where SLURM is installed, Snakemake's plugin for it asks `scontrol` what the cluster is like each time it starts, and
that one asks the network for its controller; here it finds a `scontrol` that has no cluster.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import SimpleITK as sitk

from checkout import Checkout
from dicom_series import write_series
from globalmask.intake.phantom import make_case

if TYPE_CHECKING:
    from faults.conftest import Tally

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

FOLDER = "Erika Secretson $(touch pwned) 'x' `touch pwned`; # & \"y\" *"
SECRETS = {
    "name": "SECRETSON^ERIKA",
    "identifier": "PID-4711-SECRET",
    "birthday": "19310217",
    "day of the study": "20190823",
    "UID": "1.2.826.0.1.3680043.77.",
    "comment": "told by Dr. Secretson",
    "folder": "Secretson",
}
HEADER = {
    "0010|0010": SECRETS["name"],
    "0010|0020": SECRETS["identifier"],
    "0010|0030": SECRETS["birthday"],
    "0008|0020": SECRETS["day of the study"],
    "0008|0090": SECRETS["name"],
    "0010|4000": SECRETS["comment"],
    "0020|000d": SECRETS["UID"] + "1",
}
CONFIG = """
run: sealed
images: none
device: cpu
arms:
  brain:
    cases: {table}
    structures: {{brain_stem: 1, left_eye: 2, right_eye: 3}}
    split: {{train: 1, validation: 1, test: 1}}
    sizes: [1]
    grid: {{spacing_mm: 6.0, size_voxels: 32}}
    registration: {{template: head_1, box_offset_mm: [4, -8, 0]}}
    mask: {{recipe: threshold}}
variants:
  modern:
    preset: modern
    scenarios: [ct, ct_mask]
    train: {{channels: 2, max_steps: 4, validate_every: 2, precision: fp32}}
"""


class Sealed(NamedTuple):
    """The finished run and what its namespace counted."""

    folder: Path
    counted: dict[str, int]

    @property
    def results(self) -> list[Path]:
        return [path for top in ("results", "logs") for path in (self.folder / top).rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def sealed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    if (
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "--net", "true"], stderr=subprocess.PIPE).returncode
    ):
        pytest.skip("no right to make a network namespace here (unshare --net)")
    checkout = Checkout(repository, tmp_path_factory.mktemp("sealed"))
    config = checkout.folder / "sealed.yaml"
    config.write_text(CONFIG.format(table=json.dumps(str(_heads(checkout.folder / FOLDER)))), encoding="utf-8")
    bare = tmp_path_factory.mktemp("no cluster")
    (bare / "scontrol").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (bare / "scontrol").chmod(0o755)
    script = repository / "tests" / "faults" / "sealed.py"
    done = subprocess.run(
        ["unshare", "--net", sys.executable, str(script), "--cores", "2", "--configfile", "sealed.yaml"],
        cwd=checkout.folder,
        env=os.environ | {"XDG_CACHE_HOME": str(checkout.folder / "cache"), "PATH": f"{bare}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    counted = json.loads(done.stdout.splitlines()[-1])
    assert counted["returncode"] == 0, done.stdout[-4000:]
    return Sealed(checkout.folder, counted)


def _heads(folder: Path) -> Path:
    """Three synthetic heads as DICOM folders with labels in NIfTI, all of whose headers tell secrets."""
    folder.mkdir()
    lines = ["case\tct\tlabel"]
    for number in (1, 2, 3):
        ct, label = make_case("head", number, seed=2022)
        series = write_series(folder / f"series {number}", ct, series=f"{SECRETS['UID']}{number}", fields=HEADER)
        label = sitk.DICOMOrient(label, "LPS")
        label.SetMetaData("ITK_FileNotes", SECRETS["comment"])
        label.SetMetaData("aux_file", SECRETS["identifier"])
        sitk.WriteImage(label, str(folder / f"label {number}.nii.gz"))
        lines.append(f"head_{number}\t{series.name}\tlabel {number}.nii.gz")
    (folder / "cases.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "cases.tsv"


def test_a_run_needs_no_network_and_tries_none(sealed: Sealed, tally: Tally) -> None:
    tally.hostile("a network that listens", refused=sealed.counted["run"] == 0)
    assert (sealed.folder / "results/sealed/report.html").is_file()
    assert sealed.counted["run"] == 0
    assert sealed.counted["control"] >= 3  # an attempt by address, by datagram, by name: all would have been counted


def test_a_folder_s_name_is_no_command_and_no_pattern(sealed: Sealed, tally: Tally) -> None:
    pwned = list(sealed.folder.rglob("pwned"))
    tally.hostile("a path with a command in it", refused=not pwned)
    assert not pwned


@pytest.mark.parametrize("secret", SECRETS)
def test_no_result_and_no_log_tells_who_the_patient_is(sealed: Sealed, secret: str, tally: Tally) -> None:
    raw = sealed.folder / FOLDER
    found = [path for path in sealed.results if _holds(path, SECRETS[secret])]
    tally.hostile(f"a header or path with a {secret}", refused=not found)
    assert not found
    assert secret == "folder" or any(_holds(path, SECRETS[secret]) for path in raw.rglob("*") if path.is_file())


def test_images_none_draws_no_patient_anywhere(sealed: Sealed, tally: Tally) -> None:
    results = sealed.folder / "results" / "sealed"
    drawn = {path.stem for path in results.rglob("*") if path.suffix in (".png", ".pdf", ".jpg", ".npz")}
    checked = {f"head_{number}" for number in (1, 2, 3)}
    report = (results / "report.html").read_text(encoding="utf-8")
    refused = not {name for name in drawn if name.startswith(("fig3", "fig5", "fig7", "fig8", "check", "case"))}
    tally.hostile("a face in the pictures", refused=refused)
    assert refused
    assert drawn - checked - {"registration"} == {
        "fig4",
        "fig6",
        "answer_brain",
        "gain",
        "learning",
        "dice_context",
        "mask_quality",
    }
    assert not (results / "sheets").exists()
    assert "image/jpeg" not in report
    assert "<code>images: none</code>" in report
    for case in checked:
        assert _white(results / "brain" / "check" / f"{case}.png") > 0.8
        assert _white(results / "brain" / "prepared" / case / "registration.png") > 0.8


def test_a_model_holds_weights_and_case_ids_and_no_voxel(sealed: Sealed) -> None:
    from globalmask.network.model_file import load_model

    for path in (sealed.folder / "results/sealed/brain").rglob("model.safetensors"):
        network, header = load_model(path)
        weights = sum(value.numel() * value.element_size() for value in network.state_dict().values())
        assert path.stat().st_size < weights + 20_000
        assert str(sealed.folder) not in json.dumps(header)


def _holds(path: Path, secret: str) -> bool:
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    return any(form.encode() in raw for form in (secret, secret.lower(), secret.upper()))


def _white(path: Path) -> float:
    """Share of white pixels: words leave nearly all of a page white, three planes of a CT nearly nothing."""
    from PIL import Image

    with Image.open(path) as image:
        grey = image.convert("L")
        return grey.histogram()[255] / (grey.width * grey.height)
