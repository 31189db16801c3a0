"""A checkout of its own for tests that edit code, and one finished run of the tiny config in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkout import Checkout

TINY = "workflow/config/tiny.yaml"


@pytest.fixture(scope="session")
def checkout(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A fresh checkout without results, in a folder with a space in its name."""
    return Checkout(repository, tmp_path_factory.mktemp("fresh checkout"))


@pytest.fixture(scope="session")
def tiny_run(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which the tiny config has run to its end."""
    finished = Checkout(repository, tmp_path_factory.mktemp("tiny run"))
    finished.snakemake("--configfile", TINY)
    return finished
