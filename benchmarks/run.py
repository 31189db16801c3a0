"""The benchmark: one command, one table.

    make bench                                                     everything; half an hour to two hours
    .venv/bin/python benchmarks/run.py step planning prepare.monai  these modules, or the modules of these lines
    .venv/bin/python benchmarks/run.py --smoke step                 smallest sizes, figures of no meaning, own folder

Each module runs in a process of its own with one thread a library: in `.venv`, or in `.venv-peers` (`make peers`) where
it compares with another library. What is measured replaces the older records of `benchmarks/results.json`; the others
stay. `benchmarks/results.md` is written from it. Exit code 1 where a module failed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from benchmarks import lines, record  # noqa: E402

FOLDER = ROOT / "benchmarks"
SMOKE = ROOT / "build" / "benchmarks" / "smoke"
PEERS = ROOT / ".venv-peers" / "bin" / "python"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")


def measure(module: str, *, smoke: bool) -> dict[str, record.Record]:
    """Records of one module's lines; where it fails, records that say why."""
    python = PEERS if module in lines.PEERS else Path(sys.executable)
    if not python.is_file():
        return _without(module, "the other libraries are not installed: make peers")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "records.json"
        command = [str(python), "-m", "benchmarks.module", module, str(out), *(["--smoke"] if smoke else [])]
        done = subprocess.run(command, cwd=ROOT, env=environment(), check=False)
        if done.returncode:
            return _without(module, f"failed with exit code {done.returncode}")
        return json.loads(out.read_text(encoding="utf-8"))


def environment() -> dict[str, str]:
    """Of a module's process: one thread a library, nnU-Net without compilation, no folder but ours on the path."""
    own = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'workflow'}", "nnUNet_compile": "F"}
    return {**os.environ, **dict.fromkeys(THREADS, "1"), **own}


def _without(module: str, why: str) -> dict[str, record.Record]:
    return {name: record.missing(line, why) for name, line in lines.of(module).items()}


def write(new: dict[str, record.Record], folder: Path) -> dict[str, record.Record]:
    """Merge `new` into the results of `folder` and write its table; returns all records."""
    from globalmask.provenance import write_json, write_text

    found = record.merged(lines.LINES, record.read(folder / "results.json"), new)
    write_json(folder / "results.json", found)
    write_text(folder / "results.md", record.table(found))
    return found


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", nargs="*", metavar="LINE", help=f"of {', '.join(lines.modules())}; all when left out")
    parser.add_argument("--smoke", action="store_true", help="smallest sizes: whether it runs, not how fast")
    parser.add_argument("--table", action="store_true", help="measure nothing, write the table again")
    given = parser.parse_args(words)
    chosen = list(dict.fromkeys(word.partition(".")[0] for word in given.lines)) or lines.modules()
    if unknown := [word for word in chosen if word not in lines.modules()]:
        parser.error(f"no such line: {', '.join(unknown)}; there are {', '.join(lines.modules())}")
    folder, failed = SMOKE if given.smoke else FOLDER, []
    for module in [] if given.table else chosen:
        print(f"{module} …", flush=True)
        new = measure(module, smoke=given.smoke)
        failed += [name for name, each in new.items() if each["figure"] is None and "failed" in each["reason"]]
        found = write(new, folder)
        print("\n".join(f"  {name}: {found[name]['figure']} {found[name]['reason']}" for name in new), flush=True)
    write({}, folder)
    print(f"The table: {folder / 'results.md'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
