"""report.html: self-contained, escaped, and honest about data, masks and registrations."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fake_evidence import write_floors
from fake_run import blank_pictures
from globalmask.present import report_sections as say
from globalmask.present.figures import make_figures
from globalmask.present.outputs import figure_files, sheet_files
from globalmask.present.report import SCRIPTS, TEMPLATES, make_report
from globalmask.present.results import read_runs, read_scores

Run = tuple[Path, dict[str, Any]]
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(html.parser.HTMLParser):
    """Checks nesting while parsing; keeps ids, links, images and tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.tags: set[str] = set()
        self.scripts: list[dict[str, str]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.add(tag)
        if tag == "script":
            self.scripts.append({"type": str(values["type"]), "text": ""})
        self.ids += [str(values["id"])] if "id" in values else []
        self.links += [str(values["href"])] if "href" in values else []
        self.images += [values] if tag == "img" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1]["text"] += data

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(fake_run: Run) -> str:
    return (fake_run[0] / "report.html").read_text(encoding="utf-8")


def test_the_page_is_whole_and_needs_nothing_from_outside(page: str) -> None:
    found = Page(page)
    assert running(found) == [script()]
    assert not {"link", "iframe", "object"} & found.tags
    assert all(str(image["src"]).startswith("data:image/") for image in found.images)
    assert not re.search(r"(src|href)=.https?:|url\(|@import", page)
    assert len(found.ids) == len(set(found.ids))
    inside = {link[1:] for link in found.links if link.startswith("#") and "/" not in link}
    assert inside <= set(found.ids)
    assert {link.partition("/")[0] for link in found.links if "/" in link} == {"#cell", "figures", "sheets", "paper"}


def running(found: Page) -> list[str]:
    """Scripts that a browser would run; data is of a type that it does not."""
    return [one["text"] for one in found.scripts if one["type"] not in ("application/json", "text/plain")]


def script() -> str:
    return "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS)


def test_only_our_own_script_may_run(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    digest = base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy[1]
    assert "default-src 'none'" in policy[1] and "connect" not in policy[1]


def test_every_script_is_in_the_page() -> None:
    assert sorted(SCRIPTS) == sorted(path.name for path in TEMPLATES.glob("*.js"))


def test_every_picture_has_words_for_those_who_do_not_see_it(page: str) -> None:
    images = Page(page).images
    assert len(images) == 6 + 5 + 1 + 2 + 1 + 8  # the paper's figures, ours, mask quality, check, registration, cases
    assert all(len(str(image["alt"])) > 20 for image in images)


def test_the_first_screen_answers_and_says_synthetic(page: str) -> None:
    start = page[page.index("<body>") : page.index('id="ran"')]
    assert start.index("SYNTHETIC DATA") < start.index("Does the mask help?") < start.index("heart, SYNTHETIC data")
    headline = (
        "On these SYNTHETIC data there are too few runs to tell whether the mask helps with 1, 4 and 8 training cases."
    )
    assert start.count(headline) == 2
    assert start.count("no test: 1 run<") == 2 * 3
    assert "p = " not in start and "p &lt; " not in start
    assert start.count("<img") == 2
    assert "significan" not in start


def test_what_ran_and_the_means_follow(page: str) -> None:
    start = page[page.index('id="ran"') : page.index('id="tables"')]
    assert "9 of 9" in start
    assert "brain: the mean Dice over 4 synthetic test cases" in start
    assert [start.index(f'id="{name}"') for name in ("verdicts", "gain", "dice_context", "fig4", "sure")] == sorted(
        start.index(f'id="{name}"') for name in ("verdicts", "gain", "dice_context", "fig4", "sure")
    )


def test_verdicts_stand_in_groups_with_the_slips_below(page: str) -> None:
    table = page[page.index('<table class="claims">') : page.index('id="numbers"')]
    groups = re.findall(r'<tr class="group">.*?<span[^>]*>([^<]+)</span> (\d+)', table)
    assert groups == [("supported", "1"), ("contradicted", "1"), ("undecided", "1"), ("not testable on this data", "3")]
    assert 'href="#I-21"' in table
    assert re.findall(r'<li id="(I-\d\d)">', table) == ["I-05", "I-16", "I-21"]


def test_how_sure_prints_the_plan_and_what_departs_from_it(page: str) -> None:
    section = page[page.index('<h2 id="sure">') : page.index('<h2 id="tables">')]
    assert "5e" * 32 in section
    assert "arm brain: 3 replicates at n = 8, planned are 10" in section
    assert "docs/evidence.md" in section
    assert "Not asked for in this run" in section  # no floors.csv
    assert section.count("75 %") == 2  # the power of the plan and of the run


def test_every_assumption_is_printed(page: str) -> None:
    numbers = [row[0] for row in say.assumptions().rows]
    assert numbers == [f"A-{number:02d}" for number in range(1, 44)]
    assert all(f">{number}</td>" in page for number in numbers)
    assert all(len(row) == 3 and all(row) for row in say.assumptions().rows)


def test_a_gap_between_training_and_test_masks_is_flagged(fake_run: Run) -> None:
    run_dir, plan = fake_run
    masks = say.mask_quality(run_dir, plan, read_scores(run_dir))
    flagged = [masks.rows[place] for place in masks.flagged]
    assert [row[:4] for row in flagged] == [["heart", "full-f0", "learned", "test"]]
    # train 0.95; test mean of 0.90 - 0.005 * (8 .. 11) = 0.8525
    assert flagged[0][5] == "0.85 (0.01)"
    assert flagged[0][-1] == "0.10 below training"
    assert [row[5] for row in masks.rows if row[2] == "threshold"] == ["–"] * 3


def test_empty_masks_and_lost_parts_are_flagged(make_run: Callable[..., Run]) -> None:
    run_dir, plan = make_run(arms=("brain",), sizes=(1,), images=False)
    folder = run_dir / "brain" / "masks" / "base"
    folder.mkdir(parents=True)
    bad = {"case": "brain_08", "role": "test", "status": "empty", "dice": 0.0, "ref_lost_share": {"left_eye": 0.02}}
    (folder / "brain_08.quality.json").write_text(json.dumps(bad))
    masks = say.mask_quality(run_dir, plan, read_scores(run_dir))
    assert masks.flagged == {0}
    assert masks.rows[0][-1] == "1 empty; box loses a part"
    assert masks.rows[0][-2] == "2.00 %"


def test_a_failed_registration_is_flagged(fake_run: Run) -> None:
    table = say.registrations(*fake_run)
    assert [table.rows[place] for place in table.flagged] == [["brain", "brain_05", "0.930", "0.710", "failed"]]


def test_names_from_data_are_escaped(make_run: Callable[..., Run]) -> None:
    run_dir, plan = make_run(arms=("brain",), sizes=(1,), images=False)
    plan["run"] = "<img src=x onerror=alert(1)>"
    plan["config"]["note"] = "</pre><script>alert(1)</script>"
    record = {"warnings": ['<script>"&'], "faults": []}
    (run_dir / "brain" / "check").mkdir()
    (run_dir / "brain" / "check" / "brain_01.json").write_text(json.dumps(record))
    blank_pictures(run_dir, plan)
    make_report(run_dir=run_dir, plan=plan, out_path=run_dir / "report.html")
    text = (run_dir / "report.html").read_text(encoding="utf-8")
    assert running(Page(text)) == [script()]
    assert "&lt;script&gt;&#34;&amp;" in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text


def test_enough_runs_give_verdicts_and_floors_are_shown(make_run: Callable[..., Run]) -> None:
    run_dir, plan = make_run(arms=("brain",), sizes=(1, 26), replicates=10, synthetic=False, images=False)
    write_floors(run_dir, plan)
    make_figures(run_dir=run_dir, plan=plan, out_dir=run_dir / "figures")
    blank_sheets(run_dir, plan)
    make_report(run_dir=run_dir, plan=plan, out_path=run_dir / "report.html")
    text = (run_dir / "report.html").read_text(encoding="utf-8")
    start = text[text.index("<body>") : text.index('id="ran"')]
    assert "REAL DATA" in start and "SYNTHETIC" not in start
    assert (
        "On these data the mask helps with 1 training case; makes no difference (within ±0.02 Dice) with 26." in start
    )
    assert "p &lt; 0.001" in start
    assert "two readers" in text[text.index('<h2 id="sure">') :]


def test_without_images_the_page_has_drawings_alone_and_says_so(make_run: Callable[..., Run]) -> None:
    run_dir, plan = make_run(arms=("brain",), sizes=(1,), images=False)
    plan["images"] = "none"
    for name in figure_files(plan):
        (run_dir / "figures").mkdir(exist_ok=True)
        Image.new("RGB", (2, 2)).save((run_dir / "figures" / name).with_suffix(".png"))
    make_report(run_dir=run_dir, plan=plan, out_path=run_dir / "report.html")
    text = (run_dir / "report.html").read_text(encoding="utf-8")
    assert len(Page(text).images) == 2 + 4 + 1  # Figures 4 and 6; answer, gain, learning, context; mask quality
    assert '<script type="text/plain"' not in text  # no packed scan
    assert "<code>images: none</code>" in text


def blank_sheets(run_dir: Path, plan: dict[str, Any]) -> None:
    (run_dir / "sheets").mkdir()
    for name in sheet_files(plan):
        Image.new("RGB", (2, 2)).save(run_dir / "sheets" / name)


def test_data_kinds_are_told_apart(small_run: Run) -> None:
    _, plan = small_run
    assert say.data_kind(plan) == "synthetic"
    plan["arms"][0]["synthetic"] = False
    assert say.data_kind(plan) == "mixed"
    plan["arms"][1]["synthetic"] = False
    assert say.data_kind(plan) == "real"


def test_sentences_give_the_means_beside_the_papers(small_run: Run) -> None:
    run_dir, plan = small_run
    scores = read_scores(run_dir)
    scores["dice"] = 0.5
    sentence = say.sentences(plan, scores)[0]
    assert sentence == (
        "brain: the mean Dice over 4 synthetic test cases and all structures is, with 1 training case, 0.50 for CT, "
        "0.50 for Mask and 0.50 for CT + mask; with 8 training cases, 0.50 for CT, 0.50 for Mask and 0.50 for "
        "CT + mask. The paper has, on its own data, 0.25 for CT, 0.40 for Mask and 0.56 for CT + mask at n = 1; 0.77 "
        "for CT, 0.73 for Mask and 0.81 for CT + mask at n = 8."
    )
    assert say.sentences(plan, scores[:0])[1] == "heart: no scores yet."


def test_splits_show_the_nested_subsets(small_run: Run) -> None:
    run_dir, plan = small_run
    row = say.splits(run_dir, plan).rows[0]
    assert row[2].startswith("brain_00 | brain_01 | brain_02 brain_03 | brain_04")
    assert row[4] == "brain_08, brain_09, brain_10, brain_11"


def test_every_finished_training_is_listed_with_its_versions(small_run: Run) -> None:
    run_dir, plan = small_run
    runs = read_runs(run_dir, plan)
    assert len(say.trainings(runs).rows) == 24
    rows = dict(row for row in say.provenance_rows(run_dir, plan, read_scores(run_dir), runs).rows)
    assert rows["Version of torch (trainings)"] == "2.9.0"
    assert rows["Seed"] == "20"
    assert re.fullmatch(r"480 rows, SHA-256 [0-9a-f]{64}", rows["scores.csv"])
    assert say.trainings(runs[:0]).rows == []
    shared = runs.assign(device="cuda: Fake", trainings_per_gpu=2)
    assert all("cuda: Fake (may be shared)" in row for row in say.trainings(shared).rows)
