"""What can be read off the functions of a module: the closed sets of ops, roles of arguments and results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spikec.dialects import snn
from spikec.dialects.mlir import ir

_ARITH = (
    "constant addf subf mulf divf negf maximumf minimumf cmpf select addi subi muli floordivsi remsi maxsi minsi cmpi "
    "shrsi shli andi ori xori extui extsi trunci uitofp sitofp fptosi"
)
_MATH = "exp expm1 log sqrt tanh sin cos floor ceil trunc roundeven absf absi"

SCALAR_OPS = frozenset(
    f"{dialect}.{name}" for dialect, names in (("arith", _ARITH), ("math", _MATH)) for name in names.split()
)
"""What a program may consist of."""

MOVES = frozenset(
    {
        "tensor.extract",
        "tensor.splat",
        "tensor.extract_slice",
        "tensor.concat",
        "tensor.expand_shape",
        "tensor.collapse_shape",
    }
)
"""Ops that only move elements: of one number everywhere they make the same number everywhere."""

TENSOR_OPS = SCALAR_OPS | MOVES | {"linalg.generic", "linalg.yield"}
"""What may stand in an entry point of level `snn` beside its own ops."""


def walk(op: Any) -> Iterator[Any]:
    """An operation and all operations in its regions."""
    yield op
    if not len(op.regions):  # to find that out by the loop takes longer than all the rest
        return
    for region in op.regions:
        for block in region.blocks:
            for inner in block.operations:
                yield from walk(inner.operation)


def symbol_name(op: Any) -> str:
    """The name of a module-level operation."""
    return str(ir.StringAttr(op.attributes["sym_name"]).value)


def is_private(op: Any) -> bool:
    return "sym_visibility" in op.attributes


def signature(function: Any) -> Any:
    """The function type of a `func.func`."""
    return ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)


def argument_marks(function: Any) -> list[dict[str, Any]]:
    """The attributes of each argument."""
    return _marks(function, "arg_attrs", len(signature(function).inputs))


def result_marks(function: Any) -> list[dict[str, Any]]:
    """The attributes of each result."""
    return _marks(function, "res_attrs", len(signature(function).results))


def _marks(function: Any, which: str, count: int) -> list[dict[str, Any]]:
    if which not in function.attributes:
        return [{} for _ in range(count)]
    return [{n.name: n.attr for n in ir.DictAttr(entry)} for entry in ir.ArrayAttr(function.attributes[which])]


def argument_roles(program: Any) -> list[tuple[str, str]]:
    """The (role, name) of each argument of a program: "port", "state", "port state", "param", "index" or ""."""
    return [_argument_role(marks) for marks in argument_marks(program)]


def _argument_role(marks: dict[str, Any]) -> tuple[str, str]:
    if snn.PORT in marks and snn.STATE in marks:
        return "port state", _text(marks[snn.STATE])
    for mark, role in ((snn.PORT, "port"), (snn.STATE, "state"), (snn.PARAM, "param")):
        if mark in marks:
            return role, _text(marks[mark])
    return ("index" if snn.INDEX in marks else ""), ""


def result_roles(program: Any) -> list[tuple[str, str]]:
    """The (role, name) of each result of a program: "state", "event", "out" or ""."""
    roles = []
    for marks in result_marks(program):
        if snn.STATE in marks:
            roles.append(("state", _text(marks[snn.STATE])))
        else:
            roles.append(("event" if snn.EVENT in marks else "out" if snn.OUT in marks else "", ""))
    return roles


def _text(attribute: Any) -> str:
    return str(ir.StringAttr(attribute).value) if isinstance(attribute, ir.StringAttr) else ""


def size(type: Any) -> int:
    """The number of elements of a tensor or buffer type."""
    count = 1
    for extent in type.shape:
        count *= extent
    return count


def symbol_of(attribute: Any) -> str | None:
    """The name in a symbol reference, or None for another attribute."""
    return str(ir.FlatSymbolRefAttr(attribute).value) if isinstance(attribute, ir.FlatSymbolRefAttr) else None


def symbols_in(attribute: Any) -> Iterator[str]:
    """The names of all symbol references in an attribute, at any depth."""
    if isinstance(attribute, ir.FlatSymbolRefAttr):
        yield str(attribute.value)
    elif isinstance(attribute, ir.ArrayAttr):
        for entry in attribute:
            yield from symbols_in(entry)
    elif isinstance(attribute, ir.DictAttr):
        for named in attribute:
            yield from symbols_in(named.attr)
