"""The verifier of level `rtl`: every rule has a broken circuit."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import numpy as np
import pytest
from spikec.cli import main
from spikec.dialects.constants import Constants
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.verify import problems

FUZZ = 20000 if os.environ.get("SPIKEC_FULL") == "1" else 150
CONTENT = np.arange(6, dtype=np.int8).reshape(3, 2)
CONSTANTS = Constants({"W": CONTENT, "reals": np.zeros(3), "wide": np.array([300]), "odd": np.zeros((3, 5), np.int8)})

CIRCUIT = f"""module attributes {{rtl.model = "top"}} {{
  func.func @inner(%a: i4 {{rtl.name = "a"}}) -> (i4 {{rtl.name = "b"}}) {{
    %n = "rtl.not"(%a) : (i4) -> i4
    return %n : i4
  }}
  func.func @top(%x: i4 {{rtl.name = "x"}}, %e: i1 {{rtl.name = "e"}}) -> (i4 {{rtl.name = "y"}}, i16 {{rtl.name = "z"}}) {{
    %c = "rtl.constant"() {{value = 3 : i4}} : () -> i4
    %r = "rtl.reg"() {{name = "r", init = 0 : i4}} : () -> i4
    %w = "rtl.wire"() {{name = "w"}} : () -> i4
    %s = "rtl.add"(%r, %w) : (i4, i4) -> i4
    %i = func.call @inner(%s) {{rtl.name = "i"}} : (i4) -> i4
    %m = "rtl.mem"() {{name = "m", content = "W", digest = "{CONSTANTS.digest("W")}", style = "auto"}} : () -> memref<4xi16>
    %p = "rtl.extract"(%x) {{low = 2}} : (i4) -> i2
    %d = "rtl.read"(%m, %p, %e) : (memref<4xi16>, i2, i1) -> i16
    %l = "rtl.cmp"(%x, %c) {{predicate = "slt"}} : (i4, i4) -> i1
    %q = "rtl.mux"(%l, %x, %i) : (i1, i4, i4) -> i4
    %j = "rtl.concat"(%q, %p) : (i4, i2) -> i6
    %o = "rtl.reduce"(%j) {{kind = "or"}} : (i6) -> i1
    %k = "rtl.zext"(%j) : (i6) -> i16
    "rtl.write"(%m, %p, %k, %o) : (memref<4xi16>, i2, i16, i1) -> ()
    "rtl.connect"(%r, %q, %e) : (i4, i4, i1) -> ()
    "rtl.connect"(%w, %c) : (i4, i4) -> ()
    return %s, %d : i4, i16
  }}
}}
"""

MISTAKES = [
    ('rtl.model = "top"', 'rtl.model = "tip"', "there is no module @tip"),
    ("func.func @inner", "func.func private @inner", "must be public"),
    ('%a: i4 {rtl.name = "a"}', "%a: i4", "a port has the mark 'rtl.name'"),
    ('%a: i4 {rtl.name = "a"}', '%a: i4 {rtl.name = "clk"}', "two ports named 'clk'"),
    ('{rtl.name = "e"}', '{rtl.name = "x"}', "two ports named 'x'"),
    ('%e: i1 {rtl.name = "e"}', '%e: i1 {rtl.name = "e"}, %f: f32 {rtl.name = "f"}', "a port of type f32"),
    ("value = 3 : i4", "value = 3 : i5", "widths 5, 4 must be equal"),
    ('"rtl.add"(%r, %w) : (i4, i4)', '"rtl.add"(%r, %e) : (i4, i1)', "widths 4, 1, 4 must be equal"),
    ('name = "r", ', "", "needs a name of its own"),
    ('name = "m"', 'name = "r"', "needs a name of its own"),
    ('{rtl.name = "i"}', "", "needs a name of its own"),
    ("init = 0 : i4", "init = 0 : i5", "widths 5, 4 must be equal"),
    ("init = 0 : i4", "init = 0.0 : f32", "attribute 'init' must be an integer"),
    ("low = 2", "low = 3", "bits 3 to 4 of 4"),
    ("low = 2", "low = 2, high = 3", "unknown attribute 'high'"),
    ('"slt"', '"lt"', "predicate 'lt' is none of"),
    ('kind = "or"', 'kind = "nor"', "kind 'nor' is none of"),
    ('style = "auto"', 'style = "fast"', "style 'fast' is none of"),
    ('style = "auto"', 'style = "huge"', "a huge memory has no content"),
    ('content = "W", ', "", "'content' and 'digest' belong together"),
    ('content = "W"', 'content = "V"', "the constants store has no 'V'"),
    ('content = "W"', 'content = "reals"', "where rows of integers are needed"),
    ('content = "W"', 'content = "wide"', "the digest is not that of the constants store"),
    ('content = "W"', 'content = "odd"', "5 lanes do not divide words of 16 bits"),
    ("memref<4xi16>", "memref<2xi16>", "content of 3 rows for 2 words"),
    ("memref<4xi16>", "memref<3x4xi16>", "is a memref<3x4xi16>, not a memory"),
    ("memref<4xi16>", "memref<5xi16>", "an address of 2 bits for 5 words"),
    ("%p, %e) : (memref<4xi16>, i2, i1)", "%p, %c) : (memref<4xi16>, i2, i4)", "widths 1, 4 must be equal"),
    ("%p, %e) : (memref<4xi16>, i2, i1)", "%p, %e) {async} : (memref<4xi16>, i2, i1)", "an asynchronous one none"),
    ('"rtl.connect"(%r, %q, %e)', '"rtl.connect"(%s, %q, %e)', "connects to what is no wire and no register"),
    ('"rtl.connect"(%w, %c) : (i4, i4)', '"rtl.connect"(%w, %c, %e) : (i4, i4, i1)', "a wire none"),
    ('    "rtl.connect"(%w, %c) : (i4, i4) -> ()\n', "", "has 0 drivers"),
    ('"rtl.connect"(%w, %c)', '"rtl.connect"(%r, %c)', "has 2 drivers"),
    (
        '%n = "rtl.not"(%a) : (i4) -> i4',
        '%n = func.call @inner(%a) {rtl.name = "i"} : (i4) -> i4',
        "@inner contains itself",
    ),
]


def found(text: str) -> list[str]:
    return [message for _, message in problems(Program.parse(text, CONSTANTS))]


def test_a_right_circuit_has_no_problems() -> None:
    assert found(CIRCUIT) == []


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES)
def test_each_mistake_is_named(old: str, new: str, message: str) -> None:
    assert old in CIRCUIT
    messages = found(CIRCUIT.replace(old, new))
    assert any(message in one for one in messages), messages


def test_a_loop_through_an_instance_is_told_hop_by_hop_with_its_places() -> None:
    text = CIRCUIT.replace('"rtl.connect"(%w, %c)', '"rtl.connect"(%w, %q)')
    text = re.sub(r'("rtl.add".*)', r'\1 loc("net.snn":7:3)', text)
    text = re.sub(r'("rtl.mux".*)', r'\1 loc("net.snn":9:5)', text)
    (message,) = found(text)
    assert message.endswith(
        "i.not (rtl.not at -:3:10) -> mux (rtl.mux at net.snn:9:5) -> w (rtl.wire at -:9:10) "
        "-> add (rtl.add at net.snn:7:3) -> i.not (rtl.not at -:3:10)"
    )


def test_opt_reads_circuits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "circuit.mlir"
    text = CIRCUIT.replace(f', content = "W", digest = "{CONSTANTS.digest("W")}"', "")
    file.write_text(text)
    assert main(["opt", str(file)]) == 0
    assert Program.parse(capsys.readouterr().out, Constants()).text() == Program.parse(text, Constants()).text()
    file.write_text(text.replace('"rtl.connect"(%w, %c)', '"rtl.connect"(%w, %q)'))
    assert main(["opt", str(file)]) == 1
    assert "combinational loop" in capsys.readouterr().err


def mutilated(rng: random.Random) -> str:
    """The circuit with one of its lines lost, or a word exchanged; names of ops stay, MLIR's parser ends at some."""
    lines = CIRCUIT.split("\n")
    place = rng.randrange(1, len(lines) - 2)
    kind = rng.choice((r"%\w+", r"\bi\d+\b|memref<\w+>", r"\b\d+\b", r"@\w+"))
    if rng.random() < 0.2 or not re.search(kind, lines[place]):
        del lines[place]
    else:
        words = re.findall(kind, CIRCUIT)
        lines[place] = re.sub(kind, lambda match: rng.choice([match[0], rng.choice(words)]), lines[place])
    return "\n".join(lines)


def test_no_broken_circuit_makes_the_verifier_fail() -> None:
    rng = random.Random(0)
    wrong = 0
    for _ in range(FUZZ):
        try:
            program = Program.parse(mutilated(rng), CONSTANTS)
        except ir.MLIRError:
            continue
        wrong += bool(problems(program))
    assert wrong > FUZZ / 100
