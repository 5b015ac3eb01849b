"""Fusion: elementwise ops that run one after the other become one `step.update`.

    "step.update"(%t) {program = @program.a.port.I, args = [@b, @sum], results = [@a.port.I], size = 256, ...}
    "step.update"(%t) {program = @a.LIF, args = [@a.port.I, @a.V], results = [@a.V, @a.spike], size = 256, ...}

become

    "step.update"(%t) {program = @a.LIF.fused, args = [@b, @sum, @a.V], results = [@a.V, @a.spike], size = 256, ...}

and the buffer `a.port.I` goes.  What is fused into an update is an op before it in the same stage that makes a
temp for this update alone: an update of the same size, whose other results stay as results; a copy of a whole
buffer; a fill, whose number becomes the argument.  The op moves down to its consumer, so nothing between the two
may write what it reads, or use what else it writes.  Programs are composed op by op: no bit of a result changes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from spikec.dialects import step
from spikec.dialects.accesses import Use, conflict, distance, uses
from spikec.dialects.functions import (
    argument_marks,
    is_private,
    result_marks,
    signature,
    size,
    symbol_name,
    symbol_of,
    symbols_in,
    walk,
)
from spikec.dialects.mlir import func, ir
from spikec.dialects.program import Program
from spikec.passes.canonicalize import Canonicalize

SUFFIX = ".fused"


def fuse(program: Program) -> Program:
    """A program at level `step` in which temps that one update makes for another one are gone."""
    result = program.clone()
    with result.module.context, ir.Location.unknown():
        fusion = _Fusion(result.symbols())
        for name, function in list(fusion.symbols.items()):
            if function.name == "func.func" and (name.startswith("stage.") or not is_private(function)):
                fusion.block(function.regions[0].blocks[0])
        if not fusion.fused:
            return result
        fusion.remove_unused_temps()
    return Canonicalize().run(result)  # what composed programs compute twice, and programs that nothing names now


def _references(op: Any) -> set[str]:
    """The symbols that one op names, in whatever attribute."""
    return {name for key in op.attributes for name in symbols_in(op.attributes[key])}


@dataclass
class _Fusion:
    """The symbols of a module and how many ops name each of them."""

    symbols: dict[str, Any]
    buffers: dict[str, step.Buffer] = field(init=False)
    users: Counter[str] = field(default_factory=Counter)
    fused: int = 0
    _composed_here: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.buffers = {n: step.Buffer(op) for n, op in self.symbols.items() if op.name == step.Buffer.name()}
        for top in self.symbols.values():
            for op in walk(top):
                self.users.update(_references(op))

    def block(self, block: Any) -> None:
        """Fuses what it can in one stage, from the first update to the last."""
        ops: list[Any] = [step.DIALECT.view(operation.operation) for operation in block.operations]
        at = 0
        while at < len(ops):
            pair = self._pair(ops, at)
            if pair is None:
                at += 1
                continue
            ops[at] = self._join(ops[pair], ops[at])
            del ops[pair]
            at -= 1

    def remove_unused_temps(self) -> None:
        for name, buffer in self.buffers.items():
            if buffer.kind == "temp" and not self.users[name]:
                buffer.operation.erase()

    # Which ops.

    def _pair(self, ops: list[Any], at: int) -> int | None:
        """The position of the nearest op that can be fused into the update at `at`."""
        consumer = ops[at]
        if not isinstance(consumer, step.Update):
            return None
        wanted = {name for name in map(symbol_of, consumer.args) if name is not None and self._private(name, consumer)}
        for position in range(at - 1, -1, -1):
            producer = ops[position]
            if producer is None or not wanted & self._made(producer, consumer):
                continue
            if self._can_move(producer, ops[position + 1 : at]) and self._can_join(producer, consumer, wanted):
                return position
        return None

    def _private(self, name: str, consumer: step.Update) -> bool:
        """Whether a buffer is a temp that this update and one other op use, and no other step."""
        buffer = self.buffers[name]
        now = all(d == 0 for a, d in zip(consumer.args, consumer.delays, strict=True) if symbol_of(a) == name)
        return buffer.kind == "temp" and buffer.slots == 1 and self.users[name] == 2 and now

    def _made(self, producer: Any, consumer: step.Update) -> set[str]:
        """What an op makes that the consumer could compute for itself."""
        match producer:
            case step.Fill():
                return {producer.into}
            case step.Copy():
                count = size(self.buffers[producer.into].type)
                whole = producer.low == producer.to == 0 and producer.size == count
                return {producer.into} if whole and size(self.buffers[producer.from_].type) == count else set()
            case step.Update() if producer.size == consumer.size:
                return {name for name in map(symbol_of, producer.results_) if name is not None}
        return set()

    def _uses(self, op: Any) -> list[Use]:
        return list(uses(op, self.buffers))

    def _meet(self, first: Use, second: Use) -> bool:
        """Whether two uses concern the same slot in the same step."""
        slots = self.buffers[first.buffer].slots
        return first.buffer == second.buffer and distance(first, second, slots, True) == 0

    def _can_move(self, producer: Any, between: list[Any]) -> bool:
        """Whether the producer may run after the ops that now follow it."""
        mine = self._uses(producer)
        others = [use for op in between if op is not None for use in self._uses(op)]
        return not any(conflict(use, other) and self._meet(use, other) for use in mine for other in others)

    def _can_join(self, producer: Any, consumer: step.Update, wanted: set[str]) -> bool:
        """Whether one op can do what both do: it reads all its arguments before it writes, element by element."""
        if not isinstance(producer, step.Update):
            return True
        made = {name for name in map(symbol_of, producer.results_) if name is not None}
        if made & {symbol_of(result) for result in consumer.results_}:
            return False
        # What the consumer reads of the producer's is this step's value: it never gets to memory and back.
        reads = [use for use in self._uses(consumer) if use.buffer in made and use.reads]
        return all(use.delay == 0 or not self._meet(Use(use.buffer), use) for use in reads)

    # The op that does both.

    def _join(self, producer: Any, consumer: step.Update) -> step.Update:
        with ir.InsertionPoint(consumer.operation), consumer.operation.location:
            match producer:
                case step.Fill():
                    joined = _substituted(consumer, producer.into, producer.value, 0)
                case step.Copy():
                    source = ir.FlatSymbolRefAttr.get(producer.from_)
                    joined = _substituted(consumer, producer.into, source, producer.delay)
                case _:
                    joined = self._composed(producer, consumer)
        self.users.update(_references(joined.operation))
        for op in (producer.operation, consumer.operation):
            self.users.subtract(_references(op))
            op.erase()
        self.fused += 1
        return joined

    def _composed(self, producer: step.Update, consumer: step.Update) -> step.Update:
        made = {name: k for k, r in enumerate(producer.results_) if (name := symbol_of(r)) is not None}
        kept = [k for name, k in made.items() if not self._private(name, consumer)]
        both = _Composition(self.symbols[producer.program], self.symbols[consumer.program])
        for number, (attribute, delay) in enumerate(zip(producer.args, producer.delays, strict=True)):
            both.argument(0, number, attribute, delay)
        for number, (attribute, delay) in enumerate(zip(consumer.args, consumer.delays, strict=True)):
            source = made.get(symbol_of(attribute) or "") if delay == 0 else None
            if source is None:
                both.argument(1, number, attribute, delay)
            else:
                both.passed[number] = source
        name = self._name(consumer.program)
        made_before = self.symbols.get(name)
        self.symbols[name] = both.build(name, kept)
        if made_before is not None:
            made_before.erase()
        results = [*consumer.results_, *(producer.results_[k] for k in kept)]
        return step.Update(
            step.Update.build(
                consumer.operation.operands[0],
                program=name,
                size=consumer.size,
                args=[attribute for attribute, _ in both.args],
                delays=[delay for _, delay in both.args],
                results_=results,
            )
        )

    def _name(self, consumer: str) -> str:
        """The name of a composed program; that of its consumer where this one was made here for one update."""
        if consumer in self._composed_here and self.users[consumer] == 1:
            return consumer
        wanted = name = consumer + SUFFIX
        number = 0
        while name in self.symbols:
            number += 1
            name = f"{wanted}_{number}"
        self._composed_here.add(name)
        return name


def _substituted(update: step.Update, name: str, attribute: Any, delay: int) -> step.Update:
    """The update with another argument in place of a buffer."""
    pairs = [
        (attribute, delay) if symbol_of(a) == name else (a, d) for a, d in zip(update.args, update.delays, strict=True)
    ]
    return step.Update(
        step.Update.build(
            update.operation.operands[0],
            program=update.program,
            size=update.size,
            args=[a for a, _ in pairs],
            delays=[d for _, d in pairs],
            results_=update.results_,
        )
    )


class _Composition:
    """A program that runs one program, then another on some of its results."""

    def __init__(self, first: Any, second: Any) -> None:
        self._programs = (first, second)
        self._marks = (argument_marks(first), argument_marks(second))
        self.args: list[tuple[Any, int]] = []
        self._of: dict[tuple[int, int], int] = {}
        self._types: list[Any] = []
        self._argument_marks: list[dict[str, Any]] = []
        self.passed: dict[int, int] = {}  # argument of the second program -> result of the first

    def argument(self, which: int, number: int, attribute: Any, delay: int) -> None:
        """An argument of program `which`; equal ones are passed once."""
        type = signature(self._programs[which]).inputs[number]
        marks = self._marks[which][number]
        for position, known in enumerate(self.args):
            if known == (attribute, delay) and self._types[position] == type:
                self._argument_marks[position] = {**marks, **self._argument_marks[position]}
                break
        else:
            position = len(self.args)
            self.args.append((attribute, delay))
            self._types.append(type)
            self._argument_marks.append(dict(marks))
        self._of[which, number] = position

    def build(self, name: str, kept: list[int]) -> Any:
        """The function, before the second program: the results of the second one, then those `kept` of the first."""
        first, second = self._programs
        types = [*signature(second).results, *(signature(first).results[k] for k in kept)]
        marks = [*result_marks(second), *(result_marks(first)[k] for k in kept)]
        with ir.InsertionPoint(second), second.location:
            op = func.FuncOp(name, (self._types, types), visibility="private")
            op.attributes["arg_attrs"] = _dictionaries(self._argument_marks)
            op.attributes["res_attrs"] = _dictionaries(marks)
            block = op.add_entry_block()
        with ir.InsertionPoint(block):
            given = [block.arguments[self._of[0, k]] for k in range(len(self._marks[0]))]
            made = _inlined(first, given)
            given = [
                made[self.passed[k]] if k in self.passed else block.arguments[self._of[1, k]]
                for k in range(len(self._marks[1]))
            ]
            values = _inlined(second, given)
            with second.location:
                func.ReturnOp([*values, *(made[k] for k in kept)])
        return op.operation


def _dictionaries(marks: list[dict[str, Any]]) -> Any:
    return ir.ArrayAttr.get([ir.DictAttr.get(entry) for entry in marks])


def _inlined(program: Any, arguments: list[Any]) -> list[Any]:
    """Repeats the ops of a program at the insertion point; what it returns."""
    block = program.regions[0].blocks[0]
    values: dict[Any, Any] = dict(zip(map(ir.Value, block.arguments), arguments, strict=True))
    for wrapped in block.operations:
        op = wrapped.operation
        operands = [values[ir.Value(operand)] for operand in op.operands]
        if op.name == "func.return":
            return operands
        attributes = {key: op.attributes[key] for key in op.attributes}
        made = ir.Operation.create(
            op.name, results=[r.type for r in op.results], operands=operands, attributes=attributes, loc=op.location
        )
        values.update(zip(map(ir.Value, op.results), made.results, strict=True))
    raise AssertionError(f"@{symbol_name(program)} does not return")
