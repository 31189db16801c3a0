"""Fake runs as fixtures."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fake_run import make_fake_run


@pytest.fixture(scope="session")
def fake_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Both arms, sizes 1, 4 and 8, three scenarios, with images, figures, sheets and report: read it only."""
    from globalmask.present.figures import make_figures
    from globalmask.present.report import make_report
    from globalmask.present.sheets import make_sheets

    run_dir, plan = make_fake_run(tmp_path_factory.mktemp("fake"), sizes=(1, 4, 8))
    make_figures(run_dir=run_dir, plan=plan, out_dir=run_dir / "figures")
    make_sheets(run_dir=run_dir, plan=plan, out_dir=run_dir / "sheets")
    make_report(run_dir=run_dir, plan=plan, out_path=run_dir / "report.html")
    return run_dir, plan


@pytest.fixture
def small_run(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """The same without images; cheap, so a test may change it."""
    return make_fake_run(tmp_path, images=False)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., tuple[Path, dict[str, Any]]]:
    """`make_fake_run` into the test's own folder."""
    return functools.partial(make_fake_run, tmp_path)
