"""`snakemake --report` of a finished run: tables, figures and sheets with captions, in one page, without a network."""

from __future__ import annotations

import pytest

from workflow.conftest import TINY

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def test_the_report_of_snakemake_shows_tables_figures_and_sheets(tiny_run, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    tiny_run.snakemake("--configfile", TINY, "--report", "snakemake_report.html")
    page = (tiny_run.folder / "snakemake_report.html").read_text(encoding="utf-8")
    for told in ("Tables", "Figures", "Sheets", "table1_dice_brain", "fig4", "check_heart"):
        assert told in page
    assert "keep the paper" in page
    assert "is <strong>synthetic</strong>" in page
