"""The program of an update as expressions of exact integers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from spikec.analysis.intervals import width
from spikec.analysis.refinement import Body, constant
from spikec.dialects.mlir import ir
from spikec.dialects.refusal import Refusal
from spikec.lower.step_to_rtl.programs.expressions import Graph, Node

CODE = "E1311"
_RELATIONS = ("eq", "ne", "lt", "le", "gt", "ge", "lt", "le", "gt", "ge")


def read(graph: Graph, function: Any, arguments: Sequence[Node]) -> list[Node]:
    """The results of a program for some arguments.  Raises `Refusal` where an op has no circuit."""
    return _Reading(graph, function, arguments).results()


class _Reading:
    def __init__(self, graph: Graph, function: Any, arguments: Sequence[Node]) -> None:
        self._graph = graph
        self._body = Body(function.regions[0].blocks[0])
        self._found = self._body.run([argument.range for argument in arguments])
        self._wrapped = set(self._found.wrapped)
        self._nodes: dict[int, Node] = dict(zip(self._body.arguments, arguments, strict=True))

    def results(self) -> list[Node]:
        for node in self._body.nodes:
            op = node.op
            self._graph.location = op.location
            if op.name == "arith.constant":
                made = self._graph.const(int(constant(op).low))
            else:
                made = self._made(op, [self._nodes[self._body.values[value]] for value in op.operands])
            if op in self._wrapped:
                made = self._graph.wrap(made, width(op.results[0].type))
            known = self._found.slots[node.results[0]]
            made.range = made.range.meet(known) or made.range
            self._nodes[node.results[0]] = made
        return [self._nodes[slot] for slot in self._body.returned]

    def _made(self, op: Any, args: list[Node]) -> Node:
        graph, bits = self._graph, width(op.results[0].type)
        match op.name:
            case "arith.addi" | "arith.subi" if bits == 1:
                return graph.bitwise("xor", *args)
            case "arith.addi":
                return graph.add(*args)
            case "arith.subi":
                return graph.sub(*args)
            case "arith.muli":
                return graph.mul(*args)
            case "arith.andi" | "arith.ori" | "arith.xori":
                return graph.bitwise(op.name[6:-1], *args)
            case "arith.shli" | "arith.shrsi":
                by, left = args[1], op.name == "arith.shli"
                if by.range.low < 0 or by.range.high >= bits:
                    raise _refused(op, "a shift by a variable that may be negative, or as many bits as there are,")
                if by.constant is None:
                    return graph.shifted(args[0], by, left)
                return graph.shl(args[0], by.constant) if left else graph.shr(args[0], by.constant)
            case "arith.floordivsi" | "arith.remsi":
                divisor = args[1].constant
                if divisor is None:
                    raise _refused(op, "a division by a variable")
                if divisor == 0:
                    return graph.const(0)
                divided = graph.quotient if op.name == "arith.floordivsi" else graph.remainder
                return divided(args[0], divisor)
            case "arith.extsi":
                return graph.sub(graph.const(0), args[0]) if width(op.operands[0].type) == 1 else args[0]
            case "arith.extui":
                return graph.low(args[0], width(op.operands[0].type))
            case "arith.trunci":
                return graph.wrap(args[0], bits)
            case "arith.select":
                return graph.select(*args)
            case "arith.maxsi":
                return graph.select(graph.less(args[0], args[1]), args[1], args[0])
            case "arith.minsi":
                return graph.select(graph.less(args[1], args[0]), args[1], args[0])
            case "math.absi":
                return graph.select(graph.less(args[0], graph.const(0)), graph.sub(graph.const(0), args[0]), args[0])
            case "arith.cmpi":
                return self._compared(op, *args)
        raise _refused(op, f"'{op.name}'")

    def _compared(self, op: Any, a: Node, b: Node) -> Node:
        graph, bits = self._graph, width(op.operands[0].type)
        predicate = int(ir.IntegerAttr(op.attributes["predicate"]).value)
        if predicate > 5 and bits > 1:
            a, b = graph.low(a, bits), graph.low(b, bits)
        elif predicate in (2, 3, 4, 5) and bits == 1:  # a true i1 is -1
            a, b = b, a
        less: dict[str, Callable[[], Node]] = {
            "eq": lambda: graph.same(a, b),
            "ne": lambda: graph.negated(graph.same(a, b)),
            "lt": lambda: graph.less(a, b),
            "le": lambda: graph.negated(graph.less(b, a)),
            "gt": lambda: graph.less(b, a),
            "ge": lambda: graph.negated(graph.less(a, b)),
        }
        return less[_RELATIONS[predicate]]()


def _refused(op: Any, what: str) -> Refusal:
    return Refusal(CODE, f"{what} has no circuit", op)
