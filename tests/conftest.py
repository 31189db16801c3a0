"""Options and fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

# Before any imaging library is imported: one thread a process.
for name in ("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import matplotlib  # noqa: E402
import pytest  # noqa: E402

import browser  # noqa: E402

matplotlib.use("Agg")

pytest_plugins = ["tally"]
REPOSITORY = Path(__file__).parents[1]
REAL_DATA = REPOSITORY.parent / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-real", action="store_true", help="missing real data fails instead of skipping")
    parser.addoption("--require-browser", action="store_true", help="a missing Chromium fails instead of skipping")
    parser.addoption(
        "--require-slurm", action="store_true", help="a cluster that cannot be had fails instead of skipping"
    )


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real_data(request: pytest.FixtureRequest) -> Path:
    """Folder of the real CT data; skips, or fails under --require-real, where it is missing."""
    if REAL_DATA.is_dir():
        return REAL_DATA
    if request.config.getoption("--require-real"):
        pytest.fail(f"real data is required and not at {REAL_DATA}")
    pytest.skip("no real data beside the checkout")


@pytest.fixture(scope="session")
def chromium(request: pytest.FixtureRequest) -> str:
    """Chromium's program; skips, or fails under --require-browser, where it is missing."""
    if found := browser.program():
        return found
    if request.config.getoption("--require-browser"):
        pytest.fail(f"Chromium is required and none of {', '.join(browser.NAMES)} is on the PATH")
    pytest.skip("no Chromium on this machine")
