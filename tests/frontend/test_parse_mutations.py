"""Broken programs: whatever the text, the parser ends with diagnostics and never with an exception."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from spikec.dialects.diagnostics import Diagnostics
from spikec.frontend.parse import parse

COUNT = 2000 if os.environ.get("SPIKEC_FULL") == "1" else 200
TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
STRANGE = [
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "->",
    ":=",
    "=",
    "'",
    '"',
    "#",
    "\n",
    ";",
    "if",
    "spike",
    "1e999",
    "\0",
    "é",
    "\r",
]


def mutated(text: str, draw: random.Random) -> str:
    """`text` with one to six tokens or characters deleted, doubled, swapped, replaced or inserted."""
    pieces = TOKEN.findall(text) if draw.random() < 0.7 else list(text)
    for _ in range(draw.randint(1, 6)):
        i, j = draw.randrange(len(pieces)), draw.randrange(len(pieces))
        match draw.randrange(5):
            case 0:
                del pieces[i : i + draw.choice([1, 1, 1, 20])]
                pieces = pieces or [" "]
            case 1:
                pieces.insert(i, pieces[j])
            case 2:
                pieces[i], pieces[j] = pieces[j], pieces[i]
            case 3:
                pieces[i] = draw.choice(STRANGE)
            case _:
                pieces.insert(i, draw.choice(STRANGE))
    return "".join(pieces)


def judge(text: str) -> None:
    diagnostics = Diagnostics()
    tree = parse(text, "broken.snn", diagnostics)
    assert tree is not None or diagnostics.has_errors
    lines = text.count("\n") + 1
    for item in diagnostics.items:
        assert item.span is not None
        assert 1 <= item.span.line <= lines
        assert item.span.column >= 1
        assert item.message
        item.render(text)


def test_mutated_programs() -> None:
    programs = [Path(__file__).parent / "every_construct.snn"]
    root = os.environ.get("SPIKEC_CONFORMANCE")
    if root:
        programs += sorted((Path(root).parent / "language").glob("*.snn"))
    texts = [path.read_text("utf-8") for path in programs]
    for seed in range(COUNT):
        draw = random.Random(seed)
        judge(mutated(draw.choice(texts), draw))


@settings(max_examples=COUNT, deadline=None, derandomize=True, database=None)
@given(st.lists(st.sampled_from([*STRANGE, "model", "neuron", "pop", "proj", "M", "1", " ", "ms", ",", ".", "+"])))
def test_soups_of_tokens(pieces: list[str]) -> None:
    judge(" ".join(pieces))
