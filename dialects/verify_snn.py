"""The rules of level `snn`, for a program whose references resolve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from spikec.dialects import connectors, convolution, drawn, fixed_point, snn, step
from spikec.dialects.functions import (
    argument_marks,
    argument_roles,
    is_private,
    result_marks,
    result_roles,
    signature,
    size,
    symbol_name,
    symbol_of,
    walk,
)
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program

Problem = tuple[Any, str]


def rules(program: Program) -> Iterator[Problem]:
    """Every broken rule as (operation, text)."""
    symbols = program.symbols()
    found = _declarations(program, symbols)
    yield from found
    for name, op in symbols.items():
        if op.name == "func.func" and not is_private(op):
            yield from _entry(name, op)
            if not found:
                yield from _uses(op, symbols)
    if not found:
        yield from _one_writer(symbols)


def _declarations(program: Program, symbols: dict[str, Any]) -> list[Problem]:
    """Types first, since all other rules compare with them."""
    found: list[Problem] = []
    for kinds in ((snn.Constant,), (snn.State,), (snn.Param, snn.Synapses), (snn.Population, snn.Probe)):
        if not found:
            views = [view for kind in kinds for view in program.ops(kind)]
            found = [(view.operation, text) for view in views for text in _declared(view, symbols, program)]
    return found


def _declared(view: Any, symbols: dict[str, Any], program: Program) -> Iterator[str]:
    match view:
        case snn.Constant():
            if not _is_static(view.type):
                yield f"a constant has a tensor type of fixed shape, not {view.type}"
            elif (view.digest is None) == (view.draw is None):
                yield "a constant has either a 'digest' or a 'draw'"
            elif view.draw is not None:
                yield from drawn.problems(view, symbols)
            elif view.sym_name in program.constants and program.constants.digest(view.sym_name) != view.digest:
                yield "the digest is not that of the constants store"
        case snn.State():
            found = list(_state(view, symbols))
            yield from found or fixed_point.state(view, symbols, program)
        case snn.Param() if symbol_of(view.value) is None and not _is_number(view.value):
            yield f"the value {view.value} is neither a number nor a constant"
        case snn.Synapses():
            found = list(_synapses(view, symbols)) or list(connectors.table_values(view, program))
            found += connectors.nonzero_problems(view, symbols)
            if view.format is not None and view.format not in step.TABLE_FORMATS:
                found.append(f"unknown format '{view.format}'")
            yield from found or fixed_point.synapses(view, weight_element(view, symbols), symbols, program)
        case snn.Population():
            yield from _population(view, symbols)
        case snn.Probe():
            yield from _probe(view, symbols)


def _state(state: snn.State, symbols: dict[str, Any]) -> Iterator[str]:
    if not _is_static(state.type):
        yield f"a state has a tensor type of fixed shape, not {state.type}"
        return
    if state.depth < 1:
        yield "depth must be at least 1"
    if state.init is not None:
        yield from _value("init", state.init, state.type.element_type, size(state.type), symbols)


def _value(what: str, attribute: Any, element: Any, count: int, symbols: dict[str, Any]) -> Iterator[str]:
    """A number of an element type, or a constant of that type and `count` elements."""
    name = symbol_of(attribute)
    if name is None:
        if not _is_number(attribute):
            yield f"{what} is neither a number nor a constant: {attribute}"
        elif attribute.type != element:
            yield f"{what} is a {attribute.type} and not a {element}"
        return
    type = snn.Constant(symbols[name]).type
    if type.element_type != element or size(type) != count:
        yield f"{what} @{name} is {type}, where {count} elements of {element} are needed"


def _is_static(type: Any) -> bool:
    return isinstance(type, ir.RankedTensorType) and bool(type.has_static_shape)


def _is_number(attribute: Any) -> bool:
    return isinstance(attribute, ir.FloatAttr | ir.IntegerAttr | ir.BoolAttr)


def _synapses(view: snn.Synapses, symbols: dict[str, Any]) -> Iterator[str]:
    recipe, kind = view.connect, connectors.kind_of(view)
    yield from connectors.delay_problems(view, symbols)
    if kind == "conv":
        yield from _convolution(view, symbols)
        return
    if kind not in connectors.KINDS:
        yield f"unknown connector {recipe.get('kind')}"
        return
    found = list(connectors.problems(view, symbols))
    yield from found
    if found:
        return
    function = connectors.weight_function(view, symbols)
    if function is not None:
        yield from connectors.weight_problems(view, function, symbols)
    elif kind in connectors.DERIVED:
        yield from _value("weight", view.weight, weight_element(view, symbols), 1, symbols)
    else:
        counts = {"neuron": view.pre, "pair": view.pre * view.post}
        layout = connectors.weight_layout(view)
        count = connectors.rows_of_table(view, symbols) if layout == "row" else counts[layout]
        yield from _value("weight", view.weight, weight_element(view, symbols), count, symbols)
    yield from _filter(recipe, symbols)


def _unknown(recipe: dict[str, Any], known: Collection[str]) -> Iterator[str]:
    for name in sorted(name for name in recipe if name not in known):
        yield f"'connect' has an unknown entry '{name}'"


def _convolution(view: snn.Synapses, symbols: dict[str, Any]) -> Iterator[str]:
    found = [*_unknown(view.connect, convolution.ENTRIES | {connectors.NONZERO}), *convolution.problems(view.connect)]
    yield from found
    if found:
        return
    shape = convolution.Convolution.of(view.connect)
    yield from shape.misfits(view.pre, view.post)
    constant = symbol_of(view.weight)
    if constant is not None and symbols[constant].name == "func.func":
        yield f"the weights of a convolution are a number or a constant, not the function @{constant}"
    elif constant is None:
        yield from _value("weight", view.weight, weight_element(view, symbols), 1, symbols)
    elif tuple(snn.Constant(symbols[constant]).type.shape) != shape.weights:
        type = snn.Constant(symbols[constant]).type
        yield f"weight @{constant} is {type}, where the convolution needs the shape {list(shape.weights)}"


def _filter(recipe: dict[str, Any], symbols: dict[str, Any]) -> Iterator[str]:
    if "filter" not in recipe:
        return
    name = symbol_of(recipe["filter"])
    if name is None:
        yield f"'filter' is not the name of a function: {recipe['filter']}"
    elif str(signature(symbols[name])) != "(i64, i64) -> i1":
        yield f"the filter @{name} must be (i64, i64) -> i1"


def weight_element(view: snn.Synapses, symbols: dict[str, Any]) -> Any:
    """The element type of a projection's weights."""
    name = symbol_of(view.weight)
    if name is not None and symbols[name].name == "func.func":
        return signature(symbols[name]).results[0]
    if name is not None:
        return snn.Constant(symbols[name]).type.element_type
    return view.weight.type if _is_number(view.weight) else None


def _population(view: snn.Population, symbols: dict[str, Any]) -> Iterator[str]:
    program = symbols[view.neuron]
    arguments, results = argument_roles(program), result_roles(program)
    yield from _program(view, arguments, results)
    states = [type for (role, _), type in zip(arguments, signature(program).inputs, strict=True) if "state" in role]
    params = [type for (role, _), type in zip(arguments, signature(program).inputs, strict=True) if role == "param"]
    if len(states) != len(view.states) or len(params) != len(view.params):
        yield (
            f"@{view.neuron} has {len(states)} states and {len(params)} parameters, "
            f"not {len(view.states)} and {len(view.params)}"
        )
        return
    count = 1
    for extent in view.shape:
        count *= extent
    kept = list(zip(view.states, states, strict=True))
    for (role, _), type in zip(results, signature(program).results, strict=True):
        state = {"event": view.event, "out": view.out}.get(role)
        if state is not None:
            kept.append((state, type))
    for name, type in kept:
        state_type = snn.State(symbols[name]).type
        if state_type.element_type != type or size(state_type) != count:
            yield f"@{name} is {state_type}, where {count} elements of {type} are needed"
    for name, type in zip(view.params, params, strict=True):
        yield from _value(f"parameter @{name}", snn.Param(symbols[name]).value, type, count, symbols)
    roles = {role for role, _ in results}
    for role, state in (("event", view.event), ("out", view.out)):
        if state is not None and role not in roles:
            yield f"@{view.neuron} has no '{role}' that @{state} could keep"


def _program(view: snn.Population, arguments: list[tuple[str, str]], results: list[tuple[str, str]]) -> Iterator[str]:
    """The order of roles in a neuron's program."""
    if not all(role for role, _ in arguments):
        yield f"an argument of @{view.neuron} has no role"
    states = [name for role, name in arguments if "state" in role]
    if [name for role, name in results if role == "state"] != states:
        yield f"the results of @{view.neuron} are not its states in the order of its arguments"
    order = [role for role, _ in results]
    if order != sorted(order, key=["state", "event", "out", ""].index) or order.count("event") > 1 or "" in order:
        yield f"the results of @{view.neuron} must be its states, then the event, then 'out'"
    if order.count("out") > 1:
        yield f"@{view.neuron} has more than one 'out'"


def _probe(view: snn.Probe, symbols: dict[str, Any]) -> Iterator[str]:
    count = size(snn.State(symbols[view.of]).type)
    if view.kind not in ("value", "event"):
        yield f"unknown kind '{view.kind}'"
    if view.every < 1:
        yield "'every' must be at least 1"
    if not 0 <= view.low < view.high <= count:
        yield f"the stretch {view.low}:{view.high} is not within the {count} elements of @{view.of}"
    covered = 1
    for extent in view.shape:
        covered *= extent
    if covered != view.high - view.low:
        yield f"shape {view.shape} has not {view.high - view.low} elements"
    if not view.sym_name.startswith("probe."):
        yield "the name of a probe begins with 'probe.'"


def _entry(name: str, op: Any) -> Iterator[Problem]:
    """The signature of an entry point."""
    type = signature(op)
    if name != "step" and list(type.inputs):
        yield op, f"@{name} has no arguments"
    if name == "init" and list(type.results):
        yield op, "@init has no results"
    for what, entries in (("argument", argument_marks(op)), ("result", result_marks(op))):
        names = Counter(str(ir.StringAttr(e[snn.NAME]).value) for e in entries if snn.NAME in e)
        if sum(names.values()) != len(entries):
            yield op, f"every {what} of @{name} needs a '{snn.NAME}'"
        for repeated in sorted(n for n, times in names.items() if times > 1):
            yield op, f"two {what}s of @{name} are named '{repeated}'"
    for value, marks in zip([*type.inputs, *type.results], [*argument_marks(op), *result_marks(op)], strict=True):
        if not _is_static(value):
            yield op, f"@{name} has a {value} where tensors of fixed shape are needed"
        elif snn.SCALE in marks:
            for text in fixed_point.scaled(marks[snn.SCALE], value.element_type):
                yield op, f"'{snn.SCALE}' of @{name}: {text}"


def _uses(function: Any, symbols: dict[str, Any]) -> Iterator[Problem]:
    for op in walk(function):
        for text in _used(snn.DIALECT.view(op), symbols, symbol_name(function)):
            yield op, text


def _used(view: Any, symbols: dict[str, Any], entry: str) -> Iterator[str]:
    match view:
        case snn.Propagate():
            yield from _propagate(view, symbols)
        case snn.Update() if entry != "step":
            yield f"a population is not updated in @{entry}"
        case snn.Update():
            yield from _update(view, symbols)
        case snn.Read():
            state = snn.State(symbols[view.of])
            if not 1 <= view.delay <= state.depth:
                yield f"delay {view.delay} of a state of depth {state.depth}"
            if view.operation.results[0].type != state.type:
                yield f"type {view.operation.results[0].type} of a state of type {state.type}"
        case snn.Write() if entry == "finish":
            yield "a state is not written in @finish"
        case snn.Write():
            if view.operation.operands[0].type != snn.State(symbols[view.to]).type:
                yield f"a {view.operation.operands[0].type} for a state of type {snn.State(symbols[view.to]).type}"
        case snn.Draw():
            if str(getattr(view.operation.results[0].type, "element_type", "")) not in ("f32", "f64", "i32"):
                yield f"draws are tensors of f32, f64 or i32, not {view.operation.results[0].type}"
        case snn.Clock():
            if str(view.operation.results[0].type) != "tensor<i64>":
                yield f"the clock is a tensor<i64>, not {view.operation.results[0].type}"


def _propagate(view: snn.Propagate, symbols: dict[str, Any]) -> Iterator[str]:
    synapses = snn.Synapses(symbols[view.synapses])
    events, init = (operand.type for operand in view.operation.operands)
    if size(events) != synapses.pre or size(init) != synapses.post:
        yield f"sizes {size(events)} -> {size(init)} for synapses {synapses.pre} -> {synapses.post}"
    if view.operation.results[0].type != init:
        yield "the result has not the type of init"
    least, most = synapses.delay_range or (None, None)
    if (view.delay is None) != (least is None) or (least is not None and not least <= view.delay <= most):
        yield f"delay {view.delay} of synapses with delays from {least} to {most}"
    yield from fixed_point.adds(events.element_type, weight_element(synapses, symbols), init.element_type)


def _update(view: snn.Update, symbols: dict[str, Any]) -> Iterator[str]:
    population = snn.Population(symbols[view.population])
    program = symbols[population.neuron]
    types = zip(argument_roles(program), signature(program).inputs, strict=True)
    ports = [ir.RankedTensorType.get(population.shape, type) for (role, _), type in types if "port" in role]
    operands = [operand.type for operand in view.operation.operands]
    if len(operands) != len(ports):
        yield f"{len(operands)} operands for a program of {len(ports)} ports"
    elif operands != ports:
        yield f"operands {[str(o) for o in operands]} where {[str(p) for p in ports]} are needed"
    emitted = [
        ir.RankedTensorType.get(population.shape, type)
        for (role, _), type in zip(result_roles(program), signature(program).results, strict=True)
        if role in ("event", "out")
    ][:1]
    results = [result.type for result in view.operation.results]
    if results != emitted:
        yield f"results {[str(r) for r in results]} where {[str(e) for e in emitted]} are needed"


def _one_writer(symbols: dict[str, Any]) -> Iterator[Problem]:
    """A state is written by one update or one write in `@step`, and by one write in `@init`."""
    for entry in ("init", "step"):
        writers: Counter[str] = Counter()
        for op in walk(symbols[entry]) if entry in symbols else ():
            for name in _written(snn.DIALECT.view(op), symbols):
                writers[name] += 1
                if writers[name] == 2:
                    yield op, f"state @{name} has a second writer in @{entry}"


def _written(view: Any, symbols: dict[str, Any]) -> list[str]:
    match view:
        case snn.Write():
            return [view.to]
        case snn.Update():
            population = snn.Population(symbols[view.population])
            return [*population.states, *(s for s in (population.event, population.out) if s)]
        case _:
            return []
