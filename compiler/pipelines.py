"""Pipelines: passes in order, of texts such as `quantize{weights=8},schedule`, and running them.

A pass is a frozen dataclass with a name, a level and a method `run(program) -> program`; its fields are its
options.  docs/new_pass.md says how to write one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikec import pipeline_text, plugins
from spikec.choices import Watch
from spikec.dialects.diagnostics import (
    CompileError,
    Diagnostic,
    InternalError,
    MissingTool,
    UsageError,
    did_you_mean,
)
from spikec.pass_options import options, read, written
from spikec.registry import Pass, find, names

if TYPE_CHECKING:
    from spikec.dialects.program import Program

REMEDY = "the --pipeline of compile and run, and compile(pipeline=...), give each pass the level that it works at"


class PassFailure(InternalError):
    """A pass that raised, or left invalid IR; `program` is the one that it was given."""

    def __init__(self, message: str, one: Pass, program: Program, ir: str) -> None:
        super().__init__(message, f"pass {one.name}", ir, plugins.package_of(type(one)))
        self.pipeline = str(Pipeline((one,)))
        self.program = program


@dataclass(frozen=True)
class Pipeline:
    """Passes in order; called with a program, it gives the program after them."""

    passes: tuple[Pass, ...] = ()

    def __call__(self, program: Program) -> Program:
        return apply(self, program)

    def __or__(self, other: Pipeline) -> Pipeline:
        return Pipeline(self.passes + other.passes)

    def __str__(self) -> str:
        """The text that names the passes; options that have their default value are left out."""
        return ",".join(_written(one) for one in self.passes)

    def at(self, level: str) -> Pipeline:
        """The passes that run before the lowering (`snn`) or after it (`step`), in order."""
        return Pipeline(tuple(one for one in self.passes if ("step" if one.level == "step" else "snn") == level))

    def names(self, name: str) -> bool:
        """Whether a pass of that name is among them."""
        return any(one.name == name for one in self.passes)

    def files(self) -> list[Path]:
        """The files that decide what the passes do: those that they read, and the code of strangers' passes."""
        read = [Path(file) for one in self.passes for file in (one.files() if hasattr(one, "files") else ())]
        return read + [file for one in self.passes for file in plugins.sources(type(one))]


def of(passes: str | Pipeline | Iterable[Pass]) -> Pipeline:
    """A pipeline of its text, or of passes.  Raises what `parse` does."""
    if isinstance(passes, Pipeline):
        return passes
    if isinstance(passes, str):
        return parse(passes)
    made = tuple(passes)
    for one in made:
        if isinstance(one, type) or not isinstance(one, Pass):
            raise UsageError(f"{one!r} is not a pass: a pass has a name, a level and a method run")
    return Pipeline(made)


# ---------------------------------------------------------------- texts


def parse(text: str) -> Pipeline:
    """The passes of a pipeline text, in order.

    Raises UsageError with all unknown passes, options and values, CompileError for a stranger's pass that does not
    work.
    """
    passes, wrong = [], []
    for call in pipeline_text.parse(text):
        cls = find(call.name)
        if cls is None:
            near = did_you_mean(call.name, names())
            wrong.append(f"unknown pass '{call.name}'; {near or '`spikec passes` lists all'}")
            continue
        given, found = _given(call, cls)
        if not found:
            try:
                passes.append(cls(**given))
                continue
            except (TypeError, ValueError, UsageError) as error:
                found = [f"pass '{call.name}': {error}"]
        wrong += found
    if wrong:
        raise UsageError("\n  ".join(["the pipeline has several mistakes:", *wrong] if len(wrong) > 1 else wrong))
    return Pipeline(tuple(passes))


def _given(call: pipeline_text.Call, cls: type) -> tuple[dict[str, Any], list[str]]:
    """The options of a call as fields, and what is wrong with them."""
    known = {option.name: option for option in options(cls)}
    given: dict[str, Any] = {}
    wrong = []
    for key, value in call.options:
        if key not in known:
            near = did_you_mean(key, known)
            wrong.append(f"pass '{call.name}' has no option '{key}'" + (f"; {near}" if near else ""))
        elif known[key].field in given:
            wrong.append(f"pass '{call.name}': '{key}' is given twice")
        elif value is None:
            wrong.append(f"pass '{call.name}': '{key}' has no value")
        else:
            try:
                given[known[key].field] = read(known[key], value)
            except ValueError as error:
                given[known[key].field] = None
                wrong.append(f"pass '{call.name}': {error}")
    wrong += [
        f"pass '{call.name}' needs '{option.name}': {option.expected()}"
        for option in known.values()
        if option.required and option.field not in given
    ]
    return given, wrong


def _written(one: Pass) -> str:
    try:
        given = [(option, getattr(one, option.field)) for option in options(type(one))]
    except TypeError:
        return one.name  # a pass of somebody's script, with fields that have no text
    texts = [f"{option.name}={written(value)}" for option, value in given if option.required or value != option.default]
    return one.name + (f"{{{','.join(texts)}}}" if texts else "")


# ---------------------------------------------------------------- running them


def before_lowering(pipeline: Pipeline) -> Pipeline:
    """What runs at level `snn`: the canonical form first, then what the pipeline names."""
    return Pipeline((_made("canonicalize"),)) | pipeline.at("snn")


def after_lowering(pipeline: Pipeline) -> Pipeline:
    """What runs at level `step`: what the pipeline names, then the schedule unless it is among that."""
    named = pipeline.at("step")
    return named if named.names("schedule") else named | Pipeline((_made("schedule"),))


def _made(name: str) -> Pass:
    """A pass that always runs, with its defaults."""
    cls = find(name)
    assert cls is not None
    made: Pass = cls()
    return made


def apply(
    passes: Pipeline,
    program: Program,
    watch: Watch | None = None,
    seconds: dict[str, float] | None = None,
) -> Program:
    """The program after `passes`; the times of each are added to `seconds`.

    Raises CompileError for a pass of the other level, PassFailure, with the IR before it, where a pass fails or
    leaves invalid IR.
    """
    watch = watch or Watch()
    refuse_other_level(passes, program.level)
    for one in passes.passes:
        begin = time.perf_counter()
        program = _run(one, program, watch.verify_each)
        if seconds is not None:
            key = f"pass {one.name}"
            seconds[key] = seconds.get(key, 0.0) + time.perf_counter() - begin
        watch.show(one.name, program.text)
    return program


def refuse_other_level(passes: Pipeline, level: str) -> None:
    """Raises CompileError where a pass works at another level than the program's."""
    for one in passes.passes:
        if one.level not in ("any", level):
            message = f"the pass '{one.name}' works at level '{one.level}', and the program is at level '{level}'"
            raise CompileError([Diagnostic("E1273", "error", message, help=REMEDY)])


def _run(one: Pass, program: Program, verifies: bool) -> Program:
    from spikec.dialects.program import Program
    from spikec.dialects.verify import verify

    # Printed in advance, so that a pass which spoils what it was given is found out.
    before = program.text() if verifies else None
    try:
        after = one.run(program)
    except (CompileError, UsageError, MissingTool, MemoryError):
        raise
    except Exception as error:
        raise PassFailure(f"{type(error).__name__}: {error}", one, program, before or program.text()) from error
    if not isinstance(after, Program):
        raise PassFailure(f"it gives a {type(after).__name__}, not a Program", one, program, program.text())
    if before is not None:
        try:
            verify(after, f"pass {one.name}")
        except InternalError as error:
            raise PassFailure(str(error), one, program, before) from None
        if program.text() != before:
            raise PassFailure("it changes the program that it is given", one, program, before)
    lost = tuple(note for note in program.notes if note not in after.notes)
    return replace(after, notes=(*lost, *after.notes)) if lost else after
