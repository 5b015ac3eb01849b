"""The rules of level `step`, for a program whose references resolve."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from spikec.dialects import convolution, fixed_point, procedural, step, verify_memory, verify_schedule
from spikec.dialects.functions import is_private, signature, size, symbol_name, symbol_of, walk
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.propagations import Propagation, propagations

Problem = tuple[Any, str]

WRITABLE = frozenset({"output", "result", "state", "stream", "temp"})
FORMS = frozenset({"list", "mask"})


def rules(program: Program) -> Iterator[Problem]:
    """Every broken rule as (operation, text)."""
    symbols = program.symbols()
    found = [(op.operation, text) for op in program.ops(step.Buffer) for text in _buffer(op, symbols, program)]
    if not found:
        found = [(op.operation, text) for op in program.ops(step.Table) for text in _table(op, symbols, program)]
    functions = [op for name, op in symbols.items() if _runs(name, op)]
    wrong = [problem for op in functions for problem in _signature(symbol_name(op), op)]
    if not found:
        wrong += [problem for op in functions for problem in _uses(op, symbols)]
    yield from found + wrong
    if not found and not wrong:
        late = list(verify_schedule.rules(program))
        yield from late
        if not late:
            yield from verify_memory.rules(program)


def _runs(name: str, op: Any) -> bool:
    """Whether a symbol is an entry or a stage."""
    return op.name == "func.func" and (name.startswith("stage.") or not is_private(op))


# ---------------------------------------------------------------- declarations


def _buffer(view: step.Buffer, symbols: dict[str, Any], program: Program) -> Iterator[str]:
    if not isinstance(view.type, ir.MemRefType) or not view.type.has_static_shape:
        yield f"a buffer has a memref type of fixed shape, not {view.type}"
        return
    if view.kind not in step.BUFFER_KINDS:
        yield f"unknown kind '{view.kind}'"
        return
    if view.slots < 1 or (view.slots > 1 and not _may_be_ring(view)):
        yield f"{view.slots} slots for a buffer of kind {view.kind}"
    if view.forms is not None and (not view.forms or not set(view.forms) <= FORMS):
        yield f"unknown forms {view.forms}"
    if view.kind == "counter" and str(view.type) != "memref<i64>":
        yield f"a counter is a memref<i64>, not {view.type}"
    if (view.kind == "constant") != (view.digest is not None):
        yield "a constant has a digest, and nothing else has"
    elif view.sym_name in program.constants and program.constants.digest(view.sym_name) != view.digest:
        yield "the digest is not that of the constants store"
    yield from _init(view, symbols)
    yield from _probe(view, symbols)


def _may_be_ring(view: step.Buffer) -> bool:
    """The slots of an input are those of its list; the host has the values of all steps."""
    return view.kind in ("stream", "temp") or (view.kind == "input" and "list" in (view.forms or []))


def _init(view: step.Buffer, symbols: dict[str, Any]) -> Iterator[str]:
    if view.init is None:
        return
    if view.kind not in ("state", "stream"):
        yield f"a buffer of kind {view.kind} has no initial value"
    name = symbol_of(view.init)
    if name is None:
        if getattr(view.init, "type", None) != view.type.element_type:
            yield f"init {view.init} is not a {view.type.element_type}"
        return
    buffer = step.Buffer(symbols[name])
    if buffer.kind != "constant" or not isinstance(buffer.type, ir.MemRefType) or size(buffer.type) != size(view.type):
        yield f"init @{name} is not a constant of {size(view.type)} elements"


def _probe(view: step.Buffer, symbols: dict[str, Any]) -> Iterator[str]:
    fields = (view.of, view.record, view.every, view.low, view.high)
    if view.kind != "probe":
        if any(field is not None for field in fields):
            yield f"a buffer of kind {view.kind} records nothing"
        return
    if any(field is None for field in fields):
        yield "a probe needs 'of', 'record', 'every', 'low' and 'high'"
        return
    if view.record not in ("value", "event"):
        yield f"unknown record '{view.record}'"
    if view.every < 1:
        yield "'every' must be at least 1"
    of = step.Buffer(symbols[view.of])
    if not isinstance(of.type, ir.MemRefType):
        return
    if not 0 <= view.low < view.high <= size(of.type):
        yield f"the stretch {view.low}:{view.high} is not within the elements of @{view.of}"
    elif size(view.type) != view.high - view.low or view.type.element_type != of.type.element_type:
        yield f"type {view.type} for elements {view.low}:{view.high} of {of.type}"


def _table(view: step.Table, symbols: dict[str, Any], program: Program) -> Iterator[str]:
    if view.format not in step.TABLE_FORMATS:
        yield f"unknown format '{view.format}'"
        return
    needed = {"csr": {"row", "col"}, "bitmap": {"row", "bits"}, "block": {"row", "col"}}.get(view.format, set())
    if view.weight is None:
        needed = needed | {"w"}
    if set(view.arrays) - ({"part"} if view.parts is not None else set()) != needed:
        yield f"arrays {sorted(view.arrays)} where {sorted(needed)} are needed"
        return
    if view.format in ("dense", "block") and view.weight is not None:
        yield f"a {view.format} table has an array of weights"
        return
    if (view.format in ("conv", "procedural")) != (view.connect is not None):
        yield f"a {view.format} table with the connector {view.connect}"
        return
    found = list(convolution.misfits(view.connect, view.pre, view.post)) if view.format == "conv" else []
    if view.format == "procedural":
        found = list(procedural.problems(view, symbols))
    if found:
        yield from found
        return
    if (view.format == "block") != (view.block is not None):
        yield f"a {view.format} table with blocks of {view.block}"
        return
    if view.parts is not None and view.format != "csr":
        yield f"a {view.format} table has no parts"
    if view.format == "one_to_one" and view.pre != view.post:
        yield f"one_to_one needs equal sizes, not {view.pre} and {view.post}"
    if view.weight is not None and getattr(view.weight, "type", None) != view.element:
        yield f"weight {view.weight} is not a {view.element}"
    yield from _arrays(view, symbols)
    yield from fixed_point.table(view, program)


def _arrays(view: step.Table, symbols: dict[str, Any]) -> Iterator[str]:
    types = {}
    for name, reference in view.arrays.items():
        array = symbol_of(reference)
        if array is None:
            yield f"array '{name}' is not the name of a buffer: {reference}"
            return
        buffer = step.Buffer(symbols[array])
        if buffer.kind != "constant":
            yield f"array '{name}' is @{buffer.sym_name}, which is no constant"
        types[name] = buffer.type
    counts = {"dense": view.pre * view.post, "one_to_one": view.pre}
    if view.format == "conv":
        counts["conv"] = math.prod(convolution.Convolution.of(view.connect).weights)
    if "row" in types:
        parts = 1 if view.parts is None else view.parts
        if parts < 1 or str(types["row"].element_type) != "i32" or size(types["row"]) != view.pre * parts + 1:
            yield f"row ends {types['row']} for {view.pre} sources in {parts} parts"
    if "part" in types and (str(types["part"].element_type), size(types["part"])) not in [
        (element, size(types["col"])) for element in ("i8", "i16")
    ]:
        yield f"parts {types['part']} of synapses with columns {types['col']}"
    if "col" in types:
        if view.index not in (16, 32):
            yield f"indices of {view.index} bits"
        elif str(types["col"].element_type) != f"i{view.index}":
            yield f"columns {types['col']} for indices of {view.index} bits"
        counts[view.format] = size(types["col"]) * (view.block or 1)
    if view.block is not None and (view.block < 1 or view.post % view.block):
        yield f"blocks of {view.block} targets do not divide {view.post}"
    if view.format == "bitmap":
        words, rest = divmod(size(types["bits"]), max(1, view.pre))
        most = -(-view.post // step.BITMAP_WORD)
        padded = -(-most // step.BITMAP_LINE) * step.BITMAP_LINE
        if rest or not (1 <= words <= most or words == padded) or str(types["bits"].element_type) != "i16":
            yield f"bits {types['bits']}, where each of {view.pre} sources needs 1 to {most} words of i16"
        counts["bitmap"] = size(types["w"]) if "w" in types else 0
    element = view.element if view.code is None else ir.IntegerType.get_signless(8)
    if "w" in types and (size(types["w"]) != counts[view.format] or types["w"].element_type != element):
        yield f"weights {types['w']}, where {counts[view.format]} elements of {element} are needed"


# ---------------------------------------------------------------- entries and stages


def _signature(name: str, op: Any) -> Iterator[Problem]:
    wanted = "(index, index) -> ()" if name == "run" else "(index) -> ()"
    if str(signature(op)) != wanted:
        yield op, f"@{name} must be {wanted}"


def _uses(function: Any, symbols: dict[str, Any]) -> Iterator[Problem]:
    finishing = symbol_name(function) == "finish"
    for op in walk(function):
        view = step.DIALECT.view(op)
        if view is not None:
            for text in _used(view, _Buffers(symbols, finishing), symbols):
                yield op, text
        elif op.name == "func.call":
            name = str(symbol_of(op.attributes["callee"]))
            if not name.startswith("stage."):
                yield op, f"calls @{name}, which is no stage"


class _Buffers:
    """The buffers of a program, and the rules of reading and writing them."""

    def __init__(self, symbols: dict[str, Any], finishing: bool) -> None:
        self._symbols = symbols
        self._finishing = finishing

    def __getitem__(self, name: str) -> step.Buffer:
        return step.Buffer(self._symbols[name])

    def read(self, name: str, delay: int) -> Iterator[str]:
        """The last step has been done in `@finish`: one slot more is old there."""
        buffer = self[name]
        ring = 1 if buffer.kind == "input" else buffer.slots
        if delay < 0 or (delay > 0 and delay >= ring + self._finishing):
            yield f"delay {delay} of @{name}, which has {buffer.slots} slots"
        if buffer.kind in ("result", "counter", "probe"):
            yield f"reads @{name}, a buffer of kind {buffer.kind}"

    def written(self, name: str, listed: bool = False) -> Iterator[str]:
        buffer = self[name]
        if buffer.kind not in WRITABLE:
            yield f"writes @{name}, a buffer of kind {buffer.kind}"
        if not listed and "list" in (buffer.forms or []):
            yield f"@{name} is kept as a list, which an update alone can write"

    def counter(self, name: str) -> Iterator[str]:
        if self[name].kind != "counter":
            yield f"@{name} is no counter"


def _used(view: Any, buffers: _Buffers, symbols: dict[str, Any]) -> Iterator[str]:
    match view:
        case step.Fill():
            yield from buffers.written(view.into)
            if getattr(view.value, "type", None) != buffers[view.into].type.element_type:
                yield f"fills {buffers[view.into].type} with {view.value}"
        case step.Copy():
            yield from _copy(view, buffers)
        case step.Propagate():
            yield from _propagate(propagations(view)[0], buffers, symbols)
        case step.Sweep():
            yield from _sweep(view, buffers, symbols)
        case step.Update():
            yield from _update(view, buffers, symbols)
        case step.Map():
            yield from _map(view, buffers, symbols)
        case step.Draw():
            yield from buffers.written(view.into)
            if str(buffers[view.into].type.element_type) not in ("f32", "f64", "i32"):
                yield f"draws into {buffers[view.into].type}"
            if view.key < 0:
                yield f"key {view.key}"
        case step.Clock():
            yield from buffers.written(view.into)
            if str(buffers[view.into].type) != "memref<i64>":
                yield f"the clock is a memref<i64>, not {buffers[view.into].type}"
        case step.Tally():
            yield from buffers.counter(view.into)
        case step.Record() if buffers[view.into].kind != "probe":
            yield f"@{view.into} is no probe"


def _copy(view: step.Copy, buffers: _Buffers) -> Iterator[str]:
    yield from buffers.read(view.from_, view.delay)
    yield from buffers.written(view.into)
    source, target = buffers[view.from_].type, buffers[view.into].type
    if source.element_type != target.element_type:
        yield f"copies {source} to {target}"
    for name, first, type in ((view.from_, view.low, source), (view.into, view.to, target)):
        if first < 0 or view.size < 1 or first + view.size > size(type):
            yield f"elements {first}:{first + view.size} of @{name}, which has {size(type)}"


def _sweep(view: step.Sweep, buffers: _Buffers, symbols: dict[str, Any]) -> Iterator[str]:
    lists = (view.from_, view.delays, view.lows, view.tables, view.parts, view.modes, view.tallies)
    if len({len(one) for one in lists}) != 1 or not view.from_ or view.rounds < 1:
        yield f"{view.rounds} rounds of lists of {', '.join(str(len(one)) for one in lists)}"
        return
    for one in propagations(view):
        yield from buffers.read(one.from_, one.delay - one.rounds + 1)
        yield from _propagate(one, buffers, symbols)


def _propagate(view: Propagation, buffers: _Buffers, symbols: dict[str, Any]) -> Iterator[str]:
    yield from buffers.read(view.from_, view.delay)
    yield from buffers.written(view.into)
    yield from buffers.counter(view.tally)
    table = step.Table(symbols[view.table])
    into = buffers[view.into].type
    if size(into) != table.post:
        yield f"@{view.into} has not {table.post} elements"
    yield from fixed_point.adds(buffers[view.from_].type.element_type, table.element, into.element_type)
    if view.low < 0 or view.low + table.pre > size(buffers[view.from_].type):
        yield f"@{view.from_} has fewer than {view.low + table.pre} elements"
    if (view.part is None) != (table.parts is None) or not view.rounds - 1 <= (view.part or 0) < (table.parts or 1):
        yield f"part {view.part} in {view.rounds} rounds of a table of {table.parts} parts"
    if view.mode not in ("event", "dense"):
        yield f"unknown mode '{view.mode}'"
    if view.mode == "event" and "list" not in (buffers[view.from_].forms or []):
        yield f"walks the list of @{view.from_}, which has none"


def _update(view: step.Update, buffers: _Buffers, symbols: dict[str, Any]) -> Iterator[str]:
    type = signature(symbols[view.program])
    if not len(type.inputs) == len(view.args) == len(view.delays):
        yield f"{len(view.args)} args and {len(view.delays)} delays for a program of {len(type.inputs)} arguments"
        return
    if len(type.results) != len(view.results_):
        yield f"{len(view.results_)} results for a program of {len(type.results)}"
        return
    for arg, delay, element in zip(view.args, view.delays, type.inputs, strict=True):
        yield from _argument(arg, delay, element, view.size, buffers)
    for result, element in zip(view.results_, type.results, strict=True):
        name = symbol_of(result)
        if name is None:
            if not isinstance(result, ir.UnitAttr):
                yield f"result {result} is neither a buffer nor 'unit'"
            continue
        yield from buffers.written(name, listed=True)
        if size(buffers[name].type) != view.size or buffers[name].type.element_type != element:
            yield f"result @{name} is {buffers[name].type}, where {view.size} elements of {element} are needed"


def _argument(arg: Any, delay: int, element: Any, count: int, buffers: _Buffers) -> Iterator[str]:
    name = symbol_of(arg)
    if name is not None:
        yield from buffers.read(name, delay)
        type = buffers[name].type
        if size(type) not in (1, count) or type.element_type != element:
            yield f"argument @{name} is {type}, where {count} elements of {element} are needed"
    elif isinstance(arg, ir.UnitAttr):
        if str(element) != "i64":
            yield f"the index is an i64, not a {element}"
    elif getattr(arg, "type", None) != element:
        yield f"argument {arg} is not a {element}"


def _map(view: step.Map, buffers: _Buffers, symbols: dict[str, Any]) -> Iterator[str]:
    type = signature(symbols[view.program])
    names = [*view.args, *view.results_]
    if not len(view.args) == len(view.delays) == len(view.maps) or len(view.results_) != len(view.result_maps):
        yield "args, delays and maps, or results and their maps, differ in number"
        return
    if len(type.inputs) != len(names) or len(type.results) != len(view.results_):
        yield f"{len(view.args)} args and {len(view.results_)} results for a program {type}"
        return
    if len(view.iterators) != len(view.extents) or not set(view.iterators) <= {"parallel", "reduction"}:
        yield f"iterators {view.iterators} for loops over {view.extents}"
    for name, element in zip(names, type.inputs, strict=True):
        if buffers[name].type.element_type != element:
            yield f"@{name} is {buffers[name].type}, where the program has {element}"
    for name, delay in zip(view.args, view.delays, strict=True):
        yield from buffers.read(name, delay)
    for name in view.results_:
        yield from buffers.written(name)
    for name, attribute in zip(names, [*view.maps, *view.result_maps], strict=True):
        yield from _access(name, attribute, view.extents, buffers)


def _access(name: str, attribute: Any, extents: list[int], buffers: _Buffers) -> Iterator[str]:
    """Whether a map has the loops as its inputs and one subscript for each axis of its buffer."""
    if not isinstance(attribute, ir.AffineMapAttr):
        yield f"{attribute} is no affine map"
        return
    affine = attribute.value
    shape = tuple(buffers[name].type.shape)
    if affine.n_dims != len(extents) or len(affine.results) != len(shape):
        yield f"{attribute} for {len(extents)} loops over @{name} of shape {list(shape)}"
