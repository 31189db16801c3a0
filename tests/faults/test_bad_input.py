"""Bad input, one kind a test: the exact block that a user reads, by the way in which a user meets it.

What each kind is stands in `bad_volumes.py` (a case on disk) and `bad_runs.py` (config and tables), and its block under
its name in `blocks/`. Volumes are met by `globalmask check-case` and `check-cohort`, as the rules call them; the rest
by what the Snakefile calls when it starts.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk

import bad_runs
import bad_volumes as bad
from globalmask import cli
from globalmask.errors import UserError

if TYPE_CHECKING:
    from faults.conftest import Tally

BLOCKS = Path(__file__).parent / "blocks"
HELPERS = ("head", "contours", "volume", "patch_header", "dicom_folder", "dataclass")
VOLUMES = [name for name, _ in inspect.getmembers(bad, inspect.isfunction) if name not in HELPERS]
KINDS = {"volumes": VOLUMES, "configs": [*bad_runs.CONFIGS], "tables": [*bad_runs.TABLES], "splits": [*bad_runs.SPLITS]}


def blocks(name: str) -> dict[str, str]:
    """The blocks of a file, by kind."""
    text = (BLOCKS / f"{name}.txt").read_text(encoding="utf-8")
    parts = (part.split("\n", 1) for part in text.removeprefix("== ").split("\n== "))
    return {kind: block.rstrip("\n") for kind, block in parts}


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command of `globalmask`; returns the exit code and what stands on stderr."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["globalmask", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0), capsys.readouterr().err

    return run


def check(command: Any, place: bad.Place, case: str = "head_1") -> Path:
    """`globalmask check-case` of a case, which writes faults down and does not fail."""
    facts = place.folder / f"{case}.json"
    mask = ("--mask", place.mask) if place.mask else ()
    code, told = command(
        *("check-case", "--case", case, "--ct", place.ct, "--label", place.label, *mask),
        *("--facts", facts, "--picture", place.folder / f"{case}.png"),
        *("--settings", json.dumps({"structures": bad.VALUES, "ignored_values": []})),
    )
    assert code == 0, told
    assert "Traceback" not in told
    return facts


def gather(command: Any, folder: Path, *facts: Path, train: int = 0) -> tuple[int, str]:
    counts = {"train": train, "validation": 0, "test": 1}
    settings = json.dumps({"arm": "brain", "counts": counts})
    return command("check-cohort", *facts, "--out", folder / "check.tsv", "--settings", settings)


def is_clear(block: str) -> bool:
    """One block that says what is wrong and what to do about it or what would be right."""
    return "Traceback" not in block and any(
        word in block for word in ("what to do:", "expected:", "does not fit: ", "looked for:")
    )


def test_every_block_belongs_to_a_kind() -> None:
    assert {name: [*blocks(name)] for name in KINDS} == KINDS
    assert sum(map(len, KINDS.values())) >= 120


@pytest.mark.parametrize("kind", VOLUMES)
def test_a_bad_volume(kind: str, tmp_path: Path, command: Any, tally: Tally) -> None:
    place = bad.Place.good(tmp_path)
    getattr(bad, kind)(place)

    code, told = gather(command, tmp_path, check(command, place))

    block = told.replace(str(tmp_path), "{folder}").rstrip("\n")
    tally.bad_input(kind, clear=is_clear(block))
    assert (code, block) == (2, blocks("volumes")[kind])
    assert is_clear(block)
    assert not (tmp_path / "check.tsv").exists()


@pytest.mark.parametrize("kind", [*bad_runs.CONFIGS, *bad_runs.TABLES, *bad_runs.SPLITS])
def test_a_bad_run(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.chdir(folder)
    before = {path.name for path in tmp_path.iterdir()}

    with pytest.raises(UserError) as told:
        bad_runs.read(folder, **bad_runs.spoiled(kind))

    block = str(told.value).replace(str(folder), "{folder}")
    tally.bad_input(kind, clear=is_clear(block))
    expected = blocks("configs") | blocks("tables") | blocks("splits")
    assert block == expected[kind]
    assert is_clear(block)
    assert {path.name for path in tmp_path.iterdir()} == before


def test_the_run_that_the_others_spoil_is_in_order(tmp_path: Path) -> None:
    config, cohorts = bad_runs.read(tmp_path)
    assert cohorts["brain"].split(0).train_order
    assert bad_runs.read(tmp_path, split=bad_runs.SPLIT)[1]["brain"].split(0).test == ["d"]
    written = bad_runs.CONFIG.replace("{max_steps: 100}", "{learning_rate: 1e-3}")  # text, says YAML
    assert bad_runs.read(tmp_path, config=written)[0].variants["paper"].settings.learning_rate == 1e-3
    assert config.run == "heads"


def test_a_copied_patient_and_too_few_cases_are_told_together(tmp_path: Path, command: Any, tally: Tally) -> None:
    place = bad.Place.good(tmp_path)
    facts = [check(command, place, "head_1")]
    place.ct = tmp_path / "renamed.nrrd"
    place.write_ct(bad.head(np.float32))
    facts.append(check(command, place, "head_2"))

    code, told = gather(command, tmp_path, *facts, train=4)

    digest = json.loads(facts[0].read_text(encoding="utf-8"))["facts"]["ct"]["voxels_sha256"]
    tally.bad_input("one patient under two names, too few cases", clear=is_clear(told))
    assert code == 2
    assert told.rstrip("\n") == (
        "2 faults were found.\n"
        "1. The CT of two cases has the same voxels.\n"
        "  case: head_1 and head_2\n"
        f"  found: SHA-256 {digest[:16]}… twice\n"
        "  expected: every patient once: a copy in two roles would leak\n"
        "  what to do: Put a '#' before one of them in the case table.\n"
        "2. Arm 'brain' has too few cases for its split.\n"
        "  found: 2 cases\n"
        "  expected: 4 train + 0 validation + 1 test = 5\n"
        "  what to do: Add cases, or write `split: auto`."
    )


@pytest.mark.parametrize("kind", ["text", "air"])
def test_a_template_that_shows_no_head(kind: str, tmp_path: Path, command: Any, tally: Tally) -> None:
    file = tmp_path / "template.nii.gz"
    if kind == "text":
        file.write_text("not a scan", encoding="utf-8")
    else:
        sitk.WriteImage(bad.volume(np.full(bad.SHAPE, -1000, np.int16)), str(file))
    settings = {"grid": {"spacing_mm": 6.0, "size_voxels": 32}, "registration": {"template": file.name}}

    code, told = command("make-template", "--ct", file, "--out", tmp_path / "out", "--settings", json.dumps(settings))

    tally.bad_input(f"template: {kind}", clear=is_clear(told))
    assert code == 2
    first = "The image cannot be read." if kind == "text" else "The box of the template holds no head."
    assert told.startswith(f"{first}\n")
    assert f"  file: {file}\n" in told
    assert "  what to do: " in told
    assert not list((tmp_path / "out").glob("*"))


def test_odd_scans_that_the_workflow_handles_are_warnings(tmp_path: Path, command: Any) -> None:
    place = bad.Place.good(tmp_path)
    lean = np.radians(8)
    direction = [1, 0, 0, 0, np.cos(lean), -np.sin(lean), 0, np.sin(lean), np.cos(lean)]
    label = bad.contours()
    label[-1, 10, 11] = 1
    place.write_ct(np.clip(bad.head(), -200, 200), direction=direction)
    place.write_label(label, direction=direction)

    facts = check(command, place)

    assert json.loads(facts.read_text(encoding="utf-8"))["warnings"] == [
        "The scan's axes are tilted by 8.0 degrees against the patient's.",
        "The CT has no air: its lowest value is -200 HU. Was it clipped or cropped?",
        "The structure 'brain_stem' touches the border of the scan (top).",
    ]
    assert gather(command, tmp_path, facts) == (0, "")
