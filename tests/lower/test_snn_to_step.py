"""The lowering to level `step`: valid, the same after print and parse, and the same bits as the network itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from spikec.dialects import snn, step
from spikec.dialects.constants import Constants
from spikec.dialects.diagnostics import CompileError
from spikec.dialects.program import Program
from spikec.dialects.verify import problems
from spikec.lower import snn_to_step
from spikec.passes.canonicalize import Canonicalize
from spikec.runtime.interface import Interface
from spikec.runtime.reference.engine import SnnEngine, StepEngine

from tests.lower.networks import CORPUS, assert_same, load, parse, run
from tests.lower.random_networks import network

RANDOM = range(400 if os.environ.get("SPIKEC_FULL") else 40)


def assert_lowers(program: Program, seed: int = 0, steps: int = 9) -> None:
    """Both levels, through both entries of the lowered one, give the same in two stretches of steps and at the end."""
    assert problems(program) == []
    lowered = snn_to_step.lower(program, seed)
    assert problems(lowered) == []
    interface = Interface.of(program)
    wanted = run(SnnEngine(program, interface), interface, steps, seed, parts=2)
    for scheduled in (True, False):
        assert_same(wanted, run(StepEngine(lowered, interface, scheduled), interface, steps, seed, parts=2))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
@pytest.mark.parametrize("seed", [0, 3])
def test_corpus_gives_the_same_bits(path: Path, seed: int) -> None:
    assert_lowers(load(path), seed)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_canonical_form_gives_the_same_bits(path: Path) -> None:
    program = load(path)
    canonical = Canonicalize().run(program)
    assert problems(canonical) == []
    interface = Interface.of(program)
    wanted = run(SnnEngine(program, interface), interface, 9)
    assert_same(wanted, run(SnnEngine(canonical, interface), interface, 9))
    assert_lowers(canonical)
    lowered = Canonicalize().run(snn_to_step.lower(program))
    assert problems(lowered) == []
    assert_same(wanted, run(StepEngine(lowered, interface), interface, 9))


@pytest.mark.parametrize("seed", RANDOM)
def test_random_networks_give_the_same_bits(seed: int) -> None:
    program = parse(network(seed))
    assert_lowers(program)
    assert_lowers(Canonicalize().run(program))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_both_levels_parse_back(path: Path) -> None:
    program = load(path)
    for one in (program, snn_to_step.lower(program)):
        assert Program.parse(one.text(), one.constants).text() == one.text()
        assert Program.parse(one.text(locations=True), one.constants).text() == one.text()


def test_corpus_has_every_op() -> None:
    """Round trips and bit equality hold for every op of both dialects because each occurs."""
    found = set()
    for path in CORPUS:
        program = load(path)
        for one in (program, snn_to_step.lower(program)):
            dialect = "snn." if one is program else "step."
            found |= {
                word.strip('"') for word in one.text().replace("(", " ").split() if word.startswith(f'"{dialect}')
            }
    wanted = {op.name() for dialect in (snn.DIALECT, step.DIALECT) for op in dialect.ops}
    assert {name for name in found if name in wanted} == wanted


def test_the_given_program_stays_as_it_was() -> None:
    program = load(CORPUS[0])
    before, names = program.text(), sorted(program.constants)
    snn_to_step.lower(program)
    assert program.text() == before
    assert sorted(program.constants) == names


def test_lowering_is_deterministic() -> None:
    for path in CORPUS:
        assert snn_to_step.lower(load(path)).text() == snn_to_step.lower(load(path)).text()


def test_connections_follow_the_seed() -> None:
    program = load(next(path for path in CORPUS if path.stem == "chain"))
    one, same, other = (snn_to_step.lower(program, seed) for seed in (1, 1, 2))
    assert one.text() == same.text()
    assert one.text() != other.text()


def test_locations_are_carried_over() -> None:
    lowered = snn_to_step.lower(parse(network(0)))
    updates = [line for line in lowered.text(locations=True).split("\n") if '"step.update"' in line]
    assert updates and all("loc(" in line for line in updates)


MISSING = """module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  "snn.constant"() {sym_name = "W", type = tensor<4x4xf32>, digest = "sha256:0"} : () -> ()
  "snn.synapses"() {sym_name = "w", pre = 4, post = 4, connect = {CONNECT}, weight = @W} : () -> ()
  func.func @step(%x: tensor<4xf32> {snn.name = "x"}) -> (tensor<4xf32> {snn.name = "y"}) {
    %y = "snn.propagate"(%x, %x) {synapses = @w} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    return %y : tensor<4xf32>
  }
}
"""


def test_absent_weights_are_an_error_where_they_are_needed() -> None:
    drawn = MISSING.replace("CONNECT", 'kind = "prob", p = 0.5 : f64, seed = 0 : i64, path = "w"')
    with pytest.raises(CompileError, match="needs the array 'W'"):
        snn_to_step.lower(Program.parse(drawn, Constants()))


def test_absent_weights_do_no_harm_where_they_are_not_needed() -> None:
    program = Program.parse(MISSING.replace("CONNECT", 'kind = "all"'), Constants())
    assert problems(snn_to_step.lower(program)) == []


SCALAR = """module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  "snn.synapses"() {sym_name = "w", pre = PRE, post = POST, connect = {kind = "all"}, weight = 0.5 : f32} : () -> ()
  func.func @step(%x: tensor<PRExf32> {snn.name = "x"}) -> (tensor<POSTxf32> {snn.name = "y"}) {
    %z = arith.constant dense<0.0> : tensor<POSTxf32>
    %y = "snn.propagate"(%x, %z) {synapses = @w} : (tensor<PRExf32>, tensor<POSTxf32>) -> tensor<POSTxf32>
    return %y : tensor<POSTxf32>
  }
}
"""


@pytest.mark.parametrize(("pre", "post", "format"), [(8, 9, "dense"), (5000, 4000, "bitmap"), (257, 65537, "bitmap")])
def test_one_weight_for_all_pairs_is_dense_while_it_is_small(pre: int, post: int, format: str) -> None:
    text = SCALAR.replace("PRE", str(pre)).replace("POST", str(post))
    lowered = snn_to_step.lower(Program.parse(text, Constants()))
    assert problems(lowered) == []
    table = next(lowered.ops(step.Table))
    assert table.format == format


def test_too_many_synapses_are_refused() -> None:
    text = SCALAR.replace("PRE", "70000").replace("POST", "70000")
    with pytest.raises(CompileError, match="E0605"):
        snn_to_step.lower(Program.parse(text, Constants()))
