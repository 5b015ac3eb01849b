"""The compiler in one page: read, parse, build, passes, lower, emit, each a stage of a `Compilation`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikec.choices import FORMATS, LEVELS, REFERENCE, check_kinds, parse_target, refuse_other_models
from spikec.compilation import Compilation, Made, Options, deep, table_data, uncollected
from spikec.dialects.diagnostics import CompileError, Diagnostic, Diagnostics, InternalError, UsageError
from spikec.dialects.notes import Table

if TYPE_CHECKING:
    from spikec.dialects.program import Program
    from spikec.frontend.build import Built
    from spikec.pipelines import Pipeline
    from spikec.runtime.run import Executable
    from spikec.runtime.workers import WorkersCode

TOOLS = ("spikec", "xtc-mlir-python-bindings", "llvmlite", "numpy")


__all__ = ["Compilation", "Made", "Options"]


# ---------------------------------------------------------------- the way of a network


def build(compilation: Compilation) -> Built:
    """The network as written, at level `snn`.  Raises CompileError with all mistakes of the file."""
    if compilation.model.suffix.lower() == ".nir":
        return _build_nir(compilation)
    if compilation.model.suffix.lower() == ".onnx":
        return _build_onnx(compilation)
    from spikec.frontend import unused
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
    with c.stage("build"), deep():
        built = build_program(tree, options.params, c.diagnostics, c.model.parent, options.real)
        c.diagnostics.raise_if_errors()
        assert built is not None
        unused.report(tree, c.diagnostics)
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


def _build_onnx(compilation: Compilation) -> Built:
    """The network of an ONNX file, one inference in each step."""
    from spikec.frontend.onnx import load

    c = compilation
    with c.stage("build"):
        return load.build(c.model, c.diagnostics, c.options.real)


def check(compilation: Compilation) -> None:
    """Builds the network for its diagnostics alone; a NIR file that lacks only a time step is right so far."""
    try:
        with uncollected():
            _warn(compilation, build(compilation).program)
    except UsageError:
        if not any(question["name"] == "dt" and question["default"] is None for question in compilation.open):
            raise


def optimize(compilation: Compilation, program: Program) -> Program:
    """The program in canonical form, after the passes of level `snn` of the pipeline; arrays are drawn before them."""
    from spikec import pipelines
    from spikec.lower import drawn

    with compilation.stage("draw arrays", program):
        program = drawn.realised(program, compilation.options.seed)
    return _passed(compilation, pipelines.before_lowering(compilation.pipeline()), program)


def lower(compilation: Compilation, program: Program) -> Program:
    """The program at level `step`, after the passes of that level; connections are drawn with the run seed."""
    from spikec import pipelines
    from spikec.lower import snn_to_step

    with compilation.stage("lower to step", program):
        step = snn_to_step.lower(program, compilation.options.seed)
        _verify(compilation, step, program)
    compilation.watch.show("lower-to-step", step.text)
    return _passed(compilation, pipelines.after_lowering(compilation.pipeline()), step)


def lower_to_machine(compilation: Compilation, step: Program, target: Any) -> Any:
    """The program as code in MLIR and as LLVM IR, of the level that the target names."""
    with compilation.stage(f"lower to {target.level}", step):
        module: Any = _LOWERINGS[target.level](compilation, step, target)
    compilation.watch.show(f"lower-to-{target.level}", lambda: module.mlir)
    return module


def _lower_to_cpu(compilation: Compilation, step: Program, target: Any) -> Any:
    from spikec.lower import step_to_cpu

    return step_to_cpu.lower(step, target, compilation.options.fast_math)


def _lower_to_gpu(compilation: Compilation, step: Program, target: Any) -> Any:
    from spikec.lower import step_to_gpu
    from spikec.runtime.device_memory import check_size

    module = step_to_gpu.lower(step, target)
    if target.memory is not None:
        check_size(module.launches, target.memory)
    if module.reordered and target.sums != "atomic":
        shown = ", ".join(module.reordered[:3]) + (", ..." if len(module.reordered) > 3 else "")
        message = f"sums of reals are added in any order, so that runs may differ in their last bits: {shown}"
        help = "with ptx{sums=ordered} they are those of the CPU; with ptx{sums=atomic} this is not said"
        compilation.diagnostics.warning("W0701", None, message, help)
    return module


def _lower_to_rtl(compilation: Compilation, step: Program, target: Any) -> Any:
    from spikec.lower import step_to_rtl

    return step_to_rtl.lower(step, target, compilation.options.seed)


_LOWERINGS = {"cpu": _lower_to_cpu, "gpu": _lower_to_gpu, "rtl": _lower_to_rtl}


def lower_to_nir(compilation: Compilation, program: Program) -> bytes:
    """The network as a NIR file.  Raises CompileError for what NIR cannot express."""
    from spikec.lower import snn_to_nir

    with compilation.stage("write nir", program):
        return snn_to_nir.lower(program, compilation.options.seed, compilation.diagnostics)


def executable(compilation: Compilation) -> Executable:
    """The network ready to run in this process; taken from the cache where nothing has changed."""
    target = _runner(compilation)
    if target is None:
        return _interpreted(compilation, optimize(compilation, _built(compilation).program))
    with uncollected():
        known = None if compilation.fresh else _remembered(compilation, target)
        return known or _compiled(compilation, target)


def compile_program(program: Program, compilation: Compilation) -> Executable:
    """A program of the Python API, at level `snn`, ready to run."""
    target = _runner(compilation)
    snn = optimize(compilation, program)
    if target is None:
        return _interpreted(compilation, snn)
    return _loaded(compilation, snn, lower(compilation, snn), target)


def levels(compilation: Compilation, program: Program | None = None) -> tuple[Program, Program]:
    """A network at both levels, after the passes of the pipeline: that of the model, or a `program` at level `snn`."""
    network = optimize(compilation, program or _built(compilation).program)
    return network, lower(compilation, network)


def emit(compilation: Compilation, kinds: Sequence[str]) -> Made:
    """The wanted kinds, and no work beyond the last of them."""
    target = parse_target(compilation.options.target)
    check_kinds(kinds, target)
    made = Made(programs={"snn": optimize(compilation, _built(compilation).program)})
    rest = [kind for kind in kinds if kind not in (*LEVELS, *FORMATS)]
    if "step" in kinds or (rest and target.level != "snn"):
        made.programs["step"] = lower(compilation, made.programs["snn"])
    made.files = {level: made.programs[level].text().encode() for level in kinds if level in LEVELS}
    if "nir" in kinds:
        made.files["nir"] = lower_to_nir(compilation, made.programs["snn"])
    if rest:
        made.files |= _emitted(compilation, made, target, rest)
    return made


def _emitted(compilation: Compilation, made: Made, target: Any, kinds: Sequence[str]) -> dict[str, bytes]:
    """What a target makes of the level that it takes."""
    from spikec import plugins
    from spikec.runtime.interface import Interface

    if target.level in LEVELS:
        program = module = made.programs[target.level]
    else:
        program = made.programs["step"]
        module = made.module = lower_to_machine(compilation, program, target)
    with compilation.stage("emit", program, plugins.package_of(type(target))):
        files: dict[str, bytes] = target.emit(module, kinds, program.constants, Interface.of(made.programs["snn"]))
        if set(files) != set(kinds):
            wanted = ", ".join(kinds)
            raise ValueError(f"it makes {', '.join(files) or 'nothing'}, and {wanted} is wanted")
    return files


def artifact(compilation: Compilation) -> Made:
    """The files of an artifact, the manifest last."""
    target = _machine(compilation)
    if target is None:
        raise UsageError(f"the target '{REFERENCE}' makes no files; use it with run")
    snn = optimize(compilation, _built(compilation).program)
    step = lower(compilation, snn)
    module = lower_to_machine(compilation, step, target)
    return Made(_artifact_files(compilation, snn, step, module, target), {"snn": snn, "step": step}, module)


def open_artifact(folder: Path, device: str | None = None) -> Executable:
    """The network of an artifact, if it was made for this processor, or for a `device`; MLIR for circuits alone.

    Raises CompileError, and MissingTool without the device.
    """
    from spikec.runtime import artifact

    manifest = artifact.read_manifest(folder)
    if artifact.is_circuit(manifest):
        from spikec.backends.fpga.target import FpgaTarget

        _on_device(None, device)
        target = parse_target(str(manifest.get("target")))
        if not isinstance(target, FpgaTarget):
            message = f"not a manifest: it has a circuit for the target '{target.name if target else REFERENCE}'"
            raise CompileError([Diagnostic("E0720", "error", message, file=str(folder))])
        return artifact.open_circuit(folder, manifest, target.clock)
    if artifact.is_for_gpus(manifest):
        target = _on_device(parse_target(str(manifest.get("target"))), device)
        return artifact.open_on_device(folder, manifest, target.device, target.launch)
    _on_device(None, device)
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


def _built(compilation: Compilation) -> Built:
    """The network as written; what is wrong with the pipeline is told before anything is read."""
    compilation.pipeline()
    with uncollected():
        built = build(compilation)
        _warn(compilation, built.program)
    return built


def _warn(compilation: Compilation, program: Program) -> None:
    """Warns of populations of the model's own text that do nothing; those of other files have no place in a text."""
    if compilation.model.suffix.lower() in (".nir", ".onnx"):
        return
    from spikec.analysis import idle

    with compilation.stage("warn", program):
        for found in idle.find(program):
            if found.span is not None and found.span.file == str(compilation.model):
                compilation.diagnostics.warning(found.code, found.span, found.message, found.help)


def _passed(compilation: Compilation, passes: Pipeline, program: Program) -> Program:
    """The program after passes; what they report goes to the compilation."""
    from spikec import pipelines

    result = pipelines.apply(passes, program, compilation.watch, compilation.seconds)
    for note in result.notes:
        items: list[Any] = compilation.tables if isinstance(note, Table) else compilation.diagnostics.items
        plain = _plain(note) if isinstance(note, Table) else note
        if plain not in items:
            items.append(plain)
    return result


def _plain(table: Table) -> Table:
    """A table with Python's own numbers in place of numpy's."""
    return replace(table, rows=tuple(tuple(_number(cell) for cell in row) for row in table.rows))


def _number(cell: Any) -> Any:
    return cell.item() if hasattr(cell, "item") else cell


def _verify(compilation: Compilation, made: Program, source: Program) -> None:
    """Raises InternalError, with the program that was lowered, where the result is invalid."""
    from spikec.dialects.verify import verify

    if compilation.watch.verify_each:
        try:
            verify(made, "lower to step")
        except InternalError as error:
            raise InternalError(str(error), "lower to step", source.text()) from None


def _machine(compilation: Compilation) -> Any:
    """The target as one that code is made for to run, None for the reference interpreter.

    Raises UsageError for a target that makes files alone.
    """
    text = compilation.options.target
    target = parse_target(text)
    if target is not None:
        from spikec.backends.target import Machine

        if not isinstance(target, Machine):
            raise UsageError(f"the target '{text}' runs nothing; use compile with --emit {','.join(target.kinds)}")
    return target


def _runner(compilation: Compilation) -> Any:
    """What `_machine` gives, with the device on which it runs."""
    return _on_device(_machine(compilation), compilation.options.device)


def _on_device(target: Any, device: str | None) -> Any:
    """A target with its device, if it runs on one.  Raises UsageError for a device of another target."""
    from spikec.backends.target import OnDevice

    if isinstance(target, OnDevice):
        from spikec.runtime.devices import CUDA

        return target.on(device or CUDA)
    if device is not None:
        raise UsageError("--device is for --target ptx alone")
    return target


def _interpreted(compilation: Compilation, program: Program) -> Executable:
    """The interpreter of level `snn`; that of level `step` where the pipeline names passes of that level."""
    from spikec.runtime.interface import Engine, Interface
    from spikec.runtime.reference import engine
    from spikec.runtime.run import Executable

    lowered = lower(compilation, program) if compilation.pipeline().at("step").passes else None
    with compilation.stage("load", lowered or program):
        interface = Interface.of(program)
        loaded: Engine = engine.StepEngine(lowered, interface) if lowered else engine.SnnEngine(program, interface)
    seconds = sum(compilation.seconds.values())
    drawn = has_drawn_arrays(program) or (lowered is not None and has_random_structure(program))
    return Executable(loaded, REFERENCE, compilation.options.seed, drawn, compile_seconds=seconds)


def _remembered(compilation: Compilation, target: Any) -> Executable | None:
    """The network as an earlier run left it in the cache, with the warnings and tables of then."""
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
    compilation.tables += record.tables
    again = replace(compilation, diagnostics=Diagnostics(), tables=[])
    _for_threads(
        again,
        target,
        engine,
        lambda: lower(again, optimize(again, _built(again).program)),
        store,
        record.network_key(options.seed),
    )
    seconds = sum(compilation.seconds.values())
    return Executable(engine, options.target, options.seed, record.random_structure, compile_seconds=seconds)


def _compiled(compilation: Compilation, target: Any) -> Executable:
    """The network of a model, kept in the cache; what passes reported and read belongs to its record."""
    from spikec import model_cache
    from spikec.runtime.cache import Cache

    c, store = compilation, Cache()
    built = _built(c)
    snn = optimize(c, built.program)
    step = lower(c, snn)
    random = is_for_one_seed(built.program, step, target)
    key = model_cache.record_key(c.model, c.options.text(), target.identity())
    files = [*built.files, *c.pipeline().files()]
    record = model_cache.keep(key, files, random, c.diagnostics.items, c.tables, store) if key else None
    return _loaded(c, snn, step, target, store, record.network_key(c.options.seed) if record else "")


def _loaded(
    compilation: Compilation, snn: Program, step: Program, target: Any, store: Any = None, key: str = ""
) -> Executable:
    """Compiles a program at level `step` into this process."""
    from spikec.runtime.interface import Interface
    from spikec.runtime.run import Executable

    options = compilation.options
    if not target.native:
        raise UsageError(f"'{options.target}' is not this machine; compile for it with spikec compile")
    module = lower_to_machine(compilation, step, target)
    with compilation.stage("compile", step):
        engine = target.load(module, step.constants, Interface.of(snn), store, key)
    _for_threads(compilation, target, engine, lambda: step, store, key)
    seconds = sum(compilation.seconds.values())
    return Executable(
        engine,
        options.target,
        options.seed,
        is_for_one_seed(snn, step, target),
        lambda: _artifact_files(compilation, snn, step, module, target),
        seconds,
    )


def _for_threads(
    compilation: Compilation, target: Any, engine: Any, step: Callable[[], Program], store: Any, key: str
) -> None:
    """Tells an engine how code for several threads is made, if the target has such; a run asks for it."""
    from spikec.backends.target import Threaded

    if not isinstance(target, Threaded):
        return

    def made() -> WorkersCode:
        known = target.load_cached_workers(store, key) if key and not compilation.fresh else None
        return known or _compiled_for_threads(compilation, step(), target, store, key)

    engine.code_for_workers = made


def _compiled_for_threads(compilation: Compilation, step: Program, target: Any, store: Any, key: str) -> WorkersCode:
    from spikec.lower import step_to_cpu

    with compilation.stage("compile for threads", step):
        module = step_to_cpu.lower_for_workers(step, target, compilation.options.fast_math)
        code: WorkersCode = target.load_workers(module, store, key)
    return code


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
    predicted = target.report(module) if target.level == "rtl" else ()
    digests = {name: step.constants.digest(name) for name in step.constants}
    about = artifact.About(
        target=options.target,
        machine=target.machine,
        pipeline=str(compilation.pipeline()),
        report=[table_data(table) for table in (*compilation.tables, *predicted)],
        options={"params": dict(options.params), "float": options.real, "fast_math": options.fast_math},
        seed=options.seed,
        random_structure=is_for_one_seed(snn, step, target),
        state_bytes=module.state_bytes,
        constants=artifact.described(step.constants, digests),
        tools={tool: version(tool) for tool in TOOLS},
    )
    return artifact.pack(about, interface, module.plan, files)


def is_for_one_seed(network: Program, step: Program, target: Any) -> bool:
    """Whether what a target makes holds numbers that were drawn from the run seed: a circuit has its first states."""
    if target.level != "rtl" or has_random_structure(network):
        return has_random_structure(network)
    from spikec.lower.step_to_rtl import are_drawn

    return are_drawn(step)


def has_random_structure(program: Program) -> bool:
    """Whether connections or arrays are drawn from the run seed."""
    from spikec.dialects import connectors, snn

    symbols = program.symbols()
    return has_drawn_arrays(program) or any(connectors.is_drawn(op, symbols) for op in program.ops(snn.Synapses))


def has_drawn_arrays(program: Program) -> bool:
    """Whether arrays are drawn from the run seed, or were."""
    from spikec.dialects import drawn, snn

    return snn.DRAWN in program.module.operation.attributes or bool(drawn.arrays(program))


def constants_file(program: Program) -> bytes:
    """The constants of a program as a safetensors file."""
    from safetensors.numpy import save

    return save({name: program.constants[name] for name in sorted(program.constants)})
