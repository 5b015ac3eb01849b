"""The formatter: what it writes is its own layout, means what was written, and keeps every comment."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest
from spikec.dialects.diagnostics import Diagnostics
from spikec.frontend.format import format_text
from spikec.frontend.parse import parse

ROOT = Path(__file__).resolve().parents[2]
IN_LAYOUT = [path for folder in ("examples", "compiler") for path in sorted((ROOT / folder).rglob("*.snn"))]
TESTS = [path for path in sorted((ROOT / "tests").rglob("*.snn")) if path.parent.name != "errors"]
SPAN = re.compile(r"span=Span\([^()]*\)")


def formatted(text: str) -> str:
    diagnostics = Diagnostics()
    result = format_text(text, "model.snn", diagnostics)
    assert result is not None, diagnostics.items
    return result


def meaning(text: str) -> str:
    """The syntax tree without places."""
    diagnostics = Diagnostics()
    tree = repr(parse(text, "model.snn", diagnostics))
    assert not diagnostics.has_errors
    return SPAN.sub("", tree)


def comments(text: str) -> list[str]:
    return [line.rstrip() for line in re.findall(r"#[^\n]*", re.sub(r'"[^"\n]*"', "", text))]


def assert_kept(before: str, after: str) -> None:
    assert meaning(after) == meaning(before)
    assert comments(after) == comments(before)
    assert formatted(after) == after
    assert not re.search(r"[ \t\r]\n|\n\n\n|\t", after)


def stirred(text: str, random: Random) -> str:
    """The text with other blanks at the start of lines and wherever there were some."""
    lines = []
    for line in text.split("\n"):
        code, mark, comment = line.partition("#")
        code = re.sub(r"(?<=\S) +(?=\S)", lambda _: " " * random.choice((1, 1, 1, 2, 5)), code)
        lines.append(" " * random.choice((0, 0, 2, 3)) + code + mark + comment + " " * random.randrange(2))
        lines += [""] * random.choice((0, 0, 0, 1, 3))
    return "\n".join(lines)


@pytest.mark.parametrize("path", IN_LAYOUT, ids=lambda path: path.stem)
def test_our_own_models_are_in_the_layout(path: Path) -> None:
    text = path.read_text("utf-8")
    assert formatted(text) == text


@pytest.mark.parametrize("path", [*IN_LAYOUT, *TESTS], ids=lambda path: path.stem)
def test_meaning_and_comments_are_kept(path: Path) -> None:
    text = path.read_text("utf-8")
    assert_kept(text, formatted(text))
    for seed in range(5):
        other = stirred(text, Random(seed))
        assert_kept(other, formatted(other))


def test_files_with_mistakes_get_their_diagnostics() -> None:
    diagnostics = Diagnostics()
    assert format_text("model M { step }", "m.snn", diagnostics) is None
    assert [d.code for d in diagnostics.items] == ["E0108"]


CASES = {
    "operators": ("y=x*-2+(a-b)@W^2\n", "y = x * -2 + (a - b) @ W ^ 2\n"),
    "signs": ("y=-x- -1\nz=f(-1,[-2,-x])\n", "y = -x - -1\nz = f(-1, [-2, -x])\n"),
    "words": ("y=not(a)and-b>0 or c\n", "y = not (a) and -b > 0 or c\n"),
    "slices": ("y=x[1:3,:,2 : n]+z[:, :2]\n", "y = x[1:3, :, 2 : n] + z[:, :2]\n"),
    "colons": ("param W:real[3]=f(  tau=1 ms )\n", "param W : real[3] = f(tau = 1 ms)\n"),
    "units": ("y=10mV/ ms+5 mV/ms\n", "y = 10 mV / ms + 5 mV/ms\n"),
    "groups": ("proj { a , b }.I->c{connect all;weight 1;}\n", "proj {a, b}.I -> c { connect all; weight 1; }\n"),
    "empty body": ("pop a:T{ }\n", "pop a : T {}\n"),
    "blank lines": ("\n\nstep 1 ms\n\n\n\ny = 1\n", "step 1 ms\n\ny = 1\n"),
    "alignment": ("a   = 1\nbcd=2\nefg = 3\n", "a = 1\nbcd = 2\nefg = 3\n"),
    "kept columns": ("a   = 1\nbc  = 22\n", "a  = 1\nbc = 22\n"),
    "no alignment": ("a = 1\n\nbcd   = 2\n", "a = 1\n\nbcd = 2\n"),
    "comments": ("a=1   # one\nbcd=2 # two\n", "a = 1   # one\nbcd = 2 # two\n"),
    "a comment column": ("a=1             # one\nbcd = 2\n", "a = 1          # one\nbcd = 2\n"),
    "a comment": ("a=1 # one\n", "a = 1 # one\n"),
    "below a bracket": ("yy=f(a,\n    b,\n  c)\n", "yy = f(a,\n    b,\n  c)\n"),
    "hanging": ("yy=f(a,\n     b\n     )\n", "yy = f(a,\n       b\n     )\n"),
    "a matrix": ("y = [[1,  20],\n     [30, 4]]\n", "y = [[1,  20],\n     [30, 4]]\n"),
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
def test_layout(before: str, after: str) -> None:
    def model(text: str, indent: str) -> str:
        return "model M {\n" + "".join(f"{indent}{line}\n" if line else "\n" for line in text.splitlines()) + "}\n"

    assert formatted(model(before, " ")) == model(after, "  ")


def test_ends_of_lines_are_kept_and_a_file_ends_with_one() -> None:
    assert formatted("model M {\r\n step 1 ms }") == "model M {\r\n  step 1 ms }\r\n"
    assert formatted("") == ""
    assert formatted("\n\n# alone \n\n") == "# alone\n"
