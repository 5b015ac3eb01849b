"""Broken programs end in diagnostics: whatever is done to a valid text, no other exception leaves the compiler.

200 mutated programs by default, 2000 with SPIKEC_FULL=1.
"""

from __future__ import annotations

import os
import re
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random

from spikec import load
from spikec.dialects.diagnostics import CompileError

from .generator import write_case

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PROGRAMS = 2000 if os.environ.get("SPIKEC_FULL") == "1" else 200
TOKEN = re.compile(r'"[^"\n]*"|\d+\.?\d*|\w+|:=|[-+*]=|->|\|>|[<>=!]=|//|>>|\n|[^\s\w]')
NUMBERS = ("0", "-1", "1e30", "1e-30", "99999999999999999999", "0.1", "3", "2.5", "1 mV", "10 ms", "2 steps", "-0.0")
WORDS = """
if then else and or not in var spike when emit hold for out pop proj connect weight delay seed probe every output input
param model neuron step solver prev over_time sum argmax pre post index dt true V I theta tau rule phase
"""


def mutate(text: str, random: Random) -> str:
    """One to three changes of tokens: dropped, doubled, swapped, replaced, or a number made extreme."""
    tokens = re.findall(r"[ \t]+|" + TOKEN.pattern, text)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        solid = [i for i, token in enumerate(tokens) if token.strip() or token == "\n"]
        here, there = random.choice(solid), random.choice(solid)
        change = random.randrange(8)
        if change == 0:
            tokens[here] = ""
        elif change == 1:
            tokens[here] += " " + tokens[here]
        elif change == 2:
            tokens[here], tokens[there] = tokens[there], tokens[here]
        elif change == 3:
            tokens[here] = tokens[there]
        elif change == 4:
            tokens[here] = random.choice(WORDS.split())
        else:
            numbers = [i for i in solid if tokens[i][:1].isdigit()] or solid
            tokens[random.choice(numbers)] = random.choice(NUMBERS)
    return "".join(tokens)


def sources(folder: Path) -> list[str]:
    """Valid texts whose arrays lie in `folder`: random programs and the examples."""
    cases = [write_case(Random(1000 + seed)) for seed in range(25)]
    texts = []
    for number, case in enumerate(cases):
        case.write(folder)
        if case.arrays:
            (folder / "arrays.npz").rename(folder / f"arrays{number}.npz")
        texts.append(case.text.replace("arrays.npz", f"arrays{number}.npz"))
    shutil.copy(EXAMPLES / "03_digits" / "weights.npz", folder)
    return texts + [path.read_text() for path in sorted(EXAMPLES.glob("*/*.snn"))]


def test_mutated_programs_end_in_diagnostics(tmp_path: Path, report: Callable[[str, str], None]) -> None:
    random = Random(0)
    texts = sources(tmp_path)
    path = tmp_path / "mutant.snn"
    accepted, refused = 0, 0
    bugs: dict[str, str] = {}
    for number in range(PROGRAMS):
        text = mutate(texts[number % len(texts)], random)
        path.write_text(text)
        try:
            load(path)
            accepted += 1
        except CompileError as error:
            refused += 1
            assert error.diagnostics, text
            assert all(d.render(text) for d in error.diagnostics), text
        except Exception as error:
            bugs.setdefault(where(error), text)
    report("mutated programs", f"{accepted} accepted, {refused} refused with diagnostics")
    assert not bugs, "\n\n".join(f"{place}, from\n{text}" for place, text in bugs.items())
    assert accepted > PROGRAMS // 20 and refused > PROGRAMS // 2


def where(error: BaseException) -> str:
    """An exception and the line that first raised it."""
    while error.__cause__ is not None:
        error = error.__cause__
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {str(error)[:120]} at {frame.filename}:{frame.lineno}"
