"""What a host does with a circuit beside its streams: a reset begins a new sample.

4 random networks by default, 40 with SPIKEC_FULL=1.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from spikec.dialects import step
from spikec.dialects.constants import Array, Constants
from spikec.dialects.functions import symbol_of
from spikec.dialects.program import Program
from spikec.lower import snn_to_step
from spikec.lower.step_to_rtl.build import build
from spikec.lower.step_to_rtl.rows.weights import synapses
from spikec.runtime.interface import Interface
from spikec.runtime.reference.engine import StepEngine
from spikec.runtime.rtl.bench import Bench, Ran

from tests.rtl import yosys

from .circuits import differences, integer_inputs, integers, interpreted, lowered, write
from .test_step_to_rtl import LEAKY, load, network

FULL = os.environ.get("SPIKEC_FULL") == "1"
NETWORKS = 40 if FULL else 4
BLOCKS = {"ecp5": "DP16KD", "xilinx": "RAMB(?:18|36)E1"} if FULL else {"ecp5": "DP16KD"}


def samples(network: Program, inputs: list[dict[str, Array]], steps: int, lanes: int) -> list[Ran]:
    """Runs samples one after the other with resets between, each beside the interpreter; gives the circuit's runs."""
    program, circuit = lowered(network, lanes)
    bench, found = Bench(circuit.design.program(), circuit), []
    for number, one in enumerate(inputs):
        data = integer_inputs(network, one, steps)
        bench.reset(0, number)
        outputs, _ = bench.advance({name: array.reshape(steps, -1) for name, array in data.items()}, steps)
        ran = Ran(outputs, {name: bench.state(name) for name in circuit.states}, bench.cycles)
        texts = differences(ran, interpreted(network, program, data, steps, sample=number))
        assert not texts, (number, texts)
        found.append(ran)
    return found


@pytest.mark.parametrize("number", range(NETWORKS))
def test_a_reset_begins_a_new_sample_of_a_random_network(number: int, tmp_path: Path) -> None:
    random = Random(1000 + number)
    case = write(random)
    net = integers(case, random, tmp_path)
    other = {name: np.roll(array, 1, 0) for name, array in case.inputs.items()}
    samples(net, [case.inputs, other, case.inputs], case.steps, random.choice((1, 2, 4, 64)))


@pytest.mark.parametrize("lanes", [1, 4, 64])
def test_states_that_start_differently_start_again_too(tmp_path: Path, lanes: int) -> None:
    """130 groups of one lane lie in blocks of memory, 33 in tables, and 64 lanes are 3 groups."""
    rng = np.random.default_rng(0)
    body = f" neuron N {{ in I\n var V = 0\n {LEAKY} }}\n input x : spikes[6]\n" + load("w", 130, 6) + load("v", 130)
    body += " pop n : N[130] { V = v }\n n.I = w @ x\n proj n -> n.I { connect prob(0.1) seed 1; weight -0.1; delay 3 ms }\n output y = n"
    net = network(tmp_path, body, w=rng.normal(0.2, 0.3, (130, 6)), v=rng.uniform(0, 0.9, 130))
    x = {"x": rng.random((20, 6)) < 0.3}
    first, second = samples(net, [x, x], 20, lanes)
    assert first.outputs["y"].any()
    assert first.cycles == second.cycles


def blank(program: Program) -> Program:
    """The same program with weights of 0."""
    arrays = {name: program.constants[name] for name in program.constants}
    for table in program.ops(step.Table):
        name = symbol_of(table.arrays["w"])
        arrays[name] = np.zeros_like(arrays[name])
    return replace(program, constants=Constants(arrays))


@pytest.mark.parametrize(("lanes", "bank"), [(1, None), (4, None), (4, 32), (64, None)])
def test_weights_that_are_written_are_those_of_the_program(tmp_path: Path, lanes: int, bank: int | None) -> None:
    """Two layers, the first with two tables; at first all weights of the circuit are 0."""
    rng = np.random.default_rng(0)
    body = f" neuron N {{ in I\n var V = 0\n {LEAKY} }}\n input x : spikes[20]\n"
    body += load("f", 24, 20) + load("a", 24, 24) + load("b", 6, 24)
    body += " pop n : N[24]\n n.I = f @ x\n proj n -> n.I { connect all; weight a; delay 1 ms }\n"
    body += " m = N[6](b @ n)\n output y = m"
    arrays = {
        "f": rng.normal(0.1, 0.3, (24, 20)),
        "a": rng.normal(0, 0.2, (24, 24)),
        "b": rng.normal(0.1, 0.4, (6, 24)),
    }
    net, x = network(tmp_path, body, **arrays), rng.random((40, 20)) < 0.3
    program = snn_to_step.lower(net, 0)
    expected = interpreted(net, program, {"x": x}, 40)
    circuit = build(blank(program), lanes, bank=bank, writable=True)
    bench = Bench(circuit.design.program(), circuit)
    bench.reset(0, 0)
    assert not bench.advance({"x": x}, 40)[0]["y"].any()
    tables = {table.sym_name: table for table in program.ops(step.Table)}
    for written in circuit.weights:
        rows = synapses(program, tables[written.table], written.part)
        weights = np.zeros((len(rows.begin) - 1, written.shape.size), np.int64)
        weights[rows.numbers(), rows.target] = rows.weight
        bench.write(written, weights)
    bench.reset(0, 0)
    outputs, _ = bench.advance({"x": x}, 40)
    ran = Ran(outputs, {name: bench.state(name) for name in circuit.states}, bench.cycles)
    assert not differences(ran, expected)
    assert outputs["y"].any()


@pytest.mark.parametrize("lanes", [1, 2, 16])
def test_what_a_run_gives_once_is_read_by_ports(tmp_path: Path, lanes: int) -> None:
    """Labels with ties: the first of the highest counts, of the lowest, and of states of either sign."""
    rng = np.random.default_rng(0)
    body = f" neuron N {{ in I\n var V = 0\n {LEAKY} }}\n input x : spikes[5]\n" + load("w", 7, 5)
    body += " n = N[7](w @ x)\n output y = n\n output counts = over_time(count, n)\n"
    body += " output most = argmax(over_time(count, n))\n output least = argmax(0 - over_time(count, n))\n"
    body += " output top = argmax(over_time(max, n.V))\n output low = argmax(0 - over_time(max, n.V))\n"
    body += " output share = argmax(over_time(mean, n))"
    w = rng.normal(0.1, 0.3, (7, 5))
    w[[2, 5]] = w[[0, 1]]
    net = network(tmp_path, body, w=w)
    program, circuit = lowered(net, lanes)
    assert {one.output: one.lowest for one in circuit.labels} == {
        "most": False,
        "least": True,
        "top": False,
        "low": True,
    }
    bench, engine = Bench(circuit.design.program(), circuit), StepEngine(program, Interface.of(net))
    for sample in range(6):
        x = rng.random((12, 5)) < (0.0 if sample == 2 else 0.5)
        bench.reset(0, sample)
        bench.advance({"x": x}, 12)
        engine.reset(0, sample)
        engine.advance({"x": x}, frozenset({"x"}), 12)
        expected = engine.finish()
        for read in circuit.reads:
            assert np.array_equal(bench.read(read), engine.state(read.state).reshape(-1)), read.state
        for label in circuit.labels:
            assert bench.label(label) == expected[label.output], (sample, label)
        assert np.array_equal(bench.read(circuit.reads[0]), engine.state(circuit.reads[0].state).reshape(-1))


@pytest.mark.parametrize(("family", "block"), BLOCKS.items())
def test_weights_that_are_written_lie_in_blocks(tmp_path: Path, family: str, block: str) -> None:
    """Also thresholds of each neuron, of which an FPGA has no small tables, must come through synthesis."""
    rng = np.random.default_rng(0)
    body = " neuron N(theta = 1.0) { in I\n var V = 0\n V := 0.9 * V + I\n spike when V >= theta { V := 0; hold V for 2 ms } }\n"
    body += " input x : spikes[128]\n" + load("w", 32, 128) + load("theta", 32)
    body += " pop n : N[32](theta = theta)\n n.I = w @ x\n output y = n"
    net = network(tmp_path, body, w=rng.normal(0.1, 0.2, (32, 128)), theta=rng.uniform(0.8, 1.2, 32))
    circuit = build(snn_to_step.lower(net, 0), 4, writable=True)
    sources, _ = yosys.write(circuit.design.program(), tmp_path)
    commands = [
        f"read_verilog {' '.join(sources)}",
        f"synth_{family} -top Net -run begin:map_ffram",
        "tee -q -o cells.txt stat",
    ]
    yosys.run(commands, tmp_path)
    blocks = re.findall(rf"(\d+).*{block}", (tmp_path / "cells.txt").read_text())
    assert blocks
    assert max(map(int, blocks)) <= 2  # 1024 words of 32 bits
