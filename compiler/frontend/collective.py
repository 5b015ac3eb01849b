"""Lines of a neuron that look at the whole population: `V[i] := f(U[i - 1], U[i + 1])`, `m = mean(V)`.

A program is over scalars, each cell for itself, so such a line is no part of it: its value arrives at a port.  What the
line names is computed before the population runs, by a program of the statements in front of it that is carried out
element by element; the line is dataflow over the population's shape, in index notation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from spikec.dialects import snn
from spikec.dialects.mlir import arith, file_location, ir
from spikec.frontend import indexing, normalization, syntax
from spikec.frontend.emitter import show_shape
from spikec.frontend.neuron import NeuronProgram, ProgramBuilder
from spikec.frontend.ode import names_in
from spikec.frontend.reductions import REDUCTIONS
from spikec.frontend.values import Mistake, Value, counted, not_supported, number

if TYPE_CHECKING:
    from spikec.frontend.network import Network

Body = tuple[syntax.Statement, ...]


def is_collective(statement: syntax.Statement) -> bool:
    """Is this an assignment to or from other cells than its own?"""
    if not isinstance(statement, syntax.Assign):
        return False
    if isinstance(statement.target, syntax.Index):
        return True
    return any(_sees_others(node) for node in syntax.walk(statement.value))


def _sees_others(node: syntax.Node) -> bool:
    match node:
        case syntax.Index():
            return not isinstance(node.base, syntax.Name) or node.base.id not in REDUCTIONS
        case syntax.Call(function=syntax.Name(id=name)):
            return (name in REDUCTIONS and len(node.args) == 1) or name in normalization.FUNCTIONS
        case syntax.Call():
            return indexing.is_reduction(node)
    return False


def has_lines(declaration: syntax.Neuron) -> bool:
    """Does some line of the body look at the whole population?"""
    return any(is_collective(statement) for statement in declaration.body)


def fewest_axes(declaration: syntax.Neuron) -> int:
    """How many axes a population needs at least, for the indices of the lines."""
    lines = [s.target for s in declaration.body if isinstance(s, syntax.Assign)]
    return max([1, *(len(target.items) for target in lines if isinstance(target, syntax.Index))])


# ---------------------------------------------------------------- the programs


@dataclass
class Stage:
    """A line over the population, and the program of what stands before it.

    `arguments` are the (role, name) of those of the function, `results` the names of its results; `visible` is what
    the line sees: constants, and values of which only kind and dimension count.  `port` brings its value.
    """

    module: Any  # keeps the function alive
    function: Any
    arguments: list[tuple[str, str]]
    arrays: dict[str, Value]
    results: list[str]
    visible: dict[str, Value]
    line: syntax.Assign
    port: str

    def scope(self, values: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, Value]:
        """What the line sees, with the tensors of `values`."""
        found = {name: value for name, value in self.visible.items() if value.is_const or not value.is_number}
        cells = {name: value for name, value in self.visible.items() if name not in found and name in values}
        return {**found, **{name: replace(value, ssa=values[name], shape=shape) for name, value in cells.items()}}


def is_inner(port: str) -> bool:
    """Does this port bring the value of a line over the population?"""
    return port.startswith("line#")


class _PartBuilder(ProgramBuilder):
    """The program of the statements before a line, which gives what the line names; or of all (`line` is None)."""

    def __init__(self, body: Body, arrived: Mapping[str, Value], line: syntax.Assign | None, given: Any) -> None:
        super().__init__(*given)
        self.whole = self.declaration
        self.declaration = replace(self.whole, body=body)
        self.arrived = arrived
        self.line = line
        self.results: list[str] = []
        self.began: dict[str, Value] = {}

    def _declare(self, program: NeuronProgram) -> None:
        super()._declare(program)
        self.began = dict(self.values)
        for port, value in self.arrived.items():
            program.ports.append(port)
            program.port_dims[port] = value.dim
            ssa = self._add_argument("port", port, self.emitter.element("real"))
            real = Value("real", ssa=ssa, dim=value.dim)
            self.values[port] = real if value.kind == "real" else self._whole(real, value.kind)

    def _whole(self, real: Value, kind: str) -> Value:
        """A flag or a small whole number that came as a real."""
        if kind == "bool":
            return self.emitter.binary("!=", real, number(0.0), self.span)
        return Value("int", ssa=arith.fptosi(self.emitter.element("int"), real.ssa))

    def _declare_holds(self, program: NeuronProgram) -> None:
        part, self.declaration = self.declaration, self.whole
        super()._declare_holds(program)
        self.declaration = part

    def _results(self, program: NeuronProgram) -> list[tuple[Any, dict[str, Any]]]:
        if self.line is None:
            return super()._results(program)
        for name in sorted(names_in(self.line.value) & set(self.values)):
            value = self.values[name]
            if value.ssa is not None and value is not self.began.get(name):
                self.results.append(name)
        return [(self.values[name].ssa, {}) for name in self.results]


def build(network: Network, given: tuple[Any, ...], symbol: str) -> NeuronProgram | None:
    """The program of a population whose neuron has such lines; `given` are the arguments of `ProgramBuilder`."""
    declaration, shape = given[0], given[2]
    body: list[syntax.Statement] = []
    arrived: dict[str, Value] = {}
    stages: list[Stage] = []
    for statement in declaration.body:
        if not isinstance(statement, syntax.Assign) or not is_collective(statement):
            body.append(statement)
            continue
        stage = _stage(declaration, tuple(body), arrived, statement, f"line#{len(stages)}", given)
        if stage is None:
            return None
        stages.append(stage)
        arrived[stage.port] = _typed(network, stage, shape)
        target = statement.target.base if isinstance(statement.target, syntax.Index) else statement.target
        body.append(replace(statement, target=target, value=syntax.Name(statement.value.span, stage.port)))
    program = _PartBuilder(tuple(body), arrived, None, given).build(symbol)
    if program is not None:
        program.stages = stages
    return program


def _stage(
    declaration: syntax.Neuron,
    before: Body,
    arrived: Mapping[str, Value],
    line: syntax.Assign,
    port: str,
    given: tuple[Any, ...],
) -> Stage | None:
    """The stage of a line behind the statements `before`; None where those have mistakes."""
    declared = [s for s in declaration.body if isinstance(s, syntax.Ports | syntax.Variable) and s not in before]
    integrates = any(isinstance(s, syntax.Derivative) for s in before)
    solvers = [s for s in declaration.body if isinstance(s, syntax.Solver)] if integrates else []
    rest = [s for s in before if not isinstance(s, syntax.Solver)]
    builder = _PartBuilder((*declared, *rest, *solvers), arrived, line, given)
    module = ir.Module.create(ir.Location.unknown())
    with ir.InsertionPoint(module.body):
        program = builder.build("part")
    if program is None:
        return None
    visible = {name: replace(value, ssa=None) for name, value in builder.values.items()}
    arrays = dict(program.arrays)
    return Stage(module, program.function, builder.arguments, arrays, builder.results, visible, line, port)


# ---------------------------------------------------------------- the lines


def _value(network: Network, stage: Stage, scope: Mapping[str, Value], shape: tuple[int, ...]) -> Value:
    """What a line computes, for all cells or one number."""
    line, expressions = stage.line, network.line_expressions(scope, shape)
    target = line.target
    if not isinstance(target, syntax.Index):
        value = expressions.eval(line.value)
    else:
        names = [item for item in target.items if isinstance(item, syntax.Name)]
        if len(names) != len(target.items) or not isinstance(target.base, syntax.Name):
            raise Mistake("E0301", target.span, "neighbours have named indices, as in 'V[i] := V[i - 1]'")
        if len(names) > len(shape):
            raise Mistake("E0303", target.span, f"{len(names)} indices for a population of shape {show_shape(shape)}")
        before = tuple(syntax.Name(target.span, f"({axis})") for axis in range(len(shape) - len(names)))
        value = indexing.tensor(expressions, [*before, *names], _on_last_axes(line.value, before), shape)
    if value.shape not in ((), shape):
        message = f"a value of shape {show_shape(value.shape)} for a population of shape {show_shape(shape)}"
        raise Mistake("E0303", line.value.span, message)
    return value


def _on_last_axes(node: Any, before: tuple[syntax.Name, ...]) -> Any:
    """An expression whose indices are those of the last axes, with the first ones written out."""
    if not before:
        return node
    if isinstance(node, tuple):
        return tuple(_on_last_axes(item, before) for item in node)
    if not isinstance(node, syntax.Node):
        return node
    parts = {f: _on_last_axes(getattr(node, f), before) for f in type(node).__dataclass_fields__ if f != "span"}
    if isinstance(node, syntax.Index) and _sees_others(node):
        parts["items"] = (*before, *parts["items"])
    return replace(node, **parts)


def _typed(network: Network, stage: Stage, shape: tuple[int, ...]) -> Value:
    """Kind and dimension of what a line computes."""
    with network.dry_run():
        network.emitter.checked = True
        emitter, numbers = network.emitter, {n: value for n, value in stage.visible.items() if value.is_number}
        stand_ins = {n: emitter.constant(0, emitter.element(value.kind), shape) for n, value in numbers.items()}
        found = _value(network, stage, stage.scope(stand_ins, shape), shape)
    if found.kind == "int" and not _is_argmax(stage.line.value):
        what = "a line over the population whose value is an int"
        raise not_supported(stage.line.value.span, what, "multiply it by 1.0")
    return Value(found.kind, dim=found.dim)


def _is_argmax(node: syntax.Expr) -> bool:
    return isinstance(node, syntax.Call) and isinstance(node.function, syntax.Name) and node.function.id == "argmax"


# ---------------------------------------------------------------- in the step


def emit(
    network: Network, program: NeuronProgram, ports: Mapping[str, Any], name: str, shape: tuple[int, ...]
) -> list[Any]:
    """Carries out the parts before the last one; what reaches all ports of the population's program."""
    values = dict(ports)
    for state in program.states:
        if not state.port:
            type = ir.RankedTensorType.get(list(shape), state.element)
            values[state.name] = snn.Read.build(results=[type], of=f"{name}.{state.name}", delay=1).result
    for stage in program.stages:
        with file_location(stage.line.span), network.statement(name):
            operands = [_operand(network, stage, values, role, of, shape) for role, of in stage.arguments]
            results = dict(zip(stage.results, _everywhere(stage.function, operands, shape), strict=True))
            found = _value(network, stage, stage.scope({**values, **results}, shape), shape)
            values[stage.port] = network.emitter.ssa(found, shape, "real", stage.line.span)
    return [values[port] for port in program.ports]


def _operand(
    network: Network, stage: Stage, values: Mapping[str, Any], role: str, name: str, shape: tuple[int, ...]
) -> Any:
    emitter, span = network.emitter, stage.line.span
    if role == "param":
        array = stage.arrays[name]
        return emitter.ssa(array, shape, array.kind, span)
    if role == "index":
        return emitter.ssa(number(counted(shape)), shape, "int", span)
    return values[name]


def _everywhere(function: Any, operands: Sequence[Any], shape: tuple[int, ...]) -> list[Any]:
    """The ops of a function of scalars on tensors, element by element."""
    block = function.operation.regions[0].blocks[0]
    values = dict(zip(block.arguments, operands, strict=True))
    for operation in block.operations:
        op = operation.operation
        if op.name == "func.return":
            return [values[operand] for operand in op.operands]
        types = [ir.RankedTensorType.get(list(shape), result.type) for result in op.results]
        if op.name == "arith.constant":
            made = arith.constant(types[0], ir.DenseElementsAttr.get_splat(types[0], op.attributes["value"]))
        else:
            named = {name: op.attributes[name] for name in op.attributes}
            made = ir.Operation.create(op.name, types, [values[o] for o in op.operands], named, loc=op.location).result
        values[op.results[0]] = made
    raise AssertionError("a function returns")
