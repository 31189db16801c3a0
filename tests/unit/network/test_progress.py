"""Plain lines in a log, a bar on a terminal."""

from __future__ import annotations

import sys

from globalmask.network.progress import Bar, Plain, line_of, show

ROW = {"step": 50, "train_loss": 0.5, "val_loss": 0.25, "val_dice": 0.75, "train_seconds": 12.4, "best": 1}


def test_line_of_a_validation():
    line = "step 50/100  training loss 0.5000  validation loss 0.2500  Dice 0.7500  best so far  12 s"
    assert line_of(ROW, 100) == line


def test_line_without_validation():
    row = {**ROW, "val_loss": None, "val_dice": None, "best": 0}
    assert line_of(row, 100) == "step 50/100  training loss 0.5000  12 s"


def test_log_gets_plain_lines(capsys):
    with show("training", 10) as display:
        assert isinstance(display, Plain)
        display.advance(1)
        display.tell("a line")
    assert capsys.readouterr().err == "a line\n"


def test_terminal_gets_a_bar(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with show("training", 10) as display:
        assert isinstance(display, Bar)
        display.advance(5)
        display.tell("a line")
