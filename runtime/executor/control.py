"""Branches and ends of threads."""

from __future__ import annotations

from spikec.runtime.executor import layout
from spikec.runtime.executor.code import Code
from spikec.runtime.executor.text import Name, Operand


def _target(code: Code, name: str) -> str:
    """The block of a label."""
    if name not in code.entry.labels:
        raise code.error(f"there is no label {name}")
    return f"at{code.entry.labels[name]}"


def _spend_fuel(code: Code) -> None:
    """A turn of a loop: a thread that takes too many without suspending does not end."""
    left = code.emit("load i64, ptr %fuel")
    code.do(f"store i64 {code.emit(f'sub i64 {left}, 1')}, ptr %fuel")
    code.fail_if(code.emit(f"icmp eq i64 {left}, 0"), layout.ENDLESS)


def _name(code: Code, operand: Operand) -> str:
    if not isinstance(operand, Name) or operand.not_:
        raise code.error("a label is needed")
    return operand.text


def branch(code: Code) -> None:
    """bra."""
    (label,) = code.operands(1)
    name = _name(code, label)
    target = _target(code, name)
    if code.entry.labels[name] <= code.index:
        _spend_fuel(code)
    code.do(f"br label %{target}")
    code.label(code.fresh("dead"))


def branch_by_index(code: Code) -> None:
    """brx.idx: a table of labels."""
    index, table = code.operands(2)
    name = _name(code, table)
    if name not in code.entry.tables:
        raise code.error(f"there is no table {name}")
    targets = code.entry.tables[name]
    value = code.read(index, 32)
    if any(code.entry.labels.get(t, 0) <= code.index for t in targets):
        _spend_fuel(code)
    code.fail_if(code.emit(f"icmp uge i32 {value}, {len(targets)}"), layout.BRANCH_INDEX)
    blocks = [_target(code, t) for t in targets]
    cases = " ".join(f"i32 {k}, label %{block}" for k, block in enumerate(blocks))
    code.do(f"switch i32 {value}, label %{blocks[0]} [{cases}]")
    code.label(code.fresh("dead"))


def leave(code: Code) -> None:
    """ret and exit."""
    code.operands(0)
    code.do(f"ret i64 {layout.EXIT}")
    code.label(code.fresh("dead"))


def trap(code: Code) -> None:
    """trap: a fault."""
    code.operands(0)
    code.fail_if("true", layout.TRAP)


RULES = (
    (r"bra(?:\.uni)?", branch),
    (r"brx\.idx(?:\.uni)?", branch_by_index),
    (r"ret(?:\.uni)?", leave),
    (r"exit", leave),
    (r"trap", trap),
)
