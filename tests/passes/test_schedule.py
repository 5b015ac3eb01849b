"""Schedules of small networks: which stages, groups and blocks come out, and that nothing that can be seen changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spikec.analysis.dependence import Dependences
from spikec.backends.cpu.target import CpuTarget
from spikec.dialects import step
from spikec.dialects.diagnostics import CompileError, InternalError
from spikec.dialects.program import Program
from spikec.dialects.verify import problems
from spikec.lower import snn_to_step, step_to_cpu
from spikec.passes.schedule import Schedule
from spikec.passes.schedule.apply import apply
from spikec.passes.schedule.plan import Group, Plan, Stage
from spikec.passes.schedule.stages import stages
from spikec.runtime.interface import Interface

from tests.lower import networks
from tests.lower.random_networks import network
from tests.passes.schedules import Array, Runner, random_schedule
from tests.passes.tables import table
from tests.programs.drawn_arrays import with_arrays

NEURON = """
  neuron IF(theta = 1.0) {
    in I
    var V = 0
    V := 0.8 * V + I
    spike when V >= theta { V := 0 }
  }
"""


@pytest.fixture
def lowered(tmp_path: Path) -> Any:
    """Lowers a text whose arrays `A`, `B`, ... of given shapes are made up."""

    def lower(body: str, **shapes: tuple[int, ...]) -> tuple[Program, Interface]:
        network = with_arrays(tmp_path, NEURON + body, shapes, mean=0.25)
        return snn_to_step.lower(network, 0), Interface.of(network)

    return lower


FEED_FORWARD = """
  input x : spikes[12]
  a = IF[20](A @ x)
  b = IF[15](B @ a)
  c = IF[4](C @ b)
  output y = c
  output winner = argmax(over_time(count, c))
  probe b.spike, c.V
  probe a.V every 3 ms
"""
LAYERS = {"A": (20, 12), "B": (15, 20), "C": (4, 15)}


def streams(interface: Interface, steps: int) -> dict[str, Array]:
    return networks.inputs(interface, steps)


def groups(program: Program) -> list[list[Any]]:
    """The (stage, group, block, sub-block) rows of the report."""
    return [list(row[:4]) for row in table(program, "stages").rows]


def grown(program: Program) -> dict[str, int]:
    return {buffer.sym_name: buffer.slots for buffer in program.ops(step.Buffer) if buffer.slots > 1}


def same(one: Mapping[str, Array], other: Mapping[str, Array]) -> bool:
    def total(key: str, value: Array) -> Any:
        return value.sum() if key.startswith(("emitted", "synaptic")) else value

    return one.keys() == other.keys() and all(np.array_equal(total(k, one[k]), total(k, other[k])) for k in one)


def check(
    plain: Program, scheduled: Program, interface: Interface, stretches: Sequence[int] = (5, 1, 16, 1, 1, 7)
) -> None:
    """Equal on the reference, by `@run` in stretches and by `@step`."""
    assert problems(scheduled) == []
    inputs = streams(interface, sum(stretches))
    wanted = Runner(plain, interface, scheduled=False).run(inputs, [sum(stretches)])
    assert any(np.count_nonzero(value) for key, value in wanted.items() if key.startswith("emitted"))
    assert same(wanted, Runner(scheduled, interface).run(inputs, stretches))
    assert same(wanted, Runner(scheduled, interface, scheduled=False).run(inputs, stretches))


def test_a_feed_forward_chain_runs_layer_by_layer(lowered: Any) -> None:
    plain, interface = lowered(FEED_FORWARD, **LAYERS)
    scheduled = Schedule(block=8).run(plain)
    assert groups(scheduled) == [["a", 0, 8, 8], ["b", 1, 8, 8], ["c", 2, 8, 8]]
    assert grown(scheduled) == {"a.spike": 8, "b.spike": 8}
    check(plain, scheduled, interface)


def test_one_step_at_a_time_needs_no_rings(lowered: Any) -> None:
    plain, interface = lowered(FEED_FORWARD, **LAYERS)
    scheduled = Schedule(block=1).run(plain)
    assert grown(scheduled) == {}
    check(plain, scheduled, interface)


def test_small_tables_are_not_worth_a_block_and_large_ones_are(lowered: Any) -> None:
    small, _ = lowered(FEED_FORWARD, **LAYERS)
    assert {row[2] for row in groups(Schedule().run(small))} == {1}
    large = FEED_FORWARD.replace("[20]", "[600]").replace("[15]", "[500]")
    plain, interface = lowered(large, A=(600, 12), B=(500, 600), C=(4, 500))
    scheduled = Schedule().run(plain)
    assert groups(scheduled)[0][2] > 1
    check(plain, scheduled, interface, (70, 3))


def test_rings_of_an_automatic_block_are_bounded(lowered: Any) -> None:
    body = "  input x : real[8000]\n  a = IF[8000](x)\n  d = (a + x) * 0.5\n  b = IF[600](B @ d)\n  output y = b\n"
    plain, _ = lowered(body, B=(600, 8000))
    scheduled = Schedule().run(plain)
    kept = sum(b.slots * int(np.prod(b.type.shape)) for b in scheduled.ops(step.Buffer) if b.slots > 1)
    assert 4 * kept <= 1 << 20


def test_a_loop_with_a_delay_runs_in_sub_blocks_of_it(lowered: Any) -> None:
    body = """
      input x : spikes[12]
      pop a : IF[20]
      pop b : IF[15]
      a.I = A @ x + D @ delay(b, 3 ms)
      b.I = B @ a
      c = IF[4](C @ b)
      output y = c
    """
    plain, interface = lowered(body, A=(20, 12), B=(15, 20), C=(4, 15), D=(20, 15))
    scheduled = Schedule(block=8).run(plain)
    assert groups(scheduled) == [["a", 0, 8, 3], ["b", 0, 8, 3], ["c", 1, 8, 8]]
    assert grown(scheduled) == {"a.spike": 3, "b.spike": 8}
    check(plain, scheduled, interface)


def test_a_loop_with_a_delay_of_one_step_advances_step_by_step(lowered: Any) -> None:
    body = """
      input x : spikes[12]
      pop a : IF[20]
      pop b : IF[15]
      a.I = A @ x + D @ prev(b)
      b.I = B @ a
      c = IF[4](C @ b)
      output y = c
    """
    plain, interface = lowered(body, A=(20, 12), B=(15, 20), C=(4, 15), D=(20, 15))
    scheduled = Schedule(block=8).run(plain)
    assert groups(scheduled) == [["a", 0, 8, 1], ["b", 0, 8, 1], ["c", 1, 8, 8]]
    check(plain, scheduled, interface)


def test_a_delay_as_long_as_the_block_ties_nothing(lowered: Any) -> None:
    body = """
      input x : spikes[12]
      pop a : IF[20]
      pop b : IF[15]
      a.I = A @ x + D @ delay(b, 8 ms)
      b.I = B @ a
      output y = b
    """
    plain, interface = lowered(body, A=(20, 12), B=(15, 20), D=(20, 15))
    scheduled = Schedule(block=8).run(plain)
    assert groups(scheduled) == [["a", 0, 8, 8], ["b", 1, 8, 8]]
    check(plain, scheduled, interface, (30,))


LISTED = """
  input x : spikes[12]
  a = IF[20](A @ x)
  b = IF[15](B @ a + X @ x)
  output y = b
"""
LISTED_ARRAYS = {"A": (20, 12), "B": (15, 20), "X": (15, 12)}


def test_the_list_of_an_input_that_a_later_layer_uses_is_kept(lowered: Any) -> None:
    plain, interface = lowered(LISTED, **LISTED_ARRAYS)
    scheduled = Schedule(block=8).run(plain)
    assert grown(scheduled)["input.x"] == 8
    check(plain, scheduled, interface)


@pytest.mark.parametrize("body", [(FEED_FORWARD, LAYERS), (LISTED, LISTED_ARRAYS)], ids=["chain", "lists"])
@pytest.mark.parametrize("settings", [{"block": 4}, {"block": 8, "mode": "dense"}, {"block": 3, "reuse": False}])
def test_the_cpu_runs_blocks_and_single_steps_on_the_same_memory(
    lowered: Any, body: tuple[str, dict[str, tuple[int, ...]]], settings: dict[str, Any]
) -> None:
    plain, interface = lowered(body[0], **body[1])
    scheduled = Schedule(**settings).run(plain)
    target = CpuTarget.parse("cpu")
    engine = target.load(step_to_cpu.lower(scheduled, target), scheduled.constants, interface)
    lengths = (5, 1, 16, 1, 1, 7)
    runner = Runner(scheduled, interface)
    inputs = streams(interface, sum(lengths))
    wanted = runner.run(inputs, [sum(lengths)])
    runner.engine = engine  # type: ignore[assignment]
    runner.states = []
    found = runner.run(inputs, lengths)
    assert found.keys() <= wanted.keys()
    assert same({key: wanted[key] for key in found}, found)


def test_probes_outputs_and_counters_follow_their_source(lowered: Any) -> None:
    plain, _ = lowered(FEED_FORWARD, **LAYERS)
    dependences = Dependences.of(plain)
    for stage in stages(dependences):
        kinds = [dependences.ops[op].mnemonic for op in stage.ops]
        assert "update" in kinds and "tally" in kinds and "record" in kinds


@pytest.mark.parametrize("mode", ["event", "dense"])
def test_modes_change_the_walk_and_nothing_else(lowered: Any, mode: str) -> None:
    body = FEED_FORWARD + "  d = IF[5](E @ c)\n  output z = E @ c + F @ r\n  input r : real[7]\n"
    body = body.replace("  input r : real[7]\n", "").replace("  input x", "  input r : real[7]\n  input x", 1)
    plain, interface = lowered(body, **LAYERS, E=(5, 4), F=(5, 7))
    scheduled = Schedule(mode=mode, block=4).run(plain)  # type: ignore[arg-type]
    text = scheduled.text()
    other = "dense" if mode == "event" else "event"
    assert f'mode = "{mode}"' in text and f'mode = "{other}"' not in text
    check(plain, scheduled, interface)


def test_the_corpus_is_scheduled() -> None:
    for path in networks.CORPUS:
        network = networks.load(path)
        plain, interface = snn_to_step.lower(network), Interface.of(network)
        inputs = streams(interface, 20)
        wanted = Runner(plain, interface).run(inputs, [20])
        for block in (2, 5):
            scheduled = Schedule(block=block).run(plain)
            assert problems(scheduled) == [], path
            found = Runner(scheduled, interface).run(inputs, (7, 1, 12))
            assert all(_equal(wanted[key], found[key], key) for key in wanted if key in found), path


@pytest.mark.parametrize("seed", range(20))
def test_networks_of_many_states(seed: int) -> None:
    program = networks.parse(network(seed))
    plain, interface = snn_to_step.lower(program), Interface.of(program)
    inputs = streams(interface, 15)
    wanted = Runner(plain, interface).run(inputs, [15])
    for scheduled in (Schedule(block=1 + seed % 7).run(plain), random_schedule(plain, seed)):
        assert problems(scheduled) == []
        found = Runner(scheduled, interface).run(inputs, (4, 1, 10))
        assert all(_equal(wanted[key], found[key], key) for key in wanted if key in found)


def _equal(one: Array, other: Array, key: str) -> bool:
    if key.startswith(("emitted", "synaptic")):
        return bool(one.sum() == other.sum())
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


# ---------------------------------------------------------------- wrong schedules


def test_no_plan_that_breaks_a_dependence_is_written(lowered: Any) -> None:
    plain, _ = lowered(FEED_FORWARD, **LAYERS)
    dependences = Dependences.of(plain)
    parts = stages(dependences)
    backwards = Plan(tuple(Group((stage,)) for stage in reversed(parts)))
    with pytest.raises(InternalError, match="must follow"):
        apply(plain.clone(), dependences, backwards)
    with pytest.raises(InternalError, match="exactly one stage"):
        apply(plain.clone(), dependences, Plan((Group(parts[:1]),)))
    with pytest.raises(InternalError, match="between 1 and"):
        apply(plain.clone(), dependences, Plan((Group((Stage("stage.a", tuple(range(len(dependences.ops)))),), 2),)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("a.spike", 7, "uses @a.spike before @stage.b of step 0 is done with it"),
        ("input.x", 2, "uses @input.x before @stage.b of step 0 is done with it"),
    ],
)
def test_too_few_slots_are_found(lowered: Any, old: str, new: int, message: str) -> None:
    plain, _ = lowered(LISTED, **LISTED_ARRAYS)
    scheduled = Schedule(block=8).run(plain)
    buffer = next(b for b in scheduled.ops(step.Buffer) if b.sym_name == old)
    text = scheduled.text()
    line = next(line for line in text.split("\n") if f'"{old}"' in line and "step.buffer" in line)
    wrong = Program.parse(
        text.replace(line, line.replace(f"slots = {buffer.slots}", f"slots = {new}")), scheduled.constants
    )
    assert any(message in found for _, found in problems(wrong))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("func.call @stage.b(%arg3)", "func.call @stage.a(%arg3)", "calls @stage.a for step"),
        ("func.call @stage.b(%arg3)", "func.call @stage.b(%arg2)", "calls @stage.b for step 0 where step 1 is due"),
        ("%c8 = arith.constant 8 : index", "%c8 = arith.constant 0 : index", "advances by 0"),
        ("%c8 = arith.constant 8 : index", "%c8 = arith.constant -1 : index", "advances by -1"),
        ("%c1 = arith.constant 1 : index", "%c1 = arith.constant 2 : index", "for step 2 where step 1 is due"),
    ],
)
def test_a_wrong_run_is_found(lowered: Any, old: str, new: str, message: str) -> None:
    plain, _ = lowered(FEED_FORWARD, **LAYERS)
    scheduled = Schedule(block=8).run(plain)
    head, run = scheduled.text().split("func.func @run")
    assert old in run
    wrong = Program.parse(head + "func.func @run" + run.replace(old, new, 1), scheduled.constants)
    assert any(message in found for _, found in problems(wrong)), problems(wrong)


def test_a_run_that_leaves_out_a_stage_or_goes_on_for_ever_is_found(lowered: Any) -> None:
    plain, _ = lowered(FEED_FORWARD, **LAYERS)
    text = Schedule(block=8).run(plain).text()
    head, run = text.split("func.func @run")
    without = run.replace("func.call @stage.b(%arg3) : (index) -> ()", "")
    found = problems(Program.parse(f"{head}func.func @run{without}", plain.constants))
    assert any("for 0 of" in line for _, line in found)
    twice = run.replace("func.call @stage.b(%arg3) : (index) -> ()", "func.call @stage.b(%arg3) : (index) -> ()\n" * 2)
    found = problems(Program.parse(f"{head}func.func @run{twice}", plain.constants))
    assert found


def test_a_block_that_needs_too_much_memory_is_refused(lowered: Any) -> None:
    plain, _ = lowered(FEED_FORWARD, **LAYERS)
    with pytest.raises(CompileError, match="E1231") as error:
        Schedule(block=10**9).run(plain)
    assert "a block of 1000000000 steps needs" in str(error.value)


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="between 0 and"):
        Schedule(block=-1)
    with pytest.raises(ValueError, match="not auto, event or dense"):
        Schedule(mode="lists")  # type: ignore[arg-type]
