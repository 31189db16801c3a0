"""Run one module of the benchmark in this process: `python -m benchmarks.module NAME OUT.json [--smoke]`.

`benchmarks/run.py` calls it with the Python that the module needs. A module has one function, `records(smoke)`.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from benchmarks import lines


def main() -> None:
    name, out = sys.argv[1:3]
    found = importlib.import_module(f"benchmarks.{name}").records("--smoke" in sys.argv)
    if strange := set(found) ^ set(lines.of(name)):
        raise SystemExit(f"benchmarks/{name}.py and benchmarks/lines.py disagree about {', '.join(sorted(strange))}")
    Path(out).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
