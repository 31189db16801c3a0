"""Every command printed in the README and in docs/ is a real one, with real options, targets and files.

What a page starts with `globalmask init` or `import` is also done: here, in `intake/sources/test_data_page.py` and in
`tests/tutorial/test_tutorial.py`.
"""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
import typer
import yaml
from snakemake.cli import get_argument_parser

from globalmask import config
from globalmask.cli import app
from imports import blocks, write
from pages import COMMAND, blocks_of, commands_of, pages

REPOSITORY = Path(__file__).parents[2]

PROGRAMS = ("globalmask", "snakemake", "make", "python", "pip", "git", "rm", "docker")
MADE_ON_THE_WAY = ("data/", "results/")
PAGES = {page.name: page.read_text(encoding="utf-8") for page in pages(REPOSITORY)}


def program_of(line):
    return line.split()[0].removeprefix(".venv/bin/")


def commands(page):
    """Every command of a page: of its blocks, those whose first word is a program."""
    kept = "\n".join(
        f"```\n{block}```" for block in blocks_of(page, COMMAND) if program_of(block.lstrip() or "x") in PROGRAMS
    )
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page, flags=re.S))
    return commands_of(kept), [told for told in inline if program_of(told) in PROGRAMS and " " in told]


PRINTED = [(name, line) for name, text in PAGES.items() for line in commands(text)[0]]
INLINE = [(name, line) for name, text in PAGES.items() for line in commands(text)[1]]


@pytest.fixture(scope="module")
def rules():
    files = [REPOSITORY / "Snakefile", *(REPOSITORY / "workflow" / "rules").glob("*.smk")]
    return {name for file in files for name in re.findall(r"^rule (\w+):", file.read_text(encoding="utf-8"), re.M)}


@pytest.fixture(scope="module")
def targets():
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([\w-]+):", text, re.M))


def check_globalmask(words, **_):
    group = typer.main.get_command(app)
    if words[0].startswith("-"):
        group.make_context("globalmask", words, resilient_parsing=False)
        return
    command = group.commands[words[0]]
    command.make_context(words[0], words[1:])


def check_snakemake(words, *, rules, **_):
    known = get_argument_parser()
    try:
        given = known.parse_args(words)
    except SystemExit:
        pytest.fail(f"snakemake does not know {words}")
    for target in given.targets:
        assert target in rules or target.startswith(MADE_ON_THE_WAY), target
    for file in given.configfile or ():
        assert str(file).startswith(MADE_ON_THE_WAY) or (REPOSITORY / file).is_file(), file
    for profile in given.profile or ():
        assert (REPOSITORY / profile / "config.yaml").is_file(), profile


def check_make(words, *, targets, **_):
    assert [word for word in words if "=" not in word and word not in targets] == []


def check_pip(words, **_):
    assert words[0] == "install"
    assert {"workflow", "dicom"} >= {name for word in words for name in re.findall(r"\[(\w+)\]", word)}


CHECKS = {"globalmask": check_globalmask, "snakemake": check_snakemake, "make": check_make, "pip": check_pip}


@pytest.mark.parametrize(("name", "line"), PRINTED)
def test_a_printed_command_is_real(name, line, rules, targets):
    assert program_of(line) in PROGRAMS
    for part in line.split(" && "):
        if (program := program_of(part)) in CHECKS and not placeholders(part):
            CHECKS[program](shlex.split(part)[1:], rules=rules, targets=targets)


def placeholders(line):
    """Words that stand for what the reader gives, as `[CT ...]`; such a line is a form, not a command."""
    return bool(re.search(r"\[[A-Z-]|\.\.\.|\{(?!case\})", line))


@pytest.mark.parametrize(("name", "line"), INLINE)
def test_a_command_within_a_sentence_names_a_real_program_and_subcommand(name, line, targets):
    words = shlex.split(line)
    if program_of(line) == "make":
        assert words[1] in targets
    if program_of(line) == "globalmask" and words[1][0] != "-":
        assert words[1] in typer.main.get_command(app).commands


def test_there_are_commands_to_look_at():
    assert len(PRINTED) > 40
    assert {program_of(line) for _, line in PRINTED} >= {"globalmask", "snakemake", "make"}


STARTS = [(name, line) for name, line in PRINTED if program_of(line) == "globalmask" and " init " in line]


@pytest.mark.parametrize(("name", "line"), STARTS)
def test_a_study_starts_as_the_page_says(name, line, tmp_path, monkeypatch):
    """On five made cases with every file that the line names."""
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line)[2:]
    values = [int(word.partition("=")[2]) for word in words if re.fullmatch(r"\w+=\d+", word)]
    start, to = words[:2]
    patterns = {word[2:]: other for word, other in pairwise(words) if "{case}" in other}
    folder = tmp_path / start
    if start.endswith(".tsv"):
        patterns, folder = {"ct": "{case}_ct.nii.gz", "label": "{case}_label.nii.gz"}, folder.parent
    for case in "abcde":
        for kind, pattern in patterns.items():
            write(blocks(*(values if kind == "label" else (1,))), folder / pattern.replace("{case}", case))
    if start.endswith(".tsv"):
        rows = ["\t".join(["case", *patterns])]
        rows += ["\t".join([case, *(text.replace("{case}", case) for text in patterns.values())]) for case in "abcde"]
        (tmp_path / start).write_text("\n".join(rows) + "\n", encoding="utf-8")
    app(["init", *words], standalone_mode=False)
    arm = next(iter(config.read(f"{to}/config.yaml").arms.values()))
    assert sorted(arm.structures.values()) == sorted(values)
    if name == "another-organ.md":
        (lines,) = blocks_of(PAGES[name], "yaml")
        changed = arm.model_dump(exclude_unset=True) | yaml.safe_load(lines)
        assert config.Arm.model_validate(changed).grid.spacing_mm == 3.0
