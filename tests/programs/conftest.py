"""Prints, at the end of the session, how often each construct occurred in the random programs that ran."""

from __future__ import annotations

import pytest

TABLES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLES] = []


@pytest.fixture
def report(request: pytest.FixtureRequest) -> list[str]:
    """Lines that are printed at the end of the session."""
    return request.config.stash[TABLES]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for text in config.stash[TABLES]:
        terminalreporter.write_sep("-", text.split("\n", 1)[0])
        terminalreporter.write_line(text.split("\n", 1)[-1])
