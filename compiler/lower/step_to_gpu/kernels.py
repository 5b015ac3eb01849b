"""Kernels: sections side by side, each a range of blocks; and the persistent kernel, which does whole rounds itself.

@step.0(%round, %buffers...) {
  if block < 4 { if begin <= t < end { section 0 } } else if block < 5 { ... }
}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spikec.dialects.mlir import arith, ir, scf
from spikec.lower.code import Value, repeat, when
from spikec.lower.step_to_gpu.code import (
    add,
    atomic_add,
    both,
    constant,
    equal,
    fence,
    i32,
    i64,
    less,
    loop,
    minus,
    offset,
    op,
    pointer_type,
    special,
)
from spikec.lower.step_to_gpu.layout import BLOCK, Layout
from spikec.lower.step_to_gpu.thread import Entry, Thread
from spikec.runtime.launches import BARRIER, BEGIN, END, HEAD, ROUND, Kernel

MOST_REGISTERS = 40
"""Registers of a thread: with so many, 12 blocks have room where the registers of a multiprocessor are 65536."""

MOST_ARGUMENTS = 500
"""Addresses that fit into the 4 KiB of a kernel's parameters."""

Body = Callable[[Thread], None]


@dataclass(frozen=True)
class Work:
    """A section in a kernel: its blocks, how many rounds behind it is, and its code."""

    blocks: int
    skew: int
    body: Body


class Kernels:
    """Adds kernels to a module; `used` counts the kernels that name each buffer."""

    def __init__(self, module: Any, layout: Layout) -> None:
        self.module = module
        self.layout = layout
        self.used: dict[str, int] = {}

    def of_round(self, name: str, works: Sequence[Work]) -> Kernel:
        """A kernel of a round: each of its sections on the step that it is at."""

        def code(entry: Entry, number: Value) -> None:
            begin, end = _word(entry, BEGIN), _word(entry, END)
            k = add(add(begin, number), _word(entry, ROUND))
            _side_by_side(entry, works, lambda work, block: _in_time(entry, work, block, k, begin, end))

        return self._kernel(name, _blocks(works), code)

    def once(self, name: str, works: Sequence[Work], at_end: bool) -> Kernel:
        """A kernel of the start, where the step is 0, or of the end, where it is the number of steps done."""

        def code(entry: Entry, number: Value) -> None:
            t = _word(entry, END) if at_end else constant(0)
            _side_by_side(entry, works, lambda work, block: work.body(Thread(entry, t, block)))

        return self._kernel(name, _blocks(works), code)

    def persistent(self, name: str, rounds: Sequence[Sequence[Work]], skew: int) -> Kernel:
        """All rounds of a run in one launch; the blocks of a sample wait for each other after each kernel."""
        grid = max(map(_blocks, rounds))

        def code(entry: Entry, number: Value) -> None:
            begin, end = _word(entry, BEGIN), _word(entry, END)
            barrier = offset(entry.argument(BARRIER), arith.extui(i64(), entry.sample), i32())

            def body(k: Value, waits: Value) -> list[Value]:
                entry.again()
                for works in rounds:
                    _side_by_side(entry, works, lambda work, block: _in_time(entry, work, block, k, begin, end))
                    waits = add(waits, grid)
                    _wait(barrier, waits)
                return [waits]

            loop(begin, add(end, skew), 1, body, [constant(0)])

        return self._kernel(name, grid, code)

    def _kernel(self, name: str, grid: int, code: Callable[[Entry, Value], None]) -> Kernel:
        with ir.InsertionPoint(self.module.body):
            function = ir.Operation.create("llvm.func", regions=1, attributes=_attributes(name))
        block = function.regions[0].blocks.append(i32())
        with ir.InsertionPoint(block):
            entry = Entry(block, self.layout)
            code(entry, block.arguments[0])
            op("llvm.return")
        names = tuple(entry.arguments)
        types = ["i32", *(str(pointer_type()).removeprefix("!llvm.") for _ in names)]
        type = ir.Type.parse(f"!llvm.func<void ({', '.join(types)})>")
        function.attributes["function_type"] = ir.TypeAttr.get(type)
        marks = [ir.DictAttr.get({}), *(self._marks(argument) for argument in names)]
        function.attributes["arg_attrs"] = ir.ArrayAttr.get(marks)
        for argument in names:
            self.used[argument] = self.used.get(argument, 0) + 1
        return Kernel(name, grid, BLOCK, names)

    def _marks(self, name: str) -> Any:
        """Buffers that no kernel of a round writes are read without care for writers.

        The others are not `noalias`, though they do not overlap: LLVM would move their loads over barriers and fences.
        """
        marks = {"llvm.align": ir.IntegerAttr.get(i64(), 256)}
        held = self.layout.buffers.get(name)
        if name == HEAD or name in self.layout.made or (held is not None and held.kind in ("constant", "input")):
            marks |= {"llvm.noalias": ir.UnitAttr.get(), "llvm.readonly": ir.UnitAttr.get()}
        return ir.DictAttr.get(marks)


def _attributes(name: str) -> dict[str, Any]:
    def pair(key: str, value: str) -> Any:
        return ir.ArrayAttr.get([ir.StringAttr.get(key), ir.StringAttr.get(value)])

    return {
        "sym_name": ir.StringAttr.get(name),
        "function_type": ir.TypeAttr.get(ir.Type.parse("!llvm.func<void (i32)>")),
        "linkage": ir.Attribute.parse("#llvm.linkage<external>"),
        "nvvm.kernel": ir.UnitAttr.get(),
        "nvvm.maxntid": ir.DenseI32ArrayAttr.get([BLOCK]),
        # Without a limit ptxas takes more, or spills to come down to 32.
        "nvvm.maxnreg": ir.IntegerAttr.get(i32(), MOST_REGISTERS),
        # Subnormal operands and results count as zero (docs/adr/0004-subnormals.md).
        "passthrough": ir.ArrayAttr.get([pair("denormal-fp-math-f32", "preserve-sign,preserve-sign")]),
    }


def _word(entry: Entry, word: int) -> Value:
    """A word of the head as i32."""
    return arith.trunci(i32(), entry.head(word))


def _blocks(works: Sequence[Work]) -> int:
    return sum(work.blocks for work in works)


def _side_by_side(entry: Entry, works: Sequence[Work], code: Callable[[Work, Value], None], first: int = 0) -> None:
    """The code of the section that this block belongs to."""
    if not works:
        return
    work, *others = works
    block = minus(entry.place, first)
    here = scf.IfOp(less(block, work.blocks), has_else=bool(others))
    with ir.InsertionPoint(here.then_block):
        code(work, block)
        scf.YieldOp([])
    if others:
        with ir.InsertionPoint(here.else_block):
            _side_by_side(entry, others, code, first + work.blocks)
            scf.YieldOp([])


def _in_time(entry: Entry, work: Work, block: Value, k: Value, begin: Value, end: Value) -> None:
    """The code of a section, if the run has the step that it is at."""
    t = minus(k, work.skew)
    inside = both(arith.cmpi(arith.CmpIPredicate.sge, t, begin), less(t, end))
    when(inside, lambda: work.body(Thread(entry, t, block)))


def _wait(barrier: Value, waits: Value) -> None:
    """Waits until all blocks of the sample have come here; `waits` is how often blocks have then come."""
    op("nvvm.barrier0")

    def arrive() -> None:
        fence()
        atomic_add(barrier, constant(1))

        def missing() -> Value:
            type = i32()
            there = op(
                "llvm.load",
                [barrier],
                type,
                ordering=ir.IntegerAttr.get(i64(), 4),
                syncscope=ir.StringAttr.get("device"),
                alignment=ir.IntegerAttr.get(i64(), 4),
            )
            return less(minus(there, waits), 0)

        repeat(missing, list, [])
        fence()

    when(equal(special("tid.x"), 0), arrive)
    op("nvvm.barrier0")
