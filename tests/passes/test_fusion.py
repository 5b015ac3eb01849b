"""Fusion at level `step`: what joins, what must not, and equal bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from spikec.dialects import step
from spikec.dialects.constants import Constants
from spikec.dialects.functions import walk
from spikec.dialects.program import Program
from spikec.dialects.verify import verify
from spikec.passes.schedule.fusion import fuse
from spikec.runtime.reference.machine import Machine

from tests.passes.step_runs import assert_same_runs, random_networks

HEAD = """module attributes {step.model = "M", step.dt = 1.0 : f64, step.dt_unit = "steps"} {
  "step.buffer"() {sym_name = "input.x", kind = "input", type = memref<5xf32>, slots = 1} : () -> ()
  "step.buffer"() {sym_name = "V", kind = "state", type = memref<5xf32>, slots = 1, init = 0.25 : f32} : () -> ()
  "step.buffer"() {sym_name = "U", kind = "state", type = memref<5xf32>, slots = 1} : () -> ()
  "step.buffer"() {sym_name = "s", kind = "stream", type = memref<5xf32>, slots = 3} : () -> ()
  "step.buffer"() {sym_name = "p", kind = "temp", type = memref<5xf32>, slots = 1} : () -> ()
  "step.buffer"() {sym_name = "q", kind = "temp", type = memref<5xf32>, slots = 1} : () -> ()
  "step.buffer"() {sym_name = "one", kind = "temp", type = memref<1xf32>, slots = 1} : () -> ()
  func.func private @add(%a: f32, %b: f32) -> f32 {
    %0 = arith.addf %a, %b : f32
    return %0 : f32
  }
  func.func private @decay(%V: f32 {snn.state = "V"}) -> (f32 {snn.state = "V"}, f32) {
    %c = arith.constant 0.5 : f32
    %0 = arith.mulf %c, %V : f32
    %1 = arith.addf %0, %c : f32
    return %0, %1 : f32, f32
  }
"""
TAIL = """
  func.func @step(%t: index) {
    func.call @stage.a(%t) : (index) -> ()
    return
  }
  func.func @run(%begin: index, %end: index) {
    %one = arith.constant 1 : index
    scf.for %t = %begin to %end step %one {
      func.call @stage.a(%t) : (index) -> ()
    }
    return
  }
}
"""


def program(*ops: str) -> Program:
    """A program of one stage; an op is written as its name and its attributes."""
    lines = [f'    "step.{op.split()[0]}"(%t) {{{op.partition(" ")[2]}}} : (index) -> ()' for op in ops]
    body = "\n".join(["  func.func private @stage.a(%t: index) {", *lines, "    return", "  }"])
    made = Program.parse(HEAD + body + TAIL, Constants())
    verify(made, "the test")
    return made


def update(name: str, args: str, results: str, delays: str = "", size: int = 5) -> str:
    zeros = ", ".join("0" for _ in args.split(", "))
    return (
        f"update program = @{name}, size = {size}, args = [{args}], delays = [{delays or zeros}], results = [{results}]"
    )


def stage(program: Program) -> list[Any]:
    ops = [op for op in walk(program.symbols()["stage.a"]) if op.name.startswith("step.")]
    return [step.DIALECT.view(op) for op in ops]


def states(program: Program, steps: int = 4) -> dict[str, Any]:
    """The states and streams after some steps of an input."""
    machine = Machine(program)
    machine.reset(0, 0)
    machine.attach("input.x", np.random.default_rng(0).standard_normal((steps, 5)).astype(np.float32))
    machine.run("run", 0, steps)
    return {name: machine.value(name, steps - 1).copy() for name in ("V", "U", "s")}


def fused(*ops: str) -> list[Any]:
    """The ops of the stage after fusion, which changes no state."""
    before = program(*ops)
    after = fuse(before)
    verify(after, "fuse")
    expected, found = states(before), states(after)
    for name, value in expected.items():
        assert np.array_equal(value.view(np.uint32), found[name].view(np.uint32)), name
    return stage(after)


def test_a_chain_becomes_one_update_and_its_temps_go() -> None:
    before = program(update("add", "@input.x, @V", "@p"), update("add", "@p, @p", "@q"), update("add", "@q, @V", "@V"))
    after = fuse(before)
    (op,) = stage(after)
    assert [str(arg) for arg in op.args] == ["@input.x", "@V"]
    assert op.program.startswith("add.fused")
    assert not {"p", "q"} & set(after.symbols())
    assert fuse(after).text() == after.text()


def test_other_results_stay_as_results() -> None:
    (op,) = fused(update("decay", "@V", "@V, @p"), update("add", "@p, @input.x", "@U"))
    assert [str(result) for result in op.results_] == ["@U", "@V"]


def test_a_result_that_is_kept_is_read_as_it_was_made() -> None:
    (op,) = fused(update("decay", "@V", "@V, @p"), update("add", "@p, @V", "@U"))
    assert [str(arg) for arg in op.args] == ["@V"]


def test_fills_and_copies_become_arguments() -> None:
    (op,) = fused(
        "fill into = @p, value = 1.5 : f32",
        "copy from = @s, delay = 2, low = 0, into = @q, to = 0, size = 5",
        update("add", "@p, @q", "@s"),
    )
    assert [str(arg) for arg in op.args] == ["1.500000e+00 : f32", "@s"]
    assert op.delays == [0, 2]


def test_an_op_moves_past_what_has_nothing_to_do_with_it() -> None:
    ops = fused(
        update("add", "@input.x, @V", "@p"),
        "fill into = @U, value = 2.0 : f32",
        update("add", "@p, @V", "@V"),
    )
    assert [type(op) for op in ops] == [step.Fill, step.Update]


PORT = update("add", "@V, @input.x", "@p")


@pytest.mark.parametrize(
    "ops",
    [
        [PORT, "fill into = @V, value = 2.0 : f32", update("add", "@p, @V", "@U")],
        [update("decay", "@V", "@V, @p"), "copy from = @V, delay = 0, low = 0, into = @s, to = 0, size = 5",
         update("add", "@p, @input.x", "@U")],
        [PORT, update("add", "@p, @V", "@U"), update("add", "@p, @U", "@V")],
        [PORT, "copy from = @p, delay = 0, low = 0, into = @s, to = 0, size = 5", update("add", "@p, @V", "@V")],
        [update("decay", "@V", "@U, @p"), update("decay", "@p", "@V, @U")],
        ["copy from = @input.x, delay = 0, low = 1, into = @p, to = 1, size = 4", update("add", "@p, @V", "@V")],
        ["fill into = @one, value = 1.0 : f32", update("add", "@one, 1.0 : f32", "@one", size=1),
         update("add", "@one, @V", "@V")],
    ],
    ids=["source overwritten", "result read between", "two consumers", "another reader", "same result",
         "part of a buffer", "broadcast"],
)  # fmt: skip
def test_what_must_not_join_stays(ops: list[str]) -> None:
    assert [type(op).__name__.lower() for op in fused(*ops)] == [op.split()[0] for op in ops]


def test_the_old_value_of_a_stream_may_be_read_past_its_writer() -> None:
    ops = fused(
        update("add", "@s, @input.x", "@p", delays="1, 0"),
        update("add", "@input.x, @V", "@s"),
        update("add", "@p, @V", "@V"),
    )
    assert len(ops) == 2


def test_random_networks_keep_their_bits() -> None:
    joined = 0
    for case, network in random_networks(10):
        after = assert_same_runs(case, network, fuse)
        joined += sum(name.endswith(".fused") for name in after.symbols())
    assert joined > 6, "fusion must happen, or nothing is tested"
