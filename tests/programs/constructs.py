"""The constructs that a program contains, read from its syntax tree, and how often they occur.

A construct is a short name, such as `proj group target` or `over_time mean`.  `REQUIRED` lists all that the
generator must reach.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from itertools import zip_longest
from pathlib import Path

from spikec.dialects.diagnostics import Diagnostics
from spikec.frontend import collective, gather, syntax
from spikec.frontend.parse import parse

FUNCTIONS = """
abs min max floor ceil trunc round exp expm1 log sqrt tanh sigmoid relu sin cos clamp sum mean any all argmax
concat reshape flatten leak once prev delay over_time poisson bernoulli
poisson_count latency delta s_analog uniform normal load
conv1d conv2d sum_pool2d avg_pool2d max_pool2d softmax layer_norm batch_norm
"""
DRAWS = ("kaiming", "normal", "uniform")
OPERATORS = "+ - * / // % @ ^ >> << < <= > >= == != and or not"
OVER_TIME = "sum mean count max any"
REDUCTIONS = ["sum", "mean", "max", "min", "any", "all", "argmax"]
OTHERS = """
solver euler, solver exponential_euler, solver heun, solver rk4, connect all, connect one_to_one, connect prob,
connect fixed_in, connect fixed_out, connect fixed_total, connect repeat, probability of a pair, proj with draws,
proj with a function of pairs,
update :=, update +=, update -=, update *=, input spikes, input real, input int, input voltage,
clock in seconds, clock in steps, units, if then else, pipe, slice, array parameter, learn, neuron variant,
neuron with one port, neuron with two ports, neuron with a port equation, neuron with one state, neuron with two states,
neuron with three states, state int, state bool, equation alone, equations together, local in a neuron, index, out,
out beside spikes, no spikes, several handlers, handler without body, emit, emit negative, emit real, grad, hold,
hold two, pop, pop of a call, pop of rank 2, pop Poisson, pop Bernoulli, initial value, random initial value,
proj, proj named, proj group source, proj group target, proj slice, proj delayed, delays that differ, proj to itself, proj with an array,
proj with a scalar, proj if, arrival =, arrival +=, state read, recurrent stream, recurrent call,
index notation, index arithmetic, index divided, index from a stream, line over the population, reduction over indices, block, block with a parameter, block with cells,
library neuron, synapse program, state per synapse, input events, drawn parameter,
pop at grid, connect by distance, connect from,
output of a stream, output of the run, output of a reduction, probe every, probe slice
"""


def named(kind: str, names: str) -> list[str]:
    """`kind name` for each of the names."""
    return [f"{kind} {name}" for name in names.split()]


REQUIRED = frozenset(
    [
        *named("function", FUNCTIONS),
        *named("operator", OPERATORS),
        *named("over_time", OVER_TIME),
        *(name.strip() for name in OTHERS.replace("\n", " ").split(",")),
    ]
)


def of_text(text: str, path: Path) -> set[str]:
    """The constructs of a model's text, which must parse."""
    diagnostics = Diagnostics()
    file = parse(text, str(path), diagnostics)
    diagnostics.raise_if_errors()
    assert file is not None
    return set(in_file(file))


def frequencies(found: Iterable[set[str]]) -> Counter[str]:
    """In how many programs each construct occurs; those of REQUIRED that never occur count 0."""
    counts: Counter[str] = Counter(dict.fromkeys(REQUIRED, 0))
    for constructs in found:
        counts.update(constructs)
    return counts


def table(counts: Counter[str], programs: int) -> str:
    """The frequencies as text, rarest first, three columns."""
    ascending = sorted(counts.items(), key=lambda item: (item[1], item[0]))
    rows = [f"{100 * n / programs:5.1f} %  {name}" for name, n in ascending]
    height = -(-len(rows) // 3)
    columns = [rows[height * i : height * (i + 1)] for i in range(3)]
    lines = ["".join(f"{cell:<40}" for cell in line).rstrip() for line in zip_longest(*columns, fillvalue="")]
    return "\n".join(lines)


def walk(node: object) -> Iterator[syntax.Node]:
    """A node and all nodes below it."""
    if isinstance(node, syntax.Node):
        yield node
        assert is_dataclass(node)
        for part in fields(node):
            if part.name != "span":
                yield from walk(getattr(node, part.name))
    elif isinstance(node, tuple):
        for item in node:
            yield from walk(item)


def in_file(file: syntax.File) -> Iterator[str]:
    (model,) = file.models
    for node in walk(file):
        yield from in_expression(node)
    populations = {s.name for s in model.body if isinstance(s, syntax.Population)}
    yield from ("library neuron" for _ in file.imports)
    for statement in model.body:
        match statement:
            case syntax.Synapse():
                yield from (f"state per {s.per}" for s in statement.body if isinstance(s, syntax.Variable))
            case syntax.Neuron():
                yield from in_neuron(statement)
            case syntax.NeuronAlias():
                yield "neuron variant"
            case syntax.Block():
                yield from in_block(statement)
            case syntax.Step(value=syntax.Quantity(unit="steps")):
                yield "clock in steps"
            case syntax.Step():
                yield "clock in seconds"
            case syntax.Input():
                yield f"input {statement.type.name}"
            case syntax.Param():
                yield "drawn parameter" if statement.type and name_of(statement.value) in DRAWS else "array parameter"
                yield from (m.kind for m in statement.modifiers)
            case syntax.Population():
                yield from in_population(statement)
            case syntax.Projection():
                yield from in_projection(statement)
            case syntax.Assign():
                yield from in_assignment(statement, populations)
            case syntax.Output():
                yield from in_output(statement)
            case syntax.Probe():
                yield from in_probe(statement)


def in_expression(node: syntax.Node) -> Iterator[str]:
    match node:
        case syntax.Binary():
            yield f"operator {node.op}"
        case syntax.Unary():
            yield f"operator {node.op}"
        case syntax.IfExpr():
            yield "if then else"
        case syntax.Pipe():
            yield "pipe"
            yield from (f"function {name}" for name in [name_of(node.call)] if name in FUNCTIONS.split())
        case syntax.Call(function=syntax.Index(base=syntax.Name(id=name))) if name in REDUCTIONS:
            yield "reduction over indices"
        case syntax.Index(items=items) if any(isinstance(i, syntax.Binary) and i.op in ("//", "%") for i in items):
            yield "index divided"
        case syntax.Index() if gather.place(node) is not None:
            yield "index from a stream"
        case syntax.Index(items=items) if any(isinstance(i, syntax.Binary) and name_of(i.left) for i in items):
            yield "index arithmetic"
        case syntax.Index() if any(isinstance(item, syntax.Slice) for item in node.items):
            yield "slice"
        case syntax.Call(function=syntax.Name(id="over_time"), args=(syntax.Name(id=op), _)):
            yield "function over_time"
            yield f"over_time {op}"
        case syntax.Call(function=syntax.Name(id=name)) if name in FUNCTIONS.split():
            yield f"function {name}"
        case syntax.Quantity(unit="mV"):
            yield "units"
        case syntax.Name(id="index"):
            yield "index"


def name_of(node: syntax.Expr) -> str:
    """`f` of `f`, `f(...)`, `f[...](...)` and `f.x`."""
    match node:
        case syntax.Name(id=name):
            return str(name)
        case syntax.Call():
            return name_of(node.function)
        case syntax.Index() | syntax.Attribute():
            return name_of(node.base)
        case _:
            return ""


NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four"}


def in_neuron(neuron: syntax.Neuron) -> Iterator[str]:
    ports = [p for s in neuron.body if isinstance(s, syntax.Ports) for p in s.ports]
    states = [s for s in neuron.body if isinstance(s, syntax.Variable)]
    equations = [s for s in neuron.body if isinstance(s, syntax.Derivative)]
    handlers = [s for s in neuron.body if isinstance(s, syntax.SpikeWhen)]
    outs = [s for s in neuron.body if isinstance(s, syntax.Out)]
    yield f"neuron with {NUMBERS[len(ports)]} port{'s' * (len(ports) > 1)}"
    yield f"neuron with {NUMBERS[len(states)]} state{'s' * (len(states) > 1)}"
    yield from (f"state {s.type.name}" for s in states if s.type is not None)
    if {name_of(e.target) for e in equations} & {p.name for p in ports}:
        yield "neuron with a port equation"
    if equations:
        yield "equation alone" if len(equations) == 1 else "equations together"
    yield from (f"solver {s.name}" for s in neuron.body if isinstance(s, syntax.Solver))
    yield from (f"update {s.op}" for s in walk(neuron) if isinstance(s, syntax.Assign) and s.op != "=")
    if any(isinstance(s, syntax.Assign) and s.op == "=" for s in neuron.body):
        yield "local in a neuron"
    if collective.has_lines(neuron):
        yield "line over the population"
    if outs:
        yield "out beside spikes" if handlers else "out"
    if not handlers:
        yield "no spikes"
    if len(handlers) > 1:
        yield "several handlers"
    for handler in handlers:
        yield from in_handler(handler)


def in_block(block: syntax.Block) -> Iterator[str]:
    yield "block"
    if any(isinstance(s, syntax.Param) for s in block.body):
        yield "block with a parameter"
    calls = [n for n in walk(block) if isinstance(n, syntax.Call) and isinstance(n.function, syntax.Index)]
    if any(name_of(call) not in REDUCTIONS for call in calls):
        yield "block with cells"


def in_handler(handler: syntax.SpikeWhen) -> Iterator[str]:
    if not handler.body:
        yield "handler without body"
    if handler.grad is not None:
        yield "grad"
    match handler.emit:
        case None:
            pass
        case syntax.Number():
            yield "emit"
        case syntax.Unary(op="-", operand=syntax.Number()):
            yield "emit negative"
        case _:
            yield "emit real"
    yield from ("hold two" if len(s.names) > 1 else "hold" for s in handler.body if isinstance(s, syntax.Hold))


def in_population(population: syntax.Population) -> Iterator[str]:
    kind = name_of(population.value)
    if population.place is not None:
        yield "pop at grid"
    yield f"pop {kind}" if kind in ("Poisson", "Bernoulli") else "pop"
    yield from shape_of(population.value)
    for init in population.init:
        random = any(name_of(n) in ("uniform", "normal") for n in walk(init) if isinstance(n, syntax.Call))
        yield "random initial value" if random else "initial value"


def shape_of(value: syntax.Expr) -> Iterator[str]:
    index = value.function if isinstance(value, syntax.Call) else value
    if isinstance(index, syntax.Index) and len(index.items) > 1:
        yield "pop of rank 2"


def in_projection(projection: syntax.Projection) -> Iterator[str]:
    yield "proj named" if projection.name else "proj"
    sources = {n.id for n in walk(projection.source) if isinstance(n, syntax.Name)}
    targets = {n.id for n in walk(projection.target) if isinstance(n, syntax.Name)}
    if sources & targets:
        yield "proj to itself"
    if isinstance(projection.source, syntax.Group):
        yield "proj group source"
    if isinstance(projection.source, syntax.Index):
        yield "proj slice"
    if any(isinstance(n, syntax.Group) for n in walk(projection.target)):
        yield "proj group target"
    for option in projection.options:
        match option.kind:
            case "synapse":
                yield "synapse program"
            case "connect":
                yield f"connect {name_of(option.value)}"
                if any(name_of(n) == "distance" for n in walk(option) if isinstance(n, syntax.Call)):
                    yield "connect by distance"
                yield from ("proj if" for m in option.modifiers if m.kind == "if")
                yield from ("connect repeat" for m in option.modifiers if m.kind == "repeat")
                yield from ("probability of a pair" for _ in indices_in(option.value))
            case "weight":
                called = {name_of(n) for n in walk(option.value) if isinstance(n, syntax.Call)}
                if called & {"uniform", "normal", "lognormal", "choice"}:
                    yield "proj with draws"
                elif indices_in(option.value):
                    yield "proj with a function of pairs"
                else:
                    yield "proj with an array" if isinstance(option.value, syntax.Name) else "proj with a scalar"
            case "delay":
                differ = any(isinstance(n, syntax.Call) for n in walk(option.value)) or indices_in(option.value)
                yield "delays that differ" if differ else "proj delayed"


def indices_in(node: syntax.Expr) -> list[str]:
    """The names that stand for the numbers of neurons and synapses."""
    return [n.id for n in walk(node) if isinstance(n, syntax.Name) and n.id in ("pre", "post", "index")]


def in_assignment(statement: syntax.Assign, populations: set[str]) -> Iterator[str]:
    if isinstance(statement.target, syntax.Attribute):
        yield f"arrival {statement.op}"
        return
    own = name_of(statement.target)
    calls = [n for n in walk(statement.value) if isinstance(n, syntax.Call) and name_of(n) == "prev"]
    recurrent = any(name_of(a) == own for call in calls for a in call.args)
    attributes = [n for n in walk(statement.value) if isinstance(n, syntax.Attribute)]
    if any(name_of(a) in populations for a in attributes):
        yield "state read"
    if isinstance(statement.target, syntax.Index):
        yield "index notation"
    value = statement.value
    call = isinstance(value, syntax.Call) and isinstance(value.function, syntax.Index)
    if call and name_of(value) not in REDUCTIONS:
        yield "pop of a call"
        yield from shape_of(value)
        if recurrent:
            yield "recurrent call"
    elif recurrent:
        yield "recurrent stream"


def in_output(output: syntax.Output) -> Iterator[str]:
    calls = {name_of(n) for n in walk(output.value) if isinstance(n, syntax.Call)}
    if "over_time" in calls:
        yield "output of the run"
    elif calls & {"sum", "mean", "min", "max", "any", "all", "argmax"}:
        yield "output of a reduction"
    else:
        yield "output of a stream"


def in_probe(probe: syntax.Probe) -> Iterator[str]:
    if probe.every is not None:
        yield "probe every"
    if any(isinstance(t, syntax.Index) for t in probe.targets):
        yield "probe slice"
