"""The memory that a piece of work needs beyond the libraries it has imported, in a process of its own (Linux).

`grown` reads the kernel's own peak of the process, which a child does not inherit as it does `ru_maxrss`.
"""

from __future__ import annotations

import gc
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def grown(call: Callable[[], Any]) -> int:
    """Bytes by which the process grew at most while `call` ran."""
    gc.collect()
    CLEAR.write_text("5", encoding="ascii")  # the peak starts again at what is held now
    before = _kilobytes("VmRSS")
    call()
    return 1024 * (_kilobytes("VmHWM") - before)


def in_child(function: str, *arguments: Any) -> Any:
    """What `module:name` returns for plain arguments, in a fresh process of the same Python."""
    command = [sys.executable, "-m", "benchmarks.peak", function, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise RuntimeError(f"{function} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _kilobytes(name: str) -> int:
    return int(re.search(rf"^{name}:\s+(\d+) kB", STATUS.read_text(encoding="ascii"), re.MULTILINE)[1])


if __name__ == "__main__":
    module, name = sys.argv[1].split(":")
    print(json.dumps(getattr(importlib.import_module(module), name)(*json.loads(sys.argv[2]))))
