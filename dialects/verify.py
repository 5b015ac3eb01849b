"""The verifier of both levels: MLIR's own rules, each op's fields, and how ops refer to each other.

`verify(program)` raises an `InternalError` that lists every problem with its source location: a program
that does not verify is a bug of the pass that made it, or hand-written IR (`spikec opt` reports it as
the user's error).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spikec.dialects import snn, step
from spikec.dialects.definition import Op, Ref, Refs
from spikec.dialects.diagnostics import InternalError
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program

SCALAR_OPS = frozenset(
    """arith.constant arith.addf arith.subf arith.mulf arith.divf arith.negf arith.maximumf arith.minimumf arith.cmpf
    arith.select arith.addi arith.subi arith.muli arith.floordivsi arith.remsi arith.maxsi arith.minsi arith.cmpi
    arith.shrsi arith.shli arith.andi arith.ori arith.xori arith.extui arith.extsi arith.trunci arith.uitofp
    arith.sitofp arith.fptosi math.exp math.expm1 math.log math.sqrt math.tanh math.sin math.cos math.floor math.ceil
    math.trunc math.roundeven math.absf math.absi""".split()
)
TENSOR_OPS = SCALAR_OPS | {
    "tensor.extract",
    "tensor.splat",
    "tensor.extract_slice",
    "tensor.concat",
    "tensor.expand_shape",
    "tensor.collapse_shape",
    "linalg.generic",
    "linalg.yield",
}
ENTRIES = {"snn": ("init", "step", "finish"), "step": ("init", "step", "run", "finish")}
STAGE_OPS = {"func.call", "scf.for", "scf.yield", "arith.constant", "arith.addi", "arith.minsi"}


def problems(program: Program) -> list[tuple[str, str]]:
    """Every problem of a program as (location, text); empty for a valid one."""
    found = []
    try:
        program.module.operation.verify()
    except ir.MLIRError as error:
        found += [(str(d.location), d.message) for d in error.error_diagnostics] or [("unknown", str(error))]
        return found
    symbols = program.symbols()
    for operation in program.module.body.operations:
        for op, text in _module_level(operation.operation, symbols, program):
            found.append((str(op.location), f"'{op.name}': {text}"))
    if not found and program.level == "snn":
        found += _one_writer(program, symbols)
    return found


def verify(program: Program, where: str = "") -> None:
    """Raises an `InternalError` naming `where` (the pass) when the program is invalid."""
    found = problems(program)
    if found:
        lines = "\n".join(f"  {location}: {text}" for location, text in found)
        raise InternalError(f"invalid IR after {where or 'construction'}:\n{lines}", where, program.text())


def _module_level(op: Any, symbols: dict[str, Any], program: Program) -> Iterator[tuple[Any, str]]:
    if op.name == "func.func":
        yield from _function(op, symbols, program)
        return
    view = snn.DIALECT.view(op) or step.DIALECT.view(op)
    if view is None or view.dialect != program.level:
        yield op, f"does not belong at the top of a module at level {program.level}"
        return
    for text in list(_op_problems(view, symbols)) or _declared(view, symbols, program):
        yield op, text


def _op_problems(view: Op, symbols: dict[str, Any]) -> Iterator[str]:
    yield from view.problems()
    for name, field in view.fields.items():
        if not isinstance(field, Ref | Refs) or name not in view.operation.attributes:
            continue
        if not field.accepts(view.operation.attributes[name]):
            continue
        value = field.decode(view.operation.attributes[name])
        for symbol in [value] if isinstance(value, str) else value:
            if symbol not in symbols:
                yield f"attribute '{name}' refers to @{symbol}, which does not exist"


def _function(op: Any, symbols: dict[str, Any], program: Program) -> Iterator[tuple[Any, str]]:
    name = ir.StringAttr(op.attributes["sym_name"]).value
    private = "sym_visibility" in op.attributes
    level = program.level
    if not private and name not in ENTRIES[level]:
        yield op, f"'{name}' is not an entry point of level {level} ({', '.join(ENTRIES[level])})"
    is_program = private and not name.startswith("stage.")
    own = set() if is_program else {c.name() for c in (snn.DIALECT if level == "snn" else step.DIALECT).ops}
    upstream = SCALAR_OPS if is_program else TENSOR_OPS if level == "snn" else STAGE_OPS
    for inner in _walk(op):
        if inner is op or inner.name == "func.return":
            continue
        if inner.name in own:
            view = snn.DIALECT.view(inner) or step.DIALECT.view(inner)
            assert view is not None
            texts = list(_op_problems(view, symbols)) or list(_used(view, symbols))
            for text in texts:
                yield inner, text
        elif inner.name not in upstream:
            yield inner, f"is not an op of {'a program' if is_program else f'an entry point at level {level}'}"


def _walk(op: Any) -> Iterator[Any]:
    yield op
    for region in op.regions:
        for block in region.blocks:
            for inner in block.operations:
                yield from _walk(inner.operation)


def _declared(view: Op, symbols: dict[str, Any], program: Program) -> Iterator[str]:
    """Rules of one declaration, given that its references resolve."""
    match view:
        case snn.Constant() | step.Buffer() if getattr(view, "digest", None) is not None:
            if view.sym_name in program.constants:
                if program.constants.digest(view.sym_name) != view.digest:
                    yield "the digest is not that of the constants store"
        case snn.State() if view.depth < 1:
            yield "depth must be at least 1"
        case snn.Population():
            yield from _population(view, symbols)
        case snn.Synapses():
            kind = ir.StringAttr(view.connect["kind"]).value if "kind" in view.connect else None
            if kind not in ("all", "one_to_one", "prob"):
                yield f"unknown connector {kind}"
            elif kind == "one_to_one" and view.pre != view.post:
                yield f"one_to_one needs equal sizes, not {view.pre} and {view.post}"
        case step.Table() if view.format not in step.TABLE_FORMATS:
            yield f"unknown format '{view.format}'"
        case step.Table():
            needed = {"dense": set(), "csr": {"row", "col"}, "one_to_one": set()}[view.format]
            if view.weight is None:
                needed = needed | {"w"}
            if set(view.arrays) != needed:
                yield f"arrays {sorted(view.arrays)} where {sorted(needed)} are needed"
            if view.format == "dense" and view.weight is not None:
                yield "a dense table has an array of weights"
    if isinstance(view, step.Buffer):
        if view.kind not in step.BUFFER_KINDS:
            yield f"unknown kind '{view.kind}'"
        if view.slots < 1 or (view.slots > 1 and view.kind != "stream"):
            yield f"{view.slots} slots for a buffer of kind {view.kind}"


def _population(view: Any, symbols: dict[str, Any]) -> Iterator[str]:
    program = symbols[view.neuron]
    if program.name != "func.func":
        yield f"@{view.neuron} is not a program"
        return
    roles = argument_roles(program)
    states = [name for role, name in roles if "state" in role]
    params = [name for role, name in roles if role == "param"]
    if len(states) != len(view.states) or len(params) != len(view.params):
        yield (
            f"@{view.neuron} has {len(states)} states and {len(params)} parameters, "
            f"not {len(view.states)} and {len(view.params)}"
        )
    for name in view.states:
        if symbols[name].name != snn.State.name():
            yield f"@{name} is not a state"


def argument_roles(program: Any) -> list[tuple[str, str]]:
    """The (role, name) of each argument of a program: "port", "state", "port state", "param" or "index"."""
    roles = []
    for attributes in ir.ArrayAttr(program.attributes["arg_attrs"]):
        named = {n.name: n.attr for n in ir.DictAttr(attributes)}
        if snn.PORT in named and snn.STATE in named:
            roles.append(("port state", ir.StringAttr(named[snn.STATE]).value))
        elif snn.PORT in named:
            roles.append(("port", ir.StringAttr(named[snn.PORT]).value))
        elif snn.STATE in named:
            roles.append(("state", ir.StringAttr(named[snn.STATE]).value))
        elif snn.PARAM in named:
            roles.append(("param", ir.StringAttr(named[snn.PARAM]).value))
        elif snn.INDEX in named:
            roles.append(("index", ""))
        else:
            roles.append(("", ""))
    return roles


def result_roles(program: Any) -> list[tuple[str, str]]:
    """The (role, name) of each result of a program: "state", "event" or "out"."""
    roles = []
    for attributes in ir.ArrayAttr(program.attributes["res_attrs"]) if "res_attrs" in program.attributes else []:
        named = {n.name: n.attr for n in ir.DictAttr(attributes)}
        if snn.STATE in named:
            roles.append(("state", ir.StringAttr(named[snn.STATE]).value))
        else:
            roles.append(("event" if snn.EVENT in named else "out" if snn.OUT in named else "", ""))
    return roles


def _used(view: Op, symbols: dict[str, Any]) -> Iterator[str]:
    """Rules of one op inside an entry point or stage, given that its references resolve."""
    match view:
        case snn.Propagate():
            synapses = snn.Synapses(symbols[view.synapses])
            events, init = view.operation.operands
            if _size(events.type) != synapses.pre or _size(init.type) != synapses.post:
                yield (
                    f"sizes {_size(events.type)} -> {_size(init.type)} for synapses {synapses.pre} -> {synapses.post}"
                )
            if view.operation.results[0].type != init.type:
                yield "the result has not the type of init"
        case snn.Read():
            state = snn.State(symbols[view.of])
            if not 1 <= view.delay <= state.depth:
                yield f"delay {view.delay} of a state of depth {state.depth}"
            if view.operation.results[0].type != state.type:
                yield f"type {view.operation.results[0].type} of a state of type {state.type}"
        case snn.Write():
            if view.operation.operands[0].type != snn.State(symbols[view.to]).type:
                yield "the value has not the type of the state"
        case snn.Update():
            population = snn.Population(symbols[view.population])
            ports = sum("port" in role for role, _ in argument_roles(symbols[population.neuron]))
            if len(view.operation.operands) != ports:
                yield f"{len(view.operation.operands)} operands for a program of {ports} ports"
        case step.Update():
            program = symbols[view.program]
            arguments = len(ir.ArrayAttr(program.attributes["arg_attrs"])) if "arg_attrs" in program.attributes else None
            if arguments is not None and not arguments == len(view.args) == len(view.delays):
                yield f"{len(view.args)} args and {len(view.delays)} delays for a program of {arguments} arguments"
        case step.Propagate():
            table = step.Table(symbols[view.table])
            if _size(step.Buffer(symbols[view.into]).type) != table.post:
                yield f"@{view.into} has not {table.post} elements"
            if view.low + table.pre > _size(step.Buffer(symbols[view.from_]).type):
                yield f"@{view.from_} has fewer than {view.low + table.pre} elements"
            if view.mode not in ("event", "dense"):
                yield f"unknown mode '{view.mode}'"


def _size(type: Any) -> int:
    size = 1
    for extent in type.shape:
        size *= extent
    return size


def _one_writer(program: Program, symbols: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A state is written by one update or one write in `@step`."""
    writers: dict[str, int] = {}
    if "step" not in symbols:
        return
    for op in _walk(symbols["step"]):
        written: list[str] = []
        if op.name == snn.Write.name():
            written = [snn.Write(op).to]
        elif op.name == snn.Update.name():
            population = snn.Population(symbols[snn.Update(op).population])
            written = [*population.states, *(s for s in (population.event, population.out) if s)]
        for name in written:
            writers[name] = writers.get(name, 0) + 1
            if writers[name] == 2:
                yield str(op.location), f"state @{name} has a second writer"
