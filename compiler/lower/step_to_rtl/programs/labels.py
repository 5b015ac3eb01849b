"""Outputs of `@finish` that are the number of the highest or lowest of the values of a state: labels."""

from __future__ import annotations

from math import prod

from spikec.analysis.dependence import entry_ops
from spikec.analysis.intervals import Interval, is_real, limits
from spikec.dialects import step
from spikec.dialects.accesses import uses
from spikec.dialects.functions import size, symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal
from spikec.lower.code import python_number
from spikec.lower.step_to_rtl.programs.expressions import Graph, Node
from spikec.lower.step_to_rtl.programs.update import read
from spikec.runtime.rtl.circuit import Label


def read_at_the_end(program: Program) -> frozenset[str]:
    """The buffers that `@finish` reads."""
    buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
    ops = [op for _, op in entry_ops(program, "finish")]
    return frozenset(use.buffer for op in ops for use in uses(op, buffers) if use.reads)


def labels(program: Program) -> list[Label]:
    """The outputs of that kind, in the order of the program."""
    return _Reading(program).labels()


class _Reading:
    """`ordered` has for each buffer the state that orders its elements, whether the other way round, and its values."""

    def __init__(self, program: Program) -> None:
        self._program, self._symbols = program, program.symbols()
        self._buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
        states = {name: buffer.type for name, buffer in self._buffers.items() if buffer.kind == "state"}
        self._ordered = {name: (name, False, limits(type)) for name, type in states.items() if not is_real(type)}
        self._filled: dict[str, float] = {}
        self._chosen: dict[str, tuple[str, bool]] = {}

    def labels(self) -> list[Label]:
        found = []
        for _, op in entry_ops(self._program, "finish"):
            match op:
                case step.Update():
                    self._update(op)
                case step.Fill():
                    self._filled[op.into] = python_number(op.value)
                case step.Map():
                    self._map(op)
                case step.Copy() if op.from_ in self._chosen and self._buffers[op.into].kind == "result":
                    state, lowest = self._chosen[op.from_]
                    found.append(Label(op.into.removeprefix("output."), state, lowest))
        return found

    def _update(self, op: step.Update) -> None:
        names, results = [symbol_of(arg) for arg in op.args], [symbol_of(one) for one in op.results_]
        if len(names) == len(results) == 1 and names[0] in self._ordered and op.delays[0] == 0 and results[0]:
            graph, (state, other, around) = Graph(), self._ordered[names[0]]
            value = graph.input("value", around)
            made = self._made(graph, op.program, [value])
            direction = _direction(made[0], value) if made else None
            if direction is not None and op.size == size(self._buffers[state].type):
                self._ordered[results[0]] = state, other != direction, made[0].range

    def _map(self, op: step.Map) -> None:
        """best, number, place = (value, place, place + 1) where value > best, else (best, number, place + 1)."""
        if len(op.args) != 1 or op.args[0] not in self._ordered or len(op.results_) != 3 or op.delays[0] != 0:
            return
        state, other, around = self._ordered[op.args[0]]
        count, reduced = prod(op.extents), all(kind == "reduction" for kind in op.iterators)
        in_order = op.maps[0] == ir.AffineMapAttr.get(ir.AffineMap.get_identity(len(op.extents)))
        if count != size(self._buffers[state].type) or not reduced or not in_order:
            return
        type = self._symbols[op.program].regions[0].blocks[0].arguments[1].type
        if is_real(type):
            return
        graph = Graph()
        value, best = graph.input("value", around), graph.input("best", limits(type))
        number, place = (graph.input(name, Interval(0, count - 1)) for name in ("number", "place"))
        made = self._made(graph, op.program, [value, best, number, place])
        term = _greatest(graph, made, best, number, place) if made else None
        direction = None if term is None else _direction(term, value)
        first, *others = [self._filled.get(name) for name in op.results_]
        if term is None or direction is None or first is None or first > term.range.low or others != [0, 0]:
            return
        self._chosen[op.results_[1]] = state, other != direction

    def _made(self, graph: Graph, program: str, arguments: list[Node]) -> list[Node]:
        """The results of a program, none where it computes what has no circuit."""
        try:
            return read(graph, self._symbols[program], arguments)
        except Refusal:
            return []


def _greatest(graph: Graph, made: list[Node], best: Node, number: Node, place: Node) -> Node | None:
    """What is compared with the best so far, None where the program does something else."""
    if made[0].kind != "select":
        return None
    term = made[0].args[1]
    wanted = graph.less(best, term)
    alike = [graph.select(wanted, term, best), graph.select(wanted, place, number), graph.add(place, graph.const(1))]
    return term if all(a is b for a, b in zip(made, alike, strict=True)) else None


def _direction(node: Node, value: Node) -> bool | None:
    """False for a number that is higher where `value` is, True for one that is lower, else None."""
    match node.kind:
        case "shl":
            return _direction(node.args[0], value)
        case "add" if node.args[1].constant is not None:
            return _direction(node.args[0], value)
        case "sub" if node.args[0].constant is not None:
            inner = _direction(node.args[1], value)
            return None if inner is None else not inner
    return False if node is value else None
