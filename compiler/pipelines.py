"""Pipelines: texts such as `quantize{weights=8},sparsify{density=0.1}`, the passes they name, and running them.

A pass is a frozen dataclass with a method `run(program) -> program`; its fields are its options.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from spikec.choices import Watch
from spikec.dialects.diagnostics import CompileError, Diagnostic, InternalError, UsageError, did_you_mean
from spikec.passes.canonicalize import Canonicalize

if TYPE_CHECKING:
    from spikec.dialects.program import Program


class Pass(Protocol):
    """One change to a program, at the level that it is at."""

    def run(self, program: Program) -> Program: ...


PASSES: Mapping[str, type[Any]] = {"canonicalize": Canonicalize}
FUTURE = ("quantize", "sparsify", "schedule")
ALWAYS_FIRST = ("canonicalize",)


def parse(text: str) -> list[tuple[str, Pass]]:
    """The passes of a pipeline text by name, in order.

    Raises UsageError for unknown passes, options and values, CompileError for a pass that is not built yet.
    """
    passes = []
    rest = text.strip()
    while rest:
        match = re.match(r"\s*([A-Za-z_][\w-]*)\s*(?:\{([^{}]*)\})?\s*(,|$)", rest)
        if match is None:
            raise UsageError(f"--pipeline: '{rest}' is not NAME or NAME{{OPTION=VALUE,...}}")
        passes.append((match[1], _made(match[1], match[2] or "")))
        rest = rest[match.end() :].strip()
        if match[3] and not rest:
            raise UsageError("--pipeline: a pass is missing after the last comma")
    return passes


def _made(name: str, options: str) -> Pass:
    if name in FUTURE and name not in PASSES:
        raise CompileError([Diagnostic("E0901", "error", f"'{name}' is not supported yet")])
    if name not in PASSES:
        near = did_you_mean(name, [*PASSES, *FUTURE])
        raise UsageError(f"unknown pass '{name}'" + (f"; {near}" if near else "; `spikec passes` lists all"))
    fields = {field.name: field for field in dataclasses.fields(PASSES[name])}
    given: dict[str, Any] = {}
    for option in filter(None, (part.strip() for part in options.split(","))):
        key, equals, value = (part.strip() for part in option.partition("="))
        if key not in fields:
            near = did_you_mean(key, fields)
            raise UsageError(f"pass '{name}' has no option '{key}'" + (f"; {near}" if near else ""))
        if not equals or key in given:
            raise UsageError(f"pass '{name}': " + (f"'{key}' is given twice" if equals else f"'{key}' has no value"))
        given[key] = _value(name, fields[key], value)
    try:
        made: Pass = PASSES[name](**given)
    except (TypeError, ValueError) as error:
        raise UsageError(f"pass '{name}': {error}") from None
    return made


def _value(name: str, field: dataclasses.Field[Any], text: str) -> Any:
    """The value of an option by the annotation of its field; ValueErrors of the pass itself come later."""
    kind = str(field.type).partition(" |")[0]
    try:
        return {"int": int, "float": float}.get(kind, str)(text)
    except ValueError:
        raise UsageError(f"pass '{name}': '{field.name}' is '{text}', which is not a number") from None


def run(program: Program, text: str, watch: Watch | None = None, seconds: dict[str, float] | None = None) -> Program:
    """The program after the passes that always run and those of a pipeline text."""
    first: list[tuple[str, Pass]] = [(name, PASSES[name]()) for name in ALWAYS_FIRST]
    return apply([*first, *parse(text)], program, watch, seconds)


def apply(
    passes: Sequence[tuple[str, Pass]],
    program: Program,
    watch: Watch | None = None,
    seconds: dict[str, float] | None = None,
) -> Program:
    """The program after `passes`; the times of each are added to `seconds`.

    Raises InternalError, with the IR before it, where a pass fails or leaves invalid IR.
    """
    from spikec.dialects.verify import verify

    watch = watch or Watch()
    for name, one in passes:
        begin = time.perf_counter()
        before = program
        try:
            program = one.run(program)
        except (CompileError, UsageError, InternalError, MemoryError):
            raise
        except Exception as error:
            raise InternalError(f"{type(error).__name__}: {error}", f"pass {name}", before.text()) from error
        if watch.verify_each:
            verify(program, f"pass {name}")
        if seconds is not None:
            key = f"pass {name}"
            seconds[key] = seconds.get(key, 0.0) + time.perf_counter() - begin
        if watch.print_after in (name, "all"):
            print(f"// after {name}\n{program.text()}", file=sys.stderr)
    return program


def described() -> list[dict[str, Any]]:
    """Each pass: its name, what it does, and its options with types and defaults."""
    return [
        {
            "name": name,
            "about": (made.__doc__ or "").strip().split("\n")[0],
            "options": [
                {
                    "name": field.name,
                    "type": str(field.type),
                    "default": None if field.default is dataclasses.MISSING else field.default,
                }
                for field in dataclasses.fields(made)
            ],
        }
        for name, made in sorted(PASSES.items())
    ]
