"""Small programs at level `step`, run on the CPU and on the reference interpreter and compared bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from spikec.backends.cpu.module import CpuModule
from spikec.backends.cpu.target import CpuTarget
from spikec.dialects import step
from spikec.dialects.constants import Constants
from spikec.dialects.program import Program
from spikec.dialects.verify import verify
from spikec.lower.step_to_cpu import lower
from spikec.runtime.cpu import CpuEngine
from spikec.runtime.interface import Input, Interface, Output, Probe, numpy_type
from spikec.runtime.reference.engine import StepEngine

TYPES = {
    "i1": np.bool_,
    "i2": np.int8,
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "f32": np.float32,
    "f64": np.float64,
}
"""What numpy keeps the elements of a type in."""

LIF = """
func.func private @LIF(%I: f32 {snn.port = "I"}, %V: f32 {snn.state = "V"}, %decay: f32 {snn.param = "decay"})
    -> (f32 {snn.state = "V"}, i1 {snn.event}) {
  %0 = arith.mulf %decay, %V : f32
  %1 = arith.addf %0, %I : f32
  %one = arith.constant 1.0 : f32
  %s = arith.cmpf oge, %1, %one : f32
  %2 = arith.subf %1, %one : f32
  %v = arith.select %s, %2, %1 : f32
  return %v, %s : f32, i1
}
"""


@dataclass
class Net:
    """A program at level `step` in the making; `stage`, `init` and `finish` are ops without `(%t)` and type."""

    programs: str = ""
    constants: Constants = field(default_factory=Constants)
    declarations: list[str] = field(default_factory=list)
    stage: list[str] = field(default_factory=list)
    init: list[str] = field(default_factory=list)
    finish: list[str] = field(default_factory=list)

    def buffer(self, name: str, kind: str, type: str, slots: int = 1, **attributes: str) -> None:
        rest = "".join(f", {key} = {value}" for key, value in attributes.items())
        self.declarations.append(
            f'"step.buffer"() {{sym_name = "{name}", kind = "{kind}", type = memref<{type}>, '
            f"slots = {slots}{rest}}} : () -> ()"
        )

    def constant(self, name: str, array: np.ndarray[Any, Any], type: str) -> None:
        self.buffer(name, "constant", type, digest=f'"{self.constants.add(name, array)}"')

    def table(self, name: str, format: str, pre: int, post: int, element: str = "f32", **attributes: str) -> None:
        arrays = ", ".join(f"{k} = @{v}" for k, v in attributes.items() if k in ("w", "row", "col", "bits"))
        rest = "".join(
            f", {k} = {v}" for k, v in attributes.items() if k in ("weight", "index", "code", "block", "connect")
        )
        self.declarations.append(
            f'"step.table"() {{sym_name = "{name}", format = "{format}", pre = {pre}, post = {post}, '
            f"arrays = {{{arrays}}}, element = {element}{rest}}} : () -> ()"
        )

    def csr(
        self, name: str, dense: np.ndarray[Any, Any], index: int = 16, weight: str = "", element: str = "f32"
    ) -> None:
        """A csr table of the nonzero entries of a matrix."""
        present = dense != 0
        row = np.concatenate([[0], np.cumsum(present.sum(1))]).astype(np.int32)
        column = np.nonzero(present)[1].astype(f"uint{index}")
        self.constant(f"{name}.row", row, f"{len(row)}xi32")
        self.constant(f"{name}.col", column, f"{len(column)}xi{index}")
        named = {"row": f'"{name}.row"', "col": f'"{name}.col"', "index": f"{index} : i64"}
        if weight:
            named["weight"] = weight
        else:
            self.constant(f"{name}.w", dense[present], f"{len(column)}x{element}")
            named["w"] = f'"{name}.w"'
        self.table(name, "csr", *dense.shape, element, **named)

    def text(self) -> str:
        def lines(ops: Sequence[str]) -> str:
            split = [op.partition(" ") for op in ops]
            return (
                "\n".join(f'    "step.{name}"(%t) {{{rest}}} : (index) -> ()' for name, _, rest in split)
                + "\n    return"
            )

        return "\n".join(
            [
                'module attributes {step.model = "net", step.dt = 1.0e-3 : f64, step.dt_unit = "s"} {',
                self.programs,
                *self.declarations,
                f"  func.func private @stage.a(%t: index) {{\n{lines(self.stage)}\n  }}",
                f"  func.func @init(%t: index) {{\n{lines(self.init)}\n  }}",
                "  func.func @step(%t: index) {\n    func.call @stage.a(%t) : (index) -> ()\n    return\n  }",
                "  func.func @run(%begin: index, %end: index) {\n    %one = arith.constant 1 : index",
                "    scf.for %t = %begin to %end step %one {\n      func.call @stage.a(%t) : (index) -> ()\n    }",
                "    return\n  }",
                f"  func.func @finish(%t: index) {{\n{lines(self.finish)}\n  }}",
                "}",
            ]
        )

    def program(self) -> Program:
        program = Program.parse(self.text(), self.constants)
        verify(program, "the test")
        return program


def interface_of(program: Program) -> Interface:
    """What the buffers of a program say of its inputs, outputs and probes."""
    inputs, outputs, probes, populations = [], [], [], []
    for b in program.ops(step.Buffer):
        shape, dtype = tuple(b.type.shape), numpy_type(b.type.element_type)
        short = b.sym_name.partition(".")[2]
        match b.kind:
            case "input":
                inputs.append(Input(short, shape, "spikes" if dtype == "bool" else "real", dtype, "", None, None))
            case "output" | "result":
                outputs.append(Output(short, shape, dtype, "V", b.kind == "output"))
            case "probe":
                probes.append(Probe(short, shape, b.record, dtype, "", b.every))
            case "counter" if b.sym_name.endswith(".emitted"):
                populations.append(b.sym_name.removesuffix(".emitted"))
    return Interface("net", 1e-3, "s", tuple(inputs), tuple(outputs), tuple(probes), tuple(populations))


def equal(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> bool:
    """Whether two arrays have the same type, shape and bits (the bits of a NaN mean nothing)."""
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    if left.dtype.kind == "f":
        nan = np.isnan(left)
        bits = f"u{left.dtype.itemsize}"
        same = np.ascontiguousarray(left).view(bits) == np.ascontiguousarray(right).view(bits)
        return bool(np.all(same | nan) and np.array_equal(nan, np.isnan(right)))
    return np.array_equal(left, right)


@dataclass
class Both:
    """A program on both engines, with what the compiler made of it."""

    program: Program
    interface: Interface
    module: CpuModule
    cpu: CpuEngine
    reference: StepEngine
    steps: int = 0

    def advance(
        self, steps: int, streamed: Mapping[str, Any] | None = None, held: Mapping[str, Any] | None = None
    ) -> Any:
        """Runs both and compares everything; the CPU's trace."""
        inputs = {**(streamed or {}), **(held or {})}
        names = frozenset(streamed or {})
        got = self.cpu.advance(inputs, names, steps)
        wanted = self.reference.advance(inputs, names, steps)
        self.steps += steps
        for which in ("outputs", "probes", "values"):
            mine, other = getattr(got, which), getattr(wanted, which)
            assert set(mine) == set(other), which
            for name in mine:
                assert equal(mine[name], other[name]), f"{which} {name}:\n{mine[name]}\n{other[name]}"
        assert got.emitted == {p: wanted.emitted.get(p, 0) for p in got.emitted}
        assert got.synaptic_events == wanted.synaptic_events
        self.compare_states()
        return got

    def compare_states(self) -> None:
        kinds = {b.sym_name: b.kind for b in self.program.ops(step.Buffer)}
        slots = {cell.name: cell.slots for cell in self.cpu.layout.cells}
        for name, value in self.cpu.states().items():
            if kinds[name] == "temp":
                continue
            now = value if slots[name] == 1 else value[(self.steps - 1) % slots[name]]
            assert equal(now.reshape(-1), self.reference.state(name)), f"state {name}"

    def finish(self) -> dict[str, Any]:
        got, wanted = self.cpu.finish(), self.reference.finish()
        assert set(got) == set(wanted)
        for name in got:
            assert equal(got[name], wanted[name]), f"{name}:\n{got[name]}\n{wanted[name]}"
        return got

    def reset(self, seed: int, sample: int = 0) -> None:
        self.cpu.reset(seed, sample)
        self.reference.reset(seed, sample)
        self.steps = 0


@pytest.fixture
def net() -> Callable[..., Net]:
    return Net


@pytest.fixture(scope="session")
def host() -> CpuTarget:
    return CpuTarget.parse("cpu")


@pytest.fixture
def both(host: CpuTarget) -> Callable[..., Both]:
    def make(net: Net, target: CpuTarget | None = None) -> Both:
        program = net.program()
        interface = interface_of(program)
        module = lower(program, target or host)
        engine = (target or host).load(module, program.constants, interface)
        return Both(program, interface, module, engine, StepEngine(program, interface))

    return make


@pytest.fixture
def lif() -> str:
    return LIF
