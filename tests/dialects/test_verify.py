"""The verifier: every rule has a broken program, and no broken program makes it fail otherwise."""

from __future__ import annotations

import os
import random
import re

import pytest
from spikec.dialects.constants import Constants
from spikec.dialects.diagnostics import InternalError
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.verify import problems, verify
from spikec.lower import snn_to_step
from spikec.passes.formats import Formats

from tests.lower.networks import CORPUS, load

SNN = """module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  func.func private @N(%I: f32 {snn.port = "I"}, %V: f32 {snn.state = "V"}, %k: f32 {snn.param = "k"}) -> (f32 {snn.state = "V"}, i1 {snn.event}) {
    %v = arith.addf %I, %V : f32
    %s = arith.cmpf ogt, %v, %k : f32
    return %v, %s : f32, i1
  }
  func.func private @keep(%pre: i64, %post: i64) -> i1 {
    %r = arith.cmpi ne, %pre, %post : i64
    return %r : i1
  }
  "snn.constant"() {sym_name = "W", type = tensor<3x4xf32>, digest = "sha256:0"} : () -> ()
  "snn.param"() {sym_name = "k", value = 1.0 : f32} : () -> ()
  "snn.synapses"() {sym_name = "w", pre = 3, post = 4, connect = {kind = "prob", p = 0.5 : f64, seed = 0 : i64, path = "w", filter = @keep}, weight = @W} : () -> ()
  "snn.state"() {sym_name = "n.V", type = tensor<4xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "n.spike", type = tensor<4xi1>, init = false, depth = 2} : () -> ()
  "snn.state"() {sym_name = "s", type = tensor<4xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.population"() {sym_name = "n", neuron = @N, shape = [4], states = [@n.V], params = [@k], event = @n.spike} : () -> ()
  "snn.probe"() {sym_name = "probe.n.V", of = @n.V, kind = "value", every = 1, low = 0, high = 4, shape = [4]} : () -> ()
  func.func @step(%x: tensor<3xi1> {snn.name = "x"}) -> (tensor<4xi1> {snn.name = "y"}) {
    %z = "snn.read"() {of = @s, delay = 1} : () -> tensor<4xf32>
    %i = "snn.propagate"(%x, %z) {synapses = @w} : (tensor<3xi1>, tensor<4xf32>) -> tensor<4xf32>
    %y = "snn.update"(%i) {population = @n} : (tensor<4xf32>) -> tensor<4xi1>
    "snn.write"(%i) {to = @s} : (tensor<4xf32>) -> ()
    return %y : tensor<4xi1>
  }
  func.func @finish() -> (tensor<i64> {snn.name = "t"}) {
    %t = "snn.clock"() : () -> tensor<i64>
    return %t : tensor<i64>
  }
}
"""

SNN_MISTAKES = [
    ("weight = @W}", "weight = @W, delay = @keep}", "'delay' and 'delay_range' belong together"),
    ("weight = @W}", "weight = @W, delay = @keep, delay_range = [2, 1]}", "the least and the largest delay"),
    ("weight = @W}", "weight = @W, delay = @keep, delay_range = [0, 4096]}", "more than 4096 different ones"),
    ("weight = @W}", "weight = @W, delay = @keep, delay_range = [0, 3]}", "the delay @keep is no i64"),
    (
        "weight = @W}",
        "weight = @W, delay = @W, delay_range = [0, 3]}",
        "which is a 'snn.constant' and not a 'func.func'",
    ),
    ("{synapses = @w}", "{synapses = @w, delay = 1}", "delay 1 of synapses with delays from None to None"),
    ('snn.dt_unit = "steps"', 'snn.unit = "steps"', "attribute 'snn.dt_unit' is missing"),
    ("snn.dt = 1.0 : f64", 'snn.dt = "1"', "attribute 'snn.dt' must not be"),
    ("func.func @step(", "func.func @stride(", "'stride' is not an entry point"),
    ("func.func @step(", "func.func @stride(", "there is no entry point @step"),
    ("arith.addf %I, %V : f32", "arith.remf %I, %V : f32", "is not an op of a program"),
    ("neuron = @N", "neuron = @M", "refers to @M, which does not exist"),
    ("neuron = @N", "neuron = @W", "which is a 'snn.constant' and not a 'func.func'"),
    ("population = @n}", "population = @s}", "which is a 'snn.state' and not a 'snn.population'"),
    ("of = @s, delay", "of = @W, delay", "which is a 'snn.constant' and not a 'snn.state'"),
    ("synapses = @w", "synapses = @k", "which is a 'snn.param' and not a 'snn.synapses'"),
    ("weight = @W", "weight = @k", "which is a 'snn.param' and not a 'snn.constant'"),
    ("weight = @W", 'weight = "heavy"', "weight is neither a number nor a constant"),
    ("tensor<3x4xf32>", "tensor<3x5xf32>", "where 12 elements of f32 are needed"),
    ("filter = @keep", "filter = @N", "must be (i64, i64) -> i1"),
    ("filter = @keep", "filter = @nobody", "refers to @nobody, which does not exist"),
    ("filter = @keep", "filter = 3", "'filter' is not the name of a function"),
    ('kind = "prob"', 'kind = "random"', "unknown connector"),
    ("p = 0.5 : f64", "q = 0.5 : f64", "the connector 'prob' needs 'p'"),
    ("p = 0.5 : f64", "p = 0.5 : f64, q = 1", "unknown entry 'q'"),
    ("p = 0.5 : f64", "p = 0.5 : f64, nonzero = 1", "'nonzero' is a mark without a value"),
    (
        'path = "w", filter = @keep}, weight = @W',
        'path = "w", nonzero}, weight = 0.5 : f32',
        "weights that are an array",
    ),
    ('{kind = "prob", p = 0.5 : f64, seed = 0 : i64, path = "w"', '{kind = "one_to_one"', "one_to_one needs equal"),
    ("pre = 3", "pre = 0", "must be positive"),
    ("pre = 3", "pre = 3.5", "attribute 'pre' must be a 64-bit integer"),
    ("type = tensor<4xi1>", "type = tensor<?xi1>", "a tensor type of fixed shape"),
    ("type = tensor<4xi1>", "type = i1", "a tensor type of fixed shape"),
    ("type = tensor<3x4xf32>", "type = f32", "a constant has a tensor type"),
    ('%x: tensor<3xi1> {snn.name = "x"}', "%x: tensor<3xi1> {snn.name = 1 : i32}", "mark 'snn.name' must not be"),
    ('%x: tensor<3xi1> {snn.name = "x"}', '%x: tensor<3xi1> {snn.name = "x", snn.colour = "red"}', "unknown mark"),
    ('%x: tensor<3xi1> {snn.name = "x"}', '%x: tensor<3xi1> {snn.name = "x", snn.range = [1]}', "is two reals"),
    ('sym_name = "k"', "sym_name = @k", "must be a string"),
    ("depth = 2", "depth = 0", "depth must be at least 1"),
    ("depth = 2}", "depth = 2, length = 3}", "unknown attribute 'length'"),
    ("init = 0.0 : f32, depth = 1", "init = 0 : i32, depth = 1", "init is a i32 and not a f32"),
    ("delay = 1", "delay = 2", "delay 2 of a state of depth 1"),
    ("value = 1.0 : f32", "value = 1.0 : f64", "parameter @k is a f64 and not a f32"),
    ("value = 1.0 : f32", 'value = "k"', "neither a number nor a constant"),
    ("shape = [4], states", "shape = [5], states", "where 5 elements of f32 are needed"),
    ("states = [@n.V]", "states = []", "1 states and 1 parameters, not 0 and 1"),
    ("states = [@n.V]", "states = [@n.spike]", "where 4 elements of f32 are needed"),
    ("event = @n.spike", "out = @n.spike", "has no 'out'"),
    ('%k: f32 {snn.param = "k"}', "%k: f32", "an argument of @N has no role"),
    (
        'f32 {snn.state = "V"}, i1 {snn.event}',
        'f32 {snn.state = "U"}, i1 {snn.event}',
        "are not its states in the order",
    ),
    ("i1 {snn.event}", "i1", "must be its states, then the event"),
    ('kind = "value"', 'kind = "values"', "unknown kind 'values'"),
    ("every = 1", "every = 0", "'every' must be at least 1"),
    ("high = 4", "high = 5", "is not within the 4 elements"),
    ("shape = [4]} : () -> ()\n  func", "shape = [3]} : () -> ()\n  func", "shape [3] has not 4 elements"),
    ('sym_name = "probe.n.V"', 'sym_name = "V"', "begins with 'probe.'"),
    ('tensor<4xi1> {snn.name = "y"}', "tensor<4xi1>", "every result of @step needs"),
    ("{to = @s}", "{to = @n.V}", "state @n.V has a second writer in @step"),
    ("{to = @s} : (tensor<4xf32>)", "{to = @n.spike} : (tensor<4xf32>)", "for a state of type tensor<4xi1>"),
    (
        '"snn.clock"() : () -> tensor<i64>',
        '"snn.read"() {of = @s, delay = 1} : () -> tensor<i64>',
        "of a state of type",
    ),
    ("func.func @finish() -> (tensor<i64>", "func.func @init() -> (tensor<i64>", "@init has no results"),
    ("func.func @finish()", 'func.func @finish(%a: tensor<f32> {snn.name = "a"})', "@finish has no arguments"),
    (
        "return %t : tensor<i64>",
        '"snn.write"(%t) {to = @s} : (tensor<i64>) -> ()\n    return %t : tensor<i64>',
        "in @finish",
    ),
]


def found(text: str) -> list[tuple[str, str]]:
    return problems(Program.parse(text, Constants()))


def test_the_sample_is_valid() -> None:
    assert found(SNN) == []


@pytest.mark.parametrize("mistake", SNN_MISTAKES, ids=lambda m: m[2])
def test_mistakes_at_level_snn(mistake: tuple[str, str, str]) -> None:
    old, new, message = mistake
    assert old in SNN
    texts = found(SNN.replace(old, new, 1))
    assert any(message in text for _, text in texts), texts


STEP_MISTAKES = [
    ('kind = "state"', 'kind = "cell"', "unknown kind 'cell'"),
    ('kind = "state", slots = 1', 'kind = "state", slots = 2', "2 slots for a buffer of kind state"),
    ('forms = ["list"], kind = "input"', 'forms = ["bits"], kind = "input"', "unknown forms"),
    (
        'forms = ["list"], kind = "input"',
        'forms = ["mask"], kind = "input"',
        "walks the list of @input.x, which has none",
    ),
    (
        'kind = "counter", slots = 1 : i64, sym_name = "a.emitted", type = memref<i64>',
        'kind = "counter", slots = 1 : i64, sym_name = "a.emitted", type = memref<i32>',
        "a counter is a memref<i64>",
    ),
    ('init = 0 : i32, kind = "state"', 'init = 0 : i64, kind = "state"', "is not a i32"),
    ('init = 0 : i32, kind = "state"', 'init = 0 : i32, kind = "output"', "has no initial value"),
    ('init = 0 : i32, kind = "state"', 'init = @a.V, kind = "state"', "is not a constant of 48 elements"),
    ('record = "value"', 'record = "values"', "unknown record"),
    ("high = 40 : i64, kind", "high = 50 : i64, kind", "not within the elements"),
    ("every = 3 : i64, ", "", "a probe needs"),
    ('sym_name = "a.V", type = memref<48xf32>', 'sym_name = "a.V", type = f32', "a buffer has a memref type"),
    ("arrays = {w = @W}", 'arrays = {w = "W"}', "is not the name of a buffer"),
    ('format = "dense"', 'format = "tiled"', "unknown format"),
    ('format = "dense"', 'format = "csr"', "where ['col', 'row', 'w'] are needed"),
    ("arrays = {w = @W}", "arrays = {w = @a.V}", "which is no constant"),
    ("arrays = {w = @W}", "arrays = {w = @aa}", "which is a 'step.table' and not a 'step.buffer'"),
    ("pre = 32", "pre = 31", "elements of f32 are needed"),
    ("index = 16", "index = 32", "for indices of 32 bits"),
    ("index = 16", "index = 8", "indices of 8 bits"),
    ("weight = 5.000000e-01 : f32", "weight = 5.0 : f64", "is not a f32"),
    ("table = @xa", "table = @aa", "has fewer than 48 elements"),
    ("table = @xa", "table = @W", "which is a 'step.buffer' and not a 'step.table'"),
    ("delay = 2 : i64, from = @a.spike", "delay = 3 : i64, from = @a.spike", "delay 3 of @a.spike, which has 3 slots"),
    ("delay = 0 : i64, from = @input.x", "delay = 0 : i64, from = @a.emitted", "a buffer of kind counter"),
    ("into = @a.port.I, low", "into = @input.x, low", "writes @input.x"),
    ("into = @a.port.I, low", "into = @a.spike, low", "which an update alone can write"),
    ("into = @a.port.I, value = 0.000000e+00 : f32", "into = @a.port.I, value = 0 : i32", "fills memref<48xf32> with"),
    ('mode = "event"', 'mode = "sparse"', "unknown mode"),
    ("tally = @xa.synaptic_events", "tally = @a.V", "is no counter"),
    (
        "args = [@a.port.I, @a.V, 0.903999984 : f32], delays = [0, 0, 0]",
        "args = [@a.port.I, @a.V], delays = [0, 0]",
        "2 args and 2 delays for a program of 3",
    ),
    (
        "args = [@a.port.I, @a.V, 0.903999984 : f32]",
        "args = [@a.port.I, @a.V, 1 : i32]",
        "argument 1 : i32 is not a f32",
    ),
    ("args = [@a.port.I, @a.V, 0.903999984 : f32]", "args = [@a.port.I, @a.V, unit]", "the index is an i64"),
    (
        "args = [@a.port.I, @a.V, 0.903999984 : f32]",
        "args = [@input.x, @a.V, 1.0 : f32]",
        "where 48 elements of f32 are needed",
    ),
    ("results = [@a.V, @a.spike]", "results = [@a.V]", "1 results for a program of 2"),
    ("results = [@a.V, @a.spike]", "results = [@a.V, 3]", "neither a buffer nor 'unit'"),
    ("results = [@a.V, @a.spike]", "results = [@a.V, @a.port.I]", "where 48 elements of i1 are needed"),
    ("results = [@a.V, @a.spike]", "results = [@a.V, @stage.a]", "which is a 'func.func' and not a 'step.buffer'"),
    ("program = @LIF", "program = @xa", "and not a 'func.func'"),
    ("size = 48 : i64, to = 0", "size = 49 : i64, to = 0", "elements 0:49 of"),
    (
        "from = @label.count, into = @output.label",
        "from = @a.V, into = @output.label",
        "copies memref<48xf32> to memref<48xi32>",
    ),
    ("into = @a.V, key = 0", "into = @a.spike, key = 0", "draws into memref<48xi1>"),
    ("into = @probe.a.V} : (index)", "into = @a.V} : (index)", "is no probe"),
    ("call @stage.a(", "call @finish(", "which is no stage"),
    (
        "func.func @run(%arg0: index, %arg1: index)",
        "func.func @walk(%arg0: index, %arg1: index)",
        "'walk' is not an entry point",
    ),
    (
        "func.func @finish(%arg0: index)",
        "func.func @finish(%arg0: index, %arg1: index)",
        "@finish must be (index) -> ()",
    ),
    ("arith.addf", "arith.remf", "is not an op of a program"),
]


def lowered_sample() -> str:
    chain = load(next(path for path in CORPUS if path.stem == "chain"))
    return snn_to_step.lower(Formats(csr="aa").run(chain)).text()


@pytest.mark.parametrize("mistake", STEP_MISTAKES, ids=lambda m: m[2] + m[1][:12])
def test_mistakes_at_level_step(mistake: tuple[str, str, str]) -> None:
    old, new, message = mistake
    text = lowered_sample()
    assert old in text
    texts = found(text.replace(old, new, 1))
    assert any(message in problem for _, problem in texts), texts


SWEEP_MISTAKES = [
    ("rounds = 2", "rounds = 0", "0 rounds of lists of 1, 1, 1, 1, 1, 1, 1"),
    ("delays = [4]", "delays = [4, 4]", "2 rounds of lists of 1, 2, 1, 1, 1, 1, 1"),
    ("delays = [4]", "delays = [5]", "delay 5 of @a.spike, which has 5 slots"),
    ("delays = [4]", "delays = [0]", "delay -1 of @a.spike"),
    ("parts = [3]", "parts = [4]", "part 4 in 2 rounds of a table of 4 parts"),
    ("parts = [3]", "parts = [0]", "part 0 in 2 rounds of a table of 4 parts"),
    ("lows = [0]", "lows = [1]", "@a.spike has fewer than 10 elements"),
    ('modes = ["event"]', 'modes = ["sparse"]', "unknown mode"),
    ("parts = 4 : i64, ", "", "arrays ['col', 'part', 'row'] where ['col', 'row'] are needed"),
    ("tables = [@aa]", "tables = [@a.V]", "which is a 'step.buffer' and not a 'step.table'"),
    (
        'delays = [4], from = [@a.spike], into = @sum, lows = [0], modes = ["event"], parts = [3], rounds = 2 : i64, '
        "tables = [@aa], tallies = [@aa.synaptic_events]",
        'delay = 4 : i64, from = @a.spike, into = @sum, low = 0 : i64, mode = "event", table = @aa, '
        "tally = @aa.synaptic_events",
        "part None in 1 rounds of a table of 4 parts",
    ),
]


@pytest.mark.parametrize("mistake", SWEEP_MISTAKES, ids=lambda m: m[2] + m[1][:12])
def test_mistakes_in_sweeps(mistake: tuple[str, str, str]) -> None:
    old, new, message = mistake
    text = snn_to_step.lower(load(next(path for path in CORPUS if path.stem == "delays"))).text()
    assert old in text
    text = text.replace(old, new, 1)
    if "from = @a.spike" in new:
        text = text.replace('"step.sweep"', '"step.propagate"', 1)
    texts = found(text)
    assert any(message in problem for _, problem in texts), texts


MAP_MISTAKES = [
    ("extents = [2, 4]", "extents = [2, 4, 5]", "for loops over [2, 4, 5]"),
    ("extents = [2, 4]", "extents = [2, 4, 5]", "for 3 loops over"),
    ('iterators = ["parallel", "parallel"]', 'iterators = ["parallel", "serial"]', "iterators"),
    ("args = [@input.x], delays = [0], extents", "args = [@input.x], delays = [], extents", "differ in number"),
    (
        "args = [@input.x], delays = [0], extents",
        "args = [@input.r], delays = [0], extents",
        "where the program has i1",
    ),
    ("program = @move.i1", "program = @program.value", "args and 1 results for a program"),
]


@pytest.mark.parametrize("mistake", MAP_MISTAKES, ids=lambda m: m[2])
def test_mistakes_in_maps(mistake: tuple[str, str, str]) -> None:
    old, new, message = mistake
    text = snn_to_step.lower(load(next(path for path in CORPUS if path.stem == "shapes"))).text()
    assert old in text
    texts = found(text.replace(old, new, 1))
    assert any(message in problem for _, problem in texts), texts


def test_operands_of_an_update_follow_its_ports() -> None:
    two = SNN.replace(
        "(%i) {population = @n} : (tensor<4xf32>)", "(%i, %i) {population = @n} : (tensor<4xf32>, tensor<4xf32>)"
    )
    assert "2 operands for a program of 1 ports" in found(two)[0][1]
    wrong = SNN.replace(
        "(%i) {population = @n} : (tensor<4xf32>) -> tensor<4xi1>",
        "(%x) {population = @n} : (tensor<3xi1>) -> tensor<4xi1>",
    )
    assert "operands ['tensor<3xi1>'] where ['tensor<4xf32>'] are needed" in found(wrong)[0][1]


def test_digests_are_compared_with_the_store() -> None:
    program = load(CORPUS[0])
    assert problems(program) == []
    text = re.sub(r'digest = "sha256:\w+"', 'digest = "sha256:0"', program.text())
    assert all("the digest is not that" in problem for _, problem in problems(Program.parse(text, program.constants)))


def test_problems_have_locations() -> None:
    location, text = found(SNN.replace("neuron = @N", "neuron = @M"))[0]
    line = 1 + SNN[: SNN.index('"snn.population"')].count("\n")
    assert f":{line}:" in location and "snn.population" in text


def test_verify_shows_the_guilty_pass_and_the_program() -> None:
    program = Program.parse(SNN.replace("neuron = @N", "neuron = @M"), Constants())
    with pytest.raises(InternalError, match="invalid IR after guilty") as error:
        verify(program, "guilty")
    assert error.value.where == "guilty" and "snn.population" in error.value.ir


@pytest.mark.parametrize("seed", range(60 if os.environ.get("SPIKEC_FULL") == "1" else 12))
def test_mutilated_programs_are_reported_and_nothing_else(seed: int) -> None:
    """A word of a valid program is replaced by another one of it, or a line is lost."""
    rng = random.Random(seed)
    texts = [SNN, lowered_sample()] if seed % 10 == 0 else [SNN]
    for text in texts:
        for _ in range(20):
            lines = text.split("\n")
            place = rng.randrange(1, len(lines) - 2)
            if rng.random() < 0.3:
                del lines[place]
            else:
                words = re.findall(r"@[\w.]+|\b\d+\b", text)
                lines[place] = re.sub(
                    r"@[\w.]+|\b\d+\b",
                    lambda match, words=words: rng.choice([match[0], rng.choice(words)]),
                    lines[place],
                )
            try:
                program = Program.parse("\n".join(lines), Constants())
            except ir.MLIRError:
                continue
            assert isinstance(problems(program), list)
