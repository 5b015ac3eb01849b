"""Equal populations become one, and outputs and probes keep their bits."""

from __future__ import annotations

import pytest
from spikec.dialects import snn
from spikec.dialects.notes import Table
from spikec.dialects.program import Program
from spikec.passes.merge import Merge

from tests.lower.networks import parse
from tests.passes.lossless import assert_same_values, doubled, ran, tangled, valid, written


def populations(program: Program) -> list[str]:
    return [view.sym_name for view in program.ops(snn.Population)]


def test_random_programs_keep_outputs_and_probes() -> None:
    for program in tangled(25):
        assert_same_values(program, Merge().run(program))


def test_programs_of_the_language_keep_outputs_and_probes() -> None:
    for program in written(5):
        assert_same_values(program, Merge().run(program))


def test_a_network_beside_its_copy_becomes_one_network() -> None:
    for program in [*tangled(20), *written(4, first=100)]:
        both = doubled(program)
        merged = Merge().run(both)
        assert not [name for name in populations(merged) if name.startswith("copy.")]
        assert_same_values(both, merged)


NEURON = """
  func.func private @NAME(%I: f32 {snn.port = "I"}, %V: f32 {snn.state = "V"}, %d: f32 {snn.param = "d"}) -> (f32 {snn.state = "V"}, i1 {snn.event}) {
    %one = arith.constant 1.0 : f32
    %k = arith.mulf %V, %d : f32
    %0 = arith.addf %k, %I : f32
    %s = arith.cmpf oge, %0, %one : f32
    %z = arith.constant 0.0 : f32
    %1 = arith.select %s, %z, %0 : f32
    return %1, %s : f32, i1
  }"""


def pair(first: str = "0.0 : f32", d: str = "0.5 : f32", weight: str = "0.75 : f32", depth: int = 1) -> Program:
    """a and b excite each other, and each is read a step later by c and d; b's side is open to changes."""
    names = {"a": "b", "b": "a", "c": "a", "d": "b"}
    declared = ""
    for n, source in names.items():
        changed = n == "b"
        declared += f"""{NEURON.replace("NAME", f"{n}.N")}
  "snn.param"() {{sym_name = "{n}.d", value = {d if changed else "0.5 : f32"}}} : () -> ()
  "snn.state"() {{sym_name = "{n}.V", type = tensor<3xf32>, init = {first if changed else "0.0 : f32"}, depth = 1}} : () -> ()
  "snn.state"() {{sym_name = "{n}.spike", type = tensor<3xi1>, init = false, depth = {depth if changed else 1}}} : () -> ()
  "snn.population"() {{sym_name = "{n}", neuron = @{n}.N, shape = [3], states = [@{n}.V], params = [@{n}.d], event = @{n}.spike}} : () -> ()
  "snn.synapses"() {{sym_name = "{source}->{n}", pre = 3, post = 3, connect = {{kind = "all"}}, weight = {weight if changed else "0.75 : f32"}}} : () -> ()
  "snn.probe"() {{sym_name = "probe.{n}.V", of = @{n}.V, kind = "value", every = 1, low = 0, high = 3, shape = [3]}} : () -> ()
"""
    body = ""
    for n, source in names.items():
        body += f"""
    %h{n} = "snn.read"() {{of = @{source}.spike, delay = {depth if source == "b" else 1}}} : () -> tensor<3xi1>
    %i{n} = "snn.propagate"(%h{n}, %x) {{synapses = @"{source}->{n}"}} : (tensor<3xi1>, tensor<3xf32>) -> tensor<3xf32>
    %{n} = "snn.update"(%i{n}) {{population = @{n}}} : (tensor<3xf32>) -> tensor<3xi1>"""
    return parse(f"""module attributes {{snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"}} {{{declared}
  func.func @step(%x: tensor<3xf32> {{snn.name = "x", snn.kind = "real"}}) -> (tensor<3xi1> {{snn.name = "y"}}) {{{body}
    %y = arith.xori %a, %d : tensor<3xi1>
    return %y : tensor<3xi1>
  }}
}}
""")


def test_populations_that_excite_each_other_alike_are_one() -> None:
    program = pair()
    merged = Merge().run(program)
    assert populations(merged) == ["a"]
    assert [view.sym_name for view in merged.ops(snn.Synapses)] == ["b->a"]
    assert sorted(ran(merged)[0][0].probes) == ["a.V", "b.V", "c.V", "d.V"]
    assert_same_values(program, merged)
    (note,) = merged.notes
    assert note == Table("Merged", ("population", "into", "size"), (("b", "a", 3), ("c", "a", 3), ("d", "a", 3)))


@pytest.mark.parametrize("changed", [{"first": "0.125 : f32"}, {"d": "0.25 : f32"}, {"weight": "0.5 : f32"}], ids=str)
def test_what_differs_stays_apart_and_so_do_its_targets(changed: dict[str, str]) -> None:
    program = pair(**changed)
    merged = Merge().run(program)
    # What a feeds is b, but c, which is fed as a would be, hears a; and d hears b as a does.
    assert populations(merged) == (["a", "b", "c"])
    assert_same_values(program, merged)


def test_a_delay_that_differs_keeps_apart() -> None:
    program = pair(depth=2)
    assert_same_values(program, Merge().run(program))
    assert len(populations(Merge().run(program))) > 1


def test_a_longer_history_is_kept() -> None:
    text = (
        pair()
        .text()
        .replace(
            'depth = 1 : i64, init = false, sym_name = "b.spike"', 'depth = 3 : i64, init = false, sym_name = "b.spike"'
        )
    )
    assert text != pair().text()
    merged = valid(Merge().run(parse(text)))
    assert populations(merged) == ["a"]
    assert snn.State(merged.symbols()["a.spike"]).depth == 3


def test_nothing_equal_is_nothing_to_say() -> None:
    program = Merge().run(pair())
    assert Merge().run(program).text() == program.text()
    assert Merge().run(program).notes == program.notes
