"""Loop nests of a step as what is done element by element and what goes through synapses.

A nest computes a value at each of its points from elements of buffers, and adds up the values of the points that have
the same place in the result.  Each point becomes an element: what it needs comes to it through a table of ones, and so
does its value to the result.  Where the value follows from one element by a factor, these are synapses with weights.
What is no sum, such as a maximum, is done at the elements of the result, one point after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from spikec.analysis.intervals import width
from spikec.dialects import step
from spikec.dialects.constants import Array
from spikec.dialects.mlir import ir
from spikec.dialects.refusal import Refusal
from spikec.lower.step_to_rtl.elements.rewriting import NARROW, Rewriting
from spikec.runtime.reference.blocks import program as evaluator
from spikec.runtime.reference.elements import number, stored
from spikec.runtime.reference.nests import affine_map, subscript

CODE = "E1312"
MOST = 64
"""The most points of an element of a result that are not added up."""
_SUMS = {"arith.addi": "sum", "arith.ori": "or", "arith.minsi": "or"}  # the least i1 is true, which is -1


def unrolled(rewriting: Rewriting, plain: dict[str, Any]) -> None:
    """Replaces the loop nests of a program; `plain` are the buffers that hold one number, with it."""
    for op in rewriting.ops:
        if isinstance(op, step.Map):
            _Nest(rewriting, plain, op).replace()
            op.operation.erase()


@dataclass(frozen=True)
class _Element:
    """An argument of the program: elements `places`, [points], of a buffer."""

    buffer: str
    delay: int
    places: Array


class _Nest:
    def __init__(self, rewriting: Rewriting, plain: dict[str, Any], op: step.Map) -> None:
        self._rewriting, self._plain, self._op = rewriting, plain, op
        self._function = rewriting.symbols[op.program]
        block = self._function.regions[0].blocks[0]
        self._arguments = list(block.arguments)
        self._used = [len(list(argument.uses)) for argument in self._arguments]
        self._returned = list(block.operations[len(block.operations) - 1].operation.operands)
        self._grid = list(np.indices(op.extents).reshape(len(op.extents), -1))
        self._points = int(np.prod(op.extents))
        self._args = [
            _Element(buffer, delay, self._places(attribute, buffer))
            for buffer, delay, attribute in zip(op.args, op.delays, op.maps, strict=True)
        ]
        self._targets = [
            self._places(attribute, buffer) for buffer, attribute in zip(op.results_, op.result_maps, strict=True)
        ]

    def replace(self) -> None:
        if "reduction" not in self._op.iterators and self._in_order():
            acc = [
                name if self._used[len(self._args) + k] else self._zero(k) for k, name in enumerate(self._op.results_)
            ]
            self._update(acc, list(self._op.results_))
            return
        kinds = [self._kind(k) for k in range(len(self._op.results_))]
        if None in kinds:
            self._one_by_one()
        elif len(kinds) > 1 or not self._direct(str(kinds[0])):
            self._point_by_point([str(kind) for kind in kinds])

    def _point_by_point(self, kinds: list[str]) -> None:
        """Each point as an element of its own."""
        zeros = [self._zero(k) for k in range(len(kinds))]
        values = [
            self._rewriting.buffer(f"{name}.points", self._rewriting.element(name), self._op.extents)
            for name in self._op.results_
        ]
        self._update(zeros, values)
        for value, kind, result, targets in zip(values, kinds, self._op.results_, self._targets, strict=True):
            table = self._rewriting.table(self._points, self._rewriting.count(result), np.arange(self._points), targets)
            self._collect(value, 0, table, result, kind)

    # ------------------------------------------------------------ element by element

    def _in_order(self) -> bool:
        """Whether the points are the elements of all results."""
        names = zip(self._op.results_, self._targets, strict=True)
        return all(
            self._rewriting.count(name) == self._points and np.array_equal(targets, np.arange(self._points))
            for name, targets in names
        )

    def _update(self, accumulators: list[Any], results: list[str]) -> None:
        args = self._arguments_at(np.arange(self._points))
        self._rewriting.update(self._op, self._op.program, [*args, *accumulators], results, self._points)

    def _arguments_at(self, points: Array) -> list[Any]:
        """What the program is given at some points."""
        used = self._used[: len(self._args)]
        there = [_Element(arg.buffer, arg.delay, arg.places[points]) for arg in self._args]
        return [self._argument(arg) if n else self._nothing(arg) for arg, n in zip(there, used, strict=True)]

    def _argument(self, arg: _Element) -> Any:
        rewriting, name = self._rewriting, arg.buffer
        if name in self._plain:
            return self._plain[name]
        count = len(arg.places)
        here = rewriting.count(name) == count and np.array_equal(arg.places, np.arange(count))
        if here and not arg.delay:
            return name
        if rewriting.buffers[name].kind == "constant":
            return self._constant(arg)
        if rewriting.count(name) == 1 and not arg.delay:
            return name  # one number for all, as an update may have it
        return rewriting.gathered(self._op, name, arg.delay, arg.places)

    def _constant(self, arg: _Element) -> str:
        array = self._rewriting.program.constants[arg.buffer].reshape(-1)[arg.places]
        return self._rewriting.constant(f"{arg.buffer}.moved", array, self._rewriting.element(arg.buffer))

    def _nothing(self, arg: _Element) -> Any:
        """What the program does not look at."""
        return ir.IntegerAttr.get(self._rewriting.element(arg.buffer), 0)

    def _zero(self, k: int) -> Any:
        return ir.IntegerAttr.get(self._rewriting.element(self._op.results_[k]), 0)

    # ------------------------------------------------------------ sums

    def _one_by_one(self) -> None:
        """The points of each element of the results in their order."""
        rewriting, targets = self._rewriting, self._targets[0]
        elements = rewriting.count(self._op.results_[0])
        each = self._points // elements
        order = np.argsort(targets, kind="stable").reshape(elements, -1)
        alike = all(np.array_equal(other, targets) for other in self._targets)
        if each > MOST or not alike or not np.array_equal(targets[order], np.arange(elements)[:, None].repeat(each, 1)):
            raise Refusal(CODE, f"a reduction of {each} values that is no sum; {MOST} are possible", self._op.operation)
        results = list(self._op.results_)
        for points in order.T:
            args = self._arguments_at(points)
            rewriting.update(self._op, self._op.program, [*args, *results], results, elements)

    def _kind(self, k: int) -> str | None:
        """How the values of points become a result: they are added up, or it is whether one is true, or else."""
        accumulator, returned = self._arguments[len(self._args) + k], self._returned[k]
        if "reduction" not in self._op.iterators and not self._used[len(self._args) + k]:
            return "sum"
        op = returned.owner.operation if hasattr(returned.owner, "operation") else None
        few = width(returned.type) == 1
        if (
            op is not None
            and self._used[len(self._args) + k] == 1
            and op.name in ("arith.addi", *(_SUMS if few else ()))
        ):
            if accumulator in list(op.operands):
                return _SUMS[op.name]
        return None

    def _collect(self, source: str, delay: int, table: str, into: str, kind: str) -> None:
        if width(self._rewriting.element(into)) >= NARROW:
            self._rewriting.propagate(self._op, source, delay, table, into)
        elif self._starts_true(into):
            raise Refusal(CODE, "a truth value of several elements that starts as true", self._op.operation)
        else:
            self._rewriting.summed(self._op, source, delay, table, into, kind)

    def _starts_true(self, name: str) -> bool:
        """Whether a result may start as something else than 0."""
        fills = [op for op in self._rewriting.ops if isinstance(op, step.Fill) and op.into == name]
        return not fills or bool(number(fills[-1].value) != 0)

    def _direct(self, kind: str) -> bool:
        """Replaces a nest whose values follow from one element by a factor; whether it is one."""
        variable = [k for k, arg in enumerate(self._args) if self._used[k] and not self._known(arg)]
        if len(variable) != 1:
            return False
        arg, result = self._args[variable[0]], self._op.results_[0]
        weights: Array | int = 1
        more = np.zeros(1, np.int64)
        if width(self._rewriting.element(arg.buffer)) == 1:
            silent, active = (self._values(variable[0], value).astype(np.int64) for value in (False, True))
            weights, more = active - silent, silent
        elif not self._is_sum_of(variable[0]):
            return False
        few = width(self._rewriting.element(result)) < NARROW
        if few and more.any():
            return False
        count = self._rewriting.count(result)
        table = self._rewriting.table(self._rewriting.count(arg.buffer), count, arg.places, self._targets[0], weights)
        self._collect(arg.buffer, arg.delay, table, result, kind)
        if more.any():
            total = np.zeros(count, np.int64)
            np.add.at(total, self._targets[0], more)
            self._rewriting.added(self._op, result, total)
        return True

    def _known(self, arg: _Element) -> bool:
        return arg.buffer in self._plain or self._rewriting.buffers[arg.buffer].kind == "constant"

    def _values(self, variable: int, value: bool) -> Array:
        """The values of the points where the one argument that is no constant is this everywhere."""
        args: list[Any] = []
        for k, arg in enumerate(self._args):
            type = self._rewriting.buffers[arg.buffer].type
            if k == variable:
                args.append(np.full(self._points, value))
            elif arg.buffer in self._plain:
                args.append(number(self._plain[arg.buffer]))
            elif self._known(arg):
                args.append(stored(self._rewriting.program.constants[arg.buffer], type).reshape(-1)[arg.places])
            else:
                args.append(number(self._nothing(arg)))
        args += [number(self._zero(k)) for k in range(len(self._op.results_))]
        return np.broadcast_to(evaluator(self._function)(*args)[0], self._points)

    def _is_sum_of(self, variable: int) -> bool:
        """Whether the value of a point is an argument, or that in more bits."""
        owner = self._returned[0].owner.operation
        accumulator = self._arguments[len(self._args)]
        value = next((operand for operand in owner.operands if operand != accumulator), None)
        if value is not None and hasattr(value.owner, "operation") and value.owner.operation.name == "arith.extsi":
            value = value.owner.operation.operands[0]
        return value is not None and value == self._arguments[variable]

    def _places(self, attribute: Any, buffer: str) -> Array:
        """The flat element of a buffer at each point."""
        type = self._rewriting.buffers[buffer].type
        found = affine_map(attribute, len(self._grid))
        subscripts = [np.broadcast_to(subscript(part)(self._grid), self._points) for part in found.results]
        if not subscripts:
            return np.zeros(self._points, np.int64)
        return np.asarray(np.ravel_multi_index(subscripts, list(type.shape)), np.int64)
