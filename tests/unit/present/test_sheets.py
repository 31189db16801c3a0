"""Contact sheets and case sheets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from PIL import Image

from globalmask.present.results import read_scores
from globalmask.present.sheets import case_sheet, contact_sheet
from globalmask.present.style import use_style

Run = tuple[Path, dict[str, Any]]


def words(figure: Any) -> str:
    found = " | ".join(text.get_text() for text in figure.findobj(plt.Text))
    plt.close(figure)
    return found


def test_a_contact_sheet_names_every_case_and_says_what_is_missing(tmp_path: Path) -> None:
    Image.new("RGB", (60, 30)).save(tmp_path / "a.png")
    figure = contact_sheet({"a": tmp_path / "a.png", "b": tmp_path / "b.png"}, title="Check", synthetic=True)
    text = words(figure)
    assert "no picture" in text
    assert {"a", "b", "Check"} <= set(text.split(" | "))
    assert "Synthetic data" in text
    assert "no case" in words(contact_sheet({}, title="Check", synthetic=False))


def test_a_case_sheet_has_a_row_for_the_mask_and_each_scenario(fake_run: Run) -> None:
    run_dir, plan = fake_run
    scores = read_scores(run_dir)
    figure = case_sheet(run_dir, plan, "heart", "heart_09", 0, scores)
    assert len(figure.axes) == 4 * 3
    text = words(figure)
    dice = scores.query("arm == 'heart' and scenario == 'ct' and n_train == 8 and case == 'heart_09'")["dice"].mean()
    assert f"CT\nDice {dice:.2f}\nn = 8" in text
    assert "(not there)" not in text
    assert "not prepared" in words(case_sheet(run_dir, plan, "heart", "nobody", 0, scores))


def test_a_dollar_in_a_case_name_is_a_dollar(tmp_path: Path) -> None:
    use_style()
    figure = contact_sheet({"a$_b^$": tmp_path / "none.png"}, title="Check", synthetic=False)
    figure.savefig(tmp_path / "sheet.png")
    assert "a$_b^$" in words(figure)
