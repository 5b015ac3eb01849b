"""The interpreter, the compiled simulator and Icarus Verilog see the same circuit."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from spikec.dialects.program import Program
from spikec.dialects.rtl_builder import Design
from spikec.runtime.reference.rtl import RtlInterpreter
from spikec.runtime.rtl.simulator import Gated, Kept, Simulator

from tests.rtl import icarus
from tests.rtl.cores import SPIKE, TICK, Layer, layer
from tests.rtl.netlists import circuit, stimulus

FULL = os.environ.get("SPIKEC_FULL") == "1"


@pytest.mark.parametrize("deep", [False, True], ids=["full", "part"])
@pytest.mark.parametrize("seed", range(200 if FULL else 12))
def test_random_circuits_on_both_engines(seed: int, deep: bool) -> None:
    program = circuit(seed, deep)
    assert Program.parse(program.text(), program.constants).text() == program.text()
    judge, simulator = RtlInterpreter(program), Simulator(program)
    for reset, inputs in stimulus(program, 60, seed):
        assert simulator.cycle(inputs, reset) == judge.cycle(inputs, reset)
    for path, words in judge.memories.items():
        rows = np.atleast_2d(simulator.memory(path).T).T
        assert [int.from_bytes(row.tobytes(), "little") for row in np.ascontiguousarray(rows)] == words


@pytest.mark.skipif(
    not icarus.available(), reason="iverilog is not installed (Debian, Ubuntu: apt-get install iverilog)"
)
@pytest.mark.parametrize("seed", range(60 if FULL else 8))
def test_random_circuits_in_icarus(seed: int, tmp_path: Path) -> None:
    program = circuit(seed)
    steps = stimulus(program, 60, seed)
    simulator = Simulator(program)
    assert icarus.run(program, steps, tmp_path) == [simulator.cycle(inputs, reset) for reset, inputs in steps]


# ---------------------------------------------------------------- a layer of neurons


SHAPE = Layer(np.random.default_rng(1).integers(-60, 90, (48, 24)).astype(np.int8), lanes=4)


def tokens(steps: int) -> tuple[list[tuple[int, int, int]], np.ndarray]:
    """(valid, kind, source) of each cycle, and the spikes [steps, neurons] that must come."""
    rng = np.random.default_rng(2)
    state = np.zeros(SHAPE.weights.shape[1], np.int64)
    rows, spikes = [], []
    for _ in range(steps):
        sources = sorted(rng.choice(SHAPE.weights.shape[0], 5, replace=False).tolist())
        spikes.append(SHAPE.step(state, sources))
        for kind, source in [*((SPIKE, source) for source in sources), (TICK, 0)]:
            rows += [(1, kind, source)] * SHAPE.groups
    return [*rows, (0, 0, 0), (0, 0, 0)], np.array(spikes)


def test_a_layer_computes_what_numpy_does() -> None:
    rows, wanted = tokens(30)
    valid, kind, source = np.array(rows).T
    simulator = Simulator(layer(SHAPE))
    inputs = {"valid": valid, "kind": kind, "source": source}
    masks = simulator.run(len(rows), inputs, record={"spikes": "showing"})["spikes"]
    spikes = masks[:, None] >> np.arange(SHAPE.lanes, dtype=np.uint64) & np.uint64(1)
    assert wanted.any()
    assert np.array_equal(spikes.reshape(wanted.shape).astype(bool), wanted)
    assert simulator.cycles == len(rows)


@pytest.mark.skipif(
    not icarus.available(), reason="iverilog is not installed (Debian, Ubuntu: apt-get install iverilog)"
)
def test_a_layer_in_icarus(tmp_path: Path) -> None:
    rows, _ = tokens(10)
    program, simulator = layer(SHAPE), Simulator(layer(SHAPE))
    steps = [(False, dict(zip(("valid", "kind", "source"), row, strict=True))) for row in rows]
    assert icarus.run(program, steps, tmp_path) == [simulator.cycle(inputs) for _, inputs in steps]


# ---------------------------------------------------------------- the simulator's own ways


def accumulator() -> Program:
    """Adds words of a stream; takes one in every second cycle, and ends with the word 0."""
    design = Design("sum")
    with design:
        top = design.module("sum")
        valid, data = top.input("valid", 1), top.input("data", 80)
        turn, total = top.reg("turn", 1, init=0), top.reg("total", 80, init=5)
        turn.next(~turn)
        taken = valid & turn
        total.next(total + data, enable=taken)
        top.output("ready", turn)
        top.output("taken", taken)
        top.output("total", total)
        top.output("done", taken & data.eq(0))
    return design.program()


def test_a_stream_follows_its_handshake_and_the_run_stops() -> None:
    simulator = Simulator(accumulator())
    words = [1, 1 << 70, 3, 0]
    inputs = {"valid": Gated([1] * len(words) + [0], "ready"), "data": Gated([*words, 0], "ready")}
    seen = simulator.run(100, inputs, record={"total": "taken", "taken": None}, stop="done")
    totals = [int(low) + (int(high) << 64) for low, high in seen["total"]]
    assert totals == [5, 6, (1 << 70) + 6, (1 << 70) + 9]
    assert seen["taken"].tolist() == [0, 1] * 4
    assert simulator.cycles == 8


def test_values_that_are_free_last_one_cycle() -> None:
    """`ready` is 1 in every other cycle, from the second one on."""
    simulator = Simulator(accumulator())
    free = np.array([True, True, False, False, True, False])
    data = Gated([1, 2, 3, 4, 5, 6], "ready", free)
    seen = simulator.run(8, {"valid": 1, "data": data}, record=["total"])["total"][:, 0]
    assert np.diff(seen.astype(np.int64)).tolist() == [0, 2, 0, 3, 0, 4, 0]  # 1 is over before ready is 1
    assert simulator.cycle({"valid": 1, "data": 0})["total"] == seen[-1] + 6


def test_a_run_ends_when_all_is_there_that_is_kept() -> None:
    simulator = Simulator(accumulator())
    inputs = {"valid": 1, "data": 2}
    seen = simulator.run(1000, inputs, {"total": Kept("ready", 3), "taken": Kept("taken", 5)})
    assert (simulator.cycles, len(seen["taken"])) == (10, 5)
    assert seen["total"][:, 0].tolist() == [5, 7, 9]
    # The first cycles, where another output has no number; the limit of cycles, where not all comes.
    assert len(simulator.run(20, inputs, {"total": Kept("ready", 3), "done": None})["done"]) == 20
    assert len(simulator.run(4, inputs, {"total": Kept("done", 1)})["total"]) == 0


def test_registers_inside_can_be_watched_and_copies_are_apart() -> None:
    plain, simulator = Simulator(accumulator()), Simulator(accumulator(), watch=["turn", "total"])
    inputs = {"valid": 1, "data": 1}
    assert simulator.run(6, inputs)["turn"].tolist() == [0, 1] * 3
    other = simulator.another()
    assert (other.cycles, other.peek("total"), simulator.peek("total")) == (0, 5, 8)
    other.run(2, inputs)
    assert (other.peek("total"), simulator.peek("total")) == (6, 8)
    assert "turn" not in plain.cycle(inputs)


def test_state_can_be_read_and_set() -> None:
    simulator = Simulator(accumulator())
    simulator.poke("total", (1 << 80) - 1)
    simulator.poke("turn", 1)
    simulator.cycle({"valid": 1, "data": 3})
    assert (simulator.peek("total"), simulator.peek("turn")) == (2, 0)
    simulator.cycle({"valid": 0, "data": 0}, reset=True)
    assert simulator.peek("total") == 5
    simulator.power_on()
    assert (simulator.cycles, simulator.peek("turn")) == (0, 0)


def test_memories_can_be_read_and_set() -> None:
    simulator = Simulator(layer(SHAPE))
    simulator.memory("weights")[:] = 0x01010101
    simulator.run(SHAPE.groups + 1, {"valid": 1, "kind": SPIKE, "source": 3})
    states = simulator.memory("states")
    assert states[: SHAPE.groups].tolist() == [0x0001000100010001] * SHAPE.groups
    states[:] = 0
    assert Simulator(layer(SHAPE)).memory("weights")[: SHAPE.groups].any()


def test_a_broken_promise_of_an_exclusive_memory_shows() -> None:
    design = Design("ram")
    with design:
        top = design.module("ram")
        memory = top.mem("words", 8, 70, exclusive=True)
        memory.write(top.input("to", 3), top.input("data", 70), top.constant(1, 1))
        top.output("word", memory.read(top.input("from", 3)))
    program = design.program()
    judge, simulator = RtlInterpreter(program), Simulator(program)
    for place, agree in ((0, True), (1, True), (2, False)):  # the third cycle shows what the second read
        inputs = {"to": 1, "data": 5, "from": place}
        assert (simulator.cycle(inputs) == judge.cycle(inputs)) == agree


def test_what_is_wrong_with_a_run_is_told() -> None:
    simulator = Simulator(accumulator())
    inputs = {"valid": 1, "data": 0}
    with pytest.raises(ValueError, match="0 cycles"):
        simulator.run(0, inputs)
    with pytest.raises(ValueError, match="data"):
        simulator.run(1, {"valid": 1})
    with pytest.raises(ValueError, match="no outputs \\['sum'\\]"):
        simulator.run(1, inputs, stop="sum")
    with pytest.raises(ValueError, match="2 values of input 'valid' for 3 cycles"):
        simulator.run(3, {"valid": [1, 0], "data": 0})
    with pytest.raises(ValueError, match="gated by 'x'"):
        simulator.run(3, {"valid": Gated([1, 0], "x"), "data": 0})


def test_words_are_as_wide_as_they_have_to_be() -> None:
    """Numbers of more digits than Python makes of a text, in registers, constants and the text of the program."""
    width, start = 20_000, (1 << 19_999) | 5
    design = Design("wide")
    with design:
        top = design.module("wide")
        held = top.reg("held", width, init=start)
        held.next(held ^ ((1 << width) - 2))
        top.output("held", held)
    program = design.program()
    program = Program.parse(program.text(), program.constants)
    judge, simulator = RtlInterpreter(program), Simulator(program)
    assert simulator.cycle({})["held"] == start
    assert judge.cycle({})["held"] == start
    assert simulator.cycle({}) == judge.cycle({}) == {"held": start ^ ((1 << width) - 2)}
    assert simulator.cycle({}, reset=True)["held"] == start
    assert simulator.cycle({})["held"] == start
