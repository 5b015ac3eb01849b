"""Level `step`: buffers, slots, tables and stages, with results worked out by hand."""

# IR is easier to read with one op to a line.

from __future__ import annotations

import numpy as np
import pytest
from spikec.dialects.random import key, uniform
from spikec.runtime.interface import Input, Interface, Output, Probe

from .modules import INTEGRATE, snn_engine, step_engine, stream
from .test_network import WEIGHTS, chain


def interface(
    inputs: tuple[Input, ...] = (), outputs: tuple[Output, ...] = (), probes: tuple[Probe, ...] = ()
) -> Interface:
    return Interface("M", 1.0, "s", inputs, outputs, probes, ("a",))


SPIKES = Input("x", (2,), "spikes", "bool", "", None, None)
RUN = """
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
"""

CHAIN = f"""
  {INTEGRATE}
  "step.buffer"() {{sym_name = "input.x", kind = "input", type = memref<2xi1>, slots = 1, forms = ["list"]}} : () -> ()
  "step.buffer"() {{sym_name = "output.y", kind = "output", type = memref<2xi1>, slots = 1}} : () -> ()
  "step.buffer"() {{sym_name = "a.V", kind = "state", type = memref<2xf32>, slots = 1, init = 0.0 : f32}} : () -> ()
  "step.buffer"() {{sym_name = "a.spike", kind = "stream", type = memref<2xi1>, slots = 3, forms = ["list", "mask"]}} : () -> ()
  "step.buffer"() {{sym_name = "a.port.I", kind = "temp", type = memref<2xf32>, slots = 1}} : () -> ()
  "step.buffer"() {{sym_name = "a.emitted", kind = "counter", type = memref<i64>, slots = 1}} : () -> ()
  "step.buffer"() {{sym_name = "synaptic_events", kind = "counter", type = memref<i64>, slots = 1}} : () -> ()
  "step.buffer"() {{sym_name = "W", kind = "constant", type = memref<2x2xf32>, slots = 1, digest = "CONSTANT:W"}} : () -> ()
  "step.buffer"() {{sym_name = "aa.row", kind = "constant", type = memref<3xi32>, slots = 1, digest = "CONSTANT:aa.row"}} : () -> ()
  "step.buffer"() {{sym_name = "aa.col", kind = "constant", type = memref<2xi16>, slots = 1, digest = "CONSTANT:aa.col"}} : () -> ()
  "step.buffer"() {{sym_name = "probe.a.V", kind = "probe", type = memref<2xf32>, slots = 1, of = @a.V, record = "value", every = 2, low = 0, high = 2}} : () -> ()
  "step.buffer"() {{sym_name = "probe.a.spike", kind = "probe", type = memref<2xi1>, slots = 1, of = @a.spike, record = "event", every = 1, low = 0, high = 2}} : () -> ()
  "step.table"() {{sym_name = "xa", format = "dense", pre = 2, post = 2, arrays = {{w = @W}}, element = f32}} : () -> ()
  "step.table"() {{sym_name = "aa", format = "csr", pre = 2, post = 2, arrays = {{row = @aa.row, col = @aa.col}}, element = f32, index = 16, weight = 0.5 : f32}} : () -> ()
  func.func private @stage.a(%t: index) {{
    "step.fill"(%t) {{into = @a.port.I, value = 0.0 : f32}} : (index) -> ()
    "step.propagate"(%t) {{from = @input.x, delay = 0, low = 0, table = @xa, into = @a.port.I, mode = "event", tally = @synaptic_events}} : (index) -> ()
    "step.propagate"(%t) {{from = @a.spike, delay = DELAY, low = 0, table = @aa, into = @a.port.I, mode = "dense", tally = @synaptic_events}} : (index) -> ()
    "step.update"(%t) {{program = @IF, size = 2, args = [@a.port.I, @a.V], delays = [0, 0], results = [@a.V, @a.spike]}} : (index) -> ()
    "step.copy"(%t) {{from = @a.spike, delay = 0, low = 0, into = @output.y, to = 0, size = 2}} : (index) -> ()
    "step.tally"(%t) {{of = @a.spike, into = @a.emitted}} : (index) -> ()
    "step.record"(%t) {{into = @probe.a.V}} : (index) -> ()
    "step.record"(%t) {{into = @probe.a.spike}} : (index) -> ()
    return
  }}
  {RUN}
"""
TABLES = {"W": WEIGHTS, "aa.row": np.array([0, 1, 2], np.int32), "aa.col": np.array([1, 0], np.uint16)}
CHAIN_INTERFACE = interface(
    (SPIKES,),
    (Output("y", (2,), "bool", "", True),),
    (Probe("a.V", (2,), "value", "float32", "", 2), Probe("a.spike", (2,), "event", "bool", "", 1)),
)


@pytest.mark.parametrize("scheduled", [True, False])
@pytest.mark.parametrize("delay", [1, 2])
def test_both_levels_and_both_entries_agree(delay: int, scheduled: bool) -> None:
    x = np.random.default_rng(delay).random((20, 2)) < 0.5
    network = snn_engine(chain(delay), {"W": WEIGHTS})
    body = CHAIN.replace("DELAY", str(delay))
    machine = step_engine(body, CHAIN_INTERFACE, TABLES, scheduled=scheduled)
    for piece in (x[:7], x[7:]):
        expected, found = network.advance(*stream(x=piece)), machine.advance(*stream(x=piece))
        assert np.array_equal(found.outputs["y"], expected.outputs["y"])
        for probe in ("a.V", "a.spike"):
            assert np.array_equal(found.probes[probe], expected.probes[probe])
            assert found.probes[probe].dtype == expected.probes[probe].dtype
        assert found.emitted == expected.emitted
        assert found.synaptic_events == expected.synaptic_events
    assert np.array_equal(machine.state("a.V"), network.state("a.V"))


def test_reset_clears_everything() -> None:
    machine = step_engine(CHAIN.replace("DELAY", "1"), CHAIN_INTERFACE, TABLES)
    first = machine.advance(*stream(x=[[1, 1], [1, 0], [1, 1]]))
    machine.reset()
    again = machine.advance(*stream(x=[[1, 1], [1, 0], [1, 1]]))
    assert np.array_equal(first.probes["a.V"], again.probes["a.V"])
    assert first.emitted == again.emitted


MIXED = f"""
  func.func private @swap(%a: f32, %b: f32, %n: i64, %k: f32, %one: f32) -> (f32, f32, f32) {{
    %f = arith.sitofp %n : i64 to f32
    %0 = arith.addf %f, %k : f32
    %1 = arith.addf %0, %one : f32
    return %b, %a, %1 : f32, f32, f32
  }}
  func.func private @add(%w: f32, %x: f32, %sum: f32) -> f32 {{
    %p = arith.mulf %w, %x : f32
    %r = arith.addf %sum, %p : f32
    return %r : f32
  }}
  "step.buffer"() {{sym_name = "a", kind = "state", type = memref<3xf32>, slots = 1, init = @A}} : () -> ()
  "step.buffer"() {{sym_name = "b", kind = "state", type = memref<3xf32>, slots = 1, init = 2.0 : f32}} : () -> ()
  "step.buffer"() {{sym_name = "A", kind = "constant", type = memref<3xf32>, slots = 1, digest = "CONSTANT:A"}} : () -> ()
  "step.buffer"() {{sym_name = "M", kind = "constant", type = memref<2x3xf32>, slots = 1, digest = "CONSTANT:M"}} : () -> ()
  "step.buffer"() {{sym_name = "one", kind = "temp", type = memref<1xf32>, slots = 1}} : () -> ()
  "step.buffer"() {{sym_name = "now", kind = "temp", type = memref<i64>, slots = 1}} : () -> ()
  "step.buffer"() {{sym_name = "noise", kind = "temp", type = memref<3xf32>, slots = 1}} : () -> ()
  "step.buffer"() {{sym_name = "count", kind = "counter", type = memref<i64>, slots = 1}} : () -> ()
  "step.buffer"() {{sym_name = "output.n", kind = "output", type = memref<3xf32>, slots = 1}} : () -> ()
  "step.buffer"() {{sym_name = "output.mv", kind = "output", type = memref<2xf32>, slots = 1}} : () -> ()
  "step.buffer"() {{sym_name = "output.arrived", kind = "output", type = memref<2xf32>, slots = 1}} : () -> ()
  "step.buffer"() {{sym_name = "output.t", kind = "output", type = memref<i64>, slots = 1}} : () -> ()
  "step.buffer"() {{sym_name = "output.u", kind = "output", type = memref<3xf32>, slots = 1}} : () -> ()
  "step.buffer"() {{sym_name = "output.last", kind = "result", type = memref<3xf32>, slots = 1}} : () -> ()
  "step.table"() {{sym_name = "pairs", format = "one_to_one", pre = 2, post = 2, arrays = {{}}, element = f32, weight = 10.0 : f32}} : () -> ()
  func.func private @stage.a(%t: index) {{
    "step.fill"(%t) {{into = @one, value = 1.0 : f32}} : (index) -> ()
    "step.fill"(%t) {{into = @output.mv, value = 0.5 : f32}} : (index) -> ()
    "step.fill"(%t) {{into = @output.arrived, value = 0.0 : f32}} : (index) -> ()
    "step.update"(%t) {{program = @swap, size = 3, args = [@a, @b, unit, 100.0 : f32, @one], delays = [0, 0, 0, 0, 0], results = [@a, @b, @output.n]}} : (index) -> ()
    "step.map"(%t) {{program = @add, extents = [2, 3], iterators = ["parallel", "reduction"], args = [@M, @a], delays = [0, 0],
      maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>], results = [@output.mv], result_maps = [affine_map<(d0, d1) -> (d0)>]}} : (index) -> ()
    "step.propagate"(%t) {{from = @b, delay = 0, low = 1, table = @pairs, into = @output.arrived, mode = "dense", tally = @count}} : (index) -> ()
    "step.clock"(%t) {{into = @now}} : (index) -> ()
    "step.copy"(%t) {{from = @now, delay = 0, low = 0, into = @output.t, to = 0, size = 1}} : (index) -> ()
    "step.draw"(%t) {{into = @noise, path = "noise", seed = 4, key = 0}} : (index) -> ()
    "step.copy"(%t) {{from = @noise, delay = 0, low = 1, into = @output.u, to = 0, size = 2}} : (index) -> ()
    return
  }}
  func.func @finish(%t: index) {{
    "step.copy"(%t) {{from = @a, delay = 0, low = 0, into = @output.last, to = 0, size = 3}} : (index) -> ()
    return
  }}
  {RUN}
"""


def test_every_other_op() -> None:
    streams = [("n", (3,), "float32"), ("mv", (2,), "float32"), ("arrived", (2,), "float32"), ("t", (), "int64")]
    outputs = (
        *(Output(name, shape, dtype, "", True) for name, shape, dtype in [*streams, ("u", (3,), "float32")]),
        Output("last", (3,), "float32", "", False),
    )
    constants = {"A": np.array([0, 1, 3], np.float32), "M": np.arange(6, dtype=np.float32).reshape(2, 3)}
    engine = step_engine(MIXED, interface(outputs=outputs), constants)
    engine.reset(seed=5, sample=1)
    trace = engine.advance({}, frozenset(), 2)
    # a and b change places in each step: a is 2 2 2, then 0 1 3.
    assert trace.outputs["n"].tolist() == [[101.0, 102.0, 103.0]] * 2
    assert trace.outputs["mv"].tolist() == [[6.5, 24.5], [7.5, 19.5]]
    assert trace.outputs["arrived"].tolist() == [[10.0, 30.0], [20.0, 20.0]]
    assert trace.outputs["t"].tolist() == [0, 1]
    drawn = [uniform(key(5, 4, "noise"), np.arange(3), t, 1).astype(np.float32) for t in range(2)]
    assert np.array_equal(trace.outputs["u"][:, :2], [u[1:] for u in drawn])
    assert engine.finish()["last"].tolist() == [0.0, 1.0, 3.0]


def test_a_silent_source_takes_no_part() -> None:
    """Zeros, of either sign, add nothing, not even to -0.0, and are not counted."""
    body = """
      "step.buffer"() {sym_name = "input.x", kind = "input", type = memref<2xf32>, slots = 1} : () -> ()
      "step.buffer"() {sym_name = "output.y", kind = "output", type = memref<2xf32>, slots = 1} : () -> ()
      "step.buffer"() {sym_name = "synaptic_events", kind = "counter", type = memref<i64>, slots = 1} : () -> ()
      "step.table"() {sym_name = "pairs", format = "one_to_one", pre = 2, post = 2, arrays = {}, element = f32, weight = 2.0 : f32} : () -> ()
      func.func @step(%t: index) {
        "step.fill"(%t) {into = @output.y, value = -0.0 : f32} : (index) -> ()
        "step.propagate"(%t) {from = @input.x, delay = 0, low = 0, table = @pairs, into = @output.y, mode = "dense", tally = @synaptic_events} : (index) -> ()
        return
      }
    """
    x = Input("x", (2,), "real", "float32", "", None, None)
    engine = step_engine(body, interface((x,), (Output("y", (2,), "float32", "", True),)))
    trace = engine.advance(*stream(x=np.array([[0.0, -0.0], [3.0, 1e-40]], np.float32)))
    assert trace.outputs["y"].tolist() == [[0.0, 0.0], [6.0, 0.0]]
    assert np.signbit(trace.outputs["y"]).tolist() == [[True, True], [False, True]]
    assert trace.synaptic_events == 1
