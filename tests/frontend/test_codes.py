"""The codes: their form, and that every code raised by the text side has a page."""

from __future__ import annotations

import re
from importlib import resources

from spikec.dialects.codes import CODES


def test_codes_are_well_formed() -> None:
    for code, page in CODES.items():
        assert re.fullmatch(r"[EWN]\d{4}", code)
        assert page.title
        assert page.title == page.title.strip()
        assert len(page.explanation) > 40
        assert all(len(line) <= 120 for line in page.explanation.split("\n"))


def test_every_syntax_code_has_a_page_and_a_use() -> None:
    used: set[str] = set()
    for entry in resources.files("spikec.frontend").iterdir():
        if entry.name.endswith(".py"):
            used |= set(re.findall(r'"(E01\d\d)"', entry.read_text("utf-8")))
    assert used == {code for code in CODES if code.startswith("E01")}
