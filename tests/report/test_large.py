"""Reports of real size: 300 trainings at full scale, and the demo's where it lies in `results/`.

`make test-report` runs these; the sizes and seconds are printed.
"""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

import browser
import fake_run
from globalmask.present import packing
from globalmask.present.figures import make_figures
from globalmask.present.outputs import PAPER_FILES, figure_files, sheet_files
from globalmask.present.report import make_report
from globalmask.present.results import cells
from globalmask.present.sheets import make_sheets

VOXELS = 128
SEEN_WITHIN_S = 20.0  # 2 s are wanted; the margin is for a busy machine


def looked_at(chromium: str, report: Path) -> float:
    """Seconds to open a report; fails where it has an error, asks for another file or has no viewer."""
    with browser.opened(chromium) as page:
        seconds = page.open(report.as_uri())
        print(f"\n{report.parent.name}: {report.stat().st_size / 1e6:.1f} MB, open in {seconds:.2f} s")
        page.run("document.getElementById('viewer').scrollIntoView()")
        page.wait("document.getElementById('readout').textContent")
        for place in page.run("[...document.querySelectorAll('.matrix a')].map(a => a.hash)"):
            page.run(f"location.hash = {place!r}")
            page.wait(f"document.querySelector('.matrix a[aria-current]').hash === {place!r}")
        cases = page.run("document.querySelectorAll('#case option').length")
        for place in range(cases):
            name = page.run(f"document.querySelectorAll('#case option')[{place}].textContent.split(': ')[1]")
            page.run(f"location.hash = '#viewer/{place}'")
            page.wait(f"document.getElementById('plane-axial').getAttribute('aria-label').includes({name!r})")
        assert cases > 0
        assert page.errors == []
        assert set(page.requests) == {report.as_uri()}
        return seconds


@pytest.fixture(scope="module")
def one_edition(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A small run with every figure and sheet drawn: what pictures of a real run weigh."""
    run_dir, plan = fake_run.make_fake_run(tmp_path_factory.mktemp("small"), sizes=(1, 4, 8))
    make_figures(run_dir=run_dir, plan=plan, out_dir=run_dir / "figures")
    make_sheets(run_dir=run_dir, plan=plan, out_dir=run_dir / "sheets")
    return run_dir, plan


def dressed(run_dir: Path, plan: dict[str, Any], example: Path) -> None:
    """Every figure and sheet of a plan, copied from those of another run."""
    for folder, names in (("figures", figure_files(plan)), ("sheets", sheet_files(plan))):
        (run_dir / folder).mkdir()
        for name in names:
            there = [path.name for path in (example / folder).glob(f"*{Path(name).suffix}")]
            alike = difflib.get_close_matches(name, there, n=1, cutoff=0)[0]
            shutil.copy(example / folder / alike, run_dir / folder / name)


def scanned(run_dir: Path, plan: dict[str, Any]) -> None:
    """Prepared cases of 128 voxels a side with noise, masks, and predictions of the largest size."""
    rng = np.random.default_rng(5)
    z, y, x = np.indices((VOXELS,) * 3, np.float32) / VOXELS - 0.5
    body = (z**2 + y**2 + (1.2 * x) ** 2 < 0.22).astype(np.uint8)
    for arm in plan["arms"]:
        label = np.zeros_like(body)
        for value in range(1, len(arm["structures"]) + 1):
            centre = rng.uniform(-0.2, 0.2, 3)
            label[(z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 < 0.006] = value
        mask_set = "base" if arm["registered"] else "full-f0"
        for case in arm["test_cases"]["0"]:
            texture = ndimage.gaussian_filter(rng.normal(0, 120, body.shape).astype(np.float32), 2)
            ct = np.where(body, 40 + texture + rng.normal(0, 15, body.shape), -1000).astype(np.int16)
            written(ct, run_dir / arm["name"] / "prepared" / case / "ct.nii.gz")
            written(label, run_dir / arm["name"] / "prepared" / case / "label.nii.gz")
            masks = run_dir / arm["name"] / "masks" / mask_set
            written(body, masks / f"{case}.nii.gz")
            box = f'{{"offset_zyx": [0, 0, 0], "size_zyx": [{VOXELS}, {VOXELS}, {VOXELS}]}}'
            (masks / f"{case}.json").write_text(box, encoding="utf-8")
            for name, variant, scenario, n, replicate in cells(plan):
                if (name, variant, n, replicate) == (arm["name"], plan["variants"][0]["name"], max(arm["sizes"]), 0):
                    cell = run_dir / name / variant / scenario / f"n{n}" / "r0"
                    written(np.roll(label, rng.integers(0, 3, 3), (0, 1, 2)), cell / "predictions" / f"{case}.nii.gz")


def written(array: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.5,) * 3)
    sitk.WriteImage(image, str(path))


def test_300_trainings_at_full_scale_make_one_file_of_at_most_40_mb(
    chromium: str, one_edition: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    variants = tuple(f"variant_{number}" for number in range(10))
    run_dir, plan = fake_run.make_fake_run(tmp_path, sizes=(1, 2, 4, 8, 16), variants=variants, images=False)
    assert len(list(cells(plan))) == 300
    for arm in plan["arms"]:
        arm["cases"] = [f"{arm['name']}_{number:02d}" for number in range(30)]
        arm["test_cases"]["0"] = arm["cases"][8:20]
    dressed(run_dir, plan, one_edition[0])
    scanned(run_dir, plan)
    make_report(run_dir=run_dir, plan=plan, out_path=run_dir / "report.html")
    page = (run_dir / "report.html").read_text(encoding="utf-8")
    packed = page.count('id="volume-')
    print(f"\n{packed} of 24 test cases of 128³ voxels are packed")
    assert 4 <= packed < 24
    assert packing.VIEWER_BYTES / 2 < sum(len(part) for part in page.split('type="text/plain"')[1:]) < 40e6
    assert (run_dir / "report.html").stat().st_size <= 40_000_000
    assert looked_at(chromium, run_dir / "report.html") < SEEN_WITHIN_S


def test_the_demo_is_one_file_of_at_most_15_mb(chromium: str, repository: Path) -> None:
    report = repository / "results" / "demo" / "report.html"
    if not report.is_file():
        pytest.skip("no results/demo: make demo first")
    assert report.stat().st_size <= 15_000_000
    assert all((report.parent / "paper" / name).is_file() for name in PAPER_FILES)
    assert looked_at(chromium, report) < SEEN_WITHIN_S
