"""The table of opcode forms: each is a pattern of the whole opcode and the function that translates it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from spikec.runtime.executor import atomics, compare, control, convert, floats, integers, move, warp
from spikec.runtime.executor.code import Code

Handler = Callable[..., None]

_FAMILIES = (integers, floats, compare, convert, move, atomics, warp, control)
_RULES: tuple[tuple[re.Pattern[str], Handler], ...] = tuple(
    (re.compile(pattern), handler) for family in _FAMILIES for pattern, handler in family.RULES
)


@functools.lru_cache(4096)
def _find(opcode: str) -> tuple[Handler, tuple[str | None, ...]] | None:
    for pattern, handler in _RULES:
        match = pattern.fullmatch(opcode)
        if match:
            return handler, match.groups()
    return None


def translate(code: Code) -> None:
    """Translate the instruction the code stands at; an opcode that is not known is an error."""
    opcode = code.instruction.opcode
    found = _find(opcode)
    if found is None:
        raise code.error(f"the instruction {opcode!r} is not known{_hint(opcode)}")
    handler, groups = found
    handler(code, *groups)


def _hint(opcode: str) -> str:
    parts = opcode.split(".")
    if "approx" in parts or "full" in parts:
        return ": .approx and .full have no defined bits"
    if parts[0] in ("add", "sub", "mul") and parts[-1] in ("f32", "f64") and "rn" not in parts:
        return ": without .rn it may be fused, so its bits are not defined"
    if parts[0] == "call":
        return ": calls of device functions are not supported"
    return ""
