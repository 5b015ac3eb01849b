"""Level `snn`: small networks whose results were worked out by hand."""

# IR is easier to read with one op to a line.

from __future__ import annotations

import numpy as np
import pytest
from spikec.dialects.constants import Array
from spikec.dialects.random import key, uniform
from spikec.runtime.reference import synapses

from .modules import INTEGRATE, snn_engine, stream

CHAIN = f"""
  {INTEGRATE}
  "snn.constant"() {{sym_name = "W", type = tensor<2x2xf32>, digest = "CONSTANT:W"}} : () -> ()
  "snn.synapses"() {{sym_name = "xa", pre = 2, post = 2, connect = {{kind = "all"}}, weight = @W}} : () -> ()
  "snn.synapses"() {{sym_name = "aa", pre = 2, post = 2, connect = {{kind = "all", filter = @other}}, weight = 0.5 : f32}} : () -> ()
  "snn.state"() {{sym_name = "a.V", type = tensor<2xf32>, init = 0.0 : f32, depth = 1}} : () -> ()
  "snn.state"() {{sym_name = "a.spike", type = tensor<2xi1>, init = INIT, depth = DELAY}} : () -> ()
  "snn.population"() {{sym_name = "a", neuron = @IF, shape = [2], states = [@a.V], params = [], event = @a.spike}} : () -> ()
  "snn.probe"() {{sym_name = "probe.a.V", of = @a.V, kind = "value", every = 2, low = 0, high = 2, shape = [2]}} : () -> ()
  "snn.probe"() {{sym_name = "probe.a.spike", of = @a.spike, kind = "event", every = 1, low = 0, high = 2, shape = [2]}} : () -> ()
  func.func private @other(%pre: i64, %post: i64) -> i1 {{
    %r = arith.cmpi ne, %pre, %post : i64
    return %r : i1
  }}
  func.func @step(%x: tensor<2xi1> {{snn.name = "x", snn.kind = "spikes"}}) -> (tensor<2xi1> {{snn.name = "y"}}) {{
    %z = arith.constant dense<0.0> : tensor<2xf32>
    %0 = "snn.propagate"(%x, %z) {{synapses = @xa}} : (tensor<2xi1>, tensor<2xf32>) -> tensor<2xf32>
    %h = "snn.read"() {{of = @a.spike, delay = DELAY}} : () -> tensor<2xi1>
    %1 = "snn.propagate"(%h, %0) {{synapses = @aa}} : (tensor<2xi1>, tensor<2xf32>) -> tensor<2xf32>
    %y = "snn.update"(%1) {{population = @a}} : (tensor<2xf32>) -> tensor<2xi1>
    return %y : tensor<2xi1>
  }}
"""
WEIGHTS = np.array([[1.0, 0.25], [0.0, 0.25]], np.float32)


def chain(delay: int, init: str = "false") -> str:
    return CHAIN.replace("DELAY", str(delay)).replace("INIT", init)


def test_chain_with_delay_one() -> None:
    engine = snn_engine(chain(1), {"W": WEIGHTS})
    trace = engine.advance(*stream(x=[[1, 0], [0, 1], [1, 1], [0, 0]]))
    # Neuron 1 has 0.25, then 0.25 + 0.25 + 0.5, which spikes, then 0.25 + 0.25, then 0.5 + 0.5 from neuron 0.
    assert trace.outputs["y"].tolist() == [[True, False], [False, True], [True, False], [False, True]]
    assert trace.probes["a.V"].tolist() == [[0.0, 0.25], [0.0, 0.5]]
    assert trace.probes["a.spike"].tolist() == [[0, 0], [1, 1], [2, 0], [3, 1]]
    assert trace.probes["a.spike"].dtype == np.int32
    assert trace.emitted == {"a": 4}
    # Four input spikes with two synapses each, three delayed ones with one each.
    assert trace.synaptic_events == 4 * 2 + 3
    assert trace.values == {}


def test_a_longer_delay_sees_silence_before_the_start() -> None:
    engine = snn_engine(chain(2, "true"), {"W": WEIGHTS})
    trace = engine.advance(*stream(x=[[0, 0]] * 3))
    # Only `delay = 1` sees `init`, in step 0.
    assert trace.probes["a.V"].tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert trace.synaptic_events == 0


def test_delay_one_sees_the_initial_value_in_the_first_step() -> None:
    engine = snn_engine(chain(1, "true"), {"W": WEIGHTS})
    trace = engine.advance(*stream(x=[[0, 0]]))
    assert trace.probes["a.V"].tolist() == [[0.5, 0.5]]


def test_state_lasts_from_one_stretch_to_the_next() -> None:
    whole, parts = snn_engine(chain(2), {"W": WEIGHTS}), snn_engine(chain(2), {"W": WEIGHTS})
    x = np.random.default_rng(4).random((9, 2)) < 0.6
    expected = whole.advance(*stream(x=x))
    first, second = parts.advance(*stream(x=x[:4])), parts.advance(*stream(x=x[4:]))
    for name in ("a.V", "a.spike"):
        assert np.array_equal(np.concatenate([first.probes[name], second.probes[name]]), expected.probes[name])
    assert first.emitted["a"] + second.emitted["a"] == expected.emitted["a"]
    parts.reset()
    assert np.array_equal(parts.advance(*stream(x=x)).outputs["y"], expected.outputs["y"])


def test_a_held_input_comes_in_every_step() -> None:
    engine = snn_engine(chain(1), {"W": WEIGHTS})
    trace = engine.advance({"x": np.array([True, False])}, frozenset(), 2)
    assert trace.outputs["y"][:, 0].tolist() == [True, True]


ROLES = """
  func.func private @N(%g: f32 {snn.port = "g", snn.state = "g"}, %h: i8 {snn.state = "hold"}, %n: i64 {snn.index},
      %bias: f32 {snn.param = "bias"}) -> (f32 {snn.state = "g"}, i8 {snn.state = "hold"}, f32 {snn.out}) {
    %one = arith.constant 1 : i8
    %zero = arith.constant 0 : i8
    %held = arith.cmpi sgt, %h, %zero : i8
    %less = arith.subi %h, %one : i8
    %next = arith.select %held, %less, %zero : i8
    %f = arith.sitofp %n : i64 to f32
    %0 = arith.addf %f, %bias : f32
    %out = arith.addf %0, %g : f32
    %half = arith.constant 0.5 : f32
    %decayed = arith.mulf %g, %half : f32
    %new = arith.select %held, %g, %decayed : f32
    return %new, %next, %out : f32, i8, f32
  }
  "snn.constant"() {sym_name = "B", type = tensor<2x2xf32>, digest = "CONSTANT:B"} : () -> ()
  "snn.param"() {sym_name = "a.bias", value = @B} : () -> ()
  "snn.synapses"() {sym_name = "xa", pre = 4, post = 4, connect = {kind = "one_to_one"}, weight = 2.0 : f32} : () -> ()
  "snn.state"() {sym_name = "a.g", type = tensor<2x2xf32>, init = 1.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "a.hold", type = tensor<2x2xi8>, init = 1 : i8, depth = 1} : () -> ()
  "snn.state"() {sym_name = "a.out", type = tensor<2x2xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.population"() {sym_name = "a", neuron = @N, shape = [2, 2], states = [@a.g, @a.hold], params = [@a.bias], out = @a.out} : () -> ()
  "snn.probe"() {sym_name = "probe.a.g", of = @a.g, kind = "value", every = 1, low = 0, high = 4, shape = [2, 2]} : () -> ()
  func.func @step(%x: tensor<2x2xf32> {snn.name = "x", snn.kind = "real"}) -> (tensor<2x2xf32> {snn.name = "y"}) {
    %g = "snn.read"() {of = @a.g, delay = 1} : () -> tensor<2x2xf32>
    %0 = "snn.propagate"(%x, %g) {synapses = @xa} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
    %y = "snn.update"(%0) {population = @a} : (tensor<2x2xf32>) -> tensor<2x2xf32>
    return %y : tensor<2x2xf32>
  }
"""


def test_a_port_that_is_a_state_with_index_parameter_and_hold() -> None:
    engine = snn_engine(ROLES, {"B": np.full((2, 2), 100, np.float32)})
    x = np.zeros((2, 2, 2), np.float32)
    x[0, 0, 1] = 3.0
    trace = engine.advance(*stream(x=x))
    # Held in step 0, halved in step 1; g of neuron 1 is 1 + 2 * 3.
    assert trace.probes["a.g"].tolist() == [[[1.0, 7.0], [1.0, 1.0]], [[0.5, 3.5], [0.5, 0.5]]]
    assert trace.outputs["y"].tolist() == [[[101.0, 108.0], [103.0, 104.0]], [[101.0, 108.0], [103.0, 104.0]]]
    assert trace.synaptic_events == 1
    assert trace.emitted == {"a": 0}


DRAWN = """
  "snn.state"() {sym_name = "s", type = tensor<5xf32>, depth = 1} : () -> ()
  "snn.probe"() {sym_name = "probe.s", of = @s, kind = "value", every = 1, low = 1, high = 3, shape = [2]} : () -> ()
  func.func @init() {
    %u = "snn.draw"() {path = "s", seed = 11} : () -> tensor<5xf32>
    "snn.write"(%u) {to = @s} : (tensor<5xf32>) -> ()
    return
  }
  func.func @step() -> (tensor<5xf32> {snn.name = "u"}, tensor<5xf32> {snn.name = "before"}, tensor<i64> {snn.name = "t"}) {
    %u = "snn.draw"() {path = "noise", seed = 0} : () -> tensor<5xf32>
    %s = "snn.read"() {of = @s, delay = 1} : () -> tensor<5xf32>
    "snn.write"(%u) {to = @s} : (tensor<5xf32>) -> ()
    %t = "snn.clock"() : () -> tensor<i64>
    return %u, %s, %t : tensor<5xf32>, tensor<5xf32>, tensor<i64>
  }
  func.func @finish() -> (tensor<i64> {snn.name = "steps"}, tensor<5xf32> {snn.name = "last"}) {
    %t = "snn.clock"() : () -> tensor<i64>
    %s = "snn.read"() {of = @s, delay = 1} : () -> tensor<5xf32>
    return %t, %s : tensor<i64>, tensor<5xf32>
  }
"""


def test_draws_writes_and_the_clock() -> None:
    engine = snn_engine(DRAWN)
    engine.reset(seed=9, sample=2)
    trace = engine.advance({}, frozenset(), 3)
    elements = np.arange(5)
    drawn = [uniform(key(9, 0, "noise"), elements, t, 2).astype(np.float32) for t in range(3)]
    start = uniform(key(9, 11, "s"), elements, 0, 2).astype(np.float32)
    assert np.array_equal(trace.outputs["u"], drawn)
    assert np.array_equal(trace.outputs["before"], [start, drawn[0], drawn[1]])
    assert np.array_equal(trace.probes["s"], [u[1:3] for u in drawn])
    assert trace.outputs["t"].tolist() == [0, 1, 2]
    for _ in range(2):
        results = engine.finish()
        assert results["steps"] == 3 and np.array_equal(results["last"], drawn[2])


TENSORS = """
  func.func @step(%x: tensor<2x3xf32> {snn.name = "x", snn.kind = "real"}, %s: tensor<3xi1> {snn.name = "s", snn.kind = "spikes"})
      -> (tensor<i64> {snn.name = "argmax"}, tensor<f32> {snn.name = "sum"}, tensor<2xf32> {snn.name = "rows"},
          tensor<3x2xf32> {snn.name = "turned"}, tensor<4xf32> {snn.name = "joined"}, tensor<2xf32> {snn.name = "pooled"},
          tensor<3xi1> {snn.name = "more"}) {
    %zero = arith.constant dense<0.0> : tensor<f32>
    %least = arith.constant dense<0xFF800000> : tensor<f32>
    %none = arith.constant dense<0> : tensor<i64>
    %flat = tensor.collapse_shape %x [[0, 1]] : tensor<2x3xf32> into tensor<6xf32>
    %sum = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> ()>], iterator_types = ["reduction"]}
        ins(%flat : tensor<6xf32>) outs(%zero : tensor<f32>) {
    ^bb0(%a: f32, %b: f32):
      %r = arith.addf %b, %a : f32
      linalg.yield %r : f32
    } -> tensor<f32>
    %places = arith.constant dense<1> : tensor<6xi64>
    %one = arith.constant 1 : i64
    %best:3 = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> ()>, affine_map<(d0) -> ()>, affine_map<(d0) -> ()>],
        iterator_types = ["reduction"]} ins(%flat : tensor<6xf32>) outs(%least, %none, %none : tensor<f32>, tensor<i64>, tensor<i64>) {
    ^bb0(%a: f32, %m: f32, %at: i64, %next: i64):
      %c = arith.cmpf ogt, %a, %m : f32
      %m1 = arith.select %c, %a, %m : f32
      %at1 = arith.select %c, %next, %at : i64
      %n1 = arith.addi %next, %one : i64
      linalg.yield %m1, %at1, %n1 : f32, i64, i64
    } -> (tensor<f32>, tensor<i64>, tensor<i64>)
    %zeros = arith.constant dense<0.0> : tensor<2xf32>
    %rows = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]}
        ins(%x : tensor<2x3xf32>) outs(%zeros : tensor<2xf32>) {
    ^bb0(%a: f32, %b: f32):
      %r = arith.addf %b, %a : f32
      linalg.yield %r : f32
    } -> tensor<2xf32>
    %empty = arith.constant dense<0.0> : tensor<3x2xf32>
    %turned = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1, d0)>], iterator_types = ["parallel", "parallel"]}
        ins(%x : tensor<2x3xf32>) outs(%empty : tensor<3x2xf32>) {
    ^bb0(%a: f32, %b: f32):
      linalg.yield %a : f32
    } -> tensor<3x2xf32>
    %row = tensor.extract_slice %x[1, 1][1, 2][1, 1] : tensor<2x3xf32> to tensor<2xf32>
    %joined = tensor.concat dim(0) %row, %rows : (tensor<2xf32>, tensor<2xf32>) -> tensor<4xf32>
    %window = arith.constant dense<0.0> : tensor<2xf32>
    %pooled = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0 + d1 * 2 + 1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0)>],
        iterator_types = ["parallel", "reduction"]} ins(%flat, %window : tensor<6xf32>, tensor<2xf32>) outs(%zeros : tensor<2xf32>) {
    ^bb0(%a: f32, %w: f32, %b: f32):
      %r = arith.addf %b, %a : f32
      linalg.yield %r : f32
    } -> tensor<2xf32>
    %limit = arith.constant 2.0 : f32
    %total = tensor.extract %sum[] : tensor<f32>
    %big = arith.cmpf ogt, %total, %limit : f32
    %bigs = tensor.splat %big : tensor<3xi1>
    %more = arith.andi %bigs, %s : tensor<3xi1>
    return %best#1, %sum, %rows, %turned, %joined, %pooled, %more
        : tensor<i64>, tensor<f32>, tensor<2xf32>, tensor<3x2xf32>, tensor<4xf32>, tensor<2xf32>, tensor<3xi1>
  }
"""


def test_tensors() -> None:
    engine = snn_engine(TENSORS)
    x = np.array([[1.0, 5.0, -2.0], [5.0, 0.5, 3.0]], np.float32)
    trace = engine.advance({"x": x, "s": np.array([True, False, True])}, frozenset(), 1)
    outputs = {name: array[0].tolist() for name, array in trace.outputs.items()}
    assert outputs == {
        "argmax": 1,
        "sum": 12.5,
        "rows": [4.0, 8.5],
        "turned": [[1.0, 5.0], [5.0, 0.5], [-2.0, 3.0]],
        "joined": [0.5, 3.0, 4.0, 8.5],
        "pooled": [5.0 + 5.0, -2.0 + 0.5],
        "more": [True, False, True],
    }


def test_sums_run_in_ascending_order() -> None:
    engine = snn_engine(TENSORS)
    x = np.array([[2.0**24, 1.0, 1.0], [-(2.0**24), 1.0, 0.0]], np.float32)
    trace = engine.advance({"x": x, "s": np.zeros(3, bool)}, frozenset(), 1)
    assert trace.outputs["sum"][0] == 1.0


def test_subnormal_inputs_count_as_zero() -> None:
    engine = snn_engine(TENSORS)
    x = np.full((2, 3), -1e-40, np.float32)
    trace = engine.advance({"x": x, "s": np.zeros(3, bool)}, frozenset(), 1)
    assert not trace.outputs["turned"].any() and np.signbit(trace.outputs["turned"]).all()


EVENTS = """
  func.func private @N(%I: i32 {snn.port = "I"}) -> (i2 {snn.event}) {
    %r = arith.trunci %I : i32 to i2
    return %r : i2
  }
  "snn.synapses"() {sym_name = "xa", pre = 3, post = 3, connect = {kind = "one_to_one"}, weight = 1 : i32} : () -> ()
  "snn.state"() {sym_name = "a.event", type = tensor<3xi2>, init = 0 : i2, depth = 1} : () -> ()
  "snn.population"() {sym_name = "a", neuron = @N, shape = [3], states = [], params = [], event = @a.event} : () -> ()
  "snn.probe"() {sym_name = "probe.a.event", of = @a.event, kind = "event", every = 1, low = 1, high = 3, shape = [2]} : () -> ()
  func.func @step(%x: tensor<3xi64> {snn.name = "x", snn.kind = "int"}) -> (tensor<3xi2> {snn.name = "y"}) {
    %z = arith.constant dense<0> : tensor<3xi32>
    %0 = "snn.propagate"(%x, %z) {synapses = @xa} : (tensor<3xi64>, tensor<3xi32>) -> tensor<3xi32>
    %y = "snn.update"(%0) {population = @a} : (tensor<3xi32>) -> tensor<3xi2>
    return %y : tensor<3xi2>
  }
"""


def test_signed_events_and_their_values() -> None:
    trace = snn_engine(EVENTS).advance(*stream(x=np.array([[1, -1, 0], [0, 1, -1]])))
    assert trace.outputs["y"].tolist() == [[1, -1, 0], [0, 1, -1]]
    assert trace.probes["a.event"].tolist() == [[0, 0], [1, 0], [1, 1]]
    assert trace.values["a.event"].tolist() == [-1, 1, -1]
    assert trace.emitted == {"a": 4}


class TestProbabilisticConnections:
    KEY = key(0, 2, "aa")

    def rows(self, p: float, pre: int = 200, post: int = 300) -> list[list[int]]:
        with np.errstate(all="ignore"):
            return [row.tolist() for row in synapses.probable(pre, post, p, self.KEY)]

    @pytest.mark.parametrize("p", [0.003, 0.1, 0.5, 0.97])
    def test_number_and_order(self, p: float) -> None:
        rows = self.rows(p)
        counts = [len(row) for row in rows]
        assert abs(sum(counts) - 60_000 * p) < 4 * np.sqrt(60_000 * p * (1 - p))
        assert all(row == sorted(set(row)) for row in rows)
        assert all(0 <= j < 300 for row in rows for j in row)

    def test_rows_follow_their_definition(self) -> None:
        scale = np.log(1 - 0.1)
        for i, row in enumerate(self.rows(0.1)[:20]):
            expected, j, k = [], -1, 0
            while True:
                u = uniform(self.KEY, np.array([i]), k, 0)[0]
                j, k = j + 1 + int(np.floor(np.log(1 - u) / scale)), k + 1
                if j >= 300:
                    break
                expected.append(j)
            assert row == expected

    def test_extremes(self) -> None:
        assert self.rows(1.0, 2, 3) == self.rows(1.5, 2, 3) == [[0, 1, 2]] * 2
        assert self.rows(0.0, 2, 3) == self.rows(-1.0, 2, 3) == self.rows(1e-20, 2, 3) == [[], []]

    def test_a_row_does_not_depend_on_the_number_of_rows(self) -> None:
        assert self.rows(0.1, 50) == self.rows(0.1, 200)[:50]


RANDOM = """
  func.func private @near(%pre: i64, %post: i64) -> i1 {
    %d = arith.subi %pre, %post : i64
    %a = math.absi %d : i64
    %c = arith.constant 10 : i64
    %r = arith.cmpi slt, %a, %c : i64
    return %r : i1
  }
  "snn.synapses"() {sym_name = "p", pre = 50, post = 60, connect = {kind = "prob", p = 0.3 : f64, seed = 2 : i64, path = "p", filter = @near}, weight = 1.0 : f32} : () -> ()
  func.func @step(%x: tensor<50xi1> {snn.name = "x", snn.kind = "spikes"}) -> (tensor<60xf32> {snn.name = "y"}) {
    %z = arith.constant dense<0.0> : tensor<60xf32>
    %0 = "snn.propagate"(%x, %z) {synapses = @p} : (tensor<50xi1>, tensor<60xf32>) -> tensor<60xf32>
    return %0 : tensor<60xf32>
  }
"""


def test_filtered_connections_depend_on_the_seed_alone() -> None:
    def matrix(seed: int, sample: int = 0) -> Array:
        engine = snn_engine(RANDOM)
        engine.reset(seed, sample)
        trace = engine.advance(*stream(x=np.eye(50, dtype=bool)))
        assert trace.synaptic_events == trace.outputs["y"].sum()
        return trace.outputs["y"]

    first = matrix(1)
    sources, targets = np.nonzero(first)
    assert np.abs(sources - targets).max() < 10
    for i, row in enumerate(synapses.probable(50, 60, 0.3, key(1, 2, "p"))):
        assert np.flatnonzero(first[i]).tolist() == [j for j in row.tolist() if abs(i - j) < 10]
    assert np.array_equal(first, matrix(1, sample=3))
    assert not np.array_equal(first, matrix(2))
