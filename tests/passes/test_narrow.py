"""Narrow arithmetic: what goes, what stays, and that every bit of a run stays."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from spikec.dialects.constants import Array
from spikec.dialects.program import Program
from spikec.dialects.verify import problems
from spikec.passes.canonicalize import Canonicalize
from spikec.passes.narrow import Narrow
from spikec.runtime.interface import Interface
from spikec.runtime.reference.engine import SnnEngine

from tests.analysis.random_networks import network
from tests.lower.networks import CORPUS, assert_same, inputs, load, parse

STEPS = 30

HEAD = 'module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {\n'

LIF = """  func.func private @LIF(%I: i32 {snn.port = "I"}, %V: i16 {snn.state = "V"}) -> (i16 {snn.state = "V"}, i1 {snn.event}) {
    %w = arith.extsi %V : i16 to i64
    %d = arith.constant 58982 : i64
    %p = arith.muli %d, %w : i64
    %b = arith.constant 16 : i64
    %l = arith.shrsi %p, %b : i64
    %i = arith.extsi %I : i32 to i64
    %s = arith.addi %l, %i : i64
    %most = arith.constant MOST : i64
    %least = arith.constant -32768 : i64
    %c = arith.minsi %s, %most : i64
    %e = arith.maxsi %c, %least : i64
    %theta = arith.constant 1000 : i64
    %f = arith.cmpi sge, %e, %theta : i64
    %r = arith.subi %e, %theta : i64
    %n = arith.select %f, %r, %e : i64
    %v = arith.trunci %n : i64 to i16
    return %v, %f : i16, i1
  }
"""
STATE = '  "snn.state"() {{sym_name = "{0}", type = tensor<4x{1}>, init = {2}, depth = 1}} : () -> ()\n'
POPULATION = '  "snn.population"() {{sym_name = "{0}", neuron = @LIF, shape = [4], states = [@{0}.V], params = [], event = @{0}.spike}} : () -> ()\n'


def populations(**inputs: int) -> str:
    """Populations of one program; the input of each lies between 0 and a number."""
    text = ""
    for name in inputs:
        text += STATE.format(f"{name}.V", "i16", "0 : i16") + STATE.format(f"{name}.spike", "i1", "false")
        text += POPULATION.format(name)
    arguments = ", ".join(
        f'%{name}: tensor<4xi32> {{snn.name = "{name}", snn.kind = "int", snn.range = [0.0, {most}.0]}}'
        for name, most in inputs.items()
    )
    updates = "".join(
        f'    %e.{name} = "snn.update"(%{name}) {{population = @{name}}} : (tensor<4xi32>) -> tensor<4xi1>\n'
        for name in inputs
    )
    outputs = ", ".join(f'tensor<4xi1> {{snn.name = "y.{name}"}}' for name in inputs)
    returned = ", ".join(f"%e.{name}" for name in inputs)
    types = ", ".join("tensor<4xi1>" for _ in inputs)
    return (
        text + f"  func.func @step({arguments}) -> ({outputs}) {{\n{updates}    return {returned} : {types}\n  }}\n}}\n"
    )


def narrowed(text: str) -> tuple[Program, str]:
    """A program before and the text after; both are valid and run alike."""
    program = Canonicalize().run(parse(text))
    before = program.text()
    result = Narrow().run(program)
    assert program.text() == before, "the given program was changed"
    assert_equal_runs(program, result)
    return program, result.text()


def assert_equal_runs(one: Program, other: Program) -> None:
    assert problems(other) == []
    interface = Interface.of(one)
    assert Interface.of(other) == interface
    data = within_ranges(interface)
    ran = []
    for program in (one, other):
        engine = SnnEngine(program, interface)
        engine.reset(0, 0)
        ran.append(([engine.advance(data, frozenset(data), STEPS)], engine.finish()))
    assert_same(*ran)


def within_ranges(interface: Interface) -> dict[str, Array]:
    """Inputs that keep to what is declared; those with a range reach both of its ends."""
    data = inputs(interface, STEPS)
    rng = np.random.default_rng(1)
    for entry in interface.inputs:
        if entry.low is not None and entry.high is not None:
            drawn = rng.uniform(entry.low, entry.high, data[entry.name].shape)
            ends = rng.choice([entry.low, entry.high], drawn.shape)
            data[entry.name] = np.where(rng.random(drawn.shape) < 0.3, ends, drawn).astype(entry.dtype)
            data[entry.name][STEPS // 2 :] = entry.high
    return data


def test_needless_clamps_go_and_i32_is_enough() -> None:
    _, text = narrowed(HEAD + LIF.replace("MOST", "32767") + populations(a=900))
    program = text.partition("snn.state")[0]
    assert "minsi" not in text and "maxsi" not in text
    assert "muli" in text and "arith.extsi" in text
    # %V times 58982 is below 2^31: V stays below 8000, since 0.9 V + 900 - 1000 does.
    assert "i64" not in program.partition("attributes")[2].partition("{")[2]


def test_clamps_that_clamp_stay() -> None:
    _, text = narrowed(HEAD + LIF.replace("MOST", "3000") + populations(a=5000))
    assert "arith.minsi" in text and "maxsi" not in text


def test_wide_products_stay_in_i64() -> None:
    _, text = narrowed(HEAD + LIF.replace("58982", "58982000").replace("MOST", "32767") + populations(a=900))
    assert re.search(r"arith.muli .* : i64", text)


def test_a_shared_program_stays_right_for_all_of_its_populations() -> None:
    alone = narrowed(HEAD + LIF.replace("MOST", "3000") + populations(a=200))[1]
    both = narrowed(HEAD + LIF.replace("MOST", "3000") + populations(a=200, b=5000))[1]
    assert "minsi" not in alone
    assert "minsi" in both


def test_types_at_the_borders_stay() -> None:
    text = (
        HEAD
        + STATE.format("n", "i64", "3 : i64")
        + """  func.func @step(%x: tensor<4xi64> {snn.name = "x", snn.kind = "int", snn.range = [-5.0, 5.0]}) -> (tensor<4xi64> {snn.name = "y"}) {
    %c = arith.constant dense<7> : tensor<4xi64>
    %n = "snn.read"() {of = @n, delay = 1} : () -> tensor<4xi64>
    %s = arith.addi %n, %x : tensor<4xi64>
    %r = arith.remsi %s, %c : tensor<4xi64>
    "snn.write"(%r) {to = @n} : (tensor<4xi64>) -> ()
    %big = arith.constant dense<1000000000000> : tensor<4xi64>
    %y = arith.muli %r, %big : tensor<4xi64>
    return %y : tensor<4xi64>
  }
}
"""
    )
    _, result = narrowed(text)
    assert re.search(r"arith.remsi .* : tensor<4xi32>", result)
    assert re.search(r"arith.muli .* : tensor<4xi64>", result)
    assert '"snn.write"(' in result and "(tensor<4xi64>) -> ()" in result


@pytest.mark.parametrize(
    ("predicate", "other", "result"),
    [("slt", 6, "true"), ("sgt", 5, "false"), ("ne", 9, "true"), ("eq", -6, "false")],
)
def test_comparisons_that_are_decided_fold(predicate: str, other: int, result: str) -> None:
    text = (
        HEAD
        + f"""  func.func @step(%x: tensor<4xi64> {{snn.name = "x", snn.kind = "int", snn.range = [-5.0, 5.0]}}) -> (tensor<4xi1> {{snn.name = "y"}}, tensor<4xi64> {{snn.name = "z"}}) {{
    %c = arith.constant dense<{other}> : tensor<4xi64>
    %s = arith.cmpi {predicate}, %x, %c : tensor<4xi64>
    %t = arith.addi %x, %c : tensor<4xi64>
    %z = arith.select %s, %x, %t : tensor<4xi1>, tensor<4xi64>
    return %s, %z : tensor<4xi1>, tensor<4xi64>
  }}
}}
"""
    )
    _, found = narrowed(text)
    assert f"dense<{result}>" in found
    assert "cmpi" not in found and "select" not in found


def test_a_shift_beyond_31_stays() -> None:
    text = (
        HEAD
        + """  func.func @step(%x: tensor<4xi64> {snn.name = "x", snn.kind = "int", snn.range = [-5.0, 5.0]}) -> (tensor<4xi64> {snn.name = "y"}) {
    %c = arith.constant dense<40> : tensor<4xi64>
    %y = arith.shrsi %x, %c : tensor<4xi64>
    return %y : tensor<4xi64>
  }
}
"""
    )
    assert re.search(r"arith.shrsi .* : tensor<4xi64>", narrowed(text)[1])


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_the_corpus_runs_alike(path: Path) -> None:
    program = load(path)
    assert_equal_runs(program, Narrow().run(program))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("reals", [False, True])
def test_random_networks_run_alike(seed: int, reals: bool) -> None:
    program = parse(network(seed, reals))
    result = Narrow().run(program)
    assert_equal_runs(program, result)
    # Most of these programs reckon in i64 where i32 would do.
    assert len(re.findall(r"arith\.\w+ .*: i64", result.text())) <= len(
        re.findall(r"arith\.\w+ .*: i64", program.text())
    )


def test_a_second_run_changes_nothing() -> None:
    once = Narrow().run(parse(HEAD + LIF.replace("MOST", "3000") + populations(a=5000)))
    assert Narrow().run(once).text() == once.text()
