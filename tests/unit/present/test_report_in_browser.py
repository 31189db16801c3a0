"""The report as a reader uses it: in headless Chromium, from a file, with mouse and keyboard.

The names of a case and of the run are hostile on purpose; pictures are blank, for they do not matter here.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

import browser
from fake_run import blank_pictures, make_fake_run
from globalmask.present.outputs import PAPER_FILES
from globalmask.present.report import TEMPLATES, make_report

HOSTILE = "<img src=x onerror=window.hacked=1>"
WORSE = "</script><script>window.hacked=2</script><img src=x onerror=window.hacked=3>"
OPENS_WITHIN_S = 20.0  # 2 s are wanted and usual; the margin is for a busy machine


def a_report(folder: Path) -> Path:
    """A run of one arm with a case whose name is HTML, another whose name ends a script, and its report."""
    run_dir, plan = make_fake_run(folder, arms=("brain",), sizes=(1, 4), replicates=2)
    plan["run"] = "<b onclick=window.hacked=4>run"
    arm = plan["arms"][0]
    for names in (arm["cases"], arm["test_cases"]["0"]):
        names[names.index("brain_08")] = HOSTILE
    for path in list(run_dir.rglob("brain_08*")):
        path.rename(path.with_name(path.name.replace("brain_08", HOSTILE)))
    scores = (run_dir / "scores.csv").read_text(encoding="utf-8")
    scores = scores.replace("brain_08", HOSTILE).replace("brain_11", WORSE)
    (run_dir / "scores.csv").write_text(scores, encoding="utf-8")
    blank_pictures(run_dir, plan)
    (run_dir / "paper").mkdir()
    for name in PAPER_FILES:
        (run_dir / "paper" / name).touch()
    make_report(run_dir=run_dir, plan=plan, out_path=run_dir / "report.html")
    return run_dir / "report.html"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_report(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def window(chromium: str) -> Iterator[browser.Browser]:
    with browser.opened(chromium) as found:
        found.size(1300, 900)
        yield found


@pytest.fixture
def page(window: browser.Browser, report: Path) -> Iterator[browser.Browser]:
    """The report, freshly opened; afterwards nothing has gone wrong and nothing was asked for but the file."""
    window.errors.clear()
    window.requests.clear()
    window.open("about:blank")
    seconds = window.open(report.as_uri())
    assert seconds < OPENS_WITHIN_S
    yield window
    assert window.errors == []
    assert set(window.requests) == {report.as_uri()}
    assert window.run("window.hacked") is None


def element(name: str) -> str:
    return f"document.getElementById('{name}')"


def text(page: browser.Browser, name: str) -> str:
    return str(page.run(f"{element(name)}.textContent"))


def in_viewer(page: browser.Browser) -> None:
    page.run(f"{element('viewer')}.scrollIntoView()")
    page.wait(f"{element('readout')}.textContent")


def ink(page: browser.Browser, plane: str = "axial") -> str:
    """The picture in a canvas, as data."""
    return str(page.run(f"{element('plane-' + plane)}.toDataURL()"))


def test_it_opens_quickly_and_runs_no_name(page: browser.Browser, report: Path) -> None:
    page.open("about:blank")
    seconds = page.open(report.as_uri())
    print(f"{report.stat().st_size / 1e6:.1f} MB open in {seconds:.2f} s")
    in_viewer(page)
    assert HOSTILE in text(page, "case")
    assert WORSE in text(page, "cell")
    assert page.run("document.querySelectorAll('img[src=x]').length") == 0


def test_every_link_leads_somewhere(page: browser.Browser, report: Path) -> None:
    links = page.run("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    assert len(links) > 40
    for link in set(links):
        if link.startswith("#"):
            routed = link.startswith(("#cell/", "#viewer/"))  # the tests below
            assert routed or page.run(f"{element(link[1:])} !== null"), link
        else:
            assert (report.parent / unquote(link)).is_file(), link


def test_a_claim_judged_twice_has_its_words_once_and_every_other_cell(page: browser.Browser) -> None:
    cells = "[...document.querySelector('table.claims tr.again').cells]"
    drawn = page.run(f"{cells}.map(c => (c.firstElementChild ?? c).checkVisibility({{visibilityProperty: true}}))")
    assert drawn == [index != 1 for index in range(9)]
    page.run("document.querySelector('table.claims button.sort').click()")
    assert page.run(f"{cells}[1].firstElementChild.checkVisibility({{visibilityProperty: true}})")


def test_every_square_shows_its_cell(page: browser.Browser) -> None:
    squares = page.run("[...document.querySelectorAll('.matrix a')].map(a => [a.hash, a.textContent])")
    assert len(squares) == 3 * 2
    for place, shown in squares:
        page.click(f"document.querySelector('.matrix a[href=\"{place}\"]')")
        page.wait(f"document.querySelector('.matrix a[aria-current]').hash === '{place}'")
        assert text(page, "cell-title").endswith(f"n = {place.rpartition('/')[2]} (SYNTHETIC data)")
        means = page.run(
            "[...document.querySelectorAll('#cell table')[1].tBodies[0].rows].map(r => r.cells[1].textContent)"
        )
        assert means == sorted(means) and len(means) == 4
        assert page.run("document.querySelectorAll('#cell svg.chart path').length") == 2 * 2 + 3 * 2
        assert f"{sum(map(float, means)) / 4:.1f}" == f"{float(shown[:4]):.1f}"


def test_the_matrix_works_from_the_keyboard(page: browser.Browser) -> None:
    page.run("document.querySelector('.matrix a').focus()")
    page.key("ArrowDown")
    page.key("ArrowRight")
    page.key("Enter")
    page.wait(f"{element('cell-title')}.textContent.includes('Mask, n = 4')")
    assert page.run("location.hash") == "#cell/brain/modern/mask/4"


def test_a_case_in_a_cell_leads_to_the_viewer(page: browser.Browser) -> None:
    links = page.run("[...document.querySelectorAll('#cell a')].map(a => [a.hash, a.textContent])")
    assert len(links) == 3  # the one that is only in the scores is not packed
    for place, case in links:
        page.click(f"document.querySelector('#cell a[href=\"{place}\"]')")
        page.wait(f"{element('case')}.selectedOptions[0]?.textContent === 'brain: ' + {case!r}")
        page.wait(f"{element('plane-axial')}.getAttribute('aria-label').includes({case!r})")


def test_contours_switch_off_and_on(page: browser.Browser) -> None:
    in_viewer(page)
    count = page.run("document.querySelectorAll('#layers input').length")
    assert count == 5
    for layer in range(count):
        before = ink(page)
        page.click(element(f"layer-{layer}"))
        assert ink(page) != before, layer
        page.run(f"{element('plane-axial')}.focus()")
        page.key(str(layer + 1))
        assert ink(page) == before, layer


def test_slices_window_and_structure_change_the_picture(page: browser.Browser) -> None:
    in_viewer(page)
    where = text(page, "where-coronal")
    page.run(f"{element('plane-coronal')}.focus()")
    before = ink(page, "coronal")
    page.key("ArrowUp")
    assert text(page, "where-coronal") != where
    page.key("ArrowDown")
    assert text(page, "where-coronal") == where and ink(page, "coronal") == before
    page.run(f"{element('slide-coronal')}.value = 3, {element('slide-coronal')}.dispatchEvent(new Event('input'))")
    assert text(page, "where-coronal") == "coronal slice 4 of 48"
    for name in range(4):
        before = ink(page)
        page.click(f"document.querySelectorAll('#windows button')[{name}]")
        assert ink(page) != before
    assert text(page, "window-words") == "−1350 to 150 HU"
    before = ink(page)
    page.run(f"{element('structure')}.value = 2, {element('structure')}.dispatchEvent(new Event('change'))")
    assert ink(page) != before
    before = ink(page)
    page.click(element("cross"))
    assert ink(page) != before


def test_a_click_moves_the_other_planes_to_that_voxel(page: browser.Browser) -> None:
    in_viewer(page)
    page.click(element("plane-axial"))
    assert text(page, "where-coronal") in ("coronal slice 24 of 48", "coronal slice 25 of 48")  # the middle
    assert text(page, "where-sagittal") in ("sagittal slice 24 of 48", "sagittal slice 25 of 48")
    page.click(element("large-sagittal"))
    assert page.run(f"{element('planes')}.dataset.main") == "sagittal"
    assert page.run(f"{element('plane-sagittal')}.clientWidth > 1.5 * {element('plane-axial')}.clientWidth")


def in_planes(page: browser.Browser, expression: str) -> Any:
    """An expression over planes.js, read once more, for what a module defines is out of reach."""
    return page.run(f"(() => {{ {(TEMPLATES / 'planes.js').read_text(encoding='utf-8')}; return {expression} }})()")


def test_slices_are_seen_as_radiologists_see_them(page: browser.Browser) -> None:
    volume = "Uint8Array.from(Array(24).keys()), [2, 3, 4]"  # 12 z + 4 y + x
    expected = {
        "axial": [[12, 13, 14, 15], [16, 17, 18, 19], [20, 21, 22, 23]],  # z = 1: front first, patient's right first
        "coronal": [[16, 17, 18, 19], [4, 5, 6, 7]],  # y = 1: head first
        "sagittal": [[13, 17, 21], [1, 5, 9]],  # x = 1: head first, front first
    }
    for plane, rows in expected.items():
        found = in_planes(page, f"(s => [[...s.pixels], s.rows, s.columns])(sliceOf({volume}, PLANES.{plane}, 1))")
        assert found == [[value for row in rows for value in row], len(rows), len(rows[0])], plane


def test_the_outline_runs_between_inside_and_outside(page: browser.Browser) -> None:
    slice_ = "{pixels: Uint8Array.from([0,0,0,0, 0,2,2,0, 0,0,2,1]), rows: 3, columns: 4}"
    steps = in_planes(page, f"[...stepsOf({slice_}, 2)]")
    span = 65536
    points = {divmod(start, span) for start, _ in steps}
    assert sorted(end for _, end in steps) == sorted(start for start, _ in steps)  # closed
    # around the voxels (1, 1), (1, 2), (2, 2): middles of the sides between inside and outside, in half voxels
    assert points == {(2, 3), (2, 5), (3, 2), (3, 6), (4, 3), (5, 4), (5, 6), (6, 5)}


def test_outlines_of_any_shape_are_closed(page: browser.Browser) -> None:
    noise = "v => Math.abs(Math.sin(v * 12.9898) * 43758.5453) % 1 > 0.5"
    speckled = f"{{pixels: Uint8Array.from(Array(900).keys(), {noise}), rows: 30, columns: 30}}"
    steps = in_planes(page, f"[...stepsOf({speckled}, 1)]")
    assert len(steps) > 300
    assert sorted(end for _, end in steps) == sorted(start for start, _ in steps)


def test_tables_sort_and_copy(page: browser.Browser) -> None:
    page.run("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    first = "document.querySelector('#table1_dice_brain table')"
    page.click(f"{first}.tHead.rows[1].cells[1].querySelector('button')")
    names = page.run(f"[...{first}.tBodies[0].rows].map(r => r.cells[1].textContent)")
    assert names == sorted(names) and len(set(names)) == 4
    page.click(f"{first}.tHead.rows[1].cells[1].querySelector('button')")
    assert page.run(f"[...{first}.tBodies[0].rows].map(r => r.cells[1].textContent)") == sorted(names, reverse=True)
    assert page.run(f"[...{first}.tBodies[0].rows].every(r => /^[0-9]+$/.test(r.cells[0].textContent))")
    page.click("document.querySelector('#table1_dice_brain [data-copies=CSV]')")
    lines = page.wait("window.copied").splitlines()
    assert lines[0].startswith("Training cases,Structure,CT this run,CT published,Mask this run")
    assert len(lines) == 1 + len(names)
    page.run("window.copied = ''")
    page.click("document.querySelector('#table1_dice_brain [data-copies=LaTeX]')")
    copied = page.wait("window.copied")
    assert copied.startswith("\\begin{tabular}{llllllll}") and copied.count("\\\\") == len(lines)


def test_every_table_has_its_tools_and_every_heading_sorts(page: browser.Browser) -> None:
    tables = page.run("document.querySelectorAll('table.plain, table.results, table.claims').length")
    assert page.run("document.querySelectorAll('[data-copies=CSV]').length") == tables > 15
    sorts = page.run("document.querySelectorAll('button.sort').length")
    assert sorts == page.run("[...document.querySelectorAll('button.sort')].filter(b => (b.click(), true)).length")
    assert page.run("document.querySelectorAll('th[aria-sort]').length") == tables


def test_numbers_sort_as_numbers_and_dashes_stay_last(page: browser.Browser) -> None:
    rows = page.run(
        """(() => { const t = document.querySelector('#cell table'); const body = t.tBodies[0];
        const row = body.rows[0]; body.replaceChildren(...['10', '–', '−2.5', '9 (1)', '1,200'].map(v => {
        const copy = row.cloneNode(true); copy.cells[2].textContent = v; return copy }));
        const press = () => t.tHead.rows[0].cells[2].querySelector('button').click();
        const read = () => [...body.rows].map(r => r.cells[2].textContent);
        press(); const up = read(); press(); return [up, read()] })()"""
    )
    assert rows == [["−2.5", "9 (1)", "10", "1,200", "–"], ["1,200", "10", "9 (1)", "−2.5", "–"]]


def test_pictures_and_canvases_have_words(page: browser.Browser) -> None:
    in_viewer(page)
    assert page.run("[...document.images].every(i => i.alt.length > 20)")
    assert page.run(
        "[...document.querySelectorAll('canvas, svg.chart')].every(c => c.getAttribute('aria-label').length > 20)"
    )
    assert page.run(
        "[...document.querySelectorAll('input, select')].every(i => i.labels.length && i.labels[0].textContent.trim())"
    )


def test_it_prints_and_fits_a_narrow_window(page: browser.Browser, tmp_path: Path) -> None:
    page.print(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    page.size(420, 800)
    assert page.run("document.documentElement.scrollWidth") <= 420
    page.size(1300, 900)


def test_a_script_of_another_hand_does_not_run(window: browser.Browser, report: Path) -> None:
    changed = report.with_name("changed.html")
    shutil.copy(report, changed)
    changed.write_text(changed.read_text(encoding="utf-8") + "<script>window.hacked = 5</script>", encoding="utf-8")
    window.open(changed.as_uri())
    assert window.run("window.hacked") is None
    assert window.run("document.querySelectorAll('.matrix').length") == 1
