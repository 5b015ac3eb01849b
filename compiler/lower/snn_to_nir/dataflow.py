"""The step function of a program as a graph of NIR: one rule per op.

A value is a constant, or a `Wire`: the sum of what some nodes gave, each so many steps ago.  Sums need no node of
their own, since NIR adds up what arrives; a constant that is added becomes the bias of a projection.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from spikec.analysis import scalars
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.diagnostics import Diagnostics
from spikec.dialects.functions import argument_marks, result_marks
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.lower.snn_to_nir import neurons, weights
from spikec.lower.snn_to_nir.graph import Graph, Link, Node, Shape
from spikec.lower.snn_to_nir.populations import Populations
from spikec.lower.snn_to_nir.refusal import NEURON, OPERATION, SHAPE, TIMING, Refusal, span_of

LARGEST_DIAGONAL = 1 << 12  # values that get a bias without a projection: a matrix of this size squared


@dataclass(frozen=True)
class Term:
    """What a node gives, or what a state held `delay` steps ago (an array: one delay per element).

    `fresh` while the node may still get a bias.
    """

    node: str = ""
    state: str = ""
    delay: int | Array = 0
    fresh: bool = False


@dataclass(frozen=True)
class Wire:
    """The sum of some terms."""

    terms: tuple[Term, ...]
    shape: Shape


@dataclass(frozen=True)
class Lost:
    """The result of an op that has been reported."""


Value = Array | Wire | Lost


def graph_of(program: Program, seed: int, diagnostics: Diagnostics) -> tuple[Graph, str]:
    """The graph of a program as far as NIR can express it, and where its potentials start ("zero", "v_leak" or
    "v_reset").  The rest is reported."""
    flow = _Flow(program, seed, diagnostics)
    flow.run()
    return flow.graph, flow.start


FIXED_POINT = "NIR has real numbers alone; export the network before it is quantized"


class _Flow:
    def __init__(self, program: Program, seed: int, diagnostics: Diagnostics) -> None:
        self.program = program
        self.seed = seed
        self.diagnostics = diagnostics
        self.symbols = program.symbols()
        self.populations = Populations(program)
        self.graph = Graph()
        self.values: dict[Any, Value] = {}
        self.states = {state.sym_name: state for state in program.ops(snn.State)}
        self.block = self.symbols["step"].regions[0].blocks[0]
        self.writes = _writes(self.block)
        self.start = "zero"
        self.taken: list[tuple[str, Term]] = []  # what each node takes; states are resolved when all is known

    def run(self) -> None:
        step = self.symbols["step"]
        inputs = [str(ir.StringAttr(marks[snn.NAME]).value) for marks in argument_marks(step)]
        outputs = [str(ir.StringAttr(marks[snn.NAME]).value) for marks in result_marks(step)]
        self._other_entries()
        self._integers(step)
        for name in (*inputs, *outputs):
            self.graph.reserve(name)
        for name, argument in zip(inputs, self.block.arguments, strict=True):
            self._guarded(step, partial(self._input, name, argument))
        for operation in self.block.operations:
            op = operation.operation
            if op.name != "func.return":
                self._guarded(op, partial(self._op, op))
                continue
            for name, value in zip(outputs, op.operands, strict=True):
                self._guarded(op, partial(self._output, name, value, inputs))
        while self.taken:
            node, term = self.taken.pop(0)
            self._guarded(self.graph.nodes[node].op or step, partial(self._link, node, term))
        if not self.diagnostics.has_errors:
            self._guarded(step, self._prune)
            self._guarded(step, self._find_start)

    def _guarded(self, op: Any, action: Callable[[], None]) -> None:
        """Reports a refusal and goes on, so that all of them are seen."""
        try:
            action()
        except Refusal as refusal:
            self.diagnostics.error(refusal.code, span_of(refusal.op) or span_of(op), str(refusal), refusal.help)
            if op.name != "func.func":
                self.values.update(dict.fromkeys(op.results, Lost()))

    # ------------------------------------------------------------ the frame

    def _other_entries(self) -> None:
        """Reports results over the run and computed initial values: a NIR graph has one step function alone."""
        for marks in result_marks(self.symbols["finish"]) if "finish" in self.symbols else []:
            message = f"the output '{ir.StringAttr(marks[snn.NAME]).value}' is one value for the whole run"
            self.diagnostics.error(OPERATION, None, message, "the outputs of a NIR graph are streams")
        for operation in self.symbols["init"].regions[0].blocks[0].operations if "init" in self.symbols else []:
            if operation.operation.name == snn.Write.name():
                state = snn.Write(operation.operation).to
                message = f"the state '{state}' starts with drawn or computed values"
                help = "the states of a NIR graph start at zero"
                self.diagnostics.error(NEURON, span_of(self.states[state].operation), message, help)

    def _integers(self, step: Any) -> None:
        """Reports inputs and outputs whose integers stand for reals: a NIR graph has no scales."""
        for what, entries in (("input", argument_marks(step)), ("output", result_marks(step))):
            for marks in entries:
                if snn.SCALE in marks:
                    message = f"the {what} '{ir.StringAttr(marks[snn.NAME]).value}' is in fixed point"
                    self.diagnostics.error(OPERATION, span_of(step), message, FIXED_POINT)

    def _input(self, name: str, argument: Any) -> None:
        shape = tuple(argument.type.shape)
        if not shape:
            raise Refusal(SHAPE, f"the input '{name}' is a single number", help="declare it with a shape: x : real[1]")
        self.graph.add(name, Node("Input", {}, shape, shape), exact=True)
        self.values[argument] = Wire((Term(name),), shape)

    def _output(self, name: str, value: Any, inputs: list[str]) -> None:
        shape = tuple(value.type.shape)
        if name in inputs:
            raise Refusal(SHAPE, f"an input and an output are called '{name}'", help="nodes of NIR have one name each")
        if not shape:
            raise Refusal(SHAPE, f"the output '{name}' is a single number", help="the values of NIR have a shape")
        known = self._value(value)
        if isinstance(known, np.ndarray):
            raise Refusal(OPERATION, f"the output '{name}' is a constant", help="outputs of NIR come from its inputs")
        self.graph.add(name, Node("Output", {}, shape, shape), exact=True)
        self._take(name, known)

    def _find_start(self) -> None:
        self.start = self.populations.start(self.graph)

    def _prune(self) -> None:
        """Removes what leads nowhere, so that readers make up no outputs; a population that does gets an output."""
        populations = {node: name for name, node in self.populations.nodes.items()}
        while True:
            leading = {link.source for link in self.graph.links}
            ends = [name for name, node in self.graph.nodes.items() if name not in leading and node.type != "Output"]
            if not ends:
                return
            for name in ends:
                node = self.graph.nodes[name]
                if name in populations:
                    end = self.graph.add(f"{name}.output", Node("Output", {}, node.leaving, node.leaving, node.op))
                    self.graph.links.append(Link(name, end))
                elif node.type == "Input":
                    raise Refusal(SHAPE, f"the input '{name}' is not used", help="every node of NIR leads to an output")
                else:
                    del self.graph.nodes[name]
                    self.graph.links = [link for link in self.graph.links if link.target != name]

    # ------------------------------------------------------------ values

    def _value(self, value: Any) -> Value:
        known = self.values[value]
        if isinstance(known, Wire) and len(list(value.uses)) > 1:
            # Who else takes this value wants it without the bias that one of its users adds.
            return _stale(known)
        return known

    def _take(self, node: str, value: Value) -> None:
        """Lets a node take a value."""
        if isinstance(value, Wire):
            self.taken += [(node, term) for term in value.terms]
        elif not isinstance(value, Lost) and np.any(value):
            raise Refusal(OPERATION, "a constant arrives alone", help="the values of a NIR graph come from its inputs")

    def _node(
        self, op: Any, name: str, type: str, fields: Mapping[str, Any], value: Value, leaving: Shape, **more: Any
    ) -> Wire:
        """A new node behind a value."""
        entering = value.shape if isinstance(value, Wire | np.ndarray) else leaving
        made = self.graph.add(name, Node(type, dict(fields), tuple(entering), leaving, op, **more))
        self._take(made, value)
        return Wire((Term(made, fresh=type in ("Linear", "Conv1d", "Conv2d")),), leaving)

    def _link(self, node: str, term: Term) -> None:
        """Makes the links of what a node takes."""
        if isinstance(term.delay, np.ndarray):
            if np.any(self._before(term.state)):
                raise Refusal(TIMING, f"the delayed '{term.state}' does not start at zero")
            shape = tuple(self.states[term.state].type.shape)
            made = self.graph.add("delay", Node("Delay", {"steps": term.delay}, shape, shape))
            self.graph.links.append(Link(made, node))
            self.taken.append((made, Term(state=term.state)))
            return
        self.graph.links += [replace(link, target=node) for link in self._sources(term, ())]

    def _sources(self, term: Term, through: tuple[str, ...]) -> list[Link]:
        """The nodes that a term comes from, as links to nowhere."""
        delay = int(term.delay)
        if term.node:
            return [Link(term.node, "", delay)]
        population = self.populations.kept.get(term.state)
        before = self._before(term.state)
        if population is not None:
            node = self.populations.nodes.get(population)
            return [] if node is None else [Link(node, "", delay, before)]
        if term.state not in self.writes:
            owner = self.populations.owner(term.state)
            message = f"'{term.state}' is read, and a node of NIR shows what it sends alone" if owner else ""
            raise Refusal(OPERATION, message or f"the state '{term.state}' is never written")
        if term.state in through:
            raise Refusal(OPERATION, f"the state '{term.state}' is made of nothing but itself")
        written = self._value(self.writes[term.state])
        if isinstance(written, Lost):
            return []
        if isinstance(written, np.ndarray):
            raise Refusal(OPERATION, f"the state '{term.state}' is a constant from the second step on")
        links = [link for inner in written.terms for link in self._sources(inner, (*through, term.state))]
        if (np.any(before) and (len(links) > 1 or links[0].delay)) or any(np.any(link.before) for link in links):
            raise Refusal(TIMING, f"'{term.state}' is a sum or a delay that does not start at zero")
        return [replace(link, delay=link.delay + delay, before=before) for link in links]

    def _before(self, state: str) -> Array:
        init = self.states[state].init
        return np.zeros(()) if init is None else weights.values(self.program, init).reshape(-1)

    # ------------------------------------------------------------ ops

    def _op(self, op: Any) -> None:
        if op.name == snn.Write.name():
            return
        operands = [self._value(operand) for operand in op.operands]
        if any(isinstance(operand, Lost) for operand in operands):
            self.values.update(dict.fromkeys(op.results, Lost()))
        elif op.name == snn.Update.name():
            self._update(op, operands)
        elif len(op.results) != 1:
            raise _nothing_for(op)
        else:
            (result,) = op.results
            self.values[result] = self._result(op, operands, tuple(getattr(result.type, "shape", ())))

    def _update(self, op: Any, operands: list[Value]) -> None:
        view = self.populations.views[snn.Update(op).population]
        arriving = [self._without_own_state(view, operand) for operand in operands]
        found, place = self.populations.recognise(view, [_known(value) for value in arriving])
        if found.lowered:
            self._lowered(f"the spike of population '{view.sym_name}'", view.operation)
        shape = tuple(view.shape)
        value = Lost() if place is None else arriving[place]
        wire = self._node(view.operation, view.sym_name, found.type, found.fields, value, shape)
        self.populations.nodes[view.sym_name] = wire.terms[0].node
        for result in op.results:
            self.values[result] = replace(wire, shape=tuple(result.type.shape))

    def _without_own_state(self, view: snn.Population, value: Value) -> Value:
        """What arrives at a port with an equation, without the state that it is added to."""
        own = set(view.states)
        if not isinstance(value, Wire):
            return value
        rest = tuple(term for term in value.terms if term.state not in own)
        return replace(value, terms=rest) if rest else np.zeros(value.shape)

    def _result(self, op: Any, operands: list[Value], shape: Shape) -> Value:
        if op.name == snn.Propagate.name():
            return self._propagate(op, operands, shape)
        if op.name == snn.Read.name():
            return self._read(op, shape)
        if all(isinstance(operand, np.ndarray) for operand in operands):
            folded = _folded(op, operands)
            if folded is not None:
                return np.broadcast_to(folded.reshape(shape) if folded.ndim else folded, shape)
        match op.name, operands:
            case (("arith.addf" | "arith.addi"), [a, b]):
                return self._sum(op, a, b, shape)
            case (("arith.subf" | "arith.subi"), [a, b]):
                return self._sum(op, a, -b if isinstance(b, np.ndarray) else self._scaled(op, b, -1.0, shape), shape)
            case "arith.negf", [a]:
                return self._scaled(op, a, -1.0, shape)
            case (("arith.mulf" | "arith.muli"), [np.ndarray() as a, b]):
                return self._scaled(op, b, a, shape)
            case (("arith.mulf" | "arith.muli"), [a, np.ndarray() as b]):
                return self._scaled(op, a, b, shape)
            case "arith.divf", [Wire() as a, np.ndarray() as b]:
                return self._divided(op, a, b, shape)
            case "arith.cmpf", [a, b]:
                return self._compared(op, a, b, shape)
            case "arith.select", [np.ndarray() as mask, _, _]:
                return self._chosen(op, mask, shape)
            case (("arith.uitofp" | "arith.extui"), [a]):
                return a
            case "arith.sitofp", [a] if str(op.operands[0].type.element_type) != "i1":
                return a
            case (("tensor.collapse_shape" | "tensor.expand_shape"), [Wire() as a]):
                return replace(a, shape=shape)
            case "tensor.extract_slice", [Wire() as a]:
                return self._slice(op, a, shape)
            case "tensor.concat", _:
                return self._joined(op, operands, shape)
            case "linalg.generic", [np.ndarray() as matrices, x, start] if _is_product(op):
                product = self._node(op, "linear", "Linear", {"weight": matrices.astype(np.float64)}, x, shape)
                return self._sum(op, product, start, shape)
        raise _nothing_for(op)

    # ------------------------------------------------------------ elementwise ops

    def _sum(self, op: Any, a: Value, b: Value, shape: Shape) -> Value:
        if isinstance(a, np.ndarray):
            a, b = b, a
        assert isinstance(a, Wire)
        if isinstance(b, Wire):
            return Wire(a.terms + b.terms, shape)
        assert isinstance(b, np.ndarray)
        return self._biased(op, a, b, shape) if np.any(b) else a

    def _biased(self, op: Any, value: Wire, bias: Array, shape: Shape) -> Wire:
        """A constant becomes the bias of a projection among the terms, or of an identity."""
        bias = np.broadcast_to(bias, shape).astype(np.float64)
        for term in value.terms:
            if term.fresh and _takes_bias(self.graph.nodes[term.node], bias):
                return _stale(value, term.node)
        size = math.prod(shape)
        if size > LARGEST_DIAGONAL:
            raise Refusal(OPERATION, f"a constant is added to {size} values that no projection gives", op)
        fields = {"weight": np.eye(size), "bias": bias.reshape(-1)}
        return replace(self._node(op, "bias", "Affine", fields, replace(value, shape=(size,)), (size,)), shape=shape)

    def _scaled(self, op: Any, value: Value, factor: float | Array, shape: Shape) -> Value:
        scale = np.broadcast_to(np.asarray(factor, dtype=np.float64), shape).reshape(-1)
        return self._node(op, "scale", "Scale", {"scale": scale}, value, shape)

    def _divided(self, op: Any, value: Wire, by: Array, shape: Shape) -> Value:
        if len(value.terms) == 1 and value.terms[0].node and len(list(op.operands[0].uses)) == 1:
            node = self.graph.nodes[value.terms[0].node]
            if node.type == "SumPool2d" and np.all(by == np.prod(np.asarray(node.fields["kernel_size"]))):
                node.type = "AvgPool2d"
                return value
        return self._scaled(op, value, 1.0 / by.astype(np.float64), shape)

    def _compared(self, op: Any, a: Value, b: Value, shape: Shape) -> Value:
        predicate = ir.IntegerAttr(op.attributes["predicate"]).value
        if predicate in (4, 5):  # olt, ole
            a, b, predicate = b, a, predicate - 2
        if predicate not in (2, 3) or not isinstance(b, np.ndarray):
            message = "a stream is compared with something else than 'stream > constant'"
            raise Refusal(OPERATION, message, op, "NIR's Threshold is 1 where its input is greater than a constant")
        threshold = b.astype(np.float64)
        if predicate == 3:
            threshold = neurons.before(threshold, self.populations.real)
            self._lowered("the comparison", op)
        fields = {"threshold": np.broadcast_to(threshold, shape).reshape(-1)}
        return self._node(op, "threshold", "Threshold", fields, a, shape)

    def _lowered(self, what: str, op: Any) -> None:
        message = f"{what} is at >= threshold, in NIR at > threshold: the next smaller number is written as threshold"
        self.diagnostics.warning("W1101", span_of(op), message)

    def _chosen(self, op: Any, mask: Array, shape: Shape) -> Value:
        """A delay of its own for each element: a choice among the past of one state."""
        parts = [self._past(operand) for operand in op.operands][1:]
        states = {state for state, _ in parts if state}
        if len(states) == 1:
            (state,) = states
            written = self.writes.get(state)
            values = zip(list(op.operands)[1:], parts, strict=True)
            delays = [d if s else 0 if value == written else None for value, (s, d) in values]
            if all(delay is not None for delay in delays):
                size = math.prod(shape)
                first, second = (np.broadcast_to(np.asarray(delay), (size,)) for delay in delays)
                steps = np.where(np.broadcast_to(mask, shape).reshape(-1), first, second)
                return Wire((Term(state=state, delay=steps),), shape)
        raise Refusal(OPERATION, "elements of two streams are chosen among", op)

    def _past(self, value: Any) -> tuple[str, int | Array]:
        """The state that a value is the past of, and the delay; "" for another value."""
        known = self.values[value]
        if isinstance(known, Wire) and len(known.terms) == 1 and known.terms[0].state:
            return known.terms[0].state, known.terms[0].delay
        return "", 0

    # ------------------------------------------------------------ states and projections

    def _read(self, op: Any, shape: Shape) -> Value:
        view = snn.Read(op)
        if view.of in self.writes or view.of in self.populations.kept or self.populations.owner(view.of):
            return Wire((Term(state=view.of, delay=view.delay),), shape)
        # Nothing ever writes it: a constant.
        before = self._before(view.of)
        return np.broadcast_to(before.reshape(shape) if before.size > 1 else before.reshape(()), shape)

    def _propagate(self, op: Any, operands: list[Value], shape: Shape) -> Value:
        view = snn.Synapses(self.symbols[snn.Propagate(op).synapses])
        events, start = operands
        if isinstance(events, np.ndarray):
            raise Refusal(OPERATION, f"the projection '{view.sym_name}' has a constant source", op)
        assert isinstance(events, Wire)
        if isinstance(op.results[0].type.element_type, ir.IntegerType):
            raise Refusal(OPERATION, f"the projection '{view.sym_name}' has integer weights", op, FIXED_POINT)
        if view.delay is not None:
            raise Refusal(OPERATION, f"the synapses of the projection '{view.sym_name}' differ in their delays", op)
        kind = ir.StringAttr(view.connect["kind"]).value
        if kind == "conv":
            arrived = self._convolution(op, view, events, shape)
        elif kind == "one_to_one" and "filter" not in view.connect and not weights.are_computed(self.symbols, view):
            arrived = self._scaled_by(op, view, events, shape)
        else:
            fields = {"weight": weights.matrix(self.program, view, self.seed)}
            flat = replace(events, shape=(view.pre,))
            arrived = replace(self._node(op, view.sym_name, "Linear", fields, flat, (view.post,)), shape=shape)
        return self._sum(op, arrived, start, shape)

    def _scaled_by(self, op: Any, view: snn.Synapses, events: Wire, shape: Shape) -> Wire:
        scale = np.broadcast_to(weights.values(self.program, view.weight).reshape(-1), (view.pre,))
        return self._node(op, view.sym_name, "Scale", {"scale": scale}, replace(events, shape=shape), shape)

    def _convolution(self, op: Any, view: snn.Synapses, events: Wire, shape: Shape) -> Wire:
        geometry = Convolution.of(view.connect)
        weight = weights.values(self.program, view.weight)
        padding = weights.padding(geometry, op)
        fields: dict[str, Any] = {"stride": np.array(geometry.stride), "padding": padding}
        pooling = weight.ndim == 0 and weight == 1 and len(geometry.kernel) == 2 and not isinstance(padding, str)
        if pooling and geometry.groups == geometry.input[0] == geometry.output[0] and set(geometry.dilation) == {1}:
            kind = "SumPool2d"
            fields["kernel_size"] = np.array(geometry.kernel)
        else:
            kind = f"Conv{len(geometry.kernel)}d"
            fields |= {"weight": np.broadcast_to(weight, geometry.weights), "groups": np.array(geometry.groups)}
            fields["dilation"] = np.array(geometry.dilation)
        source = replace(events, shape=geometry.input)
        made = self._node(op, view.sym_name, kind, fields, source, geometry.output, geometry=geometry)
        return replace(made, shape=shape)

    def _slice(self, op: Any, value: Wire, shape: Shape) -> Wire:
        offsets, sizes = ([int(n) for n in op.attributes[f"static_{name}"]] for name in ("offsets", "sizes"))
        places = np.arange(math.prod(value.shape)).reshape(value.shape)
        chosen = places[tuple(slice(o, o + n) for o, n in zip(offsets, sizes, strict=True))].reshape(-1)
        return self._selection(op, "slice", value, np.arange(len(chosen)), chosen, shape)

    def _joined(self, op: Any, operands: list[Value], shape: Shape) -> Wire:
        axis = int(ir.IntegerAttr(op.attributes["dim"]).value)
        places = np.arange(math.prod(shape)).reshape(shape)
        terms: tuple[Term, ...] = ()
        begin = 0
        for value, operand in zip(operands, op.operands, strict=True):
            extent = int(operand.type.shape[axis])
            rows = places.take(range(begin, begin + extent), axis).reshape(-1)
            begin += extent
            if not isinstance(value, Wire):
                raise Refusal(OPERATION, "a constant is joined to a stream", op)
            terms += self._selection(op, "concat", value, rows, np.arange(len(rows)), shape).terms
        return Wire(terms, shape)

    def _selection(self, op: Any, name: str, value: Wire, rows: Array, columns: Array, shape: Shape) -> Wire:
        """A matrix of zeros and ones that moves elements."""
        pre, post = math.prod(value.shape), math.prod(shape)
        if pre * post > weights.LARGEST:
            raise Refusal(OPERATION, f"a part of {pre} values would be a matrix of {pre} x {post}", op)
        matrix = np.zeros((post, pre))
        matrix[rows, columns] = 1.0
        flat = replace(value, shape=(pre,))
        return replace(self._node(op, name, "Linear", {"weight": matrix}, flat, (post,)), shape=shape)


def _nothing_for(op: Any) -> Refusal:
    return Refusal(OPERATION, f"NIR has nothing for '{op.name}'", op, "docs/nir.md lists what can be written as NIR")


def _writes(block: Any) -> dict[str, Any]:
    """The value that each state takes at the end of the step."""
    found = {}
    for operation in block.operations:
        op = operation.operation
        if op.name == snn.Write.name():
            found[snn.Write(op).to] = op.operands[0]
    return found


def _stale(wire: Wire, node: str | None = None) -> Wire:
    """A wire whose terms, or the one of a node, get no bias any more."""
    terms = (replace(term, fresh=term.fresh and node is not None and term.node != node) for term in wire.terms)
    return replace(wire, terms=tuple(terms))


def _known(value: Value) -> Array | None:
    """A constant, or None."""
    return value if isinstance(value, np.ndarray) else None


def _takes_bias(node: Node, bias: Array) -> bool:
    """Gives a projection a bias, if it can have this one."""
    if node.type == "Linear":
        node.type, node.fields["bias"] = "Affine", bias.reshape(node.leaving)
        return True
    channels = bias.reshape(node.leaving[0], -1)
    if node.type in ("Conv1d", "Conv2d") and np.all(channels == channels[:, :1]):
        node.fields["bias"] = channels[:, 0].copy()
        return True
    return False


def _folded(op: Any, operands: list[Any]) -> Array | None:
    """The value of an op on constants, in the program's arithmetic."""
    if op.name == "arith.constant":
        attribute = op.attributes["value"]
        if isinstance(attribute, ir.DenseElementsAttr):
            attribute = attribute.get_splat_value() if attribute.is_splat else attribute
        return scalars.number(attribute)
    if op.name in ("tensor.splat", "tensor.extract", "tensor.collapse_shape", "tensor.expand_shape"):
        return np.asarray(operands[0])
    if not op.name.startswith(("arith.", "math.")):
        return None
    element = str(getattr(op.operands[0].type, "element_type", op.operands[0].type))
    return scalars.evaluate(op, [operand.astype(scalars.DTYPES.get(element, operand.dtype)) for operand in operands])


def _is_product(op: Any) -> bool:
    """Whether a computation is constant matrices times what runs along the last axis."""
    names = [operation.operation.name for operation in op.regions[0].blocks[0].operations]
    kinds = [str(kind) for kind in op.attributes["iterator_types"]]
    if names != ["arith.mulf", "arith.addf", "linalg.yield"] or not all("parallel" in kind for kind in kinds[:-1]):
        return False
    rank = len(kinds)
    axes = [ir.AffineDimExpr.get(n) for n in range(rank)]
    wanted = [
        ir.AffineMap.get_identity(rank),
        ir.AffineMap.get(rank, 0, [*axes[:-2], axes[-1]]),
        ir.AffineMap.get(rank, 0, axes[:-1]),
    ]
    return "reduction" in kinds[-1] and list(op.attributes["indexing_maps"]) == [
        ir.AffineMapAttr.get(m) for m in wanted
    ]
