"""The compiler in one page: read, parse, build, passes, lower, emit, each a stage of a `Compilation`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikec.choices import FORMATS, LEVELS, REFERENCE, Watch, check_kinds, parse_target, refuse_other_models
from spikec.dialects.diagnostics import (
    CompileError,
    Diagnostic,
    Diagnostics,
    InternalError,
    MissingTool,
    UsageError,
)

if TYPE_CHECKING:
    from spikec.dialects.program import Program
    from spikec.frontend.build import Built
    from spikec.runtime.run import Executable

TOOLS = ("spikec", "xtc-mlir-python-bindings", "llvmlite", "numpy")


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

    def text(self) -> str:
        """All options but the seed as one text."""
        nir = [self.semantics, self.dt]
        parts = [dict(self.params), self.target, self.pipeline, self.real, self.fast_math, nir]
        return json.dumps(parts, sort_keys=True)


@dataclass
class Compilation:
    """One model on its way; `seconds` are what each stage took, in order."""

    model: Path
    options: Options
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    watch: Watch = field(default_factory=Watch)
    seconds: dict[str, float] = field(default_factory=dict)
    open: list[dict[str, Any]] = field(default_factory=list)  # what a .nir file leaves open

    @contextmanager
    def stage(self, name: str, program: Program | None = None) -> Iterator[None]:
        """Times a stage, and names it in whatever goes wrong there through our fault."""
        begin = time.perf_counter()
        try:
            yield
        except (CompileError, UsageError, MissingTool, InternalError, MemoryError):
            raise
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            raise InternalError(message, name, program.text() if program else "") from error
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin


@dataclass
class Made:
    """What came out: files by name or kind, the programs of the levels that were reached, the target's module."""

    files: dict[str, bytes] = field(default_factory=dict)
    programs: dict[str, Program] = field(default_factory=dict)
    module: Any = None


# ---------------------------------------------------------------- the way of a network


def build(compilation: Compilation) -> Built:
    """The network as written, at level `snn`.  Raises CompileError with all mistakes of the file."""
    if compilation.model.suffix.lower() == ".nir":
        return _build_nir(compilation)
    from spikec.frontend.build import build as build_program
    from spikec.frontend.parse import parse, read_source

    c, options = compilation, compilation.options
    refuse_other_models(c.model)
    with c.stage("read"):
        text = read_source(c.model)
    with c.stage("parse"):
        tree = parse(text, str(c.model), c.diagnostics)
        c.diagnostics.raise_if_errors()
        assert tree is not None
    with c.stage("build"):
        built = build_program(tree, options.params, c.diagnostics, c.model.parent, options.real)
        c.diagnostics.raise_if_errors()
        assert built is not None
    return built


def _build_nir(compilation: Compilation) -> Built:
    """The network of a NIR file under the semantics that the user chose."""
    from spikec.frontend.nir import load
    from spikec.frontend.nir.profiles import Semantics

    c, options = compilation, compilation.options
    semantics = Semantics.parse(options.semantics, options.dt)
    with c.stage("read"):
        graph, c.open = load.read(c.model, semantics, c.diagnostics)
    with c.stage("build"):
        return load.build(graph, semantics, c.model, c.diagnostics, options.real)


def check(compilation: Compilation) -> None:
    """Builds the network for its diagnostics alone; a NIR file that lacks only a time step is right so far."""
    try:
        build(compilation)
    except UsageError:
        if not any(question["name"] == "dt" and question["default"] is None for question in compilation.open):
            raise


def optimize(compilation: Compilation, program: Program) -> Program:
    """The program after the passes that always run and those of the pipeline."""
    from spikec import pipelines

    return pipelines.run(program, compilation.options.pipeline, compilation.watch, compilation.seconds)


def lower(compilation: Compilation, program: Program) -> Program:
    """The program at level `step`; connections are drawn with the run seed."""
    from spikec.lower import snn_to_step

    with compilation.stage("lower to step", program):
        return snn_to_step.lower(program, compilation.options.seed)


def lower_to_cpu(compilation: Compilation, step: Program, target: Any) -> Any:
    """The program as code in memref, scf and vector, and as LLVM IR."""
    from spikec.lower import step_to_cpu

    with compilation.stage("lower to cpu", step):
        return step_to_cpu.lower(step, target)


def lower_to_nir(compilation: Compilation, program: Program) -> bytes:
    """The network as a NIR file.  Raises CompileError for what NIR cannot express."""
    from spikec.lower import snn_to_nir

    with compilation.stage("write nir", program):
        return snn_to_nir.lower(program, compilation.options.seed, compilation.diagnostics)


def executable(compilation: Compilation) -> Executable:
    """The network ready to run in this process; taken from the cache where nothing has changed."""
    target = parse_target(compilation.options.target)
    if target is None:
        return _interpreted(compilation, optimize(compilation, build(compilation).program))
    return _remembered(compilation, target) or _compiled(compilation, target)


def compile_program(program: Program, compilation: Compilation) -> Executable:
    """A program of the Python API, at level `snn`, ready to run."""
    target = parse_target(compilation.options.target)
    program = optimize(compilation, program)
    if target is None:
        return _interpreted(compilation, program)
    return _loaded(compilation, program, target)


def emit(compilation: Compilation, kinds: Sequence[str]) -> Made:
    """The wanted kinds, and no work beyond the last of them."""
    target = parse_target(compilation.options.target)
    check_kinds(kinds, target)
    made = Made(programs={"snn": optimize(compilation, build(compilation).program)})
    if set(kinds) - {"snn", *FORMATS}:
        made.programs["step"] = lower(compilation, made.programs["snn"])
    made.files = {level: made.programs[level].text().encode() for level in kinds if level in LEVELS}
    if "nir" in kinds:
        made.files["nir"] = lower_to_nir(compilation, made.programs["snn"])
    rest = [kind for kind in kinds if kind not in (*LEVELS, *FORMATS)]
    if rest:
        from spikec.runtime.interface import Interface

        step = made.programs["step"]
        made.module = lower_to_cpu(compilation, step, target)
        with compilation.stage("emit", step):
            made.files |= target.emit(made.module, rest, step.constants, Interface.of(made.programs["snn"]))
    return made


def artifact(compilation: Compilation) -> Made:
    """The files of an artifact, the manifest last."""
    target = parse_target(compilation.options.target)
    if target is None:
        raise UsageError(f"the target '{REFERENCE}' makes no files; use it with run")
    snn = optimize(compilation, build(compilation).program)
    step = lower(compilation, snn)
    module = lower_to_cpu(compilation, step, target)
    return Made(_artifact_files(compilation, snn, step, module, target), {"snn": snn, "step": step}, module)


def open_artifact(folder: Path) -> Executable:
    """The network of an artifact, if it was made for this processor.  Raises CompileError; needs no MLIR."""
    from spikec.runtime import artifact

    manifest = artifact.read_manifest(folder)
    machine = manifest.get("machine")
    features = machine.get("features") if isinstance(machine, dict) else None
    host = parse_target("cpu")
    lacking = {f for f in str(features or "").split(",") if f.startswith("+")} - set(host.features.split(","))
    if lacking:
        message = f"the artifact is for a processor with {', '.join(sorted(f[1:] for f in lacking))}; this one has not"
        remedy = "compile the model here, or with --target cpu:TRIPLE,CPU for both"
        raise CompileError([Diagnostic("E0705", "error", message, file=str(folder), help=remedy)])
    return artifact.open_artifact(folder, manifest)


# ---------------------------------------------------------------- parts of it


def _interpreted(compilation: Compilation, program: Program) -> Executable:
    from spikec.runtime.interface import Interface
    from spikec.runtime.reference import engine
    from spikec.runtime.run import Executable

    with compilation.stage("load", program):
        interface = Interface.of(program)
        loaded = engine.SnnEngine(program, interface)
    seconds = sum(compilation.seconds.values())
    return Executable(loaded, REFERENCE, compilation.options.seed, compile_seconds=seconds)


def _remembered(compilation: Compilation, target: Any) -> Executable | None:
    """The network as an earlier run left it in the cache, with the warnings of then."""
    from spikec import model_cache
    from spikec.runtime.cache import Cache
    from spikec.runtime.run import Executable

    options, store = compilation.options, Cache()
    with compilation.stage("look up"):
        key = model_cache.record_key(compilation.model, options.text(), target.identity())
        record = model_cache.find(key, store) if key else None
        engine = target.load_cached(store, record.network_key(options.seed)) if record else None
    if record is None or engine is None:
        return None
    compilation.diagnostics.items += record.warnings
    seconds = sum(compilation.seconds.values())
    return Executable(engine, options.target, options.seed, record.random_structure, compile_seconds=seconds)


def _compiled(compilation: Compilation, target: Any) -> Executable:
    from spikec import model_cache
    from spikec.runtime.cache import Cache

    options, store = compilation.options, Cache()
    built = build(compilation)
    key = model_cache.record_key(compilation.model, options.text(), target.identity())
    random = has_random_structure(built.program)
    record = model_cache.keep(key, built.files, random, compilation.diagnostics.items, store) if key else None
    program = optimize(compilation, built.program)
    return _loaded(compilation, program, target, store, record.network_key(options.seed) if record else "")


def _loaded(compilation: Compilation, snn: Program, target: Any, store: Any = None, key: str = "") -> Executable:
    """Compiles a program at level `snn` into this process."""
    from spikec.runtime.interface import Interface
    from spikec.runtime.run import Executable

    options = compilation.options
    if not target.native:
        raise UsageError(f"'{options.target}' is not this machine; compile for it with spikec compile")
    step = lower(compilation, snn)
    module = lower_to_cpu(compilation, step, target)
    with compilation.stage("compile", step):
        engine = target.load(module, step.constants, Interface.of(snn), store, key)
    seconds = sum(compilation.seconds.values())
    return Executable(
        engine,
        options.target,
        options.seed,
        has_random_structure(snn),
        lambda: _artifact_files(compilation, snn, step, module, target),
        seconds,
    )


def _artifact_files(
    compilation: Compilation, snn: Program, step: Program, module: Any, target: Any
) -> dict[str, bytes]:
    from importlib.metadata import version

    from spikec.runtime import artifact
    from spikec.runtime.interface import Interface

    options, interface = compilation.options, Interface.of(snn)
    with compilation.stage("emit", step):
        if target.native:
            files = target.artifact(module, step.constants, interface)
        else:
            made = target.emit(module, ("obj", "header"), step.constants, interface)
            files = {f"{module.model}.o": made["obj"], f"{module.model}.h": made["header"]}
    digests = {name: step.constants.digest(name) for name in step.constants}
    about = artifact.About(
        target=options.target,
        machine={"triple": target.triple, "cpu": target.cpu, "features": target.features},
        pipeline=options.pipeline,
        options={"params": dict(options.params), "float": options.real, "fast_math": options.fast_math},
        seed=options.seed,
        random_structure=has_random_structure(snn),
        state_bytes=module.layout.arena,
        constants=artifact.described(step.constants, digests),
        tools={tool: version(tool) for tool in TOOLS},
    )
    return artifact.pack(about, interface, module.layout, files)


def has_random_structure(program: Program) -> bool:
    """Whether connections are drawn from the run seed."""
    from spikec.dialects import snn
    from spikec.dialects.mlir import ir

    return any(ir.StringAttr(op.connect["kind"]).value == "prob" for op in program.ops(snn.Synapses))


def constants_file(program: Program) -> bytes:
    """The constants of a program as a safetensors file."""
    from safetensors.numpy import save

    return save({name: program.constants[name] for name in sorted(program.constants)})
