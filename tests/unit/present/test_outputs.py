"""Names and choices of tables, figures and sheets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from globalmask.present import outputs


def plan_of(**changes: Any) -> dict[str, Any]:
    arm = {
        "name": "brain",
        "published": "brain",
        "sizes": [1, 2, 8],
        "registered": True,
        "cases": ["a", "b", "c"],
        "test_cases": {"0": ["b"], "1": ["c"]},
    }
    variant = {"name": "paper", "preset": "paper", "arms": ["brain"], "scenarios": ["ct", "ct_mask"]}
    variant["replicates"] = {name: {"1": 1, "2": 1, "8": 1} for name in ("brain", "heart")}
    return {"replicates": 1, "arms": [arm], "variants": [variant], **changes}


def test_the_first_arm_of_a_data_set_has_the_papers_table_numbers() -> None:
    plan = plan_of()
    plan["arms"] = [{**plan["arms"][0], "name": name} for name in ("rigid", "affine")]
    plan["arms"].append({**plan["arms"][0], "name": "liver", "published": None})
    assert outputs.table_name(plan, "rigid", "com") == "table3_com_brain"
    assert outputs.table_name(plan, "affine", "com") == "table_com_affine"
    assert outputs.table_name(plan, "liver", "hours", "_modern") == "table_hours_liver_modern"


def test_the_primary_variant_of_an_arm_has_no_suffix_and_the_others_have() -> None:
    plan = plan_of()
    plan["arms"].append({**plan["arms"][0], "name": "heart", "published": "heart"})
    plan["variants"].append({**plan["variants"][0], "name": "modern", "arms": ["brain", "heart"]})
    first, second = outputs.editions(plan)
    assert (first.suffix, first.pairs) == ("", (("brain", "paper"), ("heart", "modern")))
    assert (second.suffix, second.pairs) == ("_modern", (("brain", "modern"),))
    assert "table1_dice_brain_modern.csv" in outputs.table_files(plan)
    assert "table2_dice_heart_modern.csv" not in outputs.table_files(plan)
    assert {"fig4.png", "fig8_modern.pdf", "captions.json"} <= set(outputs.figure_files(plan))


def test_gains_are_drawn_of_arms_that_have_both_inputs() -> None:
    plan = plan_of()
    assert outputs.evidence_figures(plan) == ["answer_brain", "gain", "learning", "dice_context"]
    plan["variants"].append({"name": "ladder", "arms": ["brain"], "scenarios": ["ct", "ct_mask"], "replicates": {}})
    plan["variants"].append({"name": "masks", "arms": ["brain"], "scenarios": ["mask"], "replicates": {}})
    assert outputs.contrasted_variants(plan, "brain") == ["paper", "ladder"]
    plan["variants"] = plan["variants"][2:]
    assert outputs.evidence_figures(plan) == ["dice_context"]


def test_a_variant_that_leaves_out_sizes_has_no_edition() -> None:
    plan = plan_of()
    few = {"name": "ladder", "replicates": {"brain": {"1": 1, "8": 1}}}
    plan["variants"].append(plan["variants"][0] | few)
    assert [edition.suffix for edition in outputs.editions(plan)] == [""]


def test_the_nearest_size_is_nearest_on_a_log_scale() -> None:
    assert outputs.nearest_size({"sizes": [1, 2, 8]}, 4) == 2
    assert outputs.nearest_size({"sizes": [1, 3, 8]}, 4) == 3
    assert outputs.nearest_size({"sizes": [1, 4, 26]}, 4) == 4
    assert outputs.nearest_size({"sizes": [1, 9]}, 4) == 9  # 2.25 times, not 4 times


def test_every_test_case_has_the_first_replicate_that_tests_it() -> None:
    assert outputs.tested(plan_of(replicates=1), "brain") == {"b": 0}
    assert outputs.tested(plan_of(replicates=3), "brain") == {"b": 0, "c": 1}


def test_feature_cells_are_few_few_and_double() -> None:
    plan = plan_of()
    edition = outputs.editions(plan)[0]
    cells = outputs.feature_cells(plan, edition)
    assert cells == [("brain", "paper", "ct", 2), ("brain", "paper", "ct_mask", 2), ("brain", "paper", "ct", 8)]
    plan["variants"][0]["scenarios"] = ["ct"]
    assert [scenario for _, _, scenario, _ in outputs.feature_cells(plan, edition)] == ["ct", "ct"]


def test_the_stages_write_exactly_the_declared_files(make_run: Callable[..., tuple[Path, dict[str, Any]]]) -> None:
    from globalmask.present.figures import make_figures
    from globalmask.present.sheets import make_sheets
    from globalmask.present.tables import make_tables

    run_dir, plan = make_run(arms=("brain",), sizes=(2,), variants=("paper", "modern"), images=False)
    make_tables(run_dir=run_dir, plan=plan, out_dir=run_dir / "tables")
    make_figures(run_dir=run_dir, plan=plan, out_dir=run_dir / "figures")
    make_sheets(run_dir=run_dir, plan=plan, out_dir=run_dir / "sheets")
    written = {kind: sorted(p.name for p in (run_dir / kind).iterdir()) for kind in ("tables", "figures", "sheets")}
    assert written["tables"] == sorted(outputs.table_files(plan))
    assert written["figures"] == sorted(outputs.figure_files(plan))
    assert written["sheets"] == sorted(outputs.sheet_files(plan))


def test_names_import_nothing_heavy() -> None:
    heavy = "{'pandas', 'numpy', 'matplotlib', 'SimpleITK', 'torch'}"
    code = f"import sys, globalmask.present.outputs; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "[]"


def test_without_images_no_file_shows_a_patient() -> None:
    plan = plan_of(images="none")
    (edition,) = outputs.editions(plan)
    assert outputs.sheet_files(plan) == outputs.feature_cells(plan, edition) == []
    names = {name.split(".")[0] for name in outputs.figure_files(plan)}
    assert names == {"fig4", "fig6", "answer_brain", "gain", "learning", "dice_context", "mask_quality", "captions"}
    assert "case_brain_b.png" in outputs.sheet_files(plan_of(images="all"))
