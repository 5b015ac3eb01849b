"""The snippets of docs/rtl.md: circuits that verify and agree on both engines, programs that run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from spikec.backends.fpga import rtlil, verilog
from spikec.dialects import rtl
from spikec.dialects.constants import Constants
from spikec.dialects.program import Program
from spikec.dialects.verify import verify
from spikec.runtime.reference.rtl import RtlInterpreter
from spikec.runtime.rtl.simulator import Simulator

from tests.rtl.netlists import stimulus

PAGE = (Path(__file__).parents[2] / "docs" / "rtl.md").read_text()
CIRCUITS = re.findall(r"```mlir\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", CIRCUITS, ids=[re.findall(r"@(\w+)\(", text)[-1] for text in CIRCUITS])
def test_circuits_of_the_page(text: str) -> None:
    top = re.findall(r"func.func @(\w+)", text)[-1]
    program = Program.parse(f'module attributes {{rtl.model = "{top}"}} {{\n{text}}}', Constants())
    verify(program)
    judge, simulator = RtlInterpreter(program), Simulator(program)
    for reset, inputs in stimulus(program, 50, 0):
        assert simulator.cycle(inputs, reset) == judge.cycle(inputs, reset)
    assert f"{top}.v" in verilog.emit(program)
    assert f"module \\{top}\n".encode() in rtlil.emit(program)


def test_every_op_has_an_example() -> None:
    shown = set(re.findall(r'"(rtl\.\w+)"\(', "".join(CIRCUITS)))
    assert shown == {op.name() for op in rtl.DIALECT.ops}


def test_programs_of_the_page_run() -> None:
    names: dict[str, object] = {}
    for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(text, names)
