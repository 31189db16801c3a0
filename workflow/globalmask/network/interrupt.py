"""A process that is asked to end (SIGTERM: SLURM's warning, SIGINT: Ctrl-C) ends where nothing is lost."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from globalmask.errors import Interrupted

ASKED = (signal.SIGTERM, signal.SIGINT)


class Ask:
    """Whether the process was asked to end; `look` raises Interrupted then."""

    def __init__(self) -> None:
        self.number: int | None = None

    def look(self) -> None:
        if self.number is not None:
            name = signal.Signals(self.number).name
            raise Interrupted(f"The training was ended by {name}.", signal=self.number)


@contextlib.contextmanager
def delayed() -> Iterator[Ask]:
    """Within, SIGTERM and SIGINT are kept for `look`; a second SIGINT acts as before.

    A second SIGTERM does not: SLURM sends two at a time limit, a tenth of a second apart.
    Outside the main thread, where Python hands out no signals, nothing is changed.
    """
    ask = Ask()
    if threading.current_thread() is not threading.main_thread():
        yield ask
        return
    before = {number: signal.getsignal(number) for number in ASKED}

    def keep(number: int, frame: FrameType | None) -> None:
        ask.number = number
        signal.signal(signal.SIGINT, before[signal.SIGINT])

    for number in ASKED:
        signal.signal(number, keep)
    try:
        yield ask
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
