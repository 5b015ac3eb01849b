"""What no output and no probe depends on goes; all the rest gives the same bits."""

from __future__ import annotations

from spikec.dialects import snn
from spikec.dialects.notes import Table
from spikec.dialects.program import Program
from spikec.passes.canonicalize import Canonicalize
from spikec.passes.remove_dead import RemoveDead

from tests.lower.networks import parse
from tests.passes.lossless import assert_same_values, doubled, tangled, valid, written


def populations(program: Program) -> list[str]:
    return [view.sym_name for view in program.ops(snn.Population)]


def test_random_programs_keep_outputs_and_probes() -> None:
    for program in tangled(25):
        assert_same_values(program, RemoveDead().run(program))


def test_programs_of_the_language_keep_outputs_and_probes() -> None:
    for program in written(5):
        assert_same_values(program, RemoveDead().run(program))


def test_a_second_run_removes_nothing() -> None:
    for program in tangled(8):
        once = RemoveDead().run(program)
        again = RemoveDead().run(once)
        assert again.text() == once.text()
        assert again.notes == once.notes


def test_a_copy_that_nothing_sees_goes() -> None:
    for program in tangled(10):
        both = doubled(program)
        for probe in list(both.ops(snn.Probe)):
            if probe.sym_name.startswith("probe.copy."):
                probe.operation.erase()
        left = RemoveDead().run(both)
        assert populations(left) == populations(RemoveDead().run(program))
        assert not any(name.startswith("copy.") for name in left.symbols())


NEURON = """
  func.func private @N(%I: f32 {snn.port = "I"}, %V: f32 {snn.state = "V"}) -> (f32 {snn.state = "V"}, i1 {snn.event}) {
    %one = arith.constant 1.0 : f32
    %0 = arith.addf %V, %I : f32
    %s = arith.cmpf oge, %0, %one : f32
    %z = arith.constant 0.0 : f32
    %1 = arith.select %s, %z, %0 : f32
    return %1, %s : f32, i1
  }"""

# a -> b -> c -> d, an accumulator of d that reads itself alone, and a loop e <-> f.
CHAIN = f"""module attributes {{snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"}} {{{NEURON}
  {
    "".join(
        f'''"snn.state"() {{sym_name = "{n}.V", type = tensor<3xf32>, init = 0.0 : f32, depth = 1}} : () -> ()
  "snn.state"() {{sym_name = "{n}.spike", type = tensor<3xi1>, init = false, depth = 1}} : () -> ()
  "snn.population"() {{sym_name = "{n}", neuron = @N, shape = [3], states = [@{n}.V], params = [], event = @{n}.spike}} : () -> ()
  "snn.synapses"() {{sym_name = "to_{n}", pre = 3, post = 3, connect = {{kind = "all"}}, weight = 0.5 : f32}} : () -> ()
  '''
        for n in "abcdef"
    )
}
  "snn.state"() {{sym_name = "sum", type = tensor<3xf32>, init = 0.0 : f32, depth = 1}} : () -> ()
  "snn.probe"() {{sym_name = "probe.PROBED", of = @PROBED, kind = "KIND", every = 1, low = 0, high = 3, shape = [3]}} : () -> ()
  func.func @step(%x: tensor<3xi1> {{snn.name = "x", snn.kind = "spikes"}}) -> (tensor<3xi1> {{snn.name = "y"}}) {{
    %z = arith.constant dense<0.0> : tensor<3xf32>
    %ia = "snn.propagate"(%x, %z) {{synapses = @to_a}} : (tensor<3xi1>, tensor<3xf32>) -> tensor<3xf32>
    %a = "snn.update"(%ia) {{population = @a}} : (tensor<3xf32>) -> tensor<3xi1>
    %ib = "snn.propagate"(%a, %z) {{synapses = @to_b}} : (tensor<3xi1>, tensor<3xf32>) -> tensor<3xf32>
    %b = "snn.update"(%ib) {{population = @b}} : (tensor<3xf32>) -> tensor<3xi1>
    %hb = "snn.read"() {{of = @b.spike, delay = 1}} : () -> tensor<3xi1>
    %ic = "snn.propagate"(%hb, %z) {{synapses = @to_c}} : (tensor<3xi1>, tensor<3xf32>) -> tensor<3xf32>
    %c = "snn.update"(%ic) {{population = @c}} : (tensor<3xf32>) -> tensor<3xi1>
    %id = "snn.propagate"(%c, %z) {{synapses = @to_d}} : (tensor<3xi1>, tensor<3xf32>) -> tensor<3xf32>
    %d = "snn.update"(%id) {{population = @d}} : (tensor<3xf32>) -> tensor<3xi1>
    %old = "snn.read"() {{of = @sum, delay = 1}} : () -> tensor<3xf32>
    %df = arith.uitofp %d : tensor<3xi1> to tensor<3xf32>
    %new = arith.addf %old, %df : tensor<3xf32>
    "snn.write"(%new) {{to = @sum}} : (tensor<3xf32>) -> ()
    %hf = "snn.read"() {{of = @f.spike, delay = 1}} : () -> tensor<3xi1>
    %ie = "snn.propagate"(%hf, %z) {{synapses = @to_e}} : (tensor<3xi1>, tensor<3xf32>) -> tensor<3xf32>
    %e = "snn.update"(%ie) {{population = @e}} : (tensor<3xf32>) -> tensor<3xi1>
    %if = "snn.propagate"(%e, %z) {{synapses = @to_f}} : (tensor<3xi1>, tensor<3xf32>) -> tensor<3xf32>
    %f = "snn.update"(%if) {{population = @f}} : (tensor<3xf32>) -> tensor<3xi1>
    return %a : tensor<3xi1>
  }}
}}
"""


def chain(probed: str, kind: str = "value") -> Program:
    return parse(CHAIN.replace("PROBED", probed).replace("KIND", kind))


def test_a_chain_lives_as_far_as_it_is_seen() -> None:
    for probed, kind, left in (("a.V", "value", "a"), ("c.spike", "event", "abc"), ("sum", "value", "abcd")):
        program = chain(probed, kind)
        result = valid(RemoveDead().run(program))
        assert populations(result) == list(left)
        assert sorted(v.sym_name for v in result.ops(snn.Synapses)) == [f"to_{n}" for n in left]
        assert ("sum" in result.symbols()) == (probed == "sum")
        assert_same_values(program, result)


def test_a_loop_lives_when_one_of_it_is_seen() -> None:
    assert populations(RemoveDead().run(chain("e.V"))) == ["a", "e", "f"]


def test_it_says_what_is_gone() -> None:
    (note,) = RemoveDead().run(chain("c.V")).notes
    assert isinstance(note, Table)
    assert note.rows == (
        ("population", "d", 3),
        ("population", "e", 3),
        ("population", "f", 3),
        ("state", "sum", 3),
        ("projection", "to_d", "3 to 3"),
        ("projection", "to_e", "3 to 3"),
        ("projection", "to_f", "3 to 3"),
    )


def test_nothing_dead_is_nothing_to_say() -> None:
    program = RemoveDead().run(chain("c.V"))
    assert RemoveDead().run(Canonicalize().run(program)).notes == program.notes
