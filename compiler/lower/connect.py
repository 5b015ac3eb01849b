"""Which synapses a connector makes: rows of targets, drawn or enumerated, then filtered.

A connector's result is in compressed rows: `row[i] : row[i + 1]` are the places of source i's
synapses in `col`, whose targets ascend within a row.  Everything is vectorised over stretches of rows
that fit a cache, so that ten million synapses take seconds and no more memory than the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import InternalError
from spikec.dialects.mlir import ir
from spikec.dialects.random import uniform
from spikec.runtime.interface import flush_subnormals

Filter = Callable[[Array, Array], Array]
"""From source and target indices (i64, one shape) to the pairs that are kept (bool)."""

STRETCH = 1 << 18  # pairs or draws in flight: small enough for the second-level cache


@dataclass(frozen=True)
class Rows:
    """`row` (pre + 1, i32) and `col` (n, u16 or u32) of a connection matrix."""

    row: Array
    col: Array

    def sources(self) -> Array:
        """The source of each synapse, as i64 (n)."""
        return np.repeat(np.arange(len(self.row) - 1), np.diff(self.row))


def index_bits(post: int) -> int:
    """The width of the targets' indices in memory."""
    return 16 if post <= 1 << 16 else 32


def every(pre: int, post: int, keep: Filter | None = None) -> Rows:
    """All pairs, or those that the filter keeps."""
    return _gather(pre, post, _enumerate(pre, post), keep)


def one_to_one(size: int, keep: Filter | None = None) -> Rows:
    """The pairs (i, i)."""
    diagonal = np.arange(size)
    return _gather(size, size, iter([(diagonal, diagonal)]), keep)


def probable(pre: int, post: int, p: float, key: tuple[int, int], keep: Filter | None = None) -> Rows:
    """Each pair with probability `p`, drawn per source row by geometric jumps from the stream of `key`."""
    if p >= 1.0:
        return every(pre, post, keep)
    scale = np.log(np.float64(1.0 - p))
    if p <= 0.0 or scale == 0.0:
        return _gather(pre, post, iter(()), keep)
    return _gather(pre, post, _jumps(pre, post, float(scale), p, key), keep)


def _enumerate(pre: int, post: int) -> Iterator[tuple[Array, Array]]:
    rows = max(1, STRETCH // max(1, post))
    for first in range(0, pre, rows):
        count = min(rows, pre - first)
        yield np.repeat(np.arange(first, first + count), post), np.tile(np.arange(post), count)


def _jumps(pre: int, post: int, scale: float, p: float, key: tuple[int, int]) -> Iterator[tuple[Array, Array]]:
    """Pairs by stretches of rows, ascending."""
    expected = post * p
    draws = int(math.ceil(expected + 4.0 * math.sqrt(expected) + 4.0))
    rows = max(1, STRETCH // draws)
    for first in range(0, pre, rows):
        yield _stretch(np.arange(first, min(pre, first + rows)), post, scale, draws, key)


def _stretch(rows: Array, post: int, scale: float, draws: int, key: tuple[int, int]) -> tuple[Array, Array]:
    """The pairs of some rows: `draws` jumps of every row at a time, until all rows have passed the last target."""
    found: list[tuple[Array, Array]] = []
    place = np.full(len(rows), -1, dtype=np.int64)
    step = 0
    while len(rows):
        u = uniform(key, rows[:, None], np.arange(step, step + draws)[None, :], 0).astype(np.float64)
        # A jump beyond the row ends it whatever its length: clipping keeps the sums inside 64 bits.
        jump = np.minimum(np.floor(np.log(1.0 - u) / scale), post).astype(np.int64) + 1
        targets = place[:, None] + np.cumsum(jump, axis=1)
        inside = targets < post
        found.append((np.broadcast_to(rows[:, None], targets.shape)[inside], targets[inside]))
        unfinished = inside[:, -1]
        rows, place, step = rows[unfinished], targets[unfinished, -1], step + draws
    source = np.concatenate([f[0] for f in found])
    target = np.concatenate([f[1] for f in found])
    if len(found) > 1:
        by_row = np.argsort(source, kind="stable")
        source, target = source[by_row], target[by_row]
    return source, target


def _gather(pre: int, post: int, stretches: Iterator[tuple[Array, Array]], keep: Filter | None) -> Rows:
    counts = np.zeros(pre + 1, dtype=np.int64)
    narrow = np.uint16 if index_bits(post) == 16 else np.uint32
    cols = [np.empty(0, dtype=narrow)]
    for source, target in stretches:
        if keep is not None:
            kept = np.broadcast_to(keep(source, target), source.shape)
            source, target = source[kept], target[kept]
        if len(source):
            counts[1:] += np.bincount(source, minlength=pre)
            cols.append(target.astype(narrow))
    row = np.cumsum(counts)
    if row[-1] >= 1 << 31:
        raise OverflowError(f"{row[-1]} synapses are more than a projection can have ({(1 << 31) - 1})")
    return Rows(row.astype(np.int32), np.concatenate(cols))


def filter_of(function: Any) -> Filter:
    """The filter that a private function `(pre: i64, post: i64) -> i1` describes."""
    block = function.regions[0].blocks[0]
    body = [operation.operation for operation in block.operations]

    def keep(source: Array, target: Array) -> Array:
        values = dict(zip(block.arguments, (source.astype(np.int64), target.astype(np.int64)), strict=True))
        with np.errstate(all="ignore"):
            for op in body[:-1]:
                values[op.results[0]] = _evaluate(op, [values[operand] for operand in op.operands])
        kept: Array = np.asarray(values[body[-1].operands[0]])
        return kept

    return keep


_NUMPY = {"i1": np.bool_, "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64}
_NUMPY |= {"f32": np.float32, "f64": np.float64}  # type: ignore[dict-item]

_INTEGER_PREDICATES = (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
_REAL_PREDICATES = {
    1: np.equal,
    2: np.greater,
    3: np.greater_equal,
    4: np.less,
    5: np.less_equal,
    6: lambda a, b: (a < b) | (a > b),
    13: np.not_equal,
}

_OPERATIONS: dict[str, Callable[..., Any]] = {
    "arith.addi": np.add,
    "arith.subi": np.subtract,
    "arith.muli": np.multiply,
    "arith.floordivsi": np.floor_divide,
    "arith.remsi": np.fmod,
    "arith.maxsi": np.maximum,
    "arith.minsi": np.minimum,
    "arith.shrsi": np.right_shift,
    "arith.shli": np.left_shift,
    "arith.andi": np.bitwise_and,
    "arith.ori": np.bitwise_or,
    "arith.xori": np.bitwise_xor,
    "arith.select": np.where,
    "arith.addf": np.add,
    "arith.subf": np.subtract,
    "arith.mulf": np.multiply,
    "arith.divf": np.divide,
    "arith.negf": np.negative,
    "arith.maximumf": np.maximum,
    "arith.minimumf": np.minimum,
    "math.sqrt": np.sqrt,
    "math.absf": np.abs,
    "math.absi": np.abs,
    "math.floor": np.floor,
    "math.ceil": np.ceil,
    "math.trunc": np.trunc,
    "math.roundeven": np.rint,
}


def _evaluate(op: Any, operands: list[Any]) -> Any:
    type = str(op.results[0].type)
    result = _NUMPY[type]
    match op.name:
        case "arith.constant":
            return result(op.attributes["value"].value)
        case "arith.cmpi":
            predicate = ir.IntegerAttr(op.attributes["predicate"]).value
            if predicate >= len(_INTEGER_PREDICATES):
                raise InternalError("an unsigned comparison in a filter", "snn_to_step", str(op))
            return _INTEGER_PREDICATES[predicate](*operands)
        case "arith.cmpf":
            return _REAL_PREDICATES[ir.IntegerAttr(op.attributes["predicate"]).value](*operands)
        case "arith.extsi" if operands[0].dtype == np.bool_:
            return -(operands[0].astype(result))
        case "arith.extui" | "arith.extsi" | "arith.sitofp" | "arith.uitofp":
            return np.asarray(operands[0]).astype(result)
        case "arith.trunci":
            return (operands[0] & 1).astype(result) if type == "i1" else operands[0].astype(result)
        case "arith.fptosi":
            return _saturated(operands[0], result)
    if op.name not in _OPERATIONS:
        raise InternalError(f"'{op.name}' in a filter", "snn_to_step", str(op))
    value = np.asarray(_OPERATIONS[op.name](*operands)).astype(result)
    return flush_subnormals(value)


def _saturated(value: Any, integer: Any) -> Any:
    limits = np.iinfo(integer)
    value = np.nan_to_num(np.trunc(value), nan=0.0, posinf=np.inf, neginf=-np.inf)
    inside = np.clip(value, float(limits.min), np.nextafter(float(limits.max), 0.0)).astype(integer)
    return np.where(value >= float(limits.max), limits.max, inside).astype(integer)
