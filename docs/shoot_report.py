"""Make the README's two pictures of the report from `results/demo/report.html` (after `make demo`), in Chromium."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
import browser  # noqa: E402

REPORT = ROOT / "results" / "demo" / "report.html"
LEFT, WIDTH = 262, 1120  # of the text, beside the contents


def shoot(page: browser.Browser, start: str, end: str, path: Path) -> None:
    """What lies between two elements of the page."""
    box = "(e => { const b = e.getBoundingClientRect(); return [b.top + scrollY, b.bottom + scrollY] })"
    top, bottom = (page.run(f"{box}(document.querySelector({name!r}))")[edge] for name, edge in ((start, 0), (end, 1)))
    page.picture(path, {"x": LEFT, "y": top - 8, "width": WIDTH, "height": bottom - top + 16, "scale": 1})
    with Image.open(path) as picture:
        picture.convert("RGB").save(path, optimize=True)


def main() -> None:
    """Write `docs/report_cells.png` and `docs/report_viewer.png`."""
    with browser.opened(browser.program() or sys.exit("no Chromium")) as page:
        page.size(1400, 1000)
        page.open(REPORT.as_uri())
        shoot(page, "#matrix", "#cell", ROOT / "docs" / "report_cells.png")
        page.run("location.hash = '#viewer/0'")
        page.wait("document.getElementById('readout').textContent")
        page.run("scrollTo(0, 0)")
        shoot(page, "#viewer .tools", "#readout", ROOT / "docs" / "report_viewer.png")


if __name__ == "__main__":
    main()
