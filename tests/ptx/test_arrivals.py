"""Propagations by the threads of the targets: the interpreter's bits and counts in every form, under every schedule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import spikec
from spikec.backends.ptx import assembler, codegen, sass, toolkit
from spikec.backends.ptx.target import PtxTarget
from spikec.dialects import powers
from spikec.dialects.convolution import Convolution
from spikec.lower import step_to_gpu
from spikec.runtime.reference.engine import StepEngine

from tests.cpu.conftest import TYPES, Net, equal, interface_of
from tests.cpu.test_windows import KINDS, declare, layer
from tests.programs.engines import Array, differences, reference_of_steps
from tests.ptx import test_rows as rows
from tests.ptx.emulated import SEEDS, SHAPES, Emulated

ORDERED = "ptx{sums=ordered}"
STEPS = 5
BOTH_FORMS = '["list", "mask"]'


def agree(n: Net, x: Array) -> Emulated:
    """A network gives what the interpreter gives, in several schedules, as a graph and as one persistent kernel."""
    program = n.program()
    interface = interface_of(program)
    emulated = Emulated.of_steps(program, interface, ORDERED)
    wanted = StepEngine(program, interface).advance({"x": x}, frozenset({"x"}), len(x))
    for seed in SEEDS:
        engine = emulated.engine(seed, races=seed == SEEDS[0], shape=SHAPES[seed % len(SHAPES)])
        got = engine.advance({"x": x}, frozenset({"x"}), len(x))
        for name, values in wanted.outputs.items():
            assert equal(got.outputs[name], values), f"{name}, schedule {seed}:\n{got.outputs[name]}\n{values}"
        assert got.synaptic_events == wanted.synaptic_events
    return emulated


@dataclass(frozen=True)
class Case:
    """All pairs of `pre` sources, from `low` on of `size`, and `post` targets.

    Weights are whole numbers from -`most` to `most`, or of some `sizes` alone (as codes of powers of two), or any reals.
    `way` is what is special: weights kept as "bits", or "dp4a".
    """

    name: str
    pre: int
    post: int
    event: str = "i1"
    weight: str = "f32"
    sum: str = "f32"
    most: int = 100
    sizes: tuple[int, ...] = ()
    mode: str = "event"
    low: int = 0
    size: int = 0
    code: bool = False
    way: str = ""

    @property
    def sources(self) -> int:
        return max(self.size, self.low + self.pre)

    def weights(self) -> Array:
        rng = np.random.default_rng(self.pre)
        shape = (self.pre, self.post)
        if self.sizes:
            return rng.choice(self.sizes, shape).astype(TYPES[self.weight])
        made = rng.standard_normal(shape) if self.weight[0] == "f" else rng.integers(-self.most, self.most + 1, shape)
        return made.astype(TYPES[self.weight])

    def events(self) -> Array:
        """Steps without events, with few, many and all."""
        rng = np.random.default_rng(5)
        active = rng.random((STEPS, self.sources)) < np.array([0, 0.05, 0.3, 0.9, 1])[:, np.newaxis]
        if self.event == "i1":
            return active
        low, high = (-2, 2) if self.event == "i2" else (-128, 128)
        values = rng.standard_normal(active.shape) if self.event[0] == "f" else rng.integers(low, high, active.shape)
        return (active * values).astype(TYPES[self.event])

    def net(self) -> Net:
        """The events of this step, from the host, and those of the step before."""
        n, size = Net(), self.sources
        n.buffer("input.x", "input", f"{size}x{self.event}", forms=BOTH_FORMS)
        n.buffer("x", "stream", f"{size}x{self.event}", slots=2)
        n.buffer(
            "acc", "state", f"{self.post}x{self.sum}", **({"init": f"-0.0 : {self.sum}"} if self.sum[0] == "f" else {})
        )
        n.buffer("synaptic_events", "counter", "i64")
        n.buffer("output.y", "output", f"{self.post}x{self.sum}")
        kept = powers.encode(self.weights()) if self.code else self.weights()
        n.constant("w", kept, f"{self.pre}x{self.post}x{'i8' if self.code else self.weight}")
        coded = {"code": '"pow2"'} if self.code else {}
        n.table("t", "dense", self.pre, self.post, self.weight, w="w", **coded)
        n.stage = [
            f'copy from = @"input.x", delay = 0, low = 0, into = @x, to = 0, size = {size}',
            *(
                f"propagate from = {source}, low = {self.low}, table = @t, into = @acc, "
                f'mode = "{mode}", tally = @synaptic_events'
                for source, mode in (("@x, delay = 1", "dense"), ('@"input.x", delay = 0', self.mode))
            ),
            f'copy from = @acc, delay = 0, low = 0, into = @"output.y", to = 0, size = {self.post}',
        ]
        return n


CASES = (
    Case("one of each", 1, 1),
    Case("a word less one", 31, 5, low=3, size=36),
    Case("more than a block", 40, 130, low=7, size=90),
    Case("more words than lanes", 2100, 33, low=31, size=2200),
    Case("real events", 70, 33, event="f32", low=32, size=110),
    Case("long reals", 70, 33, event="f64", weight="f64", sum="f64"),
    Case("long reals of spikes", 45, 33, weight="f64", sum="f64", mode="dense"),
    Case("one real weight", 45, 33, sizes=(3,)),
    Case("whole weights", 70, 33, weight="i16", sum="i32", most=30000),
    Case("wide weights", 70, 33, weight="i32", sum="i32", most=2**31 - 1),
    Case("widest weights", 70, 33, weight="i64", sum="i64", most=2**62),
    Case("signed events", 70, 33, event="i2", weight="i16", sum="i16", most=30000),
    Case("counts", 70, 33, event="i32", weight="i8", sum="i32"),
    Case("bytes of spikes", 70, 33, weight="i8", sum="i32", mode="dense", low=5, size=80, most=127, way="dp4a"),
    Case(
        "bytes of values",
        70,
        130,
        mode="dense",
        event="i8",
        weight="i8",
        sum="i32",
        most=127,
        low=5,
        size=80,
        way="dp4a",
    ),
    Case("bytes of signed events", 1100, 3, event="i2", weight="i8", sum="i16", mode="dense", way="dp4a"),
    Case("least bytes", 40, 3, mode="dense", event="i8", weight="i8", sum="i32", sizes=(-128, 127), way="dp4a"),
    Case("signs", 70, 33, weight="i8", sum="i32", sizes=(-5, 5), low=9, size=100, way="bits"),
    Case("signs and zeros", 1100, 130, weight="i32", sum="i64", sizes=(-7, 0, 7), way="bits"),
    Case("powers of two", 70, 33, weight="i16", sum="i32", sizes=(-2048, -1, 0, 1, 64), code=True),
    Case("small powers of two", 70, 33, weight="i32", sum="i32", sizes=(-8, 0, 1), code=True, mode="dense", way="dp4a"),
    Case("one size and zeros", 70, 33, weight="i8", sum="i8", sizes=(-128, 0), way="bits"),
    Case("one weight", 70, 33, weight="i8", sum="i8", sizes=(-7,)),
    Case("no weight but zero", 70, 33, weight="i8", sum="i8", sizes=(0,), way="dp4a"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_all_pairs(case: Case) -> None:
    made = agree(case.net(), case.events())
    assert ("dp4a" in made.text) == (case.way == "dp4a")
    kept = sum(memory.bytes for memory in made.module.launches.memories if memory.kind == "constant")
    words = -(-case.pre // 32) + 1
    assert case.way != "bits" or kept <= 8 * words * case.post


@pytest.mark.parametrize(("event", "weight", "sum"), KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_convolutions(event: str, weight: str, sum: str, seed: int) -> None:
    """As a table of kernels, and as rows, which are gathered where sums are real."""
    n = Net()
    _, x = layer(n, np.random.default_rng(seed), event, weight, sum)
    agree(n, x)


@pytest.mark.parametrize(("dilation", "padding"), [(140, 0), (40, 70), (2**30, 3)])
def test_kernels_whose_places_are_far_apart(dilation: int, padding: int) -> None:
    """Wider than what is looked at by words, and so wide that a place alone lies on the sources."""
    shape = Convolution((2, 300), (3, 20), (4,), (3,), (padding,), (dilation,), 1)
    n, rng = Net(), np.random.default_rng(0)
    declare(n, shape, "f32", rng.standard_normal(shape.weights).astype(np.float32), False)
    n.buffer("input.x", "input", f"{shape.pre}xi1")
    n.buffer("acc", "state", f"{shape.post}xf32")
    n.buffer("output.y", "output", f"{shape.post}xf32")
    n.buffer("synaptic_events", "counter", "i64")
    n.stage = [
        'propagate from = @"input.x", delay = 0, low = 0, table = @t, into = @acc, mode = "dense", '
        "tally = @synaptic_events",
        f'copy from = @acc, delay = 0, low = 0, into = @"output.y", to = 0, size = {shape.post}',
    ]
    agree(n, rng.random((STEPS, shape.pre)) < 0.4)


@pytest.mark.parametrize("event", ["i1", "i2", "f32"])
@pytest.mark.parametrize(("weight", "sum"), [("f32", "f32"), ("i8", "i32"), ("i16", "i64")])
def test_pairs_of_equal_number(event: str, weight: str, sum: str) -> None:
    n, rng, size, low = Net(), np.random.default_rng(1), 70, 9
    if event == "f32" and sum != "f32":
        event = "i32"
    n.buffer("input.x", "input", f"100x{event}")
    n.buffer("output.y", "output", f"{size}x{sum}")
    n.buffer("synaptic_events", "counter", "i64")
    w = rng.standard_normal(size) if sum == "f32" else rng.integers(-9, 9, size)
    n.constant("w", w.astype(TYPES[weight]), f"{size}x{weight}")
    n.table("t", "one_to_one", size, size, weight, w="w")
    n.table("u", "one_to_one", size, size, weight, weight=f"{0.3 if sum == 'f32' else 5} : {weight}")
    n.buffer("acc", "temp", f"{size}x{sum}")
    n.stage = [
        f"fill into = @acc, value = {1.5 if sum == 'f32' else -1} : {sum}",
        *(
            f'propagate from = @"input.x", delay = 0, low = {low}, table = @{table}, into = @acc, mode = "dense", '
            "tally = @synaptic_events"
            for table in "tu"
        ),
        f'copy from = @acc, delay = 0, low = 0, into = @"output.y", to = 0, size = {size}',
    ]
    active = rng.random((STEPS, 100)) < 0.4
    values = rng.standard_normal(active.shape) if event == "f32" else rng.integers(-2, 2, active.shape)
    agree(n, active if event == "i1" else (active * values).astype(TYPES[event]))


@pytest.mark.parametrize("case", rows.CASES, ids=lambda case: case.name)
def test_rows_whose_targets_add_them_up(case: rows.Case) -> None:
    """As reals do in order, and all sums that go to the host at once."""
    n = case.net()
    copy, propagate, _ = n.stage
    zero = "0.0" if case.sum[0] == "f" else "0"
    fill = f'fill into = @"output.y", value = {zero} : {case.sum}'
    n.stage = [copy, fill, propagate.replace("into = @acc", 'into = @"output.y"')]
    agree(n, case.events())


@pytest.mark.parametrize("filter", ["", ", filter = @near"])
def test_targets_that_would_be_drawn(filter: str) -> None:
    n = Net(rows.FILTER)
    n.buffer("input.x", "input", "160xi1")
    n.buffer("acc", "state", "300xf32")
    n.buffer("synaptic_events", "counter", "i64")
    n.buffer("output.y", "output", "300xf32")
    n.declarations.append(
        '"step.table"() {sym_name = "t", format = "procedural", pre = 140, post = 300, arrays = {}, '
        f'connect = {{kind = "prob", p = 0.07{filter}}}, key = [4294967295, 7], '
        "element = f32, weight = 0.3 : f32} : () -> ()"
    )
    n.stage = [
        'propagate from = @"input.x", delay = 0, low = 20, table = @t, into = @acc, mode = "dense", '
        "tally = @synaptic_events",
        'copy from = @acc, delay = 0, low = 0, into = @"output.y", to = 0, size = 300',
    ]
    agree(n, np.random.default_rng(3).random((STEPS, 160)) < 0.3)


@pytest.mark.parametrize(("real", "passes", "target"), [(32, "", ORDERED), (64, "", ORDERED), (32, "quantize", "ptx")])
def test_delays_of_synapses(tmp_path: Path, real: int, passes: str, target: str) -> None:
    """Sweeps whose targets go through the rounds; of integers, because a round then has fewer kernels."""
    drawn = "floor(uniform(-2, 6)) / 4 seed 5"
    (tmp_path / "net.snn").write_text(rows.SWEEPS.replace(drawn, "0.6" if passes else "uniform(-0.5, 1.5) seed 5"))
    program = spikec.load(tmp_path / "net.snn", real=real)
    if passes:
        program = spikec.pipeline(passes)(program)
    x = np.random.default_rng(0).random((50, 70)) < 0.1
    wanted = reference_of_steps(program, 0).run({"x": x}, steps=50)
    assert wanted.synaptic_events > 1000
    emulated = Emulated.of(program, target)
    assert "atom.global.add.f" not in emulated.text
    assert differences({"reference": wanted, **emulated.runs({"x": x}, 50)}) == []


@pytest.mark.skipif(
    toolkit.find("ptxas") is None or toolkit.find("nvdisasm") is None, reason="needs ptxas and nvdisasm"
)
@pytest.mark.parametrize("chip", ["sm_75", "sm_80", "sm_90", "sm_100", "sm_120"])
@pytest.mark.parametrize(
    ("case", "most"),
    [
        (Case("events", 784, 128), 9),
        (Case("bytes", 784, 128, weight="i8", sum="i32", mode="dense"), 7),
        (Case("signs", 784, 128, weight="i8", sum="i32", sizes=(-1, 0, 1)), 16),
    ],
    ids=lambda value: value.name if isinstance(value, Case) else "",
)
def test_few_instructions_and_registers(case: Case, most: float, chip: str) -> None:
    """Instructions for each weight, or word of weights, that a thread loads."""
    target = PtxTarget.parse(f"ptx:{chip}{{sums=ordered,launch=graph}}")
    module = step_to_gpu.lower(case.net().program(), target)
    assembled = assembler.assemble(codegen.ptx(module.llvm, target.chip), target.chip)
    loops = [loop for kernel in sass.kernels(assembled.cubin).values() for loop in kernel.loops]
    assert 0 < max(loop.per_event for loop in loops) <= most
    assert all(r.registers <= 40 and r.spilled == r.stack == 0 for r in assembled.kernels.values())
