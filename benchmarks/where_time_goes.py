"""Where the time goes: the tables of docs/performance.md, by profiles of a training, a preparation and a demo.

    make profile                                             .venv/bin/python benchmarks/where_time_goes.py [BLOCK ...]

`train` is torch's profiler over our own loop at the demo's scale, `prepare` cProfile over a heart-sized CT, `parse`
cProfile over the parsing of the Snakefile, `demo` the benchmark files of a finished `make demo`. Each replaces its
block of the page and leaves the others.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]
for library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
    os.environ[library] = "1"

PAGE = ROOT / "docs" / "performance.md"
BLOCK = re.compile(r"(<!-- (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
ROWS = 12


def train(*, size: int = 48, channels: int = 8, steps: int = 20) -> str:
    """Share of each operator of torch in the steps of preset `modern`, augmentation included."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from benchmarks.step import fresh_network, loop, sample, settings_of

    torch.set_num_threads(1)
    settings = settings_of(channels, steps).model_copy(update={"augmentation": True})
    network, case = fresh_network(settings), sample(size)
    loop(network, case, settings)
    with profile(activities=[ProfilerActivity.CPU]) as found:
        loop(network, case, settings)
    events = sorted(found.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    rows = [
        (
            event.key,
            event.count / steps,
            event.self_cpu_time_total / 1000 / steps,
            100 * event.self_cpu_time_total / total,
        )
        for event in events[:ROWS]
    ]
    lines = [f"| `{name}` | {calls:.0f} | {ms:.2f} | {share:.0f} % |" for name, calls, ms, share in rows]
    head = f"One step of preset `modern`, {size}^3, {channels} channels, one thread: {total / 1000 / steps:.0f} ms.\n\n"
    return head + _table("operator", "calls a step", "ms a step", "share", lines=lines)


def prepare(*, size_xyz: tuple[int, int, int] = (512, 512, 150)) -> str:
    """Share of each function in preparing a CT and its label."""
    from benchmarks import data
    from globalmask.config import Grid
    from globalmask.prepare.grid import prepare_ct, prepare_label

    ct, label = data.heart_scan(size_xyz=size_xyz)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)

        def work() -> None:
            prepare_ct(ct, out / "ct.nii.gz", grid=Grid(spacing_mm=1.5))
            prepare_label(label, out / "ct.nii.gz", out / "label.nii.gz", values=data.HEART_VALUES)

        work()
        profiler = cProfile.Profile()
        profiler.runcall(work)
    return f"A CT of {'x'.join(map(str, size_xyz))} voxels and its label, whole scan to 1.5 mm.\n\n" + functions(
        profiler
    )


def parse() -> str:
    """Share of each function in parsing the Snakefile of the demo."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "profile"
        command = [sys.executable, "-m", "cProfile", "-o", str(file), "-m", "snakemake", "--list-rules"]
        demo = str(ROOT / "workflow" / "config" / "demo.yaml")
        subprocess.run([*command, "--configfile", demo], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        return functions(pstats.Stats(str(file)))


def demo() -> str:
    """Seconds of a finished demo by the module that its jobs run, with those of imports."""
    from benchmarks.demo import CORES, dry_run_seconds, import_seconds, jobs_of, shares

    logs = ROOT / "logs" / "demo"
    if not (ROOT / "results" / "demo" / "report.html").is_file():
        return "There is no finished demo here: `make demo`.\n"
    jobs = jobs_of(logs)
    imports = import_seconds({job.module for job in jobs}, repeats=3)
    seconds: Mapping[str, list[float]] = defaultdict(list)
    for job in jobs:
        seconds[job.module].append(job.seconds)
    ordered = sorted(seconds.items(), key=lambda item: -sum(item[1]))
    lines = [
        f"| `{name}` | {len(each)} | {sum(each):.0f} | {len(each) * imports[name]:.0f} |" for name, each in ordered
    ]
    parts = shares(jobs, imports, planning=dry_run_seconds(), cores=CORES)
    told = ", ".join(f"{name} {part:.0f} %" for name, part in parts.items())
    head = f"Of the time of {CORES} cores: {told}.\n\n"
    return head + _table("module", "jobs", "seconds", "of them starting and importing", lines=lines)


BLOCKS: dict[str, Callable[[], str]] = {"train": train, "prepare": prepare, "parse": parse, "demo": demo}


def functions(profile: cProfile.Profile | pstats.Stats) -> str:
    """The functions that take most time by themselves, as a Markdown table."""
    stats = profile if isinstance(profile, pstats.Stats) else pstats.Stats(profile)
    found = sorted(stats.stats.items(), key=lambda item: -item[1][2])  # type: ignore[attr-defined]
    total = sum(own for _, (_, _, own, _, _) in found)
    lines = [
        f"| `{_name(place)}` | {calls} | {own:.3f} | {100 * own / total:.0f} % |"
        for place, (_, calls, own, _, _) in found[:ROWS]
    ]
    return _table("function", "calls", "seconds by itself", "share", lines=lines)


def _name(place: tuple[str, int, str]) -> str:
    file, _, function = place
    return function.strip("<>").replace("|", "/") if file == "~" else f"{Path(file).stem}.{function}"


def _table(*columns: str, lines: Sequence[str]) -> str:
    rule = "|---|" + "---:|" * (len(columns) - 1)
    return "\n".join([f"| {' | '.join(columns)} |", rule, *lines, ""])


def page(text: str, blocks: Mapping[str, str]) -> str:
    """The page with these blocks in their places; the others stay."""
    return BLOCK.sub(lambda match: f"{match[1]}{blocks.get(match[2], match[3])}{match[4]}", text)


def main() -> None:
    from globalmask.provenance import write_text

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("blocks", nargs="*", metavar="BLOCK", help=f"of {', '.join(BLOCKS)}; all when left out")
    chosen = parser.parse_args().blocks or list(BLOCKS)
    if unknown := sorted(set(chosen) - set(BLOCKS)):
        parser.error(f"no such block: {', '.join(unknown)}")
    for name in chosen:
        write_text(PAGE, page(PAGE.read_text(encoding="utf-8"), {name: f"{BLOCKS[name]()}\n"}))
        print(f"{name}: written to {PAGE.relative_to(ROOT)}", flush=True)


if __name__ == "__main__":
    main()
