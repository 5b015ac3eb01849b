"""The step function of a program as a graph of NIR: one rule per op.

A value is a constant, or a `Wire`: the sum of what some nodes gave, each so many steps ago.  Sums need no node of
their own, since NIR adds up what arrives; a constant that is added becomes the bias of a projection.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from spikec.analysis import scalars
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.diagnostics import Diagnostics
from spikec.dialects.functions import argument_marks, argument_roles, result_marks, result_roles, symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.lower.snn_to_nir import affine, neurons, weights
from spikec.lower.snn_to_nir.graph import Graph, Link, Node, Shape
from spikec.lower.snn_to_nir.refusal import NEURON, OPERATION, SHAPE, TIMING, Refusal, span_of

LARGEST_DIAGONAL = 1 << 12  # neurons that get a bias without a projection: a matrix of this size squared


@dataclass(frozen=True)
class Term:
    """What a node gave `delay` steps ago; `fresh` while the node may still get a bias."""

    node: str
    delay: int = 0
    before: Array = field(default_factory=lambda: np.zeros(()))
    fresh: bool = False


@dataclass(frozen=True)
class Wire:
    """The sum of some terms."""

    terms: tuple[Term, ...]
    shape: Shape


@dataclass(frozen=True)
class Past:
    """A state as it was some steps ago, before it is known what writes it."""

    state: str
    delay: int
    shape: Shape
    op: Any


@dataclass(frozen=True)
class Lost:
    """The result of an op that has been reported."""


Value = Array | Wire | Past | Lost


def graph_of(program: Program, seed: int, diagnostics: Diagnostics) -> Graph:
    """The graph of a program, as far as NIR can express it; the rest is reported."""
    flow = _Flow(program, seed, diagnostics)
    flow.run()
    return flow.graph


class _Flow:
    def __init__(self, program: Program, seed: int, diagnostics: Diagnostics) -> None:
        self.program = program
        self.seed = seed
        self.diagnostics = diagnostics
        self.symbols = program.symbols()
        self.graph = Graph()
        self.values: dict[Any, Value] = {}
        self.states = {state.sym_name: state for state in program.ops(snn.State)}
        self.populations = {view.sym_name: view for view in program.ops(snn.Population)}
        self.written: dict[str, Value] = {}  # what each state takes at the end of the step
        self.waiting: list[tuple[str, Past]] = []  # nodes that take a state which is written later
        self.real = np.float64 if _is_double(program) else np.float32

    def run(self) -> None:
        step = self.symbols["step"]
        block = step.regions[0].blocks[0]
        inputs = [str(ir.StringAttr(marks[snn.NAME]).value) for marks in argument_marks(step)]
        outputs = [str(ir.StringAttr(marks[snn.NAME]).value) for marks in result_marks(step)]
        self._entries_that_are_left_out()
        for name in (*inputs, *outputs):
            self.graph.reserve(name)
        for name, argument in zip(inputs, block.arguments, strict=True):
            self._guarded(step, lambda name=name, argument=argument: self._input(name, argument))
        self._written_states(block)
        for operation in block.operations:
            op = operation.operation
            if op.name == "func.return":
                for name, value in zip(outputs, op.operands, strict=True):
                    self._guarded(op, lambda name=name, value=value: self._output(name, value, name in inputs))
            else:
                self._guarded(op, lambda op=op: self._op(op))
        self._guarded(step, self._connect_past)
        self._unseen_populations(outputs)

    def _guarded(self, op: Any, action: Callable[[], None]) -> None:
        """Reports a refusal and goes on, so that all of them are seen."""
        try:
            action()
        except Refusal as refusal:
            place = span_of(refusal.op) or span_of(op)
            self.diagnostics.error(refusal.code, place, str(refusal), refusal.help)
            for result in op.results:
                self.values[result] = Lost()

    # ------------------------------------------------------------ the frame

    def _entries_that_are_left_out(self) -> None:
        """Reports results over the run and drawn initial values: a NIR graph has one step function alone."""
        for marks in result_marks(self.symbols["finish"]) if "finish" in self.symbols else []:
            name = ir.StringAttr(marks[snn.NAME]).value
            message = f"the output '{name}' is one value for the whole run"
            self.diagnostics.error(OPERATION, None, message, "the outputs of a NIR graph are streams")
        if "init" in self.symbols:
            for operation in self.symbols["init"].regions[0].blocks[0].operations:
                op = operation.operation
                if op.name == snn.Write.name():
                    message = f"the state '{snn.Write(op).to}' starts with drawn or computed values"
                    self.diagnostics.error(NEURON, span_of(op), message, "the states of a NIR graph start at zero")

    def _input(self, name: str, argument: Any) -> None:
        shape = tuple(argument.type.shape)
        if not shape:
            raise Refusal(SHAPE, f"the input '{name}' is a single number", help="declare it with a shape: x : real[1]")
        self.graph.add(name, Node("Input", {}, shape, shape), exact=True)
        self.values[argument] = Wire((Term(name),), shape)

    def _output(self, name: str, value: Any, is_input: bool) -> None:
        shape = tuple(value.type.shape)
        if is_input:
            raise Refusal(SHAPE, f"an input and an output are called '{name}'", help="nodes of NIR have one name each")
        if not shape:
            raise Refusal(SHAPE, f"the output '{name}' is a single number", help="the values of NIR have a shape")
        self.graph.add(name, Node("Output", {}, shape, shape), exact=True)
        self._feed(name, self._value(value))

    def _written_states(self, block: Any) -> None:
        """Which states keep what a population sends: they can be read before the population is known."""
        self.kept = {}
        for view in self.populations.values():
            if view.event is not None:
                self.kept[view.event] = view.sym_name
            if view.out is not None:
                self.kept[view.out] = view.sym_name
        self.writers = {
            snn.Write(operation.operation).to
            for operation in block.operations
            if operation.operation.name == snn.Write.name()
        }

    def _unseen_populations(self, outputs: list[str]) -> None:
        """A population that leads nowhere would end in an output that readers make up; it gets one of its name."""
        leading = {link.source for link in self.graph.links}
        for name, node in list(self.graph.nodes.items()):
            if node.type != "Output" and name not in leading and node.op is not None and not self.diagnostics.has_errors:
                end = self.graph.add(f"{name}.output", Node("Output", {}, node.leaving, node.leaving, node.op))
                self.graph.links.append(Link(name, end))

    # ------------------------------------------------------------ values

    def _value(self, value: Any) -> Value:
        known = self.values[value]
        if isinstance(known, Wire) and len(list(value.uses)) > 1:
            # Who else takes this value wants it without the bias that one of its users adds.
            return replace(known, terms=tuple(replace(term, fresh=False) for term in known.terms))
        return known

    def _wire(self, value: Value, shape: Shape) -> Wire | Past | None:
        """A value that varies; None for zeros."""
        if isinstance(value, Wire | Past):
            return value
        assert not isinstance(value, Lost)
        if not np.any(value):
            return None
        raise Refusal(OPERATION, "a constant arrives alone", help="the values of a NIR graph come from its inputs")

    def _feed(self, node: str, value: Value) -> None:
        """Lets a node take a value."""
        if isinstance(value, Lost):
            return
        source = self._wire(value, self.graph.nodes[node].entering)
        if isinstance(source, Past):
            self.waiting.append((node, source))
        elif source is not None:
            self.graph.links += [Link(term.node, node, term.delay, term.before) for term in source.terms]

    def _node(self, op: Any, name: str, type: str, fields: Mapping[str, Any], value: Value, leaving: Shape) -> Wire:
        """A new node behind a value."""
        entering = leaving if isinstance(value, np.ndarray | Lost) else value.shape
        made = self.graph.add(name, Node(type, dict(fields), entering, leaving, op))
        self._feed(made, value)
        return Wire((Term(made, fresh=type in ("Linear", "Conv1d", "Conv2d")),), leaving)

    def _connect_past(self) -> None:
        """Resolves what nodes take from states, now that all writers are known."""
        while self.waiting:
            node, past = self.waiting.pop()
            terms = self._terms_of(past)
            self.graph.links += [Link(term.node, node, term.delay, term.before) for term in terms]

    def _terms_of(self, past: Past) -> tuple[Term, ...]:
        state = self.states[past.state]
        before = np.zeros(()) if state.init is None else weights.values(self.program, state.init).reshape(-1)
        if past.state in self.kept:
            return (Term(self.kept_node(self.kept[past.state], past), past.delay, before),)
        written = self.written.get(past.state)
        if written is None or isinstance(written, Lost):
            return ()
        if isinstance(written, Past):
            inner = self._terms_of(written)
        elif isinstance(written, Wire):
            inner = written.terms
        elif not np.any(written):
            return ()
        else:
            raise Refusal(OPERATION, f"the state '{past.state}' is a constant", past.op)
        if (len(inner) > 1 or any(term.delay for term in inner)) and np.any(before):
            raise Refusal(TIMING, f"the sum '{past.state}' does not start at zero", past.op)
        if any(term.delay and np.any(term.before) for term in inner):
            raise Refusal(TIMING, f"what '{past.state}' delays does not start at zero", past.op)
        return tuple(replace(term, delay=term.delay + past.delay, before=before, fresh=False) for term in inner)

    def kept_node(self, population: str, past: Past) -> str:
        node = self.nodes_of_populations.get(population)
        if node is None:
            raise Refusal(OPERATION, f"the population '{population}' is read and never computed", past.op)
        return node

    @property
    def nodes_of_populations(self) -> dict[str, str]:
        return self._nodes_of_populations

    _nodes_of_populations: dict[str, str]

    # ------------------------------------------------------------ ops

    def _op(self, op: Any) -> None:
        if op.name == snn.Update.name():
            self._update(op)
            return
        if op.name == snn.Write.name():
            self.written[snn.Write(op).to] = self._value(op.operands[0])
            return
        operands = [self._value(operand) for operand in op.operands]
        (result,) = op.results
        if any(isinstance(operand, Lost) for operand in operands):
            self.values[result] = Lost()
            return
        self.values[result] = self._result(op, operands, tuple(result.type.shape) if hasattr(result.type, "shape") else ())

    def _result(self, op: Any, operands: list[Value], shape: Shape) -> Value:
        if op.name == snn.Propagate.name():
            return self._propagate(op, operands, shape)
        if op.name == snn.Read.name():
            return self._read(op, shape)
        constants = [operand for operand in operands if isinstance(operand, np.ndarray)]
        if len(constants) == len(operands) and (value := _folded(op, constants)) is not None:
            return np.broadcast_to(value, shape)
        match op.name, operands:
            case ("arith.addf" | "arith.addi"), [a, b]:
                return self._sum(op, a, b, shape)
            case ("arith.subf" | "arith.subi"), [a, b]:
                negative = -b if isinstance(b, np.ndarray) else self._scaled(op, b, np.asarray(-1.0), shape)
                return self._sum(op, a, negative, shape)
            case "arith.negf", [a]:
                return self._scaled(op, a, np.asarray(-1.0), shape)
            case ("arith.mulf" | "arith.muli"), [a, b] if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
                return self._scaled(op, b, a, shape) if isinstance(a, np.ndarray) else self._scaled(op, a, b, shape)
            case "arith.divf", [a, np.ndarray() as b]:
                return self._divided(op, a, b, shape)
            case "arith.cmpf", [a, b]:
                return self._compared(op, a, b, shape)
            case "arith.select", [np.ndarray() as mask, a, b]:
                return self._chosen(op, mask, a, b, shape)
            case ("arith.uitofp" | "arith.extui"), [a]:
                return a
            case "arith.sitofp", [a] if str(op.operands[0].type.element_type) != "i1":
                return a
            case ("tensor.collapse_shape" | "tensor.expand_shape"), [Wire() | Past() as a]:
                return replace(a, shape=shape)
            case "tensor.extract_slice", [a]:
                return self._slice(op, a, shape)
            case "tensor.concat", _:
                return self._joined(op, operands, shape)
            case "linalg.generic", [np.ndarray() as matrices, x, start] if _is_product(op):
                return self._product(op, matrices, x, start, shape)
        raise Refusal(OPERATION, f"NIR has nothing for '{op.name}'", op, "docs/nir.md lists what can be written as NIR")

    def _sum(self, op: Any, a: Value, b: Value, shape: Shape) -> Value:
        if isinstance(a, np.ndarray):
            a, b = b, a
        if isinstance(b, np.ndarray):
            return self._biased(op, a, b, shape) if np.any(b) else a
        terms: tuple[Term, ...] = ()
        for value in (a, b):
            assert not isinstance(value, np.ndarray | Lost)
            # A state's terms become known at the end: until then one node stands for it.
            wire = self._scaled(op, value, np.asarray(1.0), shape) if isinstance(value, Past) else value
            assert isinstance(wire, Wire)
            terms += wire.terms
        return Wire(terms, shape)

    def _biased(self, op: Any, value: Value, bias: Array, shape: Shape) -> Wire:
        """A constant becomes the bias of a projection among the terms, or of an identity."""
        bias = np.broadcast_to(bias, shape).astype(np.float64)
        if isinstance(value, Wire):
            for term in value.terms:
                if term.fresh and self._takes(self.graph.nodes[term.node], bias):
                    stale = tuple(replace(t, fresh=t.fresh and t.node != term.node) for t in value.terms)
                    return replace(value, terms=stale)
        size = math.prod(shape)
        if size > LARGEST_DIAGONAL:
            raise Refusal(OPERATION, f"a constant is added to {size} values that no projection gives", op)
        fields = {"weight": np.eye(size), "bias": bias.reshape(-1)}
        assert not isinstance(value, np.ndarray | Lost)
        return self._node(op, "bias", "Affine", fields, replace(value, shape=(size,)), (size,))

    def _takes(self, node: Node, bias: Array) -> bool:
        """Gives a projection a bias, if it can have this one."""
        if node.type == "Linear":
            node.type, node.fields["bias"] = "Affine", bias.reshape(node.leaving)
            return True
        channels = bias.reshape(node.leaving[0], -1)
        if node.type in ("Conv1d", "Conv2d") and np.all(channels == channels[:, :1]):
            node.fields["bias"] = channels[:, 0].copy()
            return True
        return False

    def _scaled(self, op: Any, value: Value, factor: Array, shape: Shape) -> Value:
        fields = {"scale": np.asarray(factor, dtype=np.float64).reshape(-1) if factor.ndim else np.asarray(factor)}
        return self._node(op, "scale", "Scale", fields, value, shape)

    def _divided(self, op: Any, value: Value, by: Array, shape: Shape) -> Value:
        if isinstance(value, Wire) and len(value.terms) == 1:
            node = self.graph.nodes[value.terms[0].node]
            alone = len(list(op.operands[0].uses)) == 1 and value.terms[0].delay == 0
            if node.type == "SumPool2d" and alone and np.all(by == np.prod(node.fields["kernel_size"])):
                node.type = "AvgPool2d"
                return value
        return self._scaled(op, value, 1.0 / np.asarray(by, dtype=np.float64), shape)

    def _compared(self, op: Any, a: Value, b: Value, shape: Shape) -> Value:
        predicate = ir.IntegerAttr(op.attributes["predicate"]).value
        if predicate in (4, 5):  # olt, ole
            a, b, predicate = b, a, predicate - 2
        if predicate not in (2, 3) or isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
            message = "a stream is compared with something else than 'stream > constant'"
            raise Refusal(OPERATION, message, op, "NIR's Threshold is 1 where its input is greater than a constant")
        threshold = neurons.before(b.astype(np.float64), self.real) if predicate == 3 else b.astype(np.float64)
        if predicate == 3:
            self._lowered("a comparison", op)
        return self._node(op, "threshold", "Threshold", {"threshold": threshold.reshape(-1)}, a, shape)

    def _lowered(self, what: str, op: Any) -> None:
        message = f"{what} is '>= threshold' and NIR's is '>': the threshold is written as the next smaller number"
        self.diagnostics.warning("W1101", span_of(op), message)

    def _chosen(self, op: Any, mask: Array, a: Value, b: Value, shape: Shape) -> Value:
        """A Delay with a length of its own for each element: a choice among the past of one value."""
        chosen = [self._as_delayed(value, shape) for value in (a, b)]
        if None in chosen:
            raise Refusal(OPERATION, "elements of two streams are chosen among", op)
        (source, first), (other, second) = [c for c in chosen if c is not None]
        if source != other:
            raise Refusal(OPERATION, "elements of two streams are chosen among", op)
        steps = np.where(np.broadcast_to(mask, shape).reshape(-1), first, second)
        made = self._node(op, "delay", "Delay", {"steps": steps}, replace(source, shape=shape), shape)
        self._delays[made.terms[0].node] = (source, steps)
        return made

    def _as_delayed(self, value: Value, shape: Shape) -> tuple[Wire | Past, Array] | None:
        """A value as (what is delayed, by how many steps for each element)."""
        size = math.prod(shape)
        if isinstance(value, Past):
            written = self._source_of(value.state)
            return None if written is None else (written, np.full(size, value.delay))
        if isinstance(value, Wire) and len(value.terms) == 1:
            known = self._delays.get(value.terms[0].node)
            return known or (value, np.full(size, 0))
        return None

    # ------------------------------------------------------------ states

    def _read(self, op: Any, shape: Shape) -> Value:
        view = snn.Read(op)
        if view.of not in self.writers and view.of not in self.kept and view.of not in self._owners:
            # Nothing ever writes it: a constant.
            init = self.states[view.of].init
            value = np.zeros(()) if init is None else weights.values(self.program, init)
            return np.broadcast_to(value.reshape(shape) if value.ndim else value, shape)
        return Past(view.of, view.delay, shape, op)
