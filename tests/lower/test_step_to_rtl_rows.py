"""Rows of weights that are stored as lists: the same bits as the interpreter, cycles and memory as foretold.

With SPIKEC_FULL=1 each form of rows has every number of lanes.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import spikec
from spikec.dialects import rtl
from spikec.dialects.functions import walk
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal
from spikec.lower import snn_to_step
from spikec.lower.step_to_rtl import plans
from spikec.lower.step_to_rtl.hardware.datapath import Datapath
from spikec.lower.step_to_rtl.plans import Plans
from spikec.lower.step_to_rtl.rows import weights
from spikec.lower.step_to_rtl.rows.lists import Lists, cost
from spikec.lower.step_to_rtl.rows.weights import in_rows
from spikec.runtime.rtl import bench
from spikec.runtime.rtl.bench import Ran
from spikec.runtime.rtl.circuit import Circuit, Shape

from .circuits import compare, differences, integer_inputs, interpreted, lowered

LEAKY = "V := exp(-dt / 16 ms) * V + I\n spike when V >= 1 { V -= 1 }"
PERFECT = "V := V + I\n spike when V >= 1 { V -= 1 }"


def network(folder: Path, body: str, neuron: str = LEAKY, **arrays: np.ndarray) -> Program:
    """A network of integers, of neurons N."""
    np.savez(folder / "weights.npz", **arrays)
    text = f"model Net {{\n step 1 ms\n neuron N {{ in I\n var V = 0\n {neuron} }}\n{body}\n}}\n"
    (folder / "net.snn").write_text(text)
    return spikec.pipeline("quantize{weights=8,state=16,decay=shift}")(spikec.load(folder / "net.snn"))


def load(name: str, *shape: int) -> str:
    return f' param {name} : real{list(shape)} = load("weights.npz", "{name}")\n'


def memories(circuit: Circuit) -> dict[str, int]:
    """The bits of the memories of a circuit by name, those of one name added up."""
    found: dict[str, int] = {}
    for op in walk(circuit.design.program().module.operation):
        if op.name == rtl.Mem.name():
            name, type = ir.StringAttr(op.attributes["name"]).value, op.results[0].type
            found[name] = found.get(name, 0) + type.shape[0] * type.element_type.width
    return found


def same(net: Program, x: np.ndarray, lanes: dict[str, int] | int, bank: int | None = None) -> Ran:
    """A run that spikes, with the bits of the interpreter."""
    ran = compare(net, {"x": x}, len(x), lanes, bank=bank)
    assert any(output.any() for output in ran.outputs.values())
    return ran


def is_listed(net: Program, lanes: dict[str, int] | int) -> bool:
    return "rows" in memories(lowered(net, lanes)[1])


FULL = os.environ.get("SPIKEC_FULL") == "1"


def cases(ways: list[Any], lanes: list[int]) -> list[tuple[Any, int]]:
    """All pairs of a way and a number of lanes, or one of each way."""
    if FULL:
        return [(way, number) for way in ways for number in lanes]
    return [(way, lanes[k % len(lanes)]) for k, way in enumerate(ways)]


SPARSE = [
    "connect prob(0.15) seed 1; weight w",
    "connect fixed_in(3) seed 2; weight 0.6",
    "connect fixed_out(2) seed 2; weight 0.5; delay uniform(1 ms, 4 ms) seed 3",
    'connect from("wiring.csv"); weight from("wiring.csv")',
]


@pytest.mark.parametrize(("how", "lanes"), cases(SPARSE, [1, 4, 8, 64]))
def test_sparse_connections(tmp_path: Path, how: str, lanes: int) -> None:
    rng = np.random.default_rng(0)
    # Pairs that occur twice, sources without synapses, the last target.
    lines = [f"{rng.integers(30)},{rng.integers(25)},{rng.normal(0.4, 0.4):.3f}" for _ in range(120)] * 2 + ["3,31,1"]
    (tmp_path / "wiring.csv").write_text("\n".join(["pre,post,weight", *lines]))
    body = f" input x : spikes[40]\n{load('w', 40, 32)} pop n : N[32]\n proj x -> n.I {{ {how} }}\n output y = n"
    net = network(tmp_path, body, w=rng.normal(0.3, 0.4, (40, 32)))
    x = rng.random((40, 40)) < 0.2
    same(net, x, lanes, bank=None if lanes == 4 else 8)
    if lanes != 8:  # of 8 lanes few words are empty, so that either form may be the smaller one
        assert is_listed(net, lanes) == (lanes < 8)


CONVOLUTIONS = [
    ("[2, 9, 9]", "conv2d(x, k, pad = 1)", (4, 2, 3, 3)),
    ("[3, 11, 8]", "conv2d(x, k, stride = 2, pad = [1, 0])", (8, 3, 3, 2)),
    ("[4, 7, 7]", "conv2d(x, k, pad = 2, dilation = 2, groups = 2)", (6, 2, 3, 3)),
    ("[2, 40]", "conv1d(x, k, stride = 3)", (5, 2, 6)),
    ("[4, 12, 12]", "sum_pool2d(x, 2)", (1,)),
    ("[3, 9, 9]", "sum_pool2d(x, 3, stride = 2, pad = 1)", (1,)),
]


@pytest.mark.parametrize(("how", "lanes"), cases(CONVOLUTIONS, [4, 16, 1]))
def test_convolutions(tmp_path: Path, how: tuple[str, str, tuple[int, ...]], lanes: int) -> None:
    rng, (shape, of, kernel) = np.random.default_rng(0), how
    body = f" input x : spikes{shape}\n{load('k', *kernel)} c = {of}\n a = N[shape(c)](c)\n output y = a"
    net = network(tmp_path, body, PERFECT, k=rng.normal(0.2, 0.4, kernel))
    same(net, rng.random((15, *eval(shape))) < 0.15, lanes)
    assert is_listed(net, lanes)


@pytest.mark.parametrize("number", range(20 if FULL else 2))
def test_random_layers_of_images(tmp_path: Path, number: int) -> None:
    """Convolutions of convolutions, poolings of these, and connections back, with random extents and lanes."""
    random, rng = Random(number), np.random.default_rng(number)
    channels, height, width = random.choice((1, 2, 3)), random.randint(5, 9), random.randint(5, 9)
    body, arrays, before = f" input x : spikes[{channels}, {height}, {width}]\n", {}, "x"
    shape, lanes = (channels, height, width), {}
    for layer in range(random.randint(1, 3)):
        groups = random.choice([g for g in (1, 2, 3) if channels % g == 0])
        outputs, kernel = groups * random.choice((1, 2, 4)), random.choice((1, 2, 3))
        options = f"stride = {random.choice((1, 1, 2))}, pad = {random.choice((0, 1))}, groups = {groups}"
        arrays[f"k{layer}"] = rng.normal(0.6, 0.4, (outputs, channels // groups, kernel, kernel))
        body += load(f"k{layer}", *arrays[f"k{layer}"].shape)
        of = f"conv2d({before}, k{layer}, {options})" if layer != 1 else f"sum_pool2d({before}, 2, pad = 1)"
        body += f" c{layer} = {of}\n pop p{layer} : N[shape(c{layer})]\n p{layer}.I = c{layer}\n"
        if random.random() < 0.5:
            back = random.choice(("prob(0.05) seed 1", "one_to_one", "fixed_out(2) seed 3"))
            body += f" proj p{layer} -> p{layer}.I {{ connect {back}; weight -0.3; delay {random.randint(1, 3)} ms }}\n"
        body += f" output y{layer} = p{layer}\n"
        lanes[f"p{layer}_core"], before = random.choice((1, 2, 4, 8)), f"p{layer}"
        channels = outputs if layer != 1 else channels
    net = network(tmp_path, body, random.choice((LEAKY, PERFECT)), **arrays)
    ran = compare(net, {"x": rng.random((8, *shape)) < 0.3}, 8, lanes, bank=random.choice((None, 32)))
    assert any(state.any() for state in ran.states.values())


def test_what_elements_have_of_their_own_stands_where_they_stand(tmp_path: Path) -> None:
    """Thresholds, first values, numbers and values of the host, where the channels at a position are lanes of a group."""
    rng = np.random.default_rng(0)
    (tmp_path / "net.snn").write_text(
        "model Net {\n step 1 ms\n neuron N(theta = 1.0, start = 0.0) { in I\n in J\n var V = start\n"
        " V := V + I + J + (if index > 300 then 0.05 else 0)\n spike when V >= theta { V -= theta } }\n"
        " input x : spikes[1, 8, 8]\n input z : real[8, 8, 8] in [0, 0.1]\n"
        + load("k", 8, 1, 3, 3)
        + load("t", 8, 8, 8)
        + load("s", 8, 8, 8)
        + " pop a : N[8, 8, 8](theta = t, start = s)\n a.I = conv2d(x, k, pad = 1)\n a.J = z\n"
        " pop b : N[5]\n proj a -> b.I { connect prob(0.1) seed 1; weight 0.4 }\n output y = a\n output o = b\n}\n"
    )
    arrays = {"k": rng.normal(0.1, 0.3, (8, 1, 3, 3)), "t": rng.uniform(0.5, 1, (8, 8, 8))}
    np.savez(tmp_path / "weights.npz", **arrays, s=rng.uniform(0, 0.5, (8, 8, 8)))
    net = spikec.pipeline("quantize{weights=8,state=16}")(spikec.load(tmp_path / "net.snn"))
    inputs = {"x": rng.random((10, 1, 8, 8)) < 0.2, "z": rng.uniform(0, 0.1, (10, 8, 8, 8))}
    _, circuit = lowered(net, 4)
    assert "rows" in memories(circuit)
    assert any(held.order is not None for held in circuit.states.values())
    ran = compare(net, inputs, 10, 4)
    assert ran.outputs["y"].any()
    assert ran.outputs["o"].any()


@pytest.mark.parametrize("lanes", [1, 8])
def test_channels_of_both_kinds_in_a_core(tmp_path: Path, lanes: int) -> None:
    """Inputs reach all, neurons few of each other after some steps, and each one itself."""
    rng = np.random.default_rng(0)
    body = f" input x : spikes[20]\n{load('f', 70, 20)} pop n : N[70]\n n.I = f @ x\n"
    body += " proj n -> n.I { connect prob(0.05) seed 1; weight -0.4; delay uniform(1 ms, 5 ms) seed 2 }\n"
    body += " proj n -> n.I { connect one_to_one; weight -0.3; delay 1 ms }\n output y = n"
    net = network(tmp_path, body, f=rng.normal(0.1, 0.3, (70, 20)))
    x = rng.random((60, 20)) < 0.2
    same(net, x, lanes, bank=16 if lanes == 8 else None)
    assert is_listed(net, lanes)


def test_events_with_values(tmp_path: Path) -> None:
    body = " input x : real[30] in [-1, 1]\n pop n : N[40]\n"
    body += " proj x -> n.I { connect fixed_out(3) seed 1; weight 0.5 }\n output y = n"
    net = network(tmp_path, body)
    same(net, np.random.default_rng(0).uniform(-1, 1, (30, 30)), 2)
    assert is_listed(net, 2)


def test_blocks_of_memory_are_written_before_they_are_read(tmp_path: Path) -> None:
    """Neurons in 80 groups: sources that follow each other reach the same few."""
    rng = np.random.default_rng(0)
    pairs = [(pre, post) for pre in range(48) for post in rng.choice(4, rng.integers(0, 4), False)]
    lines = [f"{pre},{post + 76 * (pre % 2)},{rng.normal(0.2, 0.5):.3f}" for pre, post in pairs]
    (tmp_path / "wiring.csv").write_text("\n".join(["pre,post,weight", *lines, "47,79,0.5"]))
    body = " input x : spikes[48]\n pop n : N[80]\n"
    body += ' proj x -> n.I { connect from("wiring.csv"); weight from("wiring.csv") }\n output y = n'
    for neuron in (LEAKY, PERFECT):
        same(network(tmp_path, body, neuron), rng.random((30, 48)) < 0.6, 1)


@pytest.mark.parametrize("neuron", [LEAKY, PERFECT])
def test_a_list_takes_a_cycle_an_entry_and_the_pauses(tmp_path: Path, neuron: str) -> None:
    rng = np.random.default_rng(0)
    sources, targets = 200, 60
    pairs = rng.random((sources, targets)) < 0.1
    lines = [f"{pre},{post},{rng.uniform(0.1, 0.3):.3f}" for pre, post in np.argwhere(pairs)]
    (tmp_path / "wiring.csv").write_text("\n".join(["pre,post,weight", *lines]))
    body = f" input x : spikes[{sources}]\n pop n : N[{targets}]\n"
    body += ' proj x -> n.I { connect from("wiring.csv"); weight from("wiring.csv") }\n output y = n'
    x = rng.random((100, sources)) < 0.1
    net = network(tmp_path, body, neuron)
    ran = same(net, x, 1)
    program = snn_to_step.lower(net, 0)
    with program.module.context, ir.Location.unknown():
        (core,) = Plans.of(program, 1, {}, {}, None, writable=False).cores
    lists = Lists.of(core.rows[0], core.shape)
    assert lists.count.tolist() == pairs.sum(1).tolist()
    depth, passes = Datapath.of(core.plan).depth, 1 + (core.plan.first is not None)
    foretold = int((x * lists.cycles(depth + 2)).sum()) + len(x) * (passes * targets + 2)
    assert abs(ran.cycles - foretold) <= 0.01 * foretold + 100


def test_a_convolution_stores_its_kernels_once_for_each_border(tmp_path: Path) -> None:
    """A 3 x 3 kernel: rows of positions inside, and of those at the left and at the right, of 9, 6 and 6 positions.

    Those at the top and at the bottom are parts of them.  8 channels of 8 bits are a word.
    """
    rng = np.random.default_rng(0)
    body = " input x : spikes[2, 16, 16]\n" + load("k", 8, 2, 3, 3)
    body += " c = conv2d(x, k, pad = 1)\n a = N[shape(c)](c)\n output y = a"
    net = network(tmp_path, body, k=rng.normal(0.2, 0.4, (8, 2, 3, 3)))
    found = memories(lowered(net, 8)[1])
    assert sum(bits for name, bits in found.items() if name.startswith("weights")) == 2 * (9 + 6 + 6) * 8 * 8
    # Two sources that follow each other are of one kind: their positions cost 8 bits and the kind once.
    assert found["rows"] + found["blocks"] + found["gaps"] < 512 * 8


def test_a_network_for_event_cameras(tmp_path: Path) -> None:
    """Two convolutions and poolings over 2 x 34 x 34 pixels: dense weights would take 2.5 million words of 16 lanes."""
    rng = np.random.default_rng(0)
    body = " input x : spikes[2, 34, 34]\n" + load("k1", 12, 2, 5, 5) + load("k2", 16, 12, 3, 3) + load("w", 10, 1024)
    body += " c1 = conv2d(x, k1, pad = 1)\n a = N[shape(c1)](c1)\n s1 = sum_pool2d(a, 2)\n b = N[shape(s1)](s1)\n"
    body += " c2 = conv2d(b, k2, pad = 1)\n c = N[shape(c2)](c2)\n s2 = sum_pool2d(c, 2)\n d = N[shape(s2)](s2)\n"
    body += " o = N[10](w @ flatten(d))\n output y = o"
    arrays = {"k1": rng.normal(0.1, 0.4, (12, 2, 5, 5)), "k2": rng.normal(0, 0.3, (16, 12, 3, 3))}
    net = network(tmp_path, body, **arrays, w=rng.normal(0, 0.2, (10, 1024)))
    lanes = {"a_core": 4, "b_core": 4, "c_core": 16, "d_core": 16}
    program, circuit = lowered(net, lanes)
    data = integer_inputs(net, {"x": rng.random((2, 2, 34, 34)) < 0.03}, 2)
    ran = bench.run(circuit, data, 2)
    assert not differences(ran, interpreted(net, program, data, 2))
    assert all(ran.states[f"{name}.V"].any() for name in "abcdo")
    found = memories(circuit)
    assert sum(bits for name, bits in found.items() if not name.startswith(("field", "queue"))) < 200_000


def test_lists_say_what_rows_say() -> None:
    """Whatever is shared, the entries of each source are the weights of its groups."""
    rng = np.random.default_rng(0)
    for sources, targets, lanes, density in ((33, 50, 4, 0.1), (70, 31, 1, 0.3), (16, 64, 16, 0.02), (5, 8, 2, 0.0)):
        matrix = rng.integers(-2, 3, (sources, targets)) * (rng.random((sources, targets)) < density)
        matrix[:, targets // 2 :] = np.roll(matrix[:, : targets - targets // 2], lanes, 1)
        shape = Shape(targets, lanes)
        lists = Lists.of(in_rows(sources, *np.nonzero(matrix), matrix[np.nonzero(matrix)]), shape)
        found = np.zeros((sources, shape.groups, lanes), np.int64)
        for source in range(sources):
            entry, group = read(lists, source)
            for _ in range(lists.count[source]):
                found[source, group] = lists.words[entry]
                entry, group = entry + 1, group + lists.gap[entry]
        assert np.array_equal(found.reshape(sources, -1)[:, :targets], matrix)


def read(lists: Lists, source: int) -> tuple[int, int]:
    """The first entry and its group, as a circuit finds them."""
    made = lists.sources
    number, base = source, 0
    if made.base is not None and made.kind is not None:
        block = source >> made.low
        base, number = int(made.base[block]), int(made.kind[block]) << made.low | source % (1 << made.low)
    word, (first, count, ahead) = int(made.near[number]), made.widths
    assert word >> first & ((1 << count) - 1) == lists.count[source]
    return word & ((1 << first) - 1), base + (word >> (first + count) & ((1 << ahead) - 1))


def test_dense_rows_are_not_listed() -> None:
    matrix = np.random.default_rng(0).integers(1, 100, (64, 48))
    rows = in_rows(64, *np.nonzero(matrix), matrix.reshape(-1))
    assert not any(cost(rows, Shape(48, lanes)).listed for lanes in (1, 4, 16, 48))


@pytest.mark.parametrize(("lanes", "text"), [(8, "4096 weights"), (1, "4096 synapses")])
def test_what_no_memory_holds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lanes: int, text: str
) -> None:
    monkeypatch.setattr(weights if lanes == 1 else plans, "MOST", 4000)
    body = f" input x : spikes[64]\n{load('w', 64, 64)} n = N[64](w @ x)\n output y = n"
    net = network(tmp_path, body, w=np.random.default_rng(0).normal(0, 1, (64, 64)))
    with pytest.raises(Refusal, match=f"{text} are more than a memory holds"):
        lowered(net, lanes)
