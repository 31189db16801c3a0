"""The count of faults: the tests of faults/ and slurm/ tell what they injected and what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

KEY = "faults"
LINES = {
    "fault": "faults injected",
    "bad_input": "bad inputs tried",
    "hostile": "hostile inputs tried",
}


class Tally:
    """What one test saw; written to its report, so that it also counts from another process."""

    def __init__(self, properties: list[tuple[str, object]]) -> None:
        self._properties = properties

    def fault(self, what: str, *, survived: bool, lost: int, changed: int) -> None:
        """A fault was injected; how many finished results were lost, how many differ from an undisturbed run."""
        self._add("fault", what, good=survived, lost=lost, changed=changed)

    def bad_input(self, what: str, *, clear: bool) -> None:
        """A bad input was given; `clear`: one block that names it and says what to do."""
        self._add("bad_input", what, good=clear)

    def hostile(self, what: str, *, refused: bool) -> None:
        """A hostile input was given; `refused`: it did nothing."""
        self._add("hostile", what, good=refused)

    def _add(self, kind: str, what: str, **facts: int | bool) -> None:
        self._properties.append((KEY, json.dumps({"kind": kind, "what": what, **facts})))


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    """Tells the session's count what this test injected and what became of it."""
    return Tally(request.node.user_properties)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    told = list(_told(terminalreporter))
    if not told:
        return
    terminalreporter.section("faults")
    by_kind = {kind: [fact for fact in told if fact["kind"] == kind] for kind in LINES}
    good = {kind: sum(fact["good"] for fact in facts) for kind, facts in by_kind.items()}
    write = terminalreporter.write_line
    lost, changed = (sum(fact[what] for fact in by_kind["fault"]) for what in ("lost", "changed"))
    count = {kind: f"{LINES[kind]}: {len(facts)}" for kind, facts in by_kind.items()}
    write(f"{count['fault']}, survived: {good['fault']}, results lost: {lost}, results changed: {changed}")
    write(f"{count['bad_input']}, clear errors: {good['bad_input']}")
    write(f"{count['hostile']}, refused: {good['hostile']}")


def _told(reporter: pytest.TerminalReporter) -> Iterable[dict[str, int]]:
    for outcome in ("passed", "failed"):
        for report in reporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", []):
                if name == KEY and report.when == "call":
                    yield json.loads(value)
