"""What `pip install .` gives: a wheel with every file of the package, a command, plain words for a missing extra."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from globalmask.errors import EXTRAS, missing_library

REPOSITORY = Path(__file__).parents[2]

PACKAGE = REPOSITORY / "workflow" / "globalmask"
IMPORTED_AS = {
    "antspyx": "ants",
    "pymeshmetrics": "meshmetrics",
    "pyyaml": "yaml",
    "vtk": "vtkmodules",
}
CALLED = {"snakemake", "snakemake-executor-plugin-slurm"}
"""The workflow itself: programs and plug-ins, which nothing imports."""


def declared(extra=""):
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return [re.match(r"[\w-]+", line)[0].lower() for line in lines]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("setuptools", minversion="77")
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, folder)
    shutil.copytree(PACKAGE, folder / "workflow" / "globalmask", ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir"]
    subprocess.run([*build, str(folder), str(folder)], check=True, capture_output=True, encoding="utf-8")
    (made,) = folder.glob("*.whl")
    return made


def test_the_wheel_holds_every_file_of_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if name.startswith("globalmask/")}
    files = {path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert inside == {f"globalmask/{path.relative_to(PACKAGE).as_posix()}" for path in files}
    assert "globalmask/py.typed" in inside


def test_the_wheel_gives_the_command_and_its_extras(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (about,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = message_from_bytes(archive.read(about))
        entry = archive.read(about.replace("METADATA", "entry_points.txt")).decode()
    assert "globalmask = globalmask.cli:main" in entry
    assert {"workflow", "dicom"} <= set(metadata.get_all("Provides-Extra"))
    said = subprocess.run(
        [sys.executable, "-c", "from globalmask.cli import main; main()", "--version"],
        env={"PYTHONPATH": str(wheel), "PATH": ""},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert said.stdout.strip() == metadata["Version"]


def test_every_declared_library_is_used():
    text = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    for extra in ("", "workflow", "dicom"):
        for name in set(declared(extra)) - CALLED - {"vtk"}:
            module = re.escape(IMPORTED_AS.get(name, name))
            assert re.search(rf"^\s*(?:import|from) (?i:{module})\b", text, re.M), f"nothing imports {name}"


def test_every_library_of_an_extra_is_told_when_it_is_missing():
    for extra, modules in EXTRAS.items():
        wanted = set(declared(extra)) - {"snakemake-executor-plugin-slurm"}
        assert set(modules) == {IMPORTED_AS.get(name, name) for name in wanted}
    assert "globalmask[workflow]" in str(missing_library(ModuleNotFoundError(name="statsmodels.stats")))
    with pytest.raises(ModuleNotFoundError):
        missing_library(ModuleNotFoundError(name="of_nobody"))


def run_without(modules, code):
    hidden = f"import sys; sys.modules.update(dict.fromkeys({list(modules)!r})); "
    return subprocess.run(
        [sys.executable, "-c", hidden + code], cwd=PACKAGE.parent, capture_output=True, encoding="utf-8", check=False
    )


def test_a_command_without_its_library_ends_in_one_block(tmp_path):
    files = {"--run": tmp_path, "--plan": tmp_path / "p", "--out": tmp_path / "r"}
    call = ["globalmask", "make-report", *(str(word) for pair in files.items() for word in pair)]
    (tmp_path / "p").write_text("{}", encoding="utf-8")
    done = run_without(["jinja2"], f"sys.argv = {call!r}; from globalmask.cli import main; main()")
    assert done.returncode == 2
    assert "needs the library 'jinja2'" in done.stderr
    assert 'pip install "globalmask[workflow]"' in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("modules", "hidden"),
    [
        ("globalmask.apply.batch, globalmask.apply.export, globalmask.intake.starter", EXTRAS["workflow"]),
        ("globalmask.prepare.register", ("meshmetrics", "snakemake", "vtkmodules")),
    ],
)
def test_predicting_needs_no_library_of_the_workflow(modules, hidden):
    done = run_without(hidden, f"import {modules}")
    assert done.returncode == 0, done.stderr
