"""Memory planning: equal bits on shared bytes, planned bytes are the bytes taken, and plans that are wrong are found."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import spikec
from spikec.backends.cpu.header import header
from spikec.backends.cpu.target import CpuTarget
from spikec.dialects import arena, step
from spikec.dialects.notes import Table
from spikec.dialects.program import Program
from spikec.dialects.verify import problems, verify
from spikec.lower import snn_to_step, step_to_cpu
from spikec.lower.step_to_cpu.plan import layout
from spikec.lower.step_to_cpu.plan import plan as place
from spikec.passes.schedule import Schedule, memory
from spikec.passes.schedule.memory import plan
from spikec.runtime import layout as host_layout
from spikec.runtime.interface import Interface

from tests.passes.step_runs import assert_same_runs, cpu, random_networks

CHAIN = """model Chain {
  step 1 ms
  neuron Cell {
    in I
    var V = 0.0
    V := 0.5 * V + I
    spike when V >= 1 { V := 0 }
  }
  input x : spikes[64]
%s
  output y = a%d
}
"""

Chain = Callable[[int], Program]


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    """A network of so many dense layers of 64 neurons."""

    def made(layers: int) -> Program:
        lines = []
        for n in range(layers):
            source = f"a{n - 1}" if n else "x"
            lines += [f"  pop a{n} : Cell[64]", f"  proj {source} -> a{n}.I {{ connect all; weight 0.05 }}"]
        path = tmp_path / f"chain{layers}.snn"
        path.write_text(CHAIN % ("\n".join(lines), layers - 1))
        return spikec.load(path)

    return made


def size(program: Program) -> int:
    return int(program.module.operation.attributes[arena.SIZE].value)


def bytes_of(program: Program, kind: str) -> tuple[int, int]:
    """Bytes apart and planned of one kind, as the report says."""
    table = program.notes[-1]
    assert isinstance(table, Table)
    return next((int(str(row[2])), int(str(row[3]))) for row in table.rows if row[0] == kind)


def overlapping(program: Program) -> int:
    """How many pairs of buffers share bytes."""
    with program.module.context:
        taken = arena.extents(program, arena.Needs.of(program))
        offsets = arena.arena(program).offsets
    spans = [(offsets[name], offsets[name] + extent.bytes) for name, extent in taken.items()]
    return sum(a[0] < b[1] and b[0] < a[1] for k, a in enumerate(spans) for b in spans[:k])


def test_planned_bytes_are_allocated_bytes(chain: Chain) -> None:
    network = chain(4)
    program = plan(snn_to_step.lower(network))
    interface = Interface.of(network)
    module = step_to_cpu.lower(program, CpuTarget.parse("cpu"))
    assert module.layout.arena == size(program)
    engine = cpu(program, interface).engine
    assert engine._arena.nbytes == size(program)  # type: ignore[attr-defined]
    (macro,) = re.findall(r"NET_STATE_BYTES (\d+)u", header(module, interface))
    assert int(macro) == size(program)
    assert bytes_of(program, "all")[1] == size(program)


@pytest.mark.parametrize("target", ["cpu", "cpu:x86_64-linux-gnu,x86-64-v3", "cpu:aarch64-linux-gnu", "cpu:riscv64"])
def test_the_lowering_obeys_on_every_target(chain: Chain, target: str) -> None:
    program = plan(snn_to_step.lower(chain(3)))
    with program.module.context:
        placed = place(program, CpuTarget.parse(target))
        taken = arena.extents(program, arena.Needs.of(program))
    assert layout(placed, program).arena == size(program)
    for buffer in program.ops(step.Buffer):
        held = placed.buffers[buffer.sym_name]
        if buffer.sym_name in taken and buffer.kind != "probe":
            begins = [part for part in (held.values, held.list) if part >= 0]
            assert min(begins) == buffer.offset
            ends = [held.values + held.slots * held.stride * held.width] if held.values >= 0 else []
            ends += [held.count + 8 * held.slots] if held.list >= 0 else []
            assert max(ends) <= buffer.offset + taken[buffer.sym_name].bytes


def test_alignment_is_what_the_runtime_allocates() -> None:
    assert arena.ALIGNMENT == host_layout.ALIGNMENT


def test_temps_of_many_layers_take_the_room_of_few(chain: Chain) -> None:
    few, many = (plan(snn_to_step.lower(chain(layers))) for layers in (4, 100))
    verify(many, "plan")
    assert bytes_of(many, "temp")[0] > 20 * bytes_of(few, "temp")[0]
    assert bytes_of(many, "temp")[1] == bytes_of(few, "temp")[1]
    apart = plan(snn_to_step.lower(chain(100)), reuse=False)
    assert size(apart) == bytes_of(many, "all")[0]
    assert overlapping(apart) == 0 and overlapping(many) > 0


def test_a_plan_is_the_same_every_time(chain: Chain) -> None:
    program = snn_to_step.lower(chain(8))
    assert plan(program).text() == plan(program).text() == plan(plan(program)).text()


def test_the_report_adds_up(chain: Chain) -> None:
    table = plan(snn_to_step.lower(chain(5))).notes[-1]
    assert isinstance(table, Table)
    *rows, total = table.rows
    for column in (1, 2, 3):
        assert sum(int(str(row[column])) for row in rows) == total[column]


@pytest.mark.parametrize("block", [1, 3, 16])
def test_blocked_schedules_keep_their_bits(chain: Chain, block: int) -> None:
    network = chain(6)
    interface = Interface.of(network)
    before = snn_to_step.lower(network)
    after = plan(Schedule(block=block).run(before))
    verify(after, "plan")
    assert overlapping(after) > 0
    x = np.random.default_rng(0).random((40, 64)) < 0.3
    wanted, found = (cpu(p, interface).run({"x": x}) for p in (before, after))
    assert np.array_equal(wanted.outputs["y"], found.outputs["y"])
    assert wanted.counts == found.counts and wanted.counts["a5"] > 0


def test_lives_that_forget_loops_are_found_out(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    def shortened(places: list[memory.Place]) -> tuple[int, int]:
        return min(place for place, _ in places), max(place for place, _ in places)

    scheduled = Schedule(block=4).run(snn_to_step.lower(chain(6)))
    assert not problems(plan(scheduled))
    monkeypatch.setattr(memory, "_stretch", shortened)
    found = [text for _, text in problems(plan(scheduled))]
    assert found and all("overwritten" in text for text in found)


def test_random_networks_keep_their_bits() -> None:
    shared = 0
    for case, network in random_networks(6, first=100):
        shared += overlapping(assert_same_runs(case, network, plan))
    assert shared > 10, "bytes must be shared, or nothing is tested"


# ---------------------------------------------------------------- what the verifier finds


def moved(program: Program, name: str, offset: int | None, **module: int | None) -> list[str]:
    """The problems of a planned program with another offset of a buffer, or other attributes of the module."""
    text = program.text()
    if name:
        pattern = rf'("step.buffer"\(\) {{[^}}]*)offset = \d+ : i64, ([^}}]*sym_name = "{re.escape(name)}")'
        text, count = re.subn(pattern, r"\1\2" if offset is None else rf"\1offset = {offset} : i64, \2", text)
        assert count == 1
    for key, value in module.items():
        text = re.sub(rf"step.{key} = \d+ : i64,? ?", "" if value is None else f"step.{key} = {value} : i64, ", text)
    return [text for _, text in problems(Program.parse(text, program.constants))]


def test_wrong_places_are_found(chain: Chain) -> None:
    program = plan(snn_to_step.lower(chain(3)))
    offsets = {b.sym_name: b.offset for b in program.ops(step.Buffer) if b.offset is not None}
    assert moved(program, "", None) == []
    assert "shares bytes with" in moved(program, "a1.V", offsets["a0.V"])[0]
    assert "shares bytes with" in moved(program, "a0.I", offsets["a0.V"])[0] if "a0.I" in offsets else True
    assert "multiple of 64" in moved(program, "a1.V", offsets["a1.V"] + 8)[0]
    assert "are not between" in moved(program, "a1.V", size(program))[0]
    assert "are not between" in moved(program, "a0.emitted", 0)[0]
    assert "has no offset" in moved(program, "a1.V", None)[0]
    assert "in a module without" in moved(program, "", None, arena=None)[0]


def temps(program: Program) -> list[str]:
    return [b.sym_name for b in program.ops(step.Buffer) if b.kind == "temp"]


@pytest.mark.parametrize("block", [1, 4])
def test_temps_that_are_alive_at_once_must_be_apart(chain: Chain, block: int) -> None:
    """Each pair of temps on the same bytes is refused, unless planning too holds that they may share."""
    program = plan(Schedule(block=block).run(snn_to_step.lower(chain(3))), reuse=False)
    names = temps(program)
    found = {}
    for k, one in enumerate(names):
        for other in names[:k]:
            offsets = {b.sym_name: b.offset for b in program.ops(step.Buffer)}
            found[one, other] = moved(program, one, offsets[other])
    assert any(found.values()) and not all(found.values())
    for texts in found.values():
        assert all("overwritten" in text or "which share bytes" in text for text in texts)
