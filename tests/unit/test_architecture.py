"""The shape of the house: imports point one way, and what is parsed or asked for help stays light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib

import pytest

ORDER = (
    "cli", "commands", "verify", "apply", "present", "evidence", "learn", "masks", "prepare", "intake",
    "network", "imaging", "matrix", "provenance", "config", "cluster", "errors",
)  # fmt: skip
HEAVY = ("torch", "ants", "SimpleITK", "pandas", "numpy", "scipy", "matplotlib")


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "globalmask" and len(parts) > 1 and parts[1] in ORDER:
                yield parts[1]


def test_imports_point_one_way(repository):
    package = repository / "workflow" / "globalmask"
    wrong = []
    for path in sorted(package.rglob("*.py")):
        room = path.relative_to(package).parts[0].removesuffix(".py")
        if room in ORDER:
            wrong += [
                f"{path.name} imports {other}"
                for other in imported_rooms(path)
                if ORDER.index(other) < ORDER.index(room)
            ]
    assert not wrong


@pytest.mark.parametrize(
    "module",
    [
        "globalmask",
        "globalmask.cli",
        "globalmask.apply.model",
        "globalmask.apply.card",
        "globalmask.config",
        "globalmask.matrix",
        "globalmask.intake.cohort",
        "globalmask.present.outputs",
    ],
)
def test_what_the_snakefile_and_the_help_import_is_light(repository, module):
    code = f"import sys, {module}; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=repository / "workflow", capture_output=True, encoding="utf-8", check=True
    )
    assert found.stdout.strip() == "[]"


def test_every_shell_command_is_one_of_the_command_line(repository):
    from globalmask.cli import app

    known = {command.name or command.callback.__name__.replace("_", "-") for command in app.registered_commands}
    called = set()
    for path in (repository / "workflow" / "rules").glob("*.smk"):
        called |= set(re.findall(r'"globalmask ([a-z-]+)', path.read_text(encoding="utf-8")))
    assert called
    assert called <= known


def test_no_rule_runs_python_inside_snakemake(repository):
    for path in (repository / "workflow" / "rules").glob("*.smk"):
        assert not re.search(r"^\s+(run|script):", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_one_module_alone_uses_the_network(repository):
    package = repository / "workflow" / "globalmask"
    network = re.compile(r"^\s*(?:import|from) (?:urllib|http|ftplib|requests|pooch)\b", re.MULTILINE)
    found = [path for path in package.rglob("*.py") if network.search(path.read_text(encoding="utf-8"))]
    assert [path.relative_to(package).as_posix() for path in found] == ["intake/sources/download.py"]


def test_environments_name_the_lock(repository):
    assert "-r ../requirements.lock" in (repository / "envs" / "globalmask.yaml").read_text(encoding="utf-8")
    lock = (repository / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned = {re.split(r"==", line)[0].lower().replace("_", "-") for line in lock if line}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lock if line)
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    assert {re.match(r"[A-Za-z0-9-]+", line)[0].lower() for line in declared} <= pinned
