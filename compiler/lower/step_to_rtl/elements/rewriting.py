"""A program at level `step` under change: new buffers, tables and ops beside those that it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from spikec.analysis.dependence import entry_ops
from spikec.analysis.intervals import width
from spikec.dialects import step
from spikec.dialects.constants import Array
from spikec.dialects.functions import size, symbol_of
from spikec.dialects.mlir import arith, func, ir
from spikec.dialects.program import Program
from spikec.lower.code import python_number
from spikec.runtime.reference.elements import dtype

NARROW = 8  # sums have at least so many bits


class Rewriting:
    """A copy of a program; ops are made before another op, at its place in the source.

    `starts` are what states hold at first where `@init` computes that.
    """

    def __init__(self, program: Program, starts: Mapping[str, Array]) -> None:
        self._starts = starts
        self.program = program.clone()
        self.symbols = self.program.symbols()
        self.buffers = {buffer.sym_name: buffer for buffer in self.program.ops(step.Buffer)}
        self._tables: dict[Any, str] = {}
        self._functions: dict[Any, str] = {}
        self._tally: str | None = None
        self._clock: str | None = None

    @property
    def ops(self) -> list[Any]:
        """The ops of a step in order, without those that only count or record."""
        return [op for _, op in entry_ops(self.program) if not isinstance(op, step.Tally | step.Record)]

    def element(self, buffer: str) -> Any:
        return self.buffers[buffer].type.element_type

    def count(self, buffer: str) -> int:
        return size(self.buffers[buffer].type)

    def start(self, state: str) -> Array:
        """What a state holds at first (i64), flat."""
        init, count = self.buffers[state].init, self.count(state)
        name = None if init is None else symbol_of(init)
        if state in self._starts:
            found = self._starts[state]
        elif name is not None:
            found = self.program.constants[name]
        else:
            found = np.asarray(0 if init is None else python_number(init))
        return np.broadcast_to(found.reshape(-1).astype(np.int64), count)

    # ------------------------------------------------------------ what modules hold

    def shape(self, buffer: str) -> list[int]:
        return list(self.buffers[buffer].type.shape)

    def buffer(self, wanted: str, element: Any, shape: Sequence[int]) -> str:
        """A new buffer of values of a step."""
        forms = ["mask"] if width(element) == 1 else None
        return self._buffer(self._fresh(wanted), "temp", ir.MemRefType.get(list(shape), element), forms=forms)

    def history(self, wanted: str, like: str) -> str:
        """A new buffer of the values of this step and the one before, zeros at first."""
        forms = ["mask"] if width(self.element(like)) == 1 else None
        type = self.buffers[like].type
        return self._buffer(self._fresh(wanted), "stream", type, slots=2, forms=forms)

    def remember(self, buffer: str, steps: int) -> None:
        """Lets a buffer keep the values of so many steps."""
        found = self.buffers[buffer]
        if found.kind == "temp":
            found.operation.attributes["kind"] = ir.StringAttr.get("stream")
        if found.kind == "stream":
            slots = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), max(steps, found.slots))
            found.operation.attributes["slots"] = slots

    def constant(self, wanted: str, array: Array, element: Any) -> str:
        """A new array of integers of a type."""
        name = self._fresh(wanted)
        type = ir.MemRefType.get(list(array.shape), element)
        digest = self.program.constants.add(name, array.astype(dtype(element)))
        return self._buffer(name, "constant", type, digest=digest)

    def table(self, pre: int, post: int, source: Array, target: Array, weights: Array | int = 1) -> str:
        """Synapses from `source` to `target`, [n] each; those of one pair are one with the sum of their weights."""
        key = (pre, post, source.tobytes(), target.tobytes(), np.asarray(weights, np.int64).tobytes())
        if key not in self._tables:
            self._tables[key] = self._table(pre, post, source, target, weights)
        return self._tables[key]

    def function(self, name: str, types: Sequence[Any], body: Callable[..., Any]) -> str:
        """A program of one result over scalars, the same for the same name and types."""
        key = (name, tuple(map(str, types)))
        if key not in self._functions:
            made = self._fresh(f"program.{name}")
            with ir.InsertionPoint(self.program.module.body):
                op = func.FuncOp(made, (list(types), []), visibility="private")
            block = op.add_entry_block()
            with ir.InsertionPoint(block):
                result = body(*block.arguments)
                func.ReturnOp([result])
            op.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(list(types), [result.type]))
            self.symbols[made] = op.operation
            self._functions[key] = made
        return self._functions[key]

    def _fresh(self, wanted: str) -> str:
        name, number = wanted, 0
        while name in self.symbols:
            number += 1
            name = f"{wanted}_{number}"
        return name

    def _buffer(self, name: str, kind: str, type: Any, slots: int = 1, **more: Any) -> str:
        with ir.InsertionPoint.at_block_begin(self.program.module.body):
            made = step.Buffer.build(sym_name=name, kind=kind, type=type, slots=slots, **more)
        self.symbols[name] = made.operation
        self.buffers[name] = step.Buffer(made.operation)
        return name

    def _table(self, pre: int, post: int, source: Array, target: Array, weights: Array | int) -> str:
        pairs, which = np.unique(source.astype(np.int64) * post + target, return_inverse=True)
        each = np.zeros(len(pairs), np.int64)
        np.add.at(each, which.reshape(-1), weights)
        row = np.concatenate([[0], np.bincount(pairs // post, minlength=pre).cumsum()]).astype(np.int32)
        index = 16 if post <= 1 << 16 else 32
        fields: dict[str, Any] = {"format": "csr", "index": index}
        name = self._fresh("moves")
        arrays = {
            "row": self.constant(f"{name}.row", row, _integer(32)),
            "col": self.constant(f"{name}.col", pairs % post, _integer(index)),
        }
        stored = each.astype(next(f"i{n}" for n in (1, 2, 4, 8) if np.array_equal(each.astype(f"i{n}"), each)))
        fields["element"] = _integer(8 * stored.itemsize)
        if len(each) and (each == each[0]).all():
            fields["weight"] = ir.IntegerAttr.get(fields["element"], int(each[0]))
        else:
            arrays["w"] = self.constant(f"{name}.w", stored, fields["element"])
        references = {key: reference(array) for key, array in arrays.items()}
        with ir.InsertionPoint(next(iter(self._stages())).operation):
            made = step.Table.build(sym_name=name, pre=pre, post=post, arrays=references, **fields)
        self.symbols[name] = made.operation
        return name

    def _stages(self) -> list[Any]:
        return [op for op in self.program.module.body.operations if op.operation.name == "func.func"]

    # ------------------------------------------------------------ ops

    def fill(self, at: Any, into: str, value: int = 0) -> None:
        with self._before(at):
            step.Fill.build(_step(at), into=into, value=ir.IntegerAttr.get(self.element(into), value))

    def copy(self, at: Any, source: str, into: str, after: bool = False) -> None:
        with _Place(at, after):
            size = self.count(into)
            step.Copy.build(_step(at), from_=source, delay=0, low=0, into=into, to=0, size=size)

    def propagate(self, at: Any, source: str, delay: int, table: str, into: str) -> None:
        """Adds to `into` what arrives through a table from all of `source`."""
        if self._tally is None:
            name = self._fresh("moves.synaptic_events")
            self._tally = self._buffer(name, "counter", ir.MemRefType.get([], _integer(64)))
        with self._before(at):
            more: dict[str, Any] = {"low": 0, "mode": "dense", "tally": self._tally}
            step.Propagate.build(_step(at), from_=source, delay=delay, table=table, into=into, **more)

    def again(self, at: Any, op: Any) -> Any:
        """The same op once more."""
        attributes = {name: op.operation.attributes[name] for name in op.operation.attributes}
        with self._before(at):
            made = ir.Operation.create(op.name(), operands=[_step(at)], attributes=attributes)
        return type(op)(made)

    def update(self, at: Any, program: str, args: Sequence[Any], into: Sequence[str | None], size: int) -> None:
        """`args` are names of buffers, or attributes."""
        given = [reference(arg) if isinstance(arg, str) else arg for arg in args]
        made = [ir.UnitAttr.get() if name is None else reference(name) for name in into]
        with self._before(at):
            zeros = [0] * len(given)
            step.Update.build(_step(at), program=program, size=size, args=given, delays=zeros, results_=made)

    def gathered(self, at: Any, source: str, delay: int, places: Array) -> str:
        """A new buffer: element n is element places[n] of another one as it was `delay` steps ago."""
        element, count = self.element(source), len(places)
        table = self.table(self.count(source), count, places, np.arange(count))
        shape = self.shape(source) if count == self.count(source) else [count]
        found = self.buffer(f"{source}.moved", element, shape)
        self.summed(at, source, delay, table, found)
        return found

    def summed(self, at: Any, source: str, delay: int, table: str, into: str, kind: str = "sum") -> None:
        """Fills a buffer with what arrives through a table; of few bits, with whether it is odd or, of "or", some."""
        element, sums = self.element(into), into
        if width(element) < NARROW:
            sums = self.buffer(f"{into}.sum", _integer(32), self.shape(into))
        self.fill(at, sums)
        self.propagate(at, source, delay, table, sums)
        if sums != into:
            self.convert(at, sums, into, kind)

    def convert(self, at: Any, source: str, into: str, kind: str) -> None:
        """Sums as values of few bits."""
        element, wide = self.element(into), self.element(source)

        def some(a: Any) -> Any:
            return arith.cmpi(arith.CmpIPredicate.ne, a, arith.constant(wide, ir.IntegerAttr.get(wide, 0)))

        body = some if kind == "or" else lambda a: arith.trunci(element, a)
        program = self.function(f"{kind}.{element}", [wide], body)
        self.update(at, program, [source], [into], self.count(into))

    def added(self, at: Any, into: str, array: Array) -> None:
        """Adds an array to a buffer."""
        element = self.element(into)
        constant = self.constant(f"{into}.more", array, element)
        program = self.function("plus", [element, element], arith.addi)
        self.update(at, program, [into, constant], [into], self.count(into))

    def started(self, at: Any, start: Array, then: Any, into: str) -> None:
        """Fills a buffer: in the first step with an array, later with `then`, the name of a buffer or a number."""
        element = self.element(into)
        first_values = self._constant_of(f"{into}.start", start, element)
        if self._clock is None:
            self._clock = self._buffer(self._fresh("clock"), "temp", ir.MemRefType.get([], _integer(64)))
            first = self.ops[0]
            with self._before(first):
                step.Clock.build(_step(first), into=self._clock)

        def chosen(t: Any, begin: Any, later: Any) -> Any:
            zero = arith.constant(t.type, ir.IntegerAttr.get(t.type, 0))
            return arith.select(arith.cmpi(arith.CmpIPredicate.eq, t, zero), begin, later)

        program = self.function("started", [_integer(64), element, element], chosen)
        self.update(at, program, [self._clock, first_values, then], [into], self.count(into))

    def _constant_of(self, wanted: str, array: Array, element: Any) -> Any:
        """Numbers as an argument: one number where all are alike."""
        if bool((array == array.flat[0]).all()):
            return ir.IntegerAttr.get(element, int(array.flat[0]))
        return self.constant(wanted, array, element)

    def _before(self, at: Any) -> Any:
        return _Place(at)


class _Place:
    """Ops are made before another one, or after it, with its location."""

    def __init__(self, at: Any, after: bool = False) -> None:
        make = ir.InsertionPoint.after if after else ir.InsertionPoint
        self._point, self._location = make(at.operation), at.operation.location

    def __enter__(self) -> None:
        self._point.__enter__()
        self._location.__enter__()

    def __exit__(self, *failure: Any) -> None:
        self._location.__exit__(*failure)
        self._point.__exit__(*failure)


def made(op: Any) -> list[str]:
    """The buffers that an op fills or adds to."""
    if isinstance(op, step.Update):
        return [name for name in map(symbol_of, op.results_) if name is not None]
    return list(op.results_) if isinstance(op, step.Map) else [op.into]


def reference(name: str) -> Any:
    """A name as an attribute."""
    return ir.FlatSymbolRefAttr.get(name)


def _step(at: Any) -> Any:
    """The number of the step, where an op stands."""
    return at.operation.operands[0]


def _integer(bits: int) -> Any:
    return ir.IntegerType.get_signless(bits)
