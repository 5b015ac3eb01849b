"""The formatter on random programs in a layout nobody would write: 20 by default, 200 with SPIKEC_FULL=1."""

from __future__ import annotations

import os
import re
from random import Random

from spikec.dialects.diagnostics import Diagnostics
from spikec.frontend.format import format_text
from spikec.frontend.parse import parse

from .generator import write_case

PROGRAMS = 200 if os.environ.get("SPIKEC_FULL") == "1" else 20
SPAN = re.compile(r"span=Span\([^()]*\)")


def meaning(text: str) -> str:
    """The syntax tree without places."""
    diagnostics = Diagnostics()
    tree = repr(parse(text, "model.snn", diagnostics))
    assert not diagnostics.has_errors
    return SPAN.sub("", tree)


def messy(text: str, random: Random) -> str:
    """Other blanks, blank lines and comments."""
    lines = []
    for line in text.split("\n"):
        blanks = re.sub(r"(?<=\S) (?=\S)", lambda _: " " * random.choice((1, 1, 2, 4)), line.strip())
        comment = random.choice(("", "", "", " # aside", "   #", "        # far"))
        lines += [" " * random.randrange(9) + blanks + comment, *[""] * random.choice((0, 0, 0, 2))]
    return "\n".join(lines)


def test_random_programs_keep_their_meaning_and_comments() -> None:
    for seed in range(PROGRAMS):
        text = write_case(Random(5000 + seed)).text
        mess = messy(text, Random(seed))
        results = [format_text(t, "model.snn", Diagnostics()) for t in (text, mess)]
        for source, result in zip((text, mess), results, strict=True):
            assert result is not None, source
            assert meaning(result) == meaning(text)
            assert result.count("#") == source.count("#")
            assert format_text(result, "model.snn", Diagnostics()) == result, source
