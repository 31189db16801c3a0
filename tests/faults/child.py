"""Commands of globalmask in processes that are forked off one that has imported everything: a start costs nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import FrameType

CONTEXT = multiprocessing.get_context("forkserver")
TESTS = Path(__file__).parents[1]


def preload(*modules: str) -> None:
    """Name what the common parent imports; before the first `start`."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(TESTS), str(TESTS.parent / "workflow")])
    CONTEXT.set_forkserver_preload(["faults.child", "globalmask.cli", *modules])


def start(
    arguments: Sequence[str],
    log: Path | Connection,
    *,
    folder: Path,
    environment: dict[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> ForkServerProcess:
    """`globalmask ARGUMENTS` in `folder`, after `before`; what it prints goes to `log`, a file or the end of a pipe."""
    process = CONTEXT.Process(target=_main, args=(list(arguments), log, folder, environment or {}, before))
    process.start()
    return process


def run(arguments: Sequence[str], **options: object) -> tuple[int, str]:
    """Exit code (negative: the signal that ended it) and what was printed."""
    reader, writer = CONTEXT.Pipe(duplex=False)
    process = start(arguments, writer, **options)
    writer.close()
    with open(reader.fileno(), encoding="utf-8", closefd=False) as stream:
        printed = stream.read()
    process.join()
    reader.close()
    return process.exitcode, printed


def _main(
    arguments: list[str],
    log: Path | Connection,
    folder: Path,
    environment: dict[str, str],
    before: Callable[[], None] | None,
) -> None:
    os.chdir(folder)
    os.environ.update(environment)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if isinstance(log, Path) else log.fileno()
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)
    if before:
        before()
    from globalmask.cli import main

    sys.argv = ["globalmask", *arguments]
    main()


class Moments:
    """Counts Python's calls and returns within some functions; at the chosen one the process kills itself.

    `at` = (qualified name of a function, number): the numberth call or return of any function, C functions too,
    while that one runs. Such a moment does not depend on the speed of the machine.
    """

    def __init__(self, *places: str, at: tuple[str, int] | None = None, told: Path | None = None) -> None:
        self.inside, self.seen = Counter(dict.fromkeys(places, 0)), Counter()
        self.at, self.told = at, told

    def watch(self) -> None:
        sys.setprofile(self)

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        place = frame.f_code.co_qualname
        if place in self.inside and event in ("call", "return"):
            self.inside[place] += 1 if event == "call" else -1
            if self.told:
                self.told.write_text("\n".join(f"{name} {count}" for name, count in self.seen.items()))
        for name, depth in self.inside.items():
            if depth:
                self.seen[name] += 1
                if (name, self.seen[name]) == self.at:
                    os.kill(os.getpid(), signal.SIGKILL)
