"""The Dockerfile stays in step with the lock, the Makefile and the environments; nothing is built here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def lines():
    text = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def argument(lines, word):
    return [line.removeprefix(f"{word} ") for line in lines if line.startswith(f"{word} ")]


def test_python_is_the_same_everywhere(lines):
    (image,) = argument(lines, "FROM")
    version = re.fullmatch(r"python:(\d\.\d+)-slim", image)[1]
    assert f"python={version}\n" in (REPOSITORY / "envs" / "globalmask.yaml").read_text(encoding="utf-8")
    assert f"PYTHON ?= python{version}\n" in (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert f'requires-python = ">={version}"' in (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")


def test_libraries_come_from_the_lock_alone_and_as_make_installs_them(lines):
    installs = [found for line in argument(lines, "RUN") for found in re.findall(r"pip install ([^&]*)", line)]
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    made = re.findall(r"\$\(VENV\)/bin/pip install (.*)", makefile)
    plain = [re.sub(r"--(?:no-cache-dir|quiet) ", "", line).strip() for line in installs]
    assert plain == [re.sub(r"--quiet ", "", line).strip() for line in made]
    assert plain[0] == "--requirement requirements.lock"


def test_the_lock_is_copied_before_the_code_and_make_finds_its_mark(lines):
    copies = argument(lines, "COPY")
    assert copies == ["requirements.lock ./", ". ."]
    assert all((REPOSITORY / copy.split()[0]).exists() for copy in copies)
    assert "touch .venv/.installed" in argument(lines, "RUN")[-1]


def test_what_git_ignores_of_runs_and_environments_stays_out_of_the_image():
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".git", ".venv*", ".snakemake", "data", "results", "logs"} <= set(ignored)
