"""Narrow arithmetic: no clamp that clamps nothing, no choice that is made already, and i32 where i64 is not needed.

    %w = arith.extsi %V : i16 to i64
    %s = arith.addi %w, %c100 : i64
    %m = arith.minsi %s, %c1000000 : i64
    %r = arith.trunci %m : i64 to i16

becomes, where the ranges say that V stays below 30000,

    %w = arith.extsi %V : i16 to i32
    %s = arith.addi %w, %c100 : i32
    %r = arith.trunci %s : i32 to i16

Exact for all inputs within their declared ranges: what `analysis.ranges` proves holds in every run, and of a
program that several populations share only what holds in all of them.  Types of states, ports, events, inputs,
outputs and of the neuron's index stay; where they meet narrow values there is a cast.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from spikec.analysis.intervals import Interval, element, point, signed_limits, width
from spikec.analysis.ranges import Ranges, analyse
from spikec.dialects import snn
from spikec.dialects.mlir import arith, ir
from spikec.dialects.program import Program
from spikec.passes.canonicalize.blocks import simplify
from spikec.passes.structure import defining, entry_blocks, splat

Known = dict[Any, Interval]

NARROW = signed_limits(32)
_CLAMPS = ("arith.minsi", "arith.maxsi")
_DECIDED = ("arith.cmpi", "arith.andi", "arith.ori", "arith.xori")
_SHIFTS = ("arith.shli", "arith.shrsi")
_SAME_BITS = ("arith.addi", "arith.subi", "arith.muli", "arith.andi", "arith.ori", "arith.xori", "arith.select")
_SIGNED = ("arith.floordivsi", "arith.remsi", "math.absi", "arith.fptosi")
_ARITHMETIC = frozenset({*_SAME_BITS, *_SIGNED, *_CLAMPS, *_SHIFTS})
_EXTENSIONS = ("arith.extsi", "arith.extui")
_USERS = ("arith.cmpi", "arith.trunci", "arith.sitofp", "arith.uitofp")


@dataclass(frozen=True)
class Narrow:
    """Removes clamps and choices that the ranges of values make needless, and computes in i32 what fits; exact."""

    name: ClassVar[str] = "narrow"
    level: ClassVar[str] = "snn"

    def run(self, program: Program) -> Program:
        result = program.clone()
        ranges = analyse(result)
        with result.module.context, ir.Location.unknown():
            # Everything is looked up before anything changes: a new value may lie where an old one lay.
            known = [(block, _known(block, ranges)) for block in _blocks(result)]
            del ranges
            for block, intervals in known:
                _fold(block, intervals)
                _Narrower(block, intervals).run()
                _fuse_casts(block)
                simplify(block)
        return result


def _blocks(program: Program) -> list[Any]:
    """The programs of neurons and the entry points."""
    symbols = program.symbols()
    neurons = dict.fromkeys(population.neuron for population in program.ops(snn.Population))
    return [*(symbols[name].regions[0].blocks[0] for name in neurons), *entry_blocks(symbols)]


def _operations(block: Any) -> list[Any]:
    return [operation.operation for operation in block.operations]


def _known(block: Any, ranges: Ranges) -> Known:
    values = [*block.arguments, *(result for op in _operations(block) for result in op.results)]
    return {value: ranges.of(value) for value in values}


def _replace(op: Any, value: Any, known: Known) -> None:
    op.results[0].replace_all_uses_with(value)
    known.pop(op.results[0], None)
    op.erase()


# ---------------------------------------------------------------- what is decided


def _fold(block: Any, known: Known) -> None:
    for op in _operations(block):
        value = _decided(op, known)
        if value is not None:
            _replace(op, value, known)


def _decided(op: Any, known: Known) -> Any:
    """The value that an op is known to give: one of its operands, or a constant; None where it is not known."""
    if op.name in _CLAMPS and width(op.results[0].type) > 1:
        (a, b), (left, right) = op.operands, (known[operand] for operand in op.operands)
        less, more = (a, b) if op.name == "arith.minsi" else (b, a)
        return less if left.high <= right.low else more if right.high <= left.low else None
    if op.name == "arith.select" and known[op.operands[0]].is_point:
        return op.operands[1 if known[op.operands[0]].low else 2]
    if op.name in _DECIDED and width(op.results[0].type) == 1 and known[op.results[0]].is_point:
        return _constant(op, op.results[0].type, int(known[op.results[0]].low), known)
    return None


def _constant(before: Any, type: Any, number: int, known: Known) -> Any:
    with ir.InsertionPoint(before), before.location:
        made = arith.constant(type, splat(ir.IntegerAttr.get(element(type), number), type))
    known[made] = point(number)
    return made


# ---------------------------------------------------------------- from i64 to i32


def _is_wide(value: Any) -> bool:
    scalar = element(value.type)
    return isinstance(scalar, ir.IntegerType) and scalar.width == 64


def _as_narrow(type: Any) -> Any:
    """A type with i32 elements."""
    narrow = ir.IntegerType.get_signless(32)
    return ir.RankedTensorType.get(type.shape, narrow) if isinstance(type, ir.RankedTensorType) else narrow


class _Narrower:
    """One block; `narrow` holds the i32 value of each i64 value that has one."""

    def __init__(self, block: Any, known: Known) -> None:
        self._block = block
        self._known = known
        self._narrow: dict[Any, Any] = {}

    def run(self) -> None:
        for op in _operations(self._block):
            if any(_is_wide(value) for value in (*op.operands, *op.results)) and self._fits(op):
                with ir.InsertionPoint(op), op.location:
                    self._convert(op)

    def _fits(self, op: Any) -> bool:
        """Whether all i64 values of an op fit, and it gives the same on their lower halves."""
        if not all(NARROW.covers(self._known[v]) for v in (*op.operands, *op.results) if _is_wide(v)):
            return False
        if op.name in _SHIFTS:
            return Interval(0, 31).covers(self._known[op.operands[1]])
        if op.name in _USERS:
            # A cast more for the sake of one user would gain nothing.
            return (op.name != "arith.uitofp" or self._known[op.operands[0]].low >= 0) and any(
                operand in self._narrow for operand in op.operands
            )
        return op.name in _ARITHMETIC or op.name in _EXTENSIONS

    def _convert(self, op: Any) -> None:
        result = op.results[0]
        if op.name in _EXTENSIONS and width(op.operands[0].type) == 32:
            self._narrow[result] = op.operands[0]
            return
        operands = [self._of(operand) if _is_wide(operand) else operand for operand in op.operands]
        if not _is_wide(result):
            same = op.name == "arith.trunci" and operands[0].type == result.type
            made = operands[0] if same else _again(op, result.type, operands)
            self._known[made] = self._known[result]
            _replace(op, made, self._known)
            return
        made = _again(op, _as_narrow(result.type), operands)
        wide = arith.extsi(result.type, made)
        self._known[made] = self._known[wide] = self._known[result]
        self._narrow[wide] = made
        _replace(op, wide, self._known)

    def _of(self, value: Any) -> Any:
        """The i32 value of an i64 value, made here if there is none yet."""
        if value in self._narrow:
            return self._narrow[value]
        op = defining(value)
        if op is not None and op.name == "arith.constant":
            made = self._narrow[value] = _constant(op, _as_narrow(value.type), int(self._known[value].low), self._known)
            return made
        place = ir.InsertionPoint.at_block_begin(self._block) if op is None else ir.InsertionPoint.after(op)
        with place:
            made = self._narrow[value] = arith.trunci(_as_narrow(value.type), value)
        self._known[made] = self._known[value]
        return made


def _again(op: Any, type: Any, operands: list[Any]) -> Any:
    """The same op on other operands."""
    attributes = {name: op.attributes[name] for name in op.attributes}
    return ir.Operation.create(op.name, results=[type], operands=operands, attributes=attributes).results[0]


# ---------------------------------------------------------------- casts of casts


def _fuse_casts(block: Any) -> None:
    for op in _operations(block):
        if op.name not in ("arith.trunci", *_EXTENSIONS):
            continue
        with ir.InsertionPoint(op), op.location:
            value = next(_fused(op), None)
        if value is not None:
            op.results[0].replace_all_uses_with(value)
            op.erase()


def _fused(op: Any) -> Iterator[Any]:
    """One cast, or none, in place of two."""
    inner, type = defining(op.operands[0]), op.results[0].type
    if inner is None or inner.name not in _EXTENSIONS:
        return
    source, bits = inner.operands[0], width(type)
    if op.name == "arith.trunci" and bits <= width(source.type):
        yield source if type == source.type else arith.trunci(type, source)
    elif op.name == "arith.trunci" or op.name == inner.name or inner.name == "arith.extui":
        yield _again(inner, type, [source])
