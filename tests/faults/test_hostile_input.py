"""Input that was made to do harm: it does nothing, and says what it is. A whole run of it: `test_sealed_run.py`."""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file
from snakemake.common.configfile import load_configfile
from snakemake_interface_common.exceptions import WorkflowError

import bad_runs
import hostile_archives as archives
from globalmask import cli
from globalmask.errors import UserError
from globalmask.evidence.analysis_plan import read_analysis_plan
from globalmask.intake import archive
from globalmask.learn.template import unpack_template
from globalmask.network.checkpoint import Checkpoints
from globalmask.network.model_file import load_model, save_model
from globalmask.network.unet import UNet
from globalmask.present.outputs import figure_files, sheet_files
from globalmask.present.report import make_report

if TYPE_CHECKING:
    from faults.conftest import Tally


class Evil:
    """Unpickled, it leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def pickled(path: Path, mark: Path) -> None:
    path.write_bytes(pickle.dumps(Evil(mark)))


def torch_saved(path: Path, mark: Path) -> None:
    torch.save({"weights": Evil(mark)}, path)


def in_a_header(path: Path, mark: Path) -> None:
    save_file({"x": torch.zeros(1)}, path, metadata={"globalmask": pickle.dumps(Evil(mark)).decode("latin-1")})


PICKLES = (pickled, torch_saved, in_a_header)


@pytest.mark.parametrize("write", [pickled, torch_saved])
def test_the_pickles_are_sharp(write: Any, tmp_path: Path) -> None:
    """Loaded as many programs load a model, each of them runs its command."""
    write(tmp_path / "model", tmp_path / "pwned")
    torch.load(tmp_path / "model", weights_only=False) if write is torch_saved else pickle.loads(
        (tmp_path / "model").read_bytes()
    )
    assert (tmp_path / "pwned").exists()


@pytest.mark.parametrize("command", ["predict-cell", "predict", "info"])
@pytest.mark.parametrize("write", PICKLES)
def test_a_pickle_in_place_of_a_model_executes_nothing(
    write: Any, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, tally: Tally
) -> None:
    model, mark = tmp_path / "model.safetensors", tmp_path / "pwned"
    write(model, mark)
    settings = {"raw_cts": {"a": str(tmp_path / "ct.nii")}, "registered": False}
    flags = [f"--{name}={tmp_path / name}" for name in ("prepared", "masks", "out", "native")]
    given = {
        "predict-cell": [f"--model={model}", *flags, f"--settings={json.dumps(settings)}"],
        "predict": [f"--model={model}", str(tmp_path / "ct.nii"), "-o", str(tmp_path / "out")],
        "info": [str(model)],
    }
    monkeypatch.setattr(sys, "argv", ["globalmask", command, *given[command]])
    with pytest.raises(SystemExit) as left:
        cli.main()
    told = capsys.readouterr().err
    tally.hostile(f"model, {command}: {write.__name__}", refused=not mark.exists() and left.value.code == 2)
    assert left.value.code == 2
    assert told.startswith("The file is not a model of globalmask, or it is torn.\n")
    with pytest.raises(UserError):
        load_model(model)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["../pwned", "/tmp/pwned.nii", "template.nii/../../pwned", "other.nii"])
def test_a_template_in_a_model_leads_nowhere_else(name: str, tmp_path: Path, tally: Tally) -> None:
    model, folder = tmp_path / "model.safetensors", tmp_path / "in" / "here"
    network = UNet(1, 2, channels=2, activation="leaky_relu", norm="instance", dropout=0.0)
    save_model(model, network, {"template": {"file": name}}, files={name: b"sharp"})
    before = set(tmp_path.rglob("*"))
    with pytest.raises(UserError, match="cannot hold"):
        unpack_template(model, folder)
    tally.hostile(f"template in a model: {name}", refused=set(tmp_path.rglob("*")) == before)
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("write", PICKLES)
def test_a_pickle_in_place_of_a_checkpoint_executes_nothing(write: Any, tmp_path: Path, tally: Tally) -> None:
    mark = tmp_path / "pwned"
    for name in ("last.safetensors", "previous.safetensors"):
        write(tmp_path / name, mark)
    found = Checkpoints(tmp_path, {"settings": 1}).load()
    tally.hostile(f"checkpoint: {write.__name__}", refused=found is None and not mark.exists())
    assert found is None
    assert not mark.exists()


def test_a_pickle_in_an_array_file_executes_nothing(tmp_path: Path, tally: Tally) -> None:
    from globalmask.evidence.shift_case import read_shifted

    file, mark = tmp_path / "shifted.npz", tmp_path / "pwned"
    np.savez(file, frozen_mask=np.array([Evil(mark)], object), shift=np.array([Evil(mark)], object))
    with pytest.raises((ValueError, KeyError)):
        list(read_shifted(file))
    tally.hostile("arrays: pickled", refused=not mark.exists())
    assert not mark.exists()


@pytest.mark.parametrize("read", [load_configfile, read_analysis_plan])
@pytest.mark.parametrize("tag", ["object/apply:os.system", "object/new:os.system", "name:os.system", "module:os"])
def test_yaml_makes_no_object(read: Any, tag: str, tmp_path: Path, tally: Tally) -> None:
    file, mark = tmp_path / "hostile.yaml", tmp_path / "pwned"
    file.write_text(f"run: !!python/{tag} ['touch {mark}']\n", encoding="utf-8")
    with pytest.raises((WorkflowError, UserError, yaml.YAMLError)):
        read(file)
    tally.hostile(f"YAML: {tag}", refused=not mark.exists())
    assert not mark.exists()


IDS = [
    "../b",
    "../../b",
    "/etc/b",
    "b/../../c",
    "..",
    ".b",
    "b\0",
    "b\n",
    "$(touch b)",
    "`touch b`",
    "b;touch c",
    "-rf",
]


@pytest.mark.parametrize("case", [*IDS, "-rf", "<b>", "{case}", "b|c", "~b", "C:b", "b\\c", "\u202eb", "b" * 65])
def test_a_case_id_cannot_lead_out_of_the_results(case: str, tmp_path: Path, tally: Tally) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with pytest.raises(UserError) as told:
        bad_runs.read(folder, table=bad_runs.TABLE.replace("\nb\t", f'\n"{case}"\t'))
    tally.hostile(f"case id {case!r}", refused=True)
    assert any(words in str(told.value) for words in ("The case id cannot be used.", "The table is not text."))
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("kind", ["run: heads", "  brain:", "  paper:"])
@pytest.mark.parametrize("name", ["../b", "/tmp/b", "b/c", "b c", "$(touch b)", "b\\nc", "<b>", "{b}", "b" * 41])
def test_no_name_in_the_config_leads_out_of_the_results(kind: str, name: str, tmp_path: Path, tally: Tally) -> None:
    key = kind.strip().rstrip(":")
    new = f'run: "{name}"' if kind.startswith("run") else f'  "{name}":'
    with pytest.raises(UserError, match=r"letters, digits or underscores|at most 40 characters") as told:
        bad_runs.read(tmp_path, config=bad_runs.CONFIG.replace(f"{kind}\n", f"{new}\n"))
    tally.hostile(f"{key} {name!r}", refused=True)
    assert str(told.value).startswith("Option '")


def swells(path: Path) -> Path:
    return archives.zipped(path, {"zeros": bytes(30_000_000)})


HOSTILE_ARCHIVES: dict[str, Callable[[Path], Path]] = {
    f"{make.__name__}, {kind}": lambda path, make=make, name=name: make(path, {"ok": b"1", name: b"evil"})
    for make in (archives.zipped, archives.tarred)
    for kind, name in archives.NAMES.items()
} | {"link in a zip": archives.zip_with_link, "link in a tar": archives.tar_with_link, "bomb": swells}


@pytest.mark.parametrize("kind", HOSTILE_ARCHIVES)
def test_an_archive_cannot_write_outside_its_folder(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    monkeypatch.setattr(archive, "NEVER_A_BOMB_BYTES", 1_000_000)
    given = HOSTILE_ARCHIVES[kind](tmp_path / "d.archive")
    with pytest.raises(UserError, match="nothing of it is unpacked"):
        archive.extract(given, tmp_path / "out")
    left = [path.name for path in tmp_path.iterdir()]
    tally.hostile(f"archive: {kind}", refused=left == ["d.archive"])
    assert left == ["d.archive"]
    assert not Path("/tmp/evil").exists()


def test_markup_from_data_is_inert_in_the_report(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    """Ids and paths with markup are refused before; here they reach the report by every way that text has."""
    monkeypatch.syspath_prepend(repository / "tests" / "unit" / "present")
    from unit.present.conftest import make_fake_run

    run_dir, plan = make_fake_run(tmp_path, arms=("brain",), sizes=(1,), images=False)
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
    plan |= {"run": evil, "config": {"data_dir": evil, "arms": {evil: {"cases": evil}}}}
    (run_dir / "brain" / "check").mkdir()
    record = {"case": evil, "warnings": [evil], "faults": []}
    (run_dir / "brain" / "check" / "brain_01.json").write_text(json.dumps(record), encoding="utf-8")
    split = next((run_dir / "brain" / "splits").glob("*.tsv"))
    split.write_text(split.read_text(encoding="utf-8").replace("brain_01", evil.replace('"', "")), encoding="utf-8")
    for place in [*(f"figures/{n}" for n in figure_files(plan)), *(f"sheets/{n}" for n in sheet_files(plan))]:
        (run_dir / place).parent.mkdir(exist_ok=True)
        Image.new("RGB", (2, 2)).save((run_dir / place).with_suffix(".png"))
    make_report(run_dir=run_dir, plan=plan, out_path=run_dir / "report.html")
    page = (run_dir / "report.html").read_text(encoding="utf-8")
    tally.hostile("markup in ids, paths, warnings", refused="<script>alert" not in page and "<img src=x" not in page)
    assert page.count("&lt;script&gt;alert(1)") >= 5
    assert "<script>alert" not in page
    assert "<img src=x" not in page
