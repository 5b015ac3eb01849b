"""The functions of the Python API; what they raise are the exceptions of `spikec.dialects.diagnostics`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikec import driver
from spikec.dialects.diagnostics import CompileError, Diagnostic, Diagnostics
from spikec.dialects.program import Program
from spikec.runtime.run import Executable, Run

if TYPE_CHECKING:
    from spikec.pipelines import Pipeline
    from spikec.registry import Pass


def load(
    path: str | Path,
    params: Mapping[str, object] | None = None,
    *,
    semantics: str | None = None,
    dt: float | str | None = None,
    real: int = 32,
    diagnostics: Diagnostics | None = None,
) -> Program:
    """The network of a `.snn`, `.nir` or `.onnx` file, at level `snn`.

    `params` are values of the model's parameters: numbers, or texts of expressions such as "1.6 mV"; a Path is
    a path.  `semantics` ("snntorch,reset=zero") and `dt`, in the unit of the file's time constants, are for
    `.nir` files.  `real` is the width of a real, 32 or 64 bits.  Warnings go to `diagnostics`.  Raises CompileError.
    """
    texts = {name: _expression(name, value) for name, value in (params or {}).items()}
    sink = diagnostics if diagnostics is not None else Diagnostics()
    compilation = driver.Compilation(
        Path(path), driver.Options(texts, real=real, semantics=semantics, dt=None if dt is None else str(dt)), sink
    )
    return driver.build(compilation).program


def _expression(name: str, value: object) -> str:
    """A Python value as a text of the language."""
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return value
        case Path():
            return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
    message = f"parameter '{name}' is a {type(value).__name__}, not a number, a text or a path"
    raise CompileError([Diagnostic("E0719", "error", message)])


def pipeline(passes: str | Iterable[Pass]) -> Pipeline:
    """Passes as a function from program to program: of a text such as "quantize{weights=8}", or of pass objects.

    `p | q` runs p, then q; `str(p)` is the text again.  All passes must work at the level of the program that they
    are given, else it raises CompileError; `compile(pipeline=...)` takes those of both levels.
    """
    from spikec import pipelines

    return pipelines.of(passes)


def compile(
    program: Program,
    target: str = "cpu",
    *,
    seed: int = 0,
    pipeline: str | Pipeline | Iterable[Pass] = "",
    device: str | None = None,
    fast_math: bool = False,
    diagnostics: Diagnostics | None = None,
) -> Executable:
    """Makes a program ready to run on this machine; connections are drawn with the run seed `seed`.

    With `fast_math`, code for a CPU may round reals otherwise than the language says: products that are added without
    being rounded, reciprocals for quotients.

    For the target "ptx", `device` is "cuda" (the default: the first GPU) or "emulated".  Raises MissingTool without it.

    Passes of `pipeline` that work at level `snn` run before the lowering, those at level `step` after it, each in
    their order.  Warnings go to `diagnostics`.
    """
    from spikec import pipelines

    passes = pipelines.of(pipeline)
    options = driver.Options(target=target, seed=seed, pipeline=str(passes), device=device, fast_math=fast_math)
    sink = diagnostics if diagnostics is not None else Diagnostics()
    return driver.compile_program(program, driver.Compilation(Path(), options, sink, passes=passes))


def cost(
    program: Program,
    run: Run | None = None,
    target: str = "cpu",
    *,
    steps: int = 1,
    seed: int = 0,
    pipeline: str | Pipeline | Iterable[Pass] = "",
) -> dict[str, Any]:
    """What a run costs, layer by layer: the object that `spikec cost --json` prints.

    `run` was made by the same program under the same seed and pipeline; without it, `steps` steps at assumed rates are
    counted.  Raises CompileError for a run of another network, UsageError for a target without a model of its costs.
    """
    from spikec import cost_report, pipelines

    passes = pipelines.of(pipeline)
    compilation = driver.Compilation(Path(), driver.Options(seed=seed, pipeline=str(passes)), passes=passes)
    measured = cost_report.Measured.of(run) if run is not None else None
    levels = driver.levels(compilation, program)
    return cost_report.data(cost_report.report(compilation, levels, target, measured, steps))


def open(folder: str | Path, *, device: str | None = None) -> Executable:
    """The network of an artifact that `spikec compile -o` or `Executable.save` wrote.  Needs no MLIR.

    `device` is for one of the target ptx, as in `compile`.
    """
    return driver.open_artifact(Path(folder), device)
