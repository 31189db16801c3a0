"""Signals that ask a training to end."""

from __future__ import annotations

import signal

import pytest

from globalmask.errors import Interrupted
from globalmask.network.interrupt import delayed


def test_two_sigterms_at_once_end_it_where_it_looks():
    """As SLURM sends them at a time limit."""
    with delayed() as ask:
        ask.look()
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted, match="SIGTERM") as caught:
            ask.look()
    assert caught.value.exit_code == 128 + signal.SIGTERM


@pytest.fixture
def ctrl_c():
    """SIGINT as a terminal has it; a shell's background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_second_sigint_does_not_wait(ctrl_c):
    with delayed() as ask:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(Interrupted):
            ask.look()


def test_handlers_are_as_before_afterwards():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with delayed():
        pass
    with delayed():
        signal.raise_signal(signal.SIGTERM)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
