"""What the tests of all sources share: an import in one call, small volumes, and the table that it wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from globalmask.errors import UserError
from globalmask.intake.sources.bring import Imported, Options, bring
from globalmask.intake.sources.catalogue import SOURCES

Bring = Callable[..., Imported]


@pytest.fixture
def bring_in(tmp_path: Path) -> Bring:
    """`bring_in("mmwhs", folder)` imports into `tmp_path/imported`."""

    def run(name: str, start: Path, **options: object) -> Imported:
        return bring(SOURCES[name], start, tmp_path / "imported", Options(**options))  # type: ignore[arg-type]

    return run


@pytest.fixture
def refused(bring_in: Bring, tmp_path: Path) -> Callable[..., str]:
    """The block that a failed import prints; it leaves no folder, finished or not."""

    def run(name: str, start: Path, **options: object) -> str:
        before = set(tmp_path.iterdir())
        with pytest.raises(UserError) as told:
            bring_in(name, start, **options)
        assert set(tmp_path.iterdir()) == before
        return str(told.value)

    return run
