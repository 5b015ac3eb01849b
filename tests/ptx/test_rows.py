"""Propagations that are scattered: the interpreter's sums and counts under every schedule, and what the machine code takes.

Sums of reals are compared bit for bit where they are exact in any order: of whole numbers, or of one active source.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spikec
from spikec.backends.ptx import assembler, codegen, sass, toolkit
from spikec.backends.ptx.target import PtxTarget
from spikec.lower import step_to_gpu
from spikec.lower.connect import Rows
from spikec.lower.snn_to_step import formats
from spikec.runtime.reference.engine import StepEngine

from tests.cpu.conftest import TYPES, Net, equal, interface_of
from tests.programs.engines import Array, differences, reference_of_steps
from tests.ptx.emulated import SEEDS, Emulated

STEPS = 6


@dataclass(frozen=True)
class Case:
    """Rows of `shortest` to `longest` runs of `run` synapses, for `pre` sources from `low` on of a population of `size`.

    Weights are from -`most` - 1 to `most`, or all `one`.
    """

    name: str
    pre: int
    post: int
    longest: int
    shortest: int = 0
    event: str = "i1"
    weight: str = "i16"
    sum: str = "i32"
    most: int = 100
    one: int | float | None = None
    low: int = 0
    size: int = 0
    delay: int = 1
    format: str = "csr"
    run: int = 1

    @property
    def sources(self) -> int:
        return max(self.size, self.low + self.pre)

    def net(self) -> Net:
        rng = np.random.default_rng(self.pre)
        lengths = rng.integers(self.shortest, self.longest + 1, self.pre)
        runs = [np.sort(rng.choice(self.post // self.run, length, replace=False)) for length in lengths]
        targets = (np.concatenate(runs)[:, np.newaxis] * self.run + np.arange(self.run)).reshape(-1)
        rows = Rows(np.append(0, np.cumsum(lengths * self.run)).astype(np.int32), targets)
        stored = formats.of(self.format, rows, self.post)
        assert stored is not None and stored.format == self.format
        n, size = Net(), self.sources
        n.buffer("input.x", "input", f"{size}x{self.event}")
        n.buffer("x", "stream", f"{size}x{self.event}", slots=self.delay + 1)
        n.buffer("acc", "state", f"{self.post}x{self.sum}")
        n.buffer("synaptic_events", "counter", "i64")
        n.buffer("output.y", "output", f"{self.post}x{self.sum}")
        self._declare(n, stored, self._weights(rng, len(rows.col)))
        n.stage = [
            f'copy from = @"input.x", delay = 0, low = 0, into = @x, to = 0, size = {size}',
            f"propagate from = @x, delay = {self.delay}, low = {self.low}, table = @t, into = @acc, "
            'mode = "dense", tally = @synaptic_events',
            f'copy from = @acc, delay = 0, low = 0, into = @"output.y", to = 0, size = {self.post}',
        ]
        return n

    def _weights(self, rng: Any, count: int) -> Array:
        """Both ends of the range among them."""
        if self.pre == 1 and self.weight[0] == "f":
            return rng.standard_normal(count).astype(TYPES[self.weight])
        made = rng.integers(-self.most - 1, self.most + 1, count).astype(TYPES[self.weight])
        made[:2] = [-self.most - 1, self.most][: len(made[:2])]
        return made

    def _declare(self, n: Net, stored: formats.Stored, weights: Array) -> None:
        arrays = dict(stored.arrays)
        if stored.index is not None:
            arrays["col"] = arrays["col"].astype(f"uint{stored.index}")
        fields: dict[str, str] = {}
        if self.one is None:
            arrays["w"] = weights
        else:
            fields["weight"] = f"{self.one} : {self.weight}"
        for key, array in arrays.items():
            type = self.weight if key == "w" else f"i{8 * array.itemsize}"
            n.constant(f"t.{key}", array, f"{len(array)}x{type}")
            fields[key] = f'"t.{key}"'
        extra = {"index": stored.index, "block": stored.block}
        fields |= {key: f"{value} : i64" for key, value in extra.items() if value is not None}
        n.table("t", stored.format, self.pre, self.post, self.weight, **fields)

    def events(self) -> Array:
        rng = np.random.default_rng(5)
        active = rng.random((STEPS, self.sources)) < (0.7 if self.pre == 1 else 0.2)
        if self.event == "i1":
            return active
        values: Array = rng.integers(-1, 2 if self.event == "i2" else 9, active.shape)
        if self.event[0] == "f" and self.pre == 1:
            values = rng.standard_normal(active.shape)
        return (active * values).astype(TYPES[self.event])


CASES = (
    Case("empty rows and single synapses", 33, 3, 1, low=31),
    Case("rows of 1 to 9", 100, 30, 9, 1, low=5, size=130, delay=3),
    Case("one row", 1, 500, 500, 500),
    Case("no synapses at all", 40, 20, 0),
    Case("two at once", 70, 300, 140, 40),
    Case("four at once, to the last target", 70, 200, 200, 150),
    Case("eight at once", 70, 4000, 600, 1),
    Case("chunks", 70, 4000, 2000, 200, low=37, size=128, delay=2),
    Case("chunks that end rows", 33, 1024, 1024, 1024),
    Case("16 bits of both", 40, 65536, 700, 1, most=2**15 - 1),
    Case("more than 16 bits of target", 40, 70000, 700, 1),
    Case("two arrays", 40, 70000, 700, 1, most=2**15 - 1),
    Case("32 bits of weight", 40, 500, 300, weight="i32", most=2**31 - 1),
    Case("sums of 8 bits", 70, 300, 100, weight="i8", sum="i8"),
    Case("sums of 16 bits", 70, 300, 40, event="i16", sum="i16"),
    Case("sums of 64 bits", 40, 3000, 1200, weight="i64", sum="i64", most=2**40),
    Case("one weight", 70, 3000, 300, 1, one=7),
    Case("one weight, chunks", 40, 3000, 2500, 9, one=-7),
    Case("signed events", 70, 600, 300, event="i2"),
    Case("counts", 70, 600, 300, event="i32"),
    Case("counts, chunks", 40, 3000, 2500, 9, event="i32"),
    Case("whole reals", 70, 900, 500, weight="f32", sum="f32"),
    Case("whole reals, events with values", 70, 3000, 2000, 9, event="f32", weight="f32", sum="f32"),
    Case("reals of one source", 1, 3000, 1203, 1203, weight="f32", sum="f32", low=33),
    Case("reals of one source with values", 1, 3000, 1203, 1203, event="f32", weight="f32", sum="f32", low=33),
    Case("long reals of one source with values", 1, 300, 43, 43, event="f64", weight="f64", sum="f64"),
    Case("one real", 1, 3000, 1203, 1203, weight="f32", sum="f32", one=0.3),
    Case("a bitmap", 37, 200, 150, 9, format="bitmap"),
    Case("blocks", 37, 1600, 60, format="block", run=16),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_same_as_the_interpreter(case: Case) -> None:
    agree(case.net(), case.events())


def agree(n: Net, x: Array) -> None:
    """A network gives what the interpreter gives, in several schedules."""
    program = n.program()
    interface = interface_of(program)
    emulated = Emulated.of_steps(program, interface, "ptx{sums=atomic,launch=graph}")
    wanted = StepEngine(program, interface).advance({"x": x}, frozenset({"x"}), STEPS)
    for seed in SEEDS:
        got = emulated.engine(seed, races=seed == SEEDS[0]).advance({"x": x}, frozenset({"x"}), STEPS)
        assert equal(got.outputs["y"], wanted.outputs["y"]), f"schedule {seed}:\n{got.outputs}\n{wanted.outputs}"
        assert got.synaptic_events == wanted.synaptic_events


FILTER = """
func.func private @near(%pre: i64, %post: i64) -> i1 {
  %0 = arith.subi %pre, %post : i64
  %far = arith.constant 100 : i64
  %1 = arith.cmpi slt, %0, %far : i64
  return %1 : i1
}
"""


@pytest.mark.parametrize(
    ("event", "weight", "sum", "filter", "post"),
    [
        ("i1", "2.5 : f32", "f32", ", filter = @near", 700),
        ("f32", "0.25 : f32", "f32", "", 700),
        ("i32", "-3 : i8", "i32", ", filter = @near", 700),
        ("i1", "3 : i8", "i8", "", 1),
    ],
)
def test_targets_that_are_drawn(event: str, weight: str, sum: str, filter: str, post: int) -> None:
    n = Net(FILTER)
    n.buffer("input.x", "input", f"160x{event}")
    n.buffer("acc", "state", f"{post}x{sum}")
    n.buffer("synaptic_events", "counter", "i64")
    n.buffer("output.y", "output", f"{post}x{sum}")
    n.declarations.append(
        f'"step.table"() {{sym_name = "t", format = "procedural", pre = 140, post = {post}, arrays = {{}}, '
        f'connect = {{kind = "prob", p = 0.07{filter}}}, key = [4294967295, 7], '
        f"element = {weight.split()[-1]}, weight = {weight}}} : () -> ()"
    )
    n.stage = [
        'propagate from = @"input.x", delay = 0, low = 20, table = @t, into = @acc, mode = "dense", '
        "tally = @synaptic_events",
        f'copy from = @acc, delay = 0, low = 0, into = @"output.y", to = 0, size = {post}',
    ]
    rng = np.random.default_rng(3)
    agree(n, (rng.integers(-3, 4, (STEPS, 160)) * (rng.random((STEPS, 160)) < 0.5)).astype(TYPES[event]))


SWEEPS = """
model Sweeps {
  step 1 ms
  neuron Cell {
    in I
    var V = 0
    V := 0.5 * V + I
    spike when V >= 3 { V := 0 }
  }
  input x : spikes[70]
  pop a : Cell[90]
  pop b : Cell[150]
  proj x -> a.I { connect fixed_in(12) seed 3; weight floor(uniform(-2, 6)) / 4 seed 5; delay 1 ms * floor(uniform(1, 6)) seed 4 }
  proj a -> b.I { connect fixed_in(30) seed 3; weight 0.25; delay 1 ms * floor(uniform(1, 40)) seed 4 }
  proj b -> a.I { connect fixed_in(5) seed 8; weight -0.25; delay 1 ms * floor(uniform(2, 4)) seed 4 }
  proj x -> b.I { connect fixed_out(9) seed 2; weight 0.5; delay 3 ms }
  probe a.V, b.V, a.spike, b.spike
}
"""


def test_delays_of_synapses(tmp_path: Path) -> None:
    """Sweeps over tables in parts, among them two that add to the same neurons."""
    (tmp_path / "net.snn").write_text(SWEEPS)
    program = spikec.load(tmp_path / "net.snn")
    x = np.random.default_rng(0).random((50, 70)) < 0.1
    wanted = reference_of_steps(program, 0).run({"x": x}, steps=50)
    assert wanted.synaptic_events > 1000
    runs = {"reference": wanted, **Emulated.of(program, "ptx{sums=atomic}").runs({"x": x}, 50)}
    assert differences(runs) == []


@pytest.mark.skipif(
    toolkit.find("ptxas") is None or toolkit.find("nvdisasm") is None, reason="needs ptxas and nvdisasm"
)
@pytest.mark.parametrize("chip", ["sm_75", "sm_80", "sm_90", "sm_100", "sm_120"])
@pytest.mark.parametrize(
    ("case", "most"),
    [
        (Case("rows", 256, 4000, 300, 300), 5.5),
        (Case("chunks", 256, 4000, 2000, 2000), 7.5),
        (Case("rows, 16 bits of both", 256, 65536, 300, 300, most=2**15 - 1), 5.5),
        (Case("rows of reals", 256, 4000, 300, 300, weight="f32", sum="f32"), 5.5),
        (Case("chunks of counts", 256, 4000, 2000, 2000, event="i32"), 11),
    ],
    ids=lambda value: value.name if isinstance(value, Case) else "",
)
def test_few_instructions_for_an_event(case: Case, most: float, chip: str) -> None:
    target = PtxTarget.parse(f"ptx:{chip}{{sums=atomic,launch=graph}}")
    module = step_to_gpu.lower(case.net().program(), target)
    assembled = assembler.assemble(codegen.ptx(module.llvm, target.chip), target.chip)
    loops = [loop for kernel in sass.kernels(assembled.cubin).values() for loop in kernel.loops]
    assert loops
    assert chip != "sm_90" or max(loop.per_event for loop in loops) <= most
    assert all(r.registers <= 40 and r.spilled == r.stack == 0 for r in assembled.kernels.values())
    if case.weight == "i16":
        kept = sum(m.bytes for m in module.launches.memories if m.name.endswith(".synapses"))
        assert kept <= 4.1 * case.pre * case.longest
