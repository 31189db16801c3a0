"""`globalmask --help`: its time in a fresh process, and which heavy libraries it imports."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.lines import LINES
from benchmarks.record import Record, measured, versions

HEAVY = ("torch", "ants", "SimpleITK", "numpy", "pandas", "scipy", "matplotlib", "vtk", "pydantic", "rich")
ASK = "import sys; sys.argv[1:] = ['--help']\ntry: globalmask.cli.main()\nexcept SystemExit: pass\n"


def records(smoke: bool) -> dict[str, Record]:
    rounds = 2 if smoke else 15
    bare, asked = [], []
    for _ in range(rounds):
        bare.append(_seconds("-c", "pass"))
        asked.append(_seconds("-m", "globalmask", "--help"))
    found = heavy_imports()
    facts = {"versions": versions("typer", "pydantic"), "bare_python_seconds": sorted(bare)[rounds // 2]}
    return {
        "cli.help": measured(LINES["cli.help"], asked, **facts),
        "cli.imports": measured(LINES["cli.imports"], [len(found)], names=found, of=HEAVY),
    }


def heavy_imports() -> list[str]:
    """Heavy libraries that are loaded after `globalmask --help`."""
    code = f"import globalmask.cli\n{ASK}print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    return [name for name in HEAVY if f"'{name}'" in done.stdout.splitlines()[-1]]


def _seconds(*words: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start
