"""Ranges of networks: nothing leaves them, and they are close where a network is."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

import numpy as np
import pytest
import spikec
from spikec.analysis.intervals import Interval
from spikec.analysis.ranges import Ranges, analyse
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.program import Program
from spikec.dialects.verify import problems
from spikec.runtime.interface import Interface
from spikec.runtime.reference.network import Network

from tests.analysis.random_networks import network
from tests.analysis.test_refinement import assert_inside
from tests.lower.networks import CORPUS, inputs, load, parse
from tests.programs.generator import write_case

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def assert_sound(program: Program, data: dict[str, Array], steps: int) -> Ranges:
    """Runs the network and looks at every state and output after every step."""
    ranges = analyse(program)
    net = Network(program)
    outputs = list(program.symbols()["step"].regions[0].blocks[0].operations)[-1].operation.operands
    names = [entry.name for entry in Interface.of(program).inputs]
    with np.errstate(all="ignore"):
        net.reset(0, 0)
        for t in range(steps):
            for state in program.ops(snn.State):
                assert_inside(net.state(state.sym_name).reshape(-1), ranges.state(state.sym_name), state.sym_name)
            results = net.advance([data[name][t] for name in names])
            for value, array in zip(outputs, results, strict=True):
                assert_inside(array.reshape(-1), ranges.of(value), str(value))
    return ranges


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("reals", [False, True])
def test_random_networks_stay_in_their_ranges(seed: int, reals: bool) -> None:
    program = parse(network(seed, reals))
    assert problems(program) == []
    assert_sound(program, inputs(Interface.of(program), 25, seed), 25)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_the_corpus_stays_in_its_ranges(path: Path) -> None:
    program = load(path)
    assert_sound(program, inputs(Interface.of(program), 30), 30)


@pytest.mark.parametrize("seed", range(8))
def test_random_models_stay_in_their_ranges(seed: int) -> None:
    case = write_case(Random(seed))
    with tempfile.TemporaryDirectory() as folder:
        program = spikec.load(case.write(Path(folder)))
    data = {}
    for entry in Interface.of(program).inputs:
        array = np.asarray(case.inputs[entry.name]).astype(entry.dtype)
        streams = array.ndim > len(entry.shape)
        data[entry.name] = array if streams else np.broadcast_to(array, (case.steps, *entry.shape))
    assert_sound(program, data, case.steps)


# ---------------------------------------------------------------- precision

HEAD = 'module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {\n'


def one_population(body: str, port: str, states: dict[str, str], low: float, high: float, event: str = "%s") -> str:
    """A network of one population; its input `x` lies between `low` and `high`."""
    arguments = "".join(f', %{name}: {type} {{snn.state = "{name}"}}' for name, type in states.items())
    results = ", ".join(f'{type} {{snn.state = "{name}"}}' for name, type in states.items())
    returned = ", ".join(f"%{name}1" for name in states)
    declared = "".join(
        f'  "snn.state"() {{sym_name = "p.{name}", type = tensor<3x{type}>, init = {"0.0" if type[0] == "f" else 0} : {type}, depth = 1}} : () -> ()\n'
        for name, type in states.items()
    )
    kept = ", ".join(f"@p.{name}" for name in states)
    return f"""{HEAD}
  func.func private @N(%I: {port} {{snn.port = "I"}}{arguments}) -> ({results}, i1 {{snn.event}}) {{
    {body}
    return {returned}, {event} : {", ".join(states.values())}, i1
  }}
{declared}
  "snn.population"() {{sym_name = "p", neuron = @N, shape = [3], states = [{kept}], params = []}} : () -> ()
  func.func @step(%x: tensor<3x{port}> {{snn.name = "x", snn.kind = "int", snn.range = [{float(low)}, {float(high)}]}}) -> (tensor<3xi1> {{snn.name = "y"}}) {{
    %y = "snn.update"(%x) {{population = @p}} : (tensor<3x{port}>) -> tensor<3xi1>
    return %y : tensor<3xi1>
  }}
}}
"""


def state(text: str, name: str = "p.V") -> tuple[float, float]:
    ranges = analyse(parse(text))
    assert name not in ranges.widened
    low, high = ranges.state(name)
    return low, high


LEAK = """
    %d = arith.constant 0.9 : f32
    %m = arith.mulf %d, %V : f32
    %V1 = arith.addf %m, %I : f32
    %s = arith.cmpf oge, %V1, %V : f32
"""


def test_a_leak_bounds_a_potential() -> None:
    low, high = state(one_population(LEAK, "f32", {"V": "f32"}, -1.0, 2.0))
    assert -10.01 < low < -9.99 and 19.99 < high < 20.02


RESET = """
    %t = arith.constant 10 : i32
    %n9 = arith.constant 9 : i32
    %four = arith.constant 4 : i32
    %m = arith.muli %V, %n9 : i32
    %l = arith.shrsi %m, %four : i32
    %a = arith.addi %l, %I : i32
    %s = arith.cmpi sge, %a, %t : i32
    %r = arith.RESET
    %V1 = arith.select %s, %r, %a : i32
"""


def test_a_reset_by_subtraction_is_seen() -> None:
    # V = 9/16 V + 6 (- 10 from 10 on): at most 9 after a step without a spike.
    assert state(one_population(RESET.replace("RESET", "subi %a, %t : i32"), "i32", {"V": "i32"}, 0, 6)) == (0, 9)


def test_a_reset_to_zero_is_seen() -> None:
    text = one_population(RESET.replace("RESET", "constant 0 : i32"), "i32", {"V": "i32"}, 0, 10**6)
    assert state(text) == (0, 9)


HOLD = """
    %zero = arith.constant 0 : i8
    %one = arith.constant 1 : i8
    %fifty = arith.constant 50 : i8
    %true = arith.constant true
    %h = arith.cmpi sgt, %hold, %zero : i8
    %less = arith.subi %hold, %one : i8
    %left = arith.select %h, %less, %zero : i8
    %t = arith.constant 1.0 : f32
    %sum = arith.addf %V, %I : f32
    %v = arith.select %h, %V, %sum : f32
    %above = arith.cmpf oge, %v, %t : f32
    %free = arith.xori %h, %true : i1
    %s = arith.andi %above, %free : i1
    %z = arith.constant 0.0 : f32
    %V1 = arith.select %s, %z, %v : f32
    %hold1 = arith.select %s, %fifty, %left : i8
"""


def test_a_hold_counter_is_bounded() -> None:
    text = one_population(HOLD, "f32", {"V": "f32", "hold": "i8"}, 0.0, 3.0)
    assert state(text, "p.hold") == (0, 50)
    # A held potential stays, and one that is not held is below the threshold after each step.
    assert state(text) == (0.0, 1.0)
    assert analyse(parse(text)).wraps == ()


def test_a_clamp_far_away_is_found() -> None:
    body = """
    %most = arith.constant 30000 : i32
    %a = arith.addi %V, %I : i32
    %V1 = arith.minsi %a, %most : i32
    %s = arith.cmpi sgt, %a, %most : i32
"""
    assert state(one_population(body, "i32", {"V": "i32"}, 0, 3)) == (0, 30000)


def test_what_grows_is_widened_and_may_wrap() -> None:
    body = """
    %V1 = arith.addi %V, %I : i32
    %s = arith.cmpi sgt, %V1, %V : i32
"""
    ranges = analyse(parse(one_population(body, "i32", {"V": "i32"}, 0, 3)))
    assert ranges.widened == {"p.V"}
    assert [op.name for op in ranges.wraps] == ["arith.addi"]
    assert ranges.state("p.V") == Interval(-(2**31), 2**31 - 1)


def test_given_states_and_inputs_are_assumed() -> None:
    text = one_population(LEAK, "f32", {"V": "f32"}, -1.0, 2.0)
    program = parse(text)
    assert analyse(program, states={"p.V": Interval(0.0, 5.0)}).state("p.V") == Interval(0.0, 5.0)
    narrower = analyse(program, inputs={"x": Interval(0.0, 1.0)}).state("p.V")
    assert narrower.low == 0 and 9.99 < narrower.high < 10.01


def test_declared_bits_are_an_invariant() -> None:
    body = """
    %V1 = arith.addi %V, %I : i32
    %s = arith.cmpi sgt, %V1, %V : i32
"""
    text = one_population(body, "i32", {"V": "i32"}, 0, 3).replace("depth = 1", "depth = 1, bits = 12 : i64")
    assert state(text) == (0, 2047)


def propagated(connect: str, weight: str, pre: int, post: int, events: str = "i1") -> Interval:
    """What a projection brings; the constant W is made up, and so may differ from number to number."""
    program = parse(projection(connect, weight, pre, post, events))
    result = list(program.symbols()["step"].regions[0].blocks[0].operations)[-1].operation.operands[0]
    return analyse(program).of(result)


def projection(connect: str, weight: str, pre: int, post: int, events: str) -> str:
    range = "" if events == "i1" else ", snn.range = [-2.0, 3.0]"
    return f"""{HEAD}
  "snn.constant"() {{sym_name = "W", type = tensor<5x3xi8>, digest = ""}} : () -> ()
  "snn.constant"() {{sym_name = "K", type = tensor<2x1x2xi8>, digest = ""}} : () -> ()
  "snn.synapses"() {{sym_name = "w", pre = {pre}, post = {post}, connect = {connect}, weight = {weight}}} : () -> ()
  func.func @step(%x: tensor<{pre}x{events}> {{snn.name = "x", snn.kind = "spikes"{range}}}) -> (tensor<{post}xi32> {{snn.name = "y"}}) {{
    %z = arith.constant dense<0> : tensor<{post}xi32>
    %y = "snn.propagate"(%x, %z) {{synapses = @w}} : (tensor<{pre}x{events}>, tensor<{post}xi32>) -> tensor<{post}xi32>
    return %y : tensor<{post}xi32>
  }}
}}
"""


def parts(name: str, program: Program, rows: int) -> tuple[Array, Array]:
    """The sums of positive and of negative weights, over the first axis of `rows` rows."""
    weight = program.constants[name].astype(int).reshape(rows, -1)
    return np.maximum(weight, 0).sum(0), np.minimum(weight, 0).sum(0)


def test_dense_weights_are_summed_per_target() -> None:
    all = '{kind = "all"}'
    positive, negative = parts("W", parse(projection(all, "@W", 5, 3, "i1")), 5)
    assert propagated(all, "@W", 5, 3) == Interval(negative.min(), positive.max())
    graded = propagated(all, "@W", 5, 3, "i16")
    assert graded.high == (3 * positive - 2 * negative).max()
    assert graded.low == (3 * negative - 2 * positive).min()


def test_a_convolution_is_summed_per_channel() -> None:
    conv = (
        '{kind = "conv", input = [1, 6], output = [2, 5], kernel = [2], stride = [1], padding = [0], '
        "dilation = [1], groups = 1 : i64}"
    )
    weight = parse(projection(conv, "@K", 6, 10, "i1")).constants["K"].astype(int).reshape(2, 2)
    found = propagated(conv, "@K", 6, 10)
    assert found == Interval(np.minimum(weight, 0).sum(1).min(), np.maximum(weight, 0).sum(1).max())


def test_a_random_projection_may_have_all_of_its_candidates() -> None:
    prob = '{kind = "prob", p = 0.1 : f64, seed = 1 : i64, path = "w"}'
    assert propagated(prob, "-3 : i8", 5, 3) == Interval(-15, 0)
    assert propagated('{kind = "one_to_one"}', "-3 : i8", 5, 5) == Interval(-3, 0)


def test_an_argmax_lies_within_its_tensor() -> None:
    program = spikec.load(EXAMPLES / "03_digits" / "digits.snn")
    ranges = analyse(program)
    label = list(program.symbols()["finish"].regions[0].blocks[0].operations)[-1].operation.operands[0]
    assert ranges.of(label) == Interval(0, 9)


def test_the_network_of_vogels_and_abbott_is_bounded() -> None:
    ranges = analyse(spikec.load(EXAMPLES / "02_vogels_abbott" / "cuba.snn"))
    assert not ranges.widened
    assert ranges.state("exc.hold.V") == Interval(0, 50)
    # ge = d (ge + 3200 * 1.62 mV), with d = 0.98; V never ends a step above its threshold.
    assert 256.7 < ranges.state("exc.ge").high < 262
    assert ranges.state("exc.ge").low == 0
    assert ranges.state("exc.V").high == pytest.approx(-0.05)
