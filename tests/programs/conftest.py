"""Tests of random programs say what they covered; `tests/conftest.py` prints it at the end of the session."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Callable[[str, str], None]:
    """`report(title, text)` has `text` printed at the end of the session."""
    return lambda title, text: record_property("report", f"{title}\n{text}")
