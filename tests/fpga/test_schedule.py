"""What is foretold of circuits, against the simulator and yosys, and the lanes that are chosen by it.

Cycles of 4 random networks by default, 100 with SPIKEC_FULL=1, which also lets yosys make circuits for xilinx.
"""

from __future__ import annotations

import os
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import spikec
from spikec.backends.fpga import area, memories, synthesis
from spikec.backends.fpga.cells import Resources
from spikec.backends.fpga.prediction import Prediction
from spikec.backends.fpga.target import FpgaTarget
from spikec.dialects.diagnostics import CompileError
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.rtl_builder import Design
from spikec.lower import snn_to_step
from spikec.lower.step_to_rtl import lower
from spikec.lower.step_to_rtl.build import build
from spikec.lower.step_to_rtl.cycles import Cycles
from spikec.lower.step_to_rtl.plans import Plans
from spikec.lower.step_to_rtl.result import starts
from spikec.runtime.rtl.bench import Bench

from tests.lower.circuits import integer_inputs, integers, write

FULL = os.environ.get("SPIKEC_FULL") == "1"
LEAKY = "in I\n var V = 0\n V := exp(-dt / 16 ms) * V + I\n spike when V >= 1 { V -= 1 }"


LARGE = [
    ("ecp5", 3136, 64, True, False),
    ("ecp5", 1500, 34, True, True),
    ("ice40", 600, 64, True, False),
    ("ice40", 1500, 34, True, True),
    ("gowin", 1280, 32, True, False),
    ("gowin", 33, 17, False, True),
    ("xilinx", 2100, 32, True, False),
    ("xilinx", 65, 34, False, True),
]


def layers(folder: Path, *sizes: int, neuron: str = LEAKY, quantize: str = "weights=8,state=16,decay=shift") -> Program:
    """Dense layers of so many neurons, the first one of inputs, at level `step`."""
    rng = np.random.default_rng(0)
    text = f"model Net {{\n step 1 ms\n neuron N {{\n {neuron}\n }}\n input p0 : spikes[{sizes[0]}]\n"
    arrays = {}
    for k, (pre, post) in enumerate(pairwise(sizes)):
        arrays[f"w{k}"] = rng.normal(0, 0.3, (post, pre)).astype("f4")
        text += f' param w{k} : real[{post}, {pre}] = load("w.npz", "w{k}")\n p{k + 1} = N[{post}](w{k} @ p{k})\n'
    np.savez(folder / "w.npz", **arrays)
    (folder / "net.snn").write_text(text + f" output y = p{len(sizes) - 1}\n}}\n")
    return snn_to_step.lower(spikec.pipeline(f"quantize{{{quantize}}}")(spikec.load(folder / "net.snn")), 0)


@cache
def images() -> Program:
    """784 inputs, 128 and 10 neurons, as their programs are chosen for several targets."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return layers(Path(folder), 784, 128, 10)


def foretold(program: Program, text: str) -> Prediction:
    found = lower(program, FpgaTarget.parse(text)).prediction
    assert found is not None
    return found


# ---------------------------------------------------------------- cycles


@pytest.mark.parametrize("share", range(2))
def test_cycles_of_random_networks(share: int, tmp_path: Path) -> None:
    for number in range(share, 100 if FULL else 4, 2):
        random = Random(number)
        case = write(random)
        network = integers(case, random, tmp_path)
        lanes, bank = random.choice((1, 2, 4, 8, 64)), random.choice((None, 8))
        program = snn_to_step.lower(network, 0)
        at_first = starts(program, 0)
        circuit = build(program, lanes, at_first, bank=bank)
        data = integer_inputs(network, case.inputs, case.steps)
        flat = {f"input.{name}": np.asarray(array).reshape(case.steps, -1) for name, array in data.items()}
        simulated = Bench(circuit.design.program(), circuit)
        simulated.reset(0, 0)
        _, watched = simulated.advance({name.removeprefix("input."): one for name, one in flat.items()}, case.steps)
        with program.module.context, ir.Location.unknown():
            plans = Plans.of(program, lanes, at_first, {}, bank, False)
            ends = Cycles(plans).run({**flat, **watched}, case.steps)
        assert int(ends[-1]) == pytest.approx(simulated.cycles, rel=0.01, abs=3), number


# ---------------------------------------------------------------- cells


@pytest.mark.parametrize(
    ("family", "depth", "width", "block", "written"),
    [
        ("ecp5", 1280, 64, True, False),
        ("ecp5", 33, 17, False, True),
        *(LARGE if FULL else []),
    ],
)
def test_memories_are_made_of_as_many_cells(family: str, depth: int, width: int, block: bool, written: bool) -> None:
    pytest.importorskip("pyosys")
    design = Design("memory")
    with design:
        top = design.module("memory")
        rng = np.random.default_rng(0)
        content = rng.integers(-(1 << 15), 1 << 15, (depth, -(-width // 16))) if not written else None
        width = width if content is None else 16 * content.shape[1]
        memory = top.mem("m", depth, width, content, style="block" if block else "distributed", exclusive=True)
        address = top.input("address", memory.address_width)
        if written:
            memory.write(top.input("where", memory.address_width), top.input("data", width), top.input("write", 1))
        top.output("word", memory.read(address) if block else memory.look(address))
    used = Resources.of(family, synthesis.synthesise(design.program(), family, []).cells)
    found = memories.stored(family, depth, width, block, written)
    assert (found.blocks, found.tables) == (used.blocks, used.memory_luts)


def compared(program: Program, family: str, lanes: dict[str, int]) -> None:
    circuit = build(program, lanes).design.program()
    (found,) = (one.resources for one in area.areas(circuit, family, lambda path: "all").values())
    used = Resources.of(family, synthesis.synthesise(circuit, family, []).cells)
    assert (found.blocks, found.memory_luts, found.dsps) == (used.blocks, used.memory_luts, used.dsps)
    assert found.luts == pytest.approx(used.luts, rel=0.2)
    assert found.ffs == pytest.approx(used.ffs, rel=0.05)


def test_cells_are_those_of_yosys(tmp_path: Path) -> None:
    pytest.importorskip("pyosys")
    compared(layers(tmp_path, 96, 48, 10), "ecp5", {"p1_core": 4, "p2_core": 1})


@pytest.mark.skipif(not FULL, reason="minutes: only with SPIKEC_FULL=1")
@pytest.mark.parametrize("family", ["xilinx", "ecp5"])
def test_cells_of_the_large_net_are_those_of_yosys(family: str) -> None:
    pytest.importorskip("pyosys")
    compared(images(), family, {"p1_core": 16, "p2_core": 1})


# ---------------------------------------------------------------- choices


@pytest.mark.parametrize(
    ("text", "lanes"),
    [
        ("fpga:xilinx{latency=650us}", [16, 1]),
        ("fpga:ecp5{device=45k,latency=300us}", [32, 1]),
        ("fpga:xilinx{latency=100us}", [128, 2]),
        ("fpga:xilinx{latency=650us,lanes=p1:32}", [32, 1]),
        ("fpga:xilinx{latency=1300us,clock=50MHz}", [16, 1]),
        ("fpga:xilinx{latency=650us,steps=50}", [8, 1]),
    ],
)
def test_the_fewest_lanes_that_are_fast_enough(text: str, lanes: list[int]) -> None:
    found = foretold(images(), text)
    assert [core.lanes for core in found.cores] == lanes
    wanted = FpgaTarget.parse(text).latency
    assert wanted is not None
    assert found.latency <= wanted


def test_without_a_latency_a_circuit_keeps_up_with_the_model(tmp_path: Path) -> None:
    program = layers(tmp_path, 300, 200, 10)
    slow, fast = (foretold(program, f"fpga{{clock={clock}MHz}}") for clock in (100, 1))
    assert [core.lanes for core in slow.cores] == [1, 1]
    assert fast.cores[0].lanes > 1
    for found in (slow, fast):
        assert found.latency <= found.steps * 1e-3


def test_more_lanes_where_their_weights_take_fewer_blocks(tmp_path: Path) -> None:
    """A row of 24 bits fits a block of 36 worse than four of them fit three."""
    program = layers(tmp_path, 500, 96, 3, quantize="weights=3,state=16,decay=shift")
    plenty = foretold(program, "fpga:ecp5{latency=1s}")
    scarce = foretold(program, f"fpga:ecp5{{latency=1s,bram={int(plenty.total.blocks) - 1}}}")
    assert scarce.total.blocks < plenty.total.blocks
    assert scarce.cores[0].lanes > plenty.cores[0].lanes


@pytest.mark.parametrize(
    ("text", "code", "messages"),
    [
        ("fpga:ecp5{device=12k,latency=700us}", "E1321", ["blocks of memory: 50 needed, 32 there", "device=25k"]),
        ("fpga{latency=700us,lut=500}", "E1321", ["LUT: ", "500 there"]),
        ("fpga{latency=700us,bram=20}", "E1321", ["weights of 4 bits"]),
        ("fpga{latency=20us}", "E1322", ["100 steps", "not 20us", "latency="]),
    ],
)
def test_what_is_short_is_named(text: str, code: str, messages: list[str]) -> None:
    with pytest.raises(CompileError) as error:
        lower(images(), FpgaTarget.parse(text))
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == code
    for message in messages:
        assert message in diagnostic.render()


def test_advice_holds() -> None:
    """The latency that is named can be had."""
    with pytest.raises(CompileError) as error:
        lower(images(), FpgaTarget.parse("fpga{latency=20us}"))
    advised = str(error.value).partition("latency=")[2].split()[0]
    assert foretold(images(), f"fpga{{latency={advised}}}").latency <= float(advised.removesuffix("us")) * 1e-6


# ---------------------------------------------------------------- report


def test_the_report_names_cores_totals_and_the_slowest() -> None:
    found = foretold(images(), "fpga{latency=650us}")
    cores, device, time = found.tables()
    assert [row[0] for row in cores.rows[:2]] == ["p1_core", "p2_core"]
    sums: dict[Any, float] = {}
    for row in cores.rows:
        for title, value in zip(cores.columns[4:-1], row[4:-1], strict=True):
            assert isinstance(value, int | float)
            sums[title] = sums.get(title, 0) + value
    assert sums == {row[0]: row[1] for row in device.rows}
    assert found.total.blocks == 25.5
    assert ("the others wait for", "p1_core") in time.rows
