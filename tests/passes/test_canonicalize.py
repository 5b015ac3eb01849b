"""Canonical form: reached in one run, exact, and made without touching what was given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from spikec import pipelines
from spikec.dialects import snn
from spikec.dialects.constants import Array, Constants
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.verify import problems
from spikec.lower import snn_to_step
from spikec.passes.canonicalize import Canonicalize
from spikec.runtime.interface import Interface
from spikec.runtime.reference.engine import SnnEngine, StepEngine

from tests.lower.networks import CORPUS, Ran, assert_same, load, parse, run
from tests.passes.lossless import ran, tangled, valid, written


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_second_run_changes_nothing(path: Path) -> None:
    program = load(path)
    for one in (program, snn_to_step.lower(program)):
        before = one.text()
        canonical = Canonicalize().run(one)
        assert one.text() == before
        assert Canonicalize().run(canonical).text() == canonical.text()


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_the_interface_stays(path: Path) -> None:
    program = load(path)
    assert Interface.of(Canonicalize().run(program)) == Interface.of(program)


UNUSED = """module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  func.func private @unused(%a: f32) -> f32 {
    return %a : f32
  }
  "snn.constant"() {sym_name = "used", type = tensor<4xf32>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "unused.array", type = tensor<4xf32>, digest = ""} : () -> ()
  "snn.param"() {sym_name = "unused.param", value = @unused.array} : () -> ()
  "snn.state"() {sym_name = "probed", type = tensor<4xf32>, init = @used, depth = 1} : () -> ()
  "snn.probe"() {sym_name = "probe.probed", of = @probed, kind = "value", every = 1, low = 0, high = 4, shape = [4]} : () -> ()
  "snn.state"() {sym_name = "unread", type = tensor<4xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "unread.too", type = tensor<4xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  func.func @step() {
    %0 = "snn.read"() {of = @unread.too, delay = 1} : () -> tensor<4xf32>
    "snn.write"(%0) {to = @unread} : (tensor<4xf32>) -> ()
    return
  }
}
"""


def test_arrays_that_nothing_names_leave_the_store() -> None:
    program = parse(UNUSED)
    canonical = Canonicalize().run(program)
    assert sorted(program.constants) == ["unused.array", "used"]
    assert sorted(canonical.constants) == ["used"]
    assert sorted(canonical.symbols()) == ["probe.probed", "probed", "step", "used"]
    assert problems(canonical) == []


def test_every_network_is_canonical_before_its_own_pipeline() -> None:
    program = parse(UNUSED)
    assert pipelines.before_lowering(pipelines.Pipeline())(program).text() == Canonicalize().run(program).text()


FOLDED = """module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  func.func @step() -> (tensor<2xf32> {snn.name = "y"}) {
    %a = arith.constant dense<A> : tensor<2xf32>
    %b = arith.constant dense<B> : tensor<2xf32>
    %y = arith.OP %a, %b : tensor<2xf32>
    return %y : tensor<2xf32>
  }
}
"""


@pytest.mark.parametrize(
    ("a", "op", "b", "result"),
    [
        ("0.1", "addf", "0.2", "3.000000e-01"),
        ("1.0", "divf", "3.0", "0.333333343"),
        ("1.0e-20", "mulf", "1.0e-20", "0.000000e+00"),
        ("-1.0e-20", "mulf", "1.0e-20", "-0.000000e+00"),
        ("-0.0", "maximumf", "0.0", "0.000000e+00"),
        ("0.0", "minimumf", "-0.0", "-0.000000e+00"),
        ("1.0", "divf", "0.0", "0x7F800000"),
        ("1.0e30", "mulf", "1.0e30", "0x7F800000"),
    ],
)
def test_constants_fold_as_the_program_would_compute(a: str, op: str, b: str, result: str) -> None:
    text = Canonicalize().run(parse(FOLDED.replace("A>", f"{a}>").replace("B>", f"{b}>").replace("OP", op))).text()
    assert f"dense<{result}>" in text
    assert f"arith.{op}" not in text


def test_propagates_are_counted_and_stay() -> None:
    program = load(next(path for path in CORPUS if path.stem == "connectors"))

    def propagates(one: Program) -> int:
        return one.text().count(snn.Propagate.name())

    assert propagates(Canonicalize().run(program)) == propagates(program)


def test_random_programs_keep_every_bit() -> None:
    for program in [*tangled(25), *written(6)]:
        canonical = valid(Canonicalize().run(program))
        assert Canonicalize().run(canonical).text() == canonical.text()
        assert_same(ran(program), ran(canonical))


# ---------------------------------------------------------------- parameters

PARAMETERS = """module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  func.func private @N(%I: f32 {snn.port = "I"}, %k: f32 {snn.param = "k"}, %V: f32 {snn.state = "V"}, %g: f32 {snn.param = "g"}, %unused: i8 {snn.param = "unused"}) -> (f32 {snn.state = "V"}) {
    %two = arith.constant 2.0 : f32
    %h = arith.divf %k, %two : f32
    %0 = arith.mulf %h, %V : f32
    %1 = arith.mulf %g, %I : f32
    %2 = arith.addf %0, %1 : f32
    return %2 : f32
  }
  "snn.constant"() {sym_name = "G", type = tensor<3xf32>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "R", type = tensor<3xf32>, digest = ""} : () -> ()
  "snn.param"() {sym_name = "half", value = 0.5 : f32} : () -> ()
  "snn.param"() {sym_name = "one", value = 1.0 : f32} : () -> ()
  "snn.param"() {sym_name = "three", value = 3 : i8} : () -> ()
  "snn.param"() {sym_name = "array", value = @G} : () -> ()
  "snn.param"() {sym_name = "repeated", value = @R} : () -> ()
  "snn.state"() {sym_name = "a.V", type = tensor<3xf32>, init = @R, depth = 1} : () -> ()
  "snn.state"() {sym_name = "b.V", type = tensor<3xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "c.V", type = tensor<3xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.population"() {sym_name = "a", neuron = @N, shape = [3], states = [@a.V], params = [@half, @array, @three]} : () -> ()
  "snn.population"() {sym_name = "b", neuron = @N, shape = [3], states = [@b.V], params = [@one, @repeated, @three]} : () -> ()
  "snn.population"() {sym_name = "c", neuron = @N, shape = [3], states = [@c.V], params = [@half, @array, @three]} : () -> ()
  "snn.probe"() {sym_name = "probe.a.V", of = @a.V, kind = "value", every = 1, low = 0, high = 3, shape = [3]} : () -> ()
  "snn.probe"() {sym_name = "probe.b.V", of = @b.V, kind = "value", every = 1, low = 0, high = 3, shape = [3]} : () -> ()
  func.func @step(%x: tensor<3xf32> {snn.name = "x", snn.kind = "real"}) {
    "snn.update"(%x) {population = @a} : (tensor<3xf32>) -> ()
    "snn.update"(%x) {population = @b} : (tensor<3xf32>) -> ()
    "snn.update"(%x) {population = @c} : (tensor<3xf32>) -> ()
    return
  }
}
"""


def with_repeated(text: str) -> Program:
    program = parse(text)
    arrays = {name: np.full(3, 0.75, np.float32) if name == "R" else array for name, array in program.constants.items()}
    store = Constants(arrays)
    with program.module.context, ir.Location.unknown():
        for constant in program.ops(snn.Constant):
            constant.operation.attributes["digest"] = ir.StringAttr.get(store.digest(constant.sym_name))
    return Program(program.module, store)


def test_numbers_go_into_programs_and_arrays_stay() -> None:
    program = with_repeated(PARAMETERS)
    canonical = valid(Canonicalize().run(program))
    views = {view.sym_name: view for view in canonical.ops(snn.Population)}
    assert [list(views[name].params) for name in "abc"] == [["array"], [], ["array"]]
    assert views["a"].neuron == views["c"].neuron != views["b"].neuron
    mine, other = (str(canonical.symbols()[views[name].neuron]) for name in "ab")
    assert "constant 2.500000e-01" in mine and "divf" not in mine
    assert "constant 5.000000e-01" in other and "constant 7.500000e-01" in other
    assert sorted(canonical.constants) == ["G"]
    assert str(snn.State(canonical.symbols()["a.V"]).init) == "7.500000e-01 : f32"
    assert_same(ran(program), ran(canonical))
    assert_same(ran(program), step_ran(canonical))


def step_ran(program: Program) -> Ran:
    interface = Interface.of(program)
    return run(StepEngine(snn_to_step.lower(program), interface), interface, 12)


# ---------------------------------------------------------------- identities

SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.3, -2.5, np.inf, -np.inf, np.nan, 1.1754944e-38, -1.1754944e-38, 3.0e38], np.float32
)
REALS = """module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  func.func @step(%x: tensor<144xf32> {snn.name = "x", snn.kind = "real"}, %y: tensor<144xf32> {snn.name = "y", snn.kind = "real"}) -> (tensor<144xT> {snn.name = "z"}) {
    %one = arith.constant dense<1.0> : tensor<144xf32>
    %minus = arith.constant dense<-1.0> : tensor<144xf32>
    %zero = arith.constant dense<0.0> : tensor<144xf32>
    %negative = arith.constant dense<-0.0> : tensor<144xf32>
    %inf = arith.constant dense<0x7F800000> : tensor<144xf32>
    %true = arith.constant dense<true> : tensor<144xi1>
    %false = arith.constant dense<false> : tensor<144xi1>
    %c = arith.cmpf olt, %x, %y : tensor<144xf32>
    %n = arith.negf %x : tensor<144xf32>
    %m = arith.negf %y : tensor<144xf32>
    %not = arith.xori %c, %true : tensor<144xi1>
    BODY
    return %z : tensor<144xT>
  }
}
"""


def of_reals(body: str) -> Program:
    """A program of one op or two; all that they do not use goes."""
    type = "i1" if body.endswith("i1") or "cmp" in body.splitlines()[-1] else "f32"
    lines = "\n    ".join(f"{line} : {OF.get(line.split()[2], F32)}" for line in body.removesuffix(" i1").splitlines())
    if type == "i1":
        lines = lines.replace(f"{I1}, {F32}", f"{I1}, {I1}")
    return parse(REALS.replace("BODY", lines).replace("xT>", f"x{type}>"))


F32, I1 = "tensor<144xf32>", "tensor<144xi1>"
OF = {"arith.select": f"{I1}, {F32}", "arith.andi": I1, "arith.ori": I1, "arith.xori": I1}


def values(program: Program) -> Array:
    """The result for all pairs of special values."""
    x, y = (np.ascontiguousarray(a.reshape(1, -1)) for a in np.meshgrid(SPECIAL, SPECIAL))
    engine = SnnEngine(program, Interface.of(program))
    engine.reset()
    with np.errstate(all="ignore"):
        return engine.advance({"x": x, "y": y}, frozenset({"x", "y"}), 1).outputs["z"]


def ops(program: Program) -> list[str]:
    block = program.symbols()["step"].regions[0].blocks[0]
    return [operation.operation.name for operation in block.operations][:-1]


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("%z = arith.addf %x, %negative", []),
        ("%z = arith.subf %x, %zero", []),
        ("%z = arith.subf %negative, %x", ["arith.negf"]),
        ("%z = arith.mulf %one, %x", []),
        ("%z = arith.mulf %x, %minus", ["arith.negf"]),
        ("%z = arith.divf %x, %one", []),
        ("%z = arith.divf %x, %minus", ["arith.negf"]),
        ("%z = arith.negf %n", []),
        ("%z = arith.mulf %n, %m", ["arith.mulf"]),
        ("%z = arith.addf %x, %m", ["arith.subf"]),
        ("%z = arith.addf %n, %y", ["arith.subf"]),
        ("%z = arith.subf %x, %m", ["arith.addf"]),
        ("%z = arith.maximumf %x, %x", []),
        ("%z = arith.minimumf %inf, %x", []),
        ("%z = math.absf %n", ["math.absf"]),
        ("%a = math.absf %x\n%z = math.absf %a", ["math.absf"]),
        ("%z = arith.cmpf olt, %x, %x", ["arith.constant"]),
        ("%z = arith.select %c, %x, %x", []),
        ("%z = arith.select %true, %x, %y", []),
        ("%z = arith.select %not, %x, %y", ["arith.cmpf", "arith.select"]),
        (
            "%a = arith.select %c, %y, %x\n%z = arith.select %c, %a, %one",
            ["arith.constant", "arith.cmpf", "arith.select"],
        ),
        ("%z = arith.select %c, %true, %false i1", ["arith.cmpf"]),
        ("%z = arith.xori %not, %true i1", ["arith.cmpf"]),
        ("%z = arith.andi %c, %c i1", ["arith.cmpf"]),
        ("%z = arith.andi %c, %true i1", ["arith.cmpf"]),
        ("%z = arith.ori %c, %true i1", ["arith.constant"]),
        ("%z = arith.xori %c, %c i1", ["arith.constant"]),
        # These are no identities: zeros have signs, and NaN is not equal to itself.
        ("%z = arith.addf %x, %zero", ["arith.constant", "arith.addf"]),
        ("%z = arith.subf %x, %x", ["arith.subf"]),
        ("%z = arith.mulf %x, %zero", ["arith.constant", "arith.mulf"]),
        ("%z = arith.subf %zero, %x", ["arith.constant", "arith.subf"]),
        ("%z = arith.divf %x, %x", ["arith.divf"]),
        ("%z = arith.cmpf oeq, %x, %x", ["arith.cmpf"]),
    ],
)
def test_identities_hold_for_every_kind_of_number(body: str, left: list[str]) -> None:
    program = of_reals(body)
    canonical = Canonicalize().run(program)
    assert ops(canonical) == left
    before, after = values(program), values(canonical)
    assert np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
    if before.dtype.kind == "f":
        there = ~np.isnan(before)
        assert np.array_equal(np.signbit(before[there]), np.signbit(after[there]))


INTEGERS = """module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  func.func @step(%x: tensor<9xi64> {snn.name = "x", snn.kind = "int"}) -> (tensor<9xT> {snn.name = "z"}) {
    %0 = arith.constant dense<0> : tensor<9xi64>
    %1 = arith.constant dense<1> : tensor<9xi64>
    %all = arith.constant dense<-1> : tensor<9xi64>
    %narrow = arith.trunci %x : tensor<9xi64> to tensor<9xi8>
    %wide = arith.extsi %narrow : tensor<9xi8> to tensor<9xi64>
    %z = BODY
    return %z : tensor<9xT>
  }
}
"""


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("addi %x, %0", []),
        ("subi %x, %0", []),
        ("subi %x, %x", ["arith.constant"]),
        ("muli %1, %x", []),
        ("muli %x, %0", ["arith.constant"]),
        ("floordivsi %x, %1", []),
        ("remsi %x, %1", ["arith.constant"]),
        ("shli %x, %0", []),
        ("shrsi %x, %0", []),
        ("maxsi %x, %x", []),
        ("minsi %x, %x", []),
        ("andi %x, %all", []),
        ("andi %x, %0", ["arith.constant"]),
        ("ori %0, %x", []),
        ("ori %x, %all", ["arith.constant"]),
        ("xori %x, %0", []),
        ("cmpi sle, %x, %x", ["arith.constant"]),
        ("cmpi ne, %x, %x", ["arith.constant"]),
        ("trunci %wide", ["arith.trunci"]),
    ],
)
def test_identities_of_integers(body: str, left: list[str]) -> None:
    type = "i1" if "cmp" in body else "i8" if "trunc" in body else "i64"
    line = f"arith.{body} : tensor<9xi64>" + (" to tensor<9xi8>" if "trunc" in body else "")
    program = parse(INTEGERS.replace("BODY", line).replace("xT>", f"x{type}>"))
    canonical = valid(Canonicalize().run(program))
    assert ops(canonical) == left
    assert_same(ran(program), ran(canonical))


# ---------------------------------------------------------------- states that never change

FIXED = """module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  "snn.constant"() {sym_name = "B", type = tensor<2x3xf32>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "C", type = tensor<4x3xf32>, digest = ""} : () -> ()
  "snn.state"() {sym_name = "b", type = tensor<2x3xf32>, init = @B, depth = 2} : () -> ()
  "snn.state"() {sym_name = "c", type = tensor<4x3xf32>, init = @C, depth = 1} : () -> ()
  "snn.state"() {sym_name = "n", type = tensor<4x3xf32>, init = 0.5 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "m", type = tensor<4x3xf32>, init = @C, depth = 1} : () -> ()
  "snn.probe"() {sym_name = "probe.m", of = @m, kind = "value", every = 1, low = 0, high = 12, shape = [12]} : () -> ()
  func.func @step(%x: tensor<12xf32> {snn.name = "x", snn.kind = "real"}) -> (tensor<12xf32> {snn.name = "y"}, tensor<2x3xf32> {snn.name = "old"}) {
    %b = "snn.read"() {of = @b, delay = 1} : () -> tensor<2x3xf32>
    %old = "snn.read"() {of = @b, delay = 2} : () -> tensor<2x3xf32>
    %c = "snn.read"() {of = @c, delay = 1} : () -> tensor<4x3xf32>
    %n = "snn.read"() {of = @n, delay = 1} : () -> tensor<4x3xf32>
    %m = "snn.read"() {of = @m, delay = 1} : () -> tensor<4x3xf32>
    %two = tensor.concat dim(0) %b, %b : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
    %e = math.exp %two : tensor<4x3xf32>
    %0 = arith.mulf %e, %c : tensor<4x3xf32>
    %1 = arith.addf %0, %n : tensor<4x3xf32>
    %part = tensor.extract_slice %1[1, 0] [2, 3] [1, 1] : tensor<4x3xf32> to tensor<2x3xf32>
    %whole = tensor.concat dim(0) %part, %part : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
    %changed = arith.addf %m, %whole : tensor<4x3xf32>
    "snn.write"(%changed) {to = @m} : (tensor<4x3xf32>) -> ()
    %flat = tensor.collapse_shape %whole [[0, 1]] : tensor<4x3xf32> into tensor<12xf32>
    %y = arith.addf %flat, %x : tensor<12xf32>
    return %y, %old : tensor<12xf32>, tensor<2x3xf32>
  }
}
"""


def test_what_never_changes_is_computed_once() -> None:
    program = parse(FIXED)
    canonical = valid(Canonicalize().run(program))
    assert sorted(set(ops(canonical))) == ["arith.addf", "snn.read", "snn.write"]
    # @b stays for its past, which is zero in the first step; @m has a writer.
    assert {view.sym_name for view in canonical.ops(snn.State)} >= {"b", "m"}
    assert not {"c", "n", "C"} & {view.sym_name for view in canonical.ops(snn.State)}
    assert Canonicalize().run(canonical).text() == canonical.text()
    assert_same(ran(program), ran(canonical))


def test_a_number_that_is_a_state_is_a_constant() -> None:
    text = FIXED.replace("init = @B", "init = 0.25 : f32").replace("init = @C", "init = 2.0 : f32")
    program = parse(text)
    canonical = valid(Canonicalize().run(program))
    assert not list(canonical.ops(snn.Constant))
    assert [view.sym_name for view in canonical.ops(snn.State)] == ["b", "m"]
    assert_same(ran(program), ran(canonical))


def test_without_its_arrays_a_program_is_still_canonical() -> None:
    program = replace(parse(FIXED), constants=Constants())
    assert "math.exp" in ops(Canonicalize().run(program))


# ---------------------------------------------------------------- common values and plain events

REGIONS = """#all = affine_map<(i) -> (i)>
#one = affine_map<(i) -> ()>
module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  "snn.synapses"() {sym_name = "w", pre = 6, post = 2, connect = {kind = "all"}, weight = 0.3 : f32} : () -> ()
  func.func @step(%x: tensor<6xf32> {snn.name = "x", snn.kind = "real"}, %s: tensor<2x3xi1> {snn.name = "s", snn.kind = "spikes"}) -> (tensor<f32> {snn.name = "a"}, tensor<f32> {snn.name = "b"}, tensor<2xf32> {snn.name = "p"}) {
    %z = arith.constant dense<0.0> : tensor<f32>
    %z2 = arith.constant dense<0.0> : tensor<2xf32>
    %0 = linalg.generic {indexing_maps = [#all, #one], iterator_types = ["reduction"]} ins(%x : tensor<6xf32>) outs(%z : tensor<f32>) {
    ^bb0(%v: f32, %sum: f32):
      %half = arith.constant 0.5 : f32
      %k = arith.addf %half, %half : f32
      %w = arith.mulf %k, %v : f32
      %t = arith.addf %sum, %w : f32
      linalg.yield %t : f32
    } -> tensor<f32>
    %1 = linalg.generic {indexing_maps = [#all, #one], iterator_types = ["reduction"]} ins(%x : tensor<6xf32>) outs(%z : tensor<f32>) {
    ^bb0(%v: f32, %sum: f32):
      %t = arith.addf %sum, %v : f32
      linalg.yield %t : f32
    } -> tensor<f32>
    %2 = linalg.generic {indexing_maps = [#all, #one], iterator_types = ["reduction"]} ins(%x : tensor<6xf32>) outs(%z : tensor<f32>) {
    ^bb0(%v: f32, %sum: f32):
      %t = arith.subf %sum, %v : f32
      linalg.yield %t : f32
    } -> tensor<f32>
    %a = arith.addf %0, %1 : tensor<f32>
    %f = arith.uitofp %s : tensor<2x3xi1> to tensor<2x3xf32>
    %flat = tensor.collapse_shape %f [[0, 1]] : tensor<2x3xf32> into tensor<6xf32>
    %p = "snn.propagate"(%flat, %z2) {synapses = @w} : (tensor<6xf32>, tensor<2xf32>) -> tensor<2xf32>
    return %a, %2, %p : tensor<f32>, tensor<f32>, tensor<2xf32>
  }
}
"""


def test_equal_regions_are_one_and_different_ones_are_two() -> None:
    program = parse(REGIONS)
    canonical = valid(Canonicalize().run(program))
    assert ops(canonical).count("linalg.generic") == 2
    assert_same(ran(program), ran(canonical))
    assert_same(ran(program), step_ran(canonical))


def test_spikes_arrive_as_spikes() -> None:
    canonical = Canonicalize().run(parse(REGIONS))
    assert "arith.uitofp" not in ops(canonical) and "tensor.collapse_shape" not in ops(canonical)
    assert '"snn.propagate"(%arg1, ' in canonical.text()
