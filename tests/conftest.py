"""Options of the whole test suite."""

from __future__ import annotations

import os

import pytest

# The IR is verified after every pass, in commands that tests start too.
os.environ.setdefault("SPIKEC_VERIFY_EACH", "1")
# Commands that tests start would translate all modules anew where Python may not keep what it made of them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the expected files anew instead of comparing")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written anew."""
    return bool(request.config.getoption("--update-golden"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what tests recorded under the property `report`: a title and a text below it."""
    reports = [r for outcome in ("passed", "failed") for r in terminalreporter.stats.get(outcome, [])]
    for title, _, text in (str(v).partition("\n") for r in reports for k, v in r.user_properties if k == "report"):
        terminalreporter.write_sep("-", title)
        terminalreporter.write_line(text)
