"""One model on its way through the compiler: what was asked for, how far it is, and what came out."""

from __future__ import annotations

import gc
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikec.choices import Watch
from spikec.dialects.diagnostics import CompileError, Diagnostics, InternalError, MissingTool, UsageError
from spikec.dialects.notes import Table

if TYPE_CHECKING:
    from spikec.dialects.program import Program
    from spikec.pipelines import Pipeline


@dataclass(frozen=True)
class Options:
    """What decides the result of a compilation, beside the model's text and the files that it reads."""

    params: Mapping[str, str] = field(default_factory=dict)
    target: str = "cpu"
    pipeline: str = ""
    seed: int = 0
    real: int = 32
    fast_math: bool = False
    semantics: str | None = None
    dt: str | None = None
    device: str | None = None

    def text(self) -> str:
        """All options but the seed and the device as one text."""
        nir = [self.semantics, self.dt]
        parts = [dict(self.params), self.target, self.pipeline, self.real, self.fast_math, nir]
        return json.dumps(parts, sort_keys=True)


@dataclass
class Compilation:
    """One model on its way; `seconds` are what each stage took, in order, `tables` what passes reported.

    `fresh` is set where the work itself is wanted, so that no earlier result may stand for it.
    """

    model: Path
    options: Options
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    watch: Watch = field(default_factory=Watch)
    seconds: dict[str, float] = field(default_factory=dict)
    open: list[dict[str, Any]] = field(default_factory=list)  # what a .nir file leaves open
    tables: list[Table] = field(default_factory=list)
    fresh: bool = False
    passes: Pipeline | None = None

    def pipeline(self) -> Pipeline:
        """The passes of the options' text, or those that the Python API was given."""
        from spikec import pipelines

        if self.passes is None:
            self.passes = pipelines.parse(self.options.pipeline)
        return self.passes

    @contextmanager
    def stage(self, name: str, program: Program | None = None, culprit: str = "spikec") -> Iterator[None]:
        """Times a stage, and names it in whatever goes wrong there through the fault of the package `culprit`."""
        begin = time.perf_counter()
        try:
            yield
        except (CompileError, UsageError, MissingTool, InternalError, MemoryError):
            raise
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            raise InternalError(message, name, program.text() if program else "", culprit) from error
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin


_MOST_LEFT = 500_000
_left = 0  # objects that were made without a look for garbage since the last one


@contextmanager
def uncollected() -> Iterator[None]:
    """Leaves what was built in reference cycles where it is until later.

    Trees and IR of a long model are many small objects that all live: looking among them for garbage, again and
    again, takes a third of the time of a check.  In the end they count as old, and are looked at when there are many.
    """
    global _left
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        _left += gc.get_count()[0]
        if was_enabled:
            if _left > _MOST_LEFT:
                gc.collect()
                _left = 0
            elif not gc.get_freeze_count():  # what an application froze stays so
                gc.freeze()
                gc.unfreeze()
            gc.enable()


@contextmanager
def deep() -> Iterator[None]:
    """Lets functions call each other deeper: as deep as the limits of the language on nesting and chains need."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 10_000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def table_data(table: Table) -> dict[str, Any]:
    """A table for JSON, which has no numbers that are not finite: those are null."""
    rows = [[None if isinstance(c, float) and not math.isfinite(c) else c for c in row] for row in table.rows]
    return {"title": table.title, "columns": list(table.columns), "rows": rows}


@dataclass
class Made:
    """What came out: files by name or kind, the programs of the levels that were reached, the target's module."""

    files: dict[str, bytes] = field(default_factory=dict)
    programs: dict[str, Program] = field(default_factory=dict)
    module: Any = None
