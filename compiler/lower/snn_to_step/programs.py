"""Scalar programs: a cluster of elementwise ops, the body of a structured op, or a plain copy, as a function."""

from __future__ import annotations

from typing import Any

from spikec.dialects.mlir import func, ir
from spikec.lower.snn_to_step import dataflow
from spikec.lower.snn_to_step.dataflow import is_constant, number_of, source
from spikec.lower.snn_to_step.types import element_of


class Programs:
    """Makes private functions at the end of a module and gives their names."""

    def __init__(self, module: Any, fresh: Any) -> None:
        self._block = module.body
        self._fresh = fresh
        self._identities: dict[str, str] = {}

    def keep(self, program: Any) -> None:
        """Copies a function of another module of the same context."""
        program.clone(ip=ir.InsertionPoint(self._block))

    def cluster(self, wanted: str, ops: list[Any], leaves: list[Any], root: Any) -> str:
        """The program of a cluster: its leaves' elements to the root's element."""
        types = [element_of(leaf.type) for leaf in leaves]
        name, block = self._function(wanted, types, [element_of(root.type)], root.owner.location)
        with ir.InsertionPoint(block):
            values = dict(zip(leaves, block.arguments, strict=True))
            for op in ops:
                with op.location:
                    values[op.results[0]] = self._scalar(op, [_value(values, operand) for operand in op.operands])
            with root.owner.location:
                func.ReturnOp([values[root]])
        return name

    def region(self, wanted: str, op: Any, extra: list[Any]) -> str:
        """The program of a `linalg.generic`: inputs, then `extra` captured values, then the running results."""
        body = op.regions[0].blocks[0]
        results = len(op.results)
        inputs = list(body.arguments)[: len(body.arguments) - results]
        running = list(body.arguments)[len(body.arguments) - results :]
        types = [value.type for value in [*inputs, *extra, *running]]
        name, block = self._function(wanted, types, [value.type for value in running], op.location)
        with ir.InsertionPoint(block):
            values = dict(zip([*inputs, *extra, *running], block.arguments, strict=True))
            inner = [operation.operation for operation in body.operations]
            for scalar in inner[:-1]:
                made = self._cloned(scalar, values)
                values[scalar.results[0]] = made.results[0]
            with op.location:
                func.ReturnOp([_value(values, operand) for operand in inner[-1].operands])
        return name

    def identity(self, element: Any, event: bool = False) -> str:
        """The program that returns its argument."""
        key = f"{element}{' event' if event else ''}"
        if key not in self._identities:
            name, block = self._function(f"copy.{key.replace(' ', '.')}", [element], [element], ir.Location.unknown())
            with ir.InsertionPoint(block), ir.Location.unknown():
                func.ReturnOp([block.arguments[0]])
            self._identities[key] = name
        return self._identities[key]

    def move(self, element: Any) -> str:
        """As `identity`, for a structured op: a second argument, the old value of the result, is not used."""
        key = f"{element} move"
        if key not in self._identities:
            name, block = self._function(f"move.{element}", [element, element], [element], ir.Location.unknown())
            with ir.InsertionPoint(block), ir.Location.unknown():
                func.ReturnOp([block.arguments[0]])
            self._identities[key] = name
        return self._identities[key]

    def _function(self, wanted: str, inputs: list[Any], results: list[Any], location: Any) -> tuple[str, Any]:
        name = self._fresh(wanted)
        with ir.InsertionPoint(self._block), location:
            op = func.FuncOp(name, ir.FunctionType.get(inputs, results), visibility="private")
        return name, op.add_entry_block()

    def _scalar(self, op: Any, operands: list[Any]) -> Any:
        """The op on one element."""
        if op.name == "tensor.splat":
            return operands[0]
        attributes = {name: op.attributes[name] for name in op.attributes}
        result = element_of(op.results[0].type)
        made = ir.Operation.create(op.name, results=[result], operands=operands, attributes=attributes)
        return made.results[0]

    def _cloned(self, op: Any, values: dict[Any, Any]) -> Any:
        with op.location:
            attributes = {name: op.attributes[name] for name in op.attributes}
            operands = [_value(values, operand) for operand in op.operands]
            types = [result.type for result in op.results]
            return ir.Operation.create(op.name, results=types, operands=operands, attributes=attributes)


def _value(values: dict[Any, Any], operand: Any) -> Any:
    """The scalar that stands for an operand; constants are made on the spot."""
    if operand in values:
        return values[operand]
    operand = source(operand)
    if operand not in values:
        assert is_constant(operand), f"{operand} is outside of the program"
        attribute = number_of(operand)
        with dataflow.defining(operand).location:
            op = ir.Operation.create("arith.constant", results=[attribute.type], attributes={"value": attribute})
        values[operand] = op.results[0]
    return values[operand]
