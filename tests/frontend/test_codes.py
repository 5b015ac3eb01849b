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


def test_codes_are_in_order() -> None:
    kinds = [code for code in CODES if code[0] == "E"]
    assert kinds == sorted(kinds)


def test_every_code_of_the_text_side_has_a_page() -> None:
    folder = resources.files("spikec.frontend")
    used = {
        code
        for name in ("parse.py", "tree.py", "syntax_errors.py")
        for code in re.findall(r'"(E\d{4})"', folder.joinpath(name).read_text("utf-8"))
    }
    assert used - {"E0701"} == {code for code in CODES if code.startswith("E01")}
