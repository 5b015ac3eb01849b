"""The rules of level `rtl`: ports, widths, single drivers, no circle of modules, no combinational loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spikec.dialects import memory_content, rtl
from spikec.dialects.definition import Op
from spikec.dialects.functions import argument_marks, is_private, result_marks, signature, symbol_name, walk
from spikec.dialects.mlir import ir
from spikec.dialects.netlist import Cell, CombinationalLoop, elaborate, module_of
from spikec.dialects.program import Program
from spikec.dialects.refusal import span_of

Problem = tuple[Any, str]


def rules(program: Program) -> Iterator[Problem]:
    """Every broken rule as (operation, text)."""
    symbols = program.symbols()
    found = [*_top(program, symbols), *(problem for op in symbols.values() for problem in _module(op, program))]
    found = found or list(_circle(symbols))
    yield from found
    if not found:
        for name in symbols:
            try:
                elaborate(program, name)
            except CombinationalLoop as loop:
                yield loop.cells[0].view.operation, f"in @{name}: {_hops(loop.cells)}"
                return


def _hops(cells: list[Cell]) -> str:
    """The way around a loop, each hop with its place in the source."""
    hops = [f"{cell.path} ({cell.view.name()}{_place(cell.view.operation)})" for cell in [*cells, cells[0]]]
    return "combinational loop: " + " -> ".join(hops)


def _place(op: Any) -> str:
    span = span_of(op)
    return f" at {span.file}:{span.line}:{span.column}" if span else ""


# ---------------------------------------------------------------- modules


def _top(program: Program, symbols: dict[str, Any]) -> Iterator[Problem]:
    name = program.attribute("model")
    if name not in symbols:
        yield program.module.operation, f"there is no module @{name}, which '{rtl.MODEL}' names"


def _module(function: Any, program: Program) -> Iterator[Problem]:
    if function.name != "func.func":
        yield function, "does not belong at the top of a module at level rtl"
        return
    if is_private(function) or len(list(function.regions[0].blocks)) != 1:
        yield function, f"@{symbol_name(function)} must be public and have a body of one block"
        return
    found = [*_ports(function), *_ops(function, program)]
    yield from found or _drivers(function)


def _ports(function: Any) -> Iterator[Problem]:
    type = signature(function)
    taken = {rtl.CLOCK, rtl.RESET}
    sides = zip([*type.inputs, *type.results], [*argument_marks(function), *result_marks(function)], strict=True)
    for port, marks in sides:
        name = marks.get(rtl.NAME)
        if set(marks) != {rtl.NAME} or not isinstance(name, ir.StringAttr):
            yield function, f"a port has the mark '{rtl.NAME}' and no other, not {sorted(marks)}"
        elif name.value in taken or not name.value:
            yield function, f"two ports named '{name.value}'"
        else:
            taken.add(name.value)
        if not _is_bits(port):
            yield function, f"a port of type {port}"


def _ops(function: Any, program: Program) -> Iterator[Problem]:
    names: set[str] = set()
    for op in list(walk(function))[1:]:
        if op.name == "func.return":
            continue
        if op.name == rtl.INSTANCE:
            name = op.attributes.get(rtl.NAME)
            if not isinstance(name, ir.StringAttr) or name.value in names:
                yield op, f"needs a name of its own ('{rtl.NAME}'), not {name}"
            else:
                names.add(name.value)
            continue
        view = rtl.DIALECT.view(op)
        if view is None:
            yield op, "is not an op of level rtl"
            continue
        texts = list(view.problems()) or list(_types(view)) or list(_meaning(view, program))
        yield from ((op, text) for text in texts)
        if not texts and isinstance(view, rtl.Reg | rtl.Mem):
            if view.name_ is None or view.name_ in names:
                yield op, f"needs a name of its own, not {view.name_!r}"
            names.add(view.name_)


# ---------------------------------------------------------------- one op


def _is_bits(type: Any) -> bool:
    return isinstance(type, ir.IntegerType) and type.is_signless and type.width > 0


def _is_memory(type: Any) -> bool:
    plain = isinstance(type, ir.MemRefType) and type.rank == 1 and type.has_static_shape and type.shape[0] > 0
    return plain and _is_bits(type.element_type) and type.layout == ir.AffineMapAttr.get(ir.AffineMap.get_identity(1))


def _types(view: Op) -> Iterator[str]:
    """Whether operands and results are bits, but for the one handle of a memory."""
    op = view.operation
    for name, side, slots in (("operand", op.operands, view.operands), ("result", op.results, view.results)):
        least = len([slot for slot in slots if slot not in view.variadic])
        if len(side) < least or (len(side) > least and not set(slots) & set(view.variadic)):
            yield f"{len(side)} {name}s, where {least} are needed"
            return
        for index, value in enumerate(side):
            memory = index < len(slots) and slots[index] == "memory"
            if not (_is_memory if memory else _is_bits)(value.type):
                yield f"{name} {index} is a {value.type}, not {'a memory' if memory else 'bits'}"


def _meaning(view: Op, program: Program) -> Iterator[str]:
    """The rules of one op whose operands have the right types."""
    op = view.operation
    operands = [getattr(value.type, "width", 0) for value in op.operands]
    results = [getattr(value.type, "width", 0) for value in op.results]
    match view:
        case rtl.Constant():
            yield from _equal(view.operation.attributes["value"].type.width, results[0])
        case rtl.Cmp():
            yield from _equal(*operands)
            yield from _equal(1, results[0])
            yield from _known("predicate", view.predicate, rtl.PREDICATES)
        case rtl.Add() | rtl.Sub() | rtl.Mul() | rtl.And() | rtl.Or() | rtl.Xor() | rtl.Not():
            yield from _equal(*operands, results[0])
        case rtl.Reduce():
            yield from _equal(1, results[0])
            yield from _known("kind", view.kind, rtl.REDUCTIONS)
        case rtl.Shl() | rtl.Shru() | rtl.Shrs():
            yield from _equal(operands[0], results[0])
        case rtl.Mux():
            yield from _equal(1, operands[0])
            yield from _equal(*operands[1:], results[0])
        case rtl.Concat():
            yield from _equal(sum(operands), results[0])
        case rtl.Extract():
            if view.low < 0 or view.low + results[0] > operands[0]:
                yield f"bits {view.low} to {view.low + results[0] - 1} of {operands[0]}"
        case rtl.Zext() | rtl.Sext():
            if results[0] < operands[0]:
                yield f"widens {operands[0]} bits to {results[0]}"
        case rtl.Reg() if view.init is not None:
            yield from _equal(view.operation.attributes["init"].type.width, results[0])
        case rtl.Connect():
            yield from _connect(op, operands)
        case rtl.Mem():
            yield from _mem(view, program)
        case rtl.Read() | rtl.Write():
            yield from _access(view, operands, results)


def _equal(*widths: int) -> Iterator[str]:
    if len(set(widths)) > 1:
        yield f"widths {', '.join(map(str, widths))} must be equal"


def _known(what: str, value: str, known: tuple[str, ...]) -> Iterator[str]:
    if value not in known:
        yield f"{what} '{value}' is none of {', '.join(known)}"


def _connect(op: Any, widths: list[int]) -> Iterator[str]:
    target = _defining(op.operands[0])
    if not isinstance(target, rtl.Wire | rtl.Reg):
        yield "connects to what is no wire and no register"
        return
    yield from _equal(*widths[:2])
    if len(widths) > 3 or (len(widths) == 3 and isinstance(target, rtl.Wire)):
        yield "a register has at most one enable, a wire none"
    elif len(widths) == 3:
        yield from _equal(1, widths[2])


def _defining(value: Any) -> Op | None:
    return None if isinstance(value, ir.BlockArgument) else rtl.DIALECT.view(value.owner)


def _mem(view: rtl.Mem, program: Program) -> Iterator[str]:
    yield from _known("style", view.style, rtl.STYLES)
    if (view.content is None) != (view.digest is None):
        yield "'content' and 'digest' belong together"
    elif view.content is not None and view.style == "huge":
        yield "a huge memory has no content"
    elif view.content is not None and view.content not in program.constants:
        yield f"the constants store has no '{view.content}'"
    elif view.content is not None:
        if program.constants.digest(view.content) != view.digest:
            yield "the digest is not that of the constants store"
        type = view.operation.result.type
        array = program.constants[view.content]
        yield from memory_content.problems(array, type.shape[0], type.element_type.width)


def _access(view: Any, operands: list[int], results: list[int]) -> Iterator[str]:
    type = view.operation.operands[0].type
    depth, width = type.shape[0], type.element_type.width
    if operands[1] != max(1, (depth - 1).bit_length()):
        yield f"an address of {operands[1]} bits for {depth} words"
    if isinstance(view, rtl.Write):
        yield from _equal(width, operands[2])
        if width % operands[3]:
            yield f"an enable of {operands[3]} bits for words of {width} bits"
    else:
        yield from _equal(width, results[0])
        if len(operands) > 3 or (len(operands) == 3 and view.async_):
            yield "a read has at most one enable, an asynchronous one none"
        elif len(operands) == 3:
            yield from _equal(1, operands[2])


# ---------------------------------------------------------------- the whole


def _drivers(function: Any) -> Iterator[Problem]:
    """Every wire and register is driven exactly once."""
    drivers: dict[Any, int] = {}
    ops = [one.operation for one in function.regions[0].blocks[0].operations]
    for op in ops:
        if op.name == rtl.Connect.name():
            drivers[op.operands[0]] = drivers.get(op.operands[0], 0) + 1
    for op in ops:
        if op.name in (rtl.Wire.name(), rtl.Reg.name()) and drivers.get(op.result, 0) != 1:
            yield op, f"has {drivers.get(op.result, 0)} drivers, where it needs one"


def _circle(symbols: dict[str, Any]) -> Iterator[Problem]:
    """No module contains itself."""
    inside = {
        name: [module_of(op) for op in walk(function) if op.name == rtl.INSTANCE] for name, function in symbols.items()
    }
    for name, function in symbols.items():
        reached, waiting = set(), list(inside[name])
        while waiting:
            one = waiting.pop()
            if one not in reached:
                reached.add(one)
                waiting += inside[one]
        if name in reached:
            yield function, f"@{name} contains itself"
