"""Broken programs end in diagnostics: whatever is done to a valid text, no other exception leaves the compiler.

5000 mutated programs by default, 50,000 with SPIKEC_FULL=1, all of them checked like `spikec check` does it.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from spikec import driver
from spikec.dialects.diagnostics import CompileError

from .generator import write_case

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CONSTRUCTS = EXAMPLES.parent / "tests" / "frontend" / "every_construct.snn"
FULL = os.environ.get("SPIKEC_FULL") == "1"
PROGRAMS, SHARDS = (50_000, 20) if FULL else (5000, 10)
MEMORY = 2 << 30
"""Bytes that the process may have grown to: ours, Python's and MLIR's libraries, and those of all tests before."""
TOKEN = re.compile(r'"[^"\n]*"|\d+\.?\d*|\w+|:=|[-+*]=|->|\|>|[<>=!]=|//|>>|\n|[^\s\w]')
NUMBERS = ("0", "-1", "1e30", "1e-30", "99999999999999999999", "0.1", "3", "2.5", "1 mV", "10 ms", "2 steps", "-0.0")
WORDS = """
if then else and or not in var spike when emit hold for out pop proj connect weight delay seed probe every output input
param model neuron step solver prev over_time sum argmax pre post index dt true V I theta tau rule phase synapse block
import on return learn per at grid clip kaiming uniform normal axonal dendritic events std w all prob conv2d softmax
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
    """Texts whose arrays lie in `folder`: random programs, the examples, and one with every construct."""
    cases = [write_case(Random(1000 + seed), wide=True) for seed in range(25)]
    texts = []
    for number, case in enumerate(cases):
        case.write(folder)
        if case.arrays:
            (folder / "arrays.npz").rename(folder / f"arrays{number}.npz")
        texts.append(case.text.replace("arrays.npz", f"arrays{number}.npz"))
    for path in sorted(EXAMPLES.glob("*/*.snn")):
        text = path.read_text()
        for arrays in path.parent.glob("*.npz"):
            shutil.copy(arrays, folder / f"{path.parent.name}_{arrays.name}")
            text = text.replace(arrays.name, f"{path.parent.name}_{arrays.name}")
        texts.append(text)
    return [*texts, CONSTRUCTS.read_text()]


def mutate_bytes(text: str, random: Random) -> bytes:
    """One to five bytes dropped, doubled, or made another; now and then the text ends early."""
    data = bytearray(text.encode())
    for _ in range(random.randint(1, 5)):
        here = random.randrange(len(data))
        change = random.randrange(6)
        if change == 0:
            del data[here : here + random.choice((1, 1, 8, 60))]
        elif change == 1:
            data[here:here] = data[here : here + random.choice((1, 4, 40))]
        elif change == 2:
            data[here] = random.randrange(256)
        elif change == 3:
            data[here : here + 1] = random.choice(("é", "\u2028", "\ufeff", "\0", "\r", "\t")).encode()
        elif change == 4:
            data[here] = random.choice(b"(){}[]\"#;:=,.'\n")
        elif random.random() < 0.1:
            del data[here:]
        data = data or bytearray(b" ")
    return bytes(data)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_mutated_programs_end_in_diagnostics(shard: int, tmp_path: Path, report: Callable[[str, str], None]) -> None:
    random = Random(shard)
    texts = sources(tmp_path)
    path = tmp_path / "mutant.snn"
    outcomes: Counter[str] = Counter()
    bugs: dict[str, str] = {}
    for _ in range(PROGRAMS // SHARDS):
        source = random.choice(texts)
        data = mutate(source, random).encode() if random.random() < 0.7 else mutate_bytes(source, random)
        try:
            outcomes[judged(data, path)] += 1
        except Exception as error:
            bugs.setdefault(where(error), repr(data))
    report("mutated programs", ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))
    assert not bugs, "\n\n".join(f"{place}, from\n{text}" for place, text in bugs.items())
    assert outcomes["with mistakes of syntax"] > PROGRAMS // SHARDS // 5
    assert outcomes["right"] > 0 and outcomes["refused"] > 0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < MEMORY


def judged(data: bytes, path: Path) -> str:
    """What `spikec check` says of a text; its diagnostics have places that exist, and can be shown."""
    path.write_bytes(data)
    compilation = driver.Compilation(path, driver.Options())
    try:
        driver.check(compilation)
        outcome = "right"
    except CompileError as error:
        assert error.diagnostics
        compilation.diagnostics.items = error.diagnostics
        outcome = "refused" if "build" in compilation.seconds else "with mistakes of syntax"
    text = data.decode(errors="replace")
    for item in compilation.diagnostics.items:
        inside = item.span is not None and item.span.file == str(path)
        assert not inside or 1 <= item.span.line <= text.count("\n") + 1
        assert item.render(text if inside else None)
    return outcome


def where(error: BaseException) -> str:
    """An exception and the line that first raised it."""
    while error.__cause__ is not None:
        error = error.__cause__
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {str(error)[:120]} at {frame.filename}:{frame.lineno}"
