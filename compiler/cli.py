"""The command line: arguments, exit statuses, and what goes to stdout and stderr.

Only the standard library is imported before a command is known, so that `spikec --help` is quick.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikec.arguments import parse_arguments
from spikec.dialects.diagnostics import CompileError, Diagnostic, InternalError, MissingTool, UsageError, did_you_mean
from spikec.terminal import Terminal

if TYPE_CHECKING:
    from spikec.choices import Watch
    from spikec.compilation import Compilation, Made
    from spikec.dialects.notes import Table

INTERRUPTED, PIPE_CLOSED, BUG = 130, 141, 70


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status: 0, 1 wrong input, 2 wrong use, 3 missing tool, 70 our bug."""
    if argv is None:
        _begin_process()
    terminal = Terminal()
    try:
        status = _guarded(sys.argv[1:] if argv is None else argv, terminal)
        sys.stdout.flush()
        if argv is None:
            gc.freeze()  # all goes with the process: to look among it for garbage takes a tenth of a short run
        return status
    except OSError as error:
        # What is still buffered must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if isinstance(error, BrokenPipeError):
            return PIPE_CLOSED  # whoever read the output has gone
        terminal.error(": ".join(str(part) for part in (error.strerror or error, error.filename) if part))
        return 1


def _begin_process() -> None:
    """Settings of a process that is a command and nothing else."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if not sys.warnoptions:
        # What libraries tell Python programmers is not for users of the command line.
        warnings.simplefilter("ignore")
    # Nothing here multiplies matrices, and threads of numpy that wait for such work spin for a tenth of a second.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # What modules are made of is no garbage.
    gc.set_threshold(100_000)


def _guarded(argv: Sequence[str], terminal: Terminal) -> int:
    """The command, with every way in which it can fail."""
    try:
        arguments = parse_arguments(argv)
        terminal.quiet, terminal.verbose = arguments.quiet, arguments.verbose
        return COMMANDS[arguments.command](arguments, terminal)
    except CompileError as error:
        terminal.show(error.diagnostics)
        return error.exit_status
    except (UsageError, MissingTool) as error:
        terminal.error(str(error))
        return error.exit_status
    except KeyboardInterrupt:
        terminal.error("interrupted")
        return INTERRUPTED
    except MemoryError:
        terminal.show([Diagnostic("E0706", "error", "there is not enough memory for this")])
        return 1
    except OSError:
        raise
    except Exception as error:
        return _bug(error, terminal)


def _bug(error: Exception, terminal: Terminal) -> int:
    """Says where our mistake happened and saves what it takes to find it."""
    from spikec import bug_report

    where = getattr(error, "where", "") or "the command line"
    saved = bug_report.save(error, where)
    first = (str(error).splitlines() or [type(error).__name__])[0]
    kind = "" if isinstance(error, InternalError) else f"{type(error).__name__}: "
    help = f"what it worked on is in {saved}; please report it" if saved else None
    terminal.error(f"this is a bug of {getattr(error, 'culprit', 'spikec')}, in {where}: {kind}{first}", help)
    if saved and hasattr(error, "pipeline"):
        terminal.write(f"  to see it again: {bug_report.command(saved, error.pipeline)}")
    return BUG


# ---------------------------------------------------------------- commands on models


def _compilation(arguments: Namespace, terminal: Terminal) -> Compilation:
    """The compilation that the common options and MODEL describe."""
    from spikec import driver

    model = Path(arguments.model)
    if model.suffix.lower() != ".nir" and (arguments.semantics or arguments.dt):
        raise UsageError(f"{'--semantics' if arguments.semantics else '--dt'} is for .nir files alone")
    params = _params(arguments.params)
    if params and model.suffix.lower() in (".nir", ".onnx"):
        raise UsageError(f"-P is for .snn models: a {model.suffix.lower()} file has no parameters")
    for name, value in params.items():
        terminal.remember(f"-P {name}", value)
    options = driver.Options(
        params=params,
        target=getattr(arguments, "target", None) or "cpu",
        pipeline=getattr(arguments, "pipeline", None) or "",
        seed=getattr(arguments, "seed", None) or 0,
        real=arguments.real,
        fast_math=arguments.fast_math,
        semantics=arguments.semantics,
        dt=arguments.dt,
        device=getattr(arguments, "device", None),
    )
    watch = _watch(arguments)
    # What is to be watched must happen.
    fresh = bool(arguments.print_after or arguments.verify_each)
    return driver.Compilation(model, options, watch=watch, fresh=fresh)


def _watch(arguments: Namespace) -> Watch:
    """What to do around passes.  Raises UsageError for --print-after with an unknown pass."""
    from spikec.choices import LOWERINGS, Watch

    name = arguments.print_after
    if name is not None and name != "all":
        from spikec import registry

        known = [*registry.names(), *LOWERINGS]
        if name not in known:
            near = did_you_mean(name, known)
            raise UsageError(f"--print-after: unknown pass '{name}'; {near or '`spikec passes` lists all'}")
    return Watch(name, True) if arguments.verify_each else Watch(name)


def _params(texts: Sequence[str]) -> dict[str, str]:
    """`-P NAME=VALUE` options by name."""
    params: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name.isidentifier() or not value.strip():
            raise UsageError(f"-P '{text}' is not NAME=VALUE")
        if name in params:
            raise UsageError(f"-P gives '{name}' twice")
        params[name] = value.strip()
    return params


def _check(arguments: Namespace, terminal: Terminal) -> int:
    from spikec import driver

    compilation = _compilation(arguments, terminal)
    status = 0
    try:
        driver.check(compilation)
        found = compilation.diagnostics.items
    except CompileError as error:
        found, status = error.diagnostics, error.exit_status
    terminal.show(found)
    if arguments.json:
        _print_json({"diagnostics": [_diagnostic(d) for d in found], "open": compilation.open})
    elif status == 0:
        for question in compilation.open:
            nodes = ", ".join(question["nodes"])
            taken = question["default"]
            terminal.say(f"{arguments.model}: leaves open: {question['name']} ({nodes})")
            values = f" ({', '.join(question['values'])})" if len(question["values"]) > 1 else ""
            decided = question["option"] + values
            terminal.say(f"  must be given: {decided}" if taken is None else f"  taken: {taken}; decided by {decided}")
        terminal.say(f"{arguments.model}: no errors")
    return status


def _diagnostic(diagnostic: Diagnostic) -> dict[str, Any]:
    span = diagnostic.span
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "file": span.file if span else diagnostic.file,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "message": diagnostic.message,
        "help": diagnostic.help,
    }


def _compile(arguments: Namespace, terminal: Terminal) -> int:
    from spikec import driver
    from spikec.choices import check_kinds, parse_target
    from spikec.runtime import files

    compilation = _compilation(arguments, terminal)
    output = Path(arguments.output) if arguments.output else None
    if arguments.json and (not arguments.report or (arguments.emit is not None and output is None)):
        raise UsageError("--json is for the report: give --report, and -o for what --emit makes")
    if arguments.emit is None:
        if output is None and not arguments.report:
            raise UsageError("compile needs -o DIR for the artifact, or --emit KIND")
        if output is not None:
            files.refuse_existing(output, arguments.force)
        made = driver.artifact(compilation)
        if output is not None:
            files.write_folder(output, made.files, arguments.force)
    else:
        kinds = _kinds(arguments.emit)
        target = parse_target(compilation.options.target)
        check_kinds(kinds, target)
        places = _places(kinds, output, compilation.model.stem, target)
        for place in places.values():
            files.refuse_existing(place, arguments.force)
        with terminal.activity():
            made = driver.emit(compilation, kinds)
        _write_kinds(made, places, arguments.force)
    terminal.show(compilation.diagnostics.items)
    if "step" in made.programs:
        from spikec.analysis import estimate

        compilation.tables += estimate.tables(made.programs["step"], compilation.options.target.partition("{")[0])
    if arguments.report and made.module is not None:
        compilation.tables += parse_target(compilation.options.target).report(made.module)
    _tables(compilation.tables, arguments.report and not arguments.json, terminal)
    if arguments.report:
        from spikec import report

        # Where stdout carries the text that was asked for, the report must not mix with it.
        stdout_taken = arguments.emit is not None and output is None
        if arguments.json:
            _print_json(report.data(made, compilation.seconds, compilation.tables))
        else:
            print(report.text(made, compilation.seconds), file=sys.stderr if stdout_taken else sys.stdout)
    _times(compilation.seconds, arguments, terminal)
    return 0


def _tables(tables: Sequence[Table], wanted: bool, terminal: Terminal) -> None:
    """What passes reported, for --report and --verbose; to stderr, since stdout may be taken."""
    if tables and (wanted or terminal.verbose):
        from spikec import listing

        terminal.write("\n\n".join(listing.table(table) for table in tables) + "\n")


def _kinds(text: str) -> list[str]:
    kinds = [kind.strip() for kind in text.split(",")]
    if not all(kinds):
        raise UsageError(f"--emit {text}: a kind is missing")
    return list(dict.fromkeys(kinds))


def _places(kinds: Sequence[str], output: Path | None, stem: str, target: Any) -> dict[str, Path]:
    """Where each kind goes: the file `-o` for one, files in the folder `-o` for several, nowhere for stdout."""
    from spikec.choices import BINARY_KINDS, suffix

    if output is None:
        if len(kinds) > 1:
            raise UsageError("--emit with several kinds needs -o FOLDER")
        if kinds[0] in BINARY_KINDS:
            raise UsageError(f"--emit {kinds[0]} needs -o FILE")
        return {}
    if len(kinds) == 1:
        return {kinds[0]: output}
    if not output.is_dir():
        message = f"no such folder: {output}"
        raise CompileError([Diagnostic("E0701", "error", message, file=str(output), help="make it first")])
    return {kind: output / (stem + suffix(kind, target)) for kind in kinds}


def _write_kinds(made: Made, places: Mapping[str, Path], force: bool) -> None:
    """Writes each kind to its place, or the only one to stdout; constants go beside the IR as safetensors."""
    from spikec import driver
    from spikec.runtime import files

    if not places:
        (data,) = made.files.values()
        # A kind of a stranger's target need not be text.
        sys.stdout.write(data.decode(errors="surrogateescape"))
        return
    for kind, place in places.items():
        if kind in made.programs and len(made.programs[kind].constants):
            constants = place.with_suffix(".safetensors")
            files.write(constants, driver.constants_file(made.programs[kind]), force)
        files.write(place, made.files[kind], force)
        if kind == "exe":
            place.chmod(place.stat().st_mode | 0o111)


def _run(arguments: Namespace, terminal: Terminal) -> int:
    from spikec.runtime import files, inputs, results

    output = Path(arguments.output) if arguments.output else None
    picture = Path(arguments.plot) if arguments.plot else None
    if picture:
        from spikec.runtime import plot

        plot.check(picture)
    for place in filter(None, (output, picture)):
        files.refuse_existing(place, arguments.force)
    net = _network(arguments, terminal)
    sources = inputs.read(arguments.inputs, net.interface)
    ready = inputs.prepare(sources, net.interface, arguments.steps, arguments.batch)
    with terminal.progress(net.interface.model, ready.steps * (arguments.batch or 1)) as progress:
        threads = arguments.threads or 1
        run = net.run(sources, arguments.steps, arguments.batch, arguments.seed, progress, threads)
    if output:
        files.write(output, results.npz(results.archive(run, arguments.raw)), arguments.force)
    if picture:
        drawn = plot.draw(run if arguments.raw else run.real(), net.interface, picture.suffix[1:].lower())
        files.write(picture, drawn, arguments.force)
    if arguments.json:
        _print_json(results.summary(run, arguments.raw))
    elif not arguments.quiet:
        print(results.shown(run, net.interface, arguments.raw))
    return 0


def _network(arguments: Namespace, terminal: Terminal) -> Any:
    """What `run` runs: an artifact, or a model that is compiled now or was compiled before."""
    if arguments.threads is not None and arguments.threads < 1:
        raise UsageError("--threads must be at least 1")
    from spikec import driver

    if Path(arguments.model).is_dir():
        given = {
            "-P": arguments.params,
            "--target": arguments.target,
            "--pipeline": arguments.pipeline,
            "--float": arguments.real != 32,
        }
        for option, value in given.items():
            if value:
                raise UsageError(f"{option} was fixed when {arguments.model} was compiled")
        return driver.open_artifact(Path(arguments.model), arguments.device)
    compilation = _compilation(arguments, terminal)
    net = driver.executable(compilation)
    terminal.show(compilation.diagnostics.items)
    _tables(compilation.tables, False, terminal)
    _times(compilation.seconds, arguments, terminal)
    return net


def _times(seconds: Mapping[str, float], arguments: Namespace, terminal: Terminal) -> None:
    """The seconds of each stage and pass, for --time-passes and --verbose."""
    if arguments.time_passes or terminal.verbose:
        for stage, value in seconds.items():
            terminal.write(f"{value * 1e3:9.1f} ms  {stage}")


def _opt(arguments: Namespace, terminal: Terminal) -> int:
    from spikec import opt
    from spikec.dialects.notes import Table
    from spikec.driver import constants_file
    from spikec.runtime import files

    output = Path(arguments.output) if arguments.output else None
    if output:
        files.refuse_existing(output, arguments.force)
    watch = _watch(arguments)
    constants = Path(arguments.constants) if arguments.constants else None
    seconds: dict[str, float] = {}
    program = opt.optimize(arguments.file, constants, arguments.pipeline or "", watch, seconds)
    terminal.show(note for note in program.notes if isinstance(note, Diagnostic))
    _tables([note for note in program.notes if isinstance(note, Table)], False, terminal)
    _times(seconds, arguments, terminal)
    if output is None:
        sys.stdout.write(program.text())
        return 0
    if len(program.constants):
        files.write(output.with_suffix(".safetensors"), constants_file(program), arguments.force)
    files.write(output, program.text().encode(), arguments.force)
    return 0


def _fmt(arguments: Namespace, terminal: Terminal) -> int:
    from spikec import fmt

    return fmt.run(arguments.files, arguments.check, arguments.stdout, terminal)


def _cost(arguments: Namespace, terminal: Terminal) -> int:
    from spikec import cost_report, driver, listing

    target, arguments.target = arguments.target or "cpu", None
    if arguments.steps is not None and arguments.rates:
        raise UsageError("--steps is for assumed rates; --rates tells how many there were")
    cost_report.known_target(target)
    compilation = _compilation(arguments, terminal)
    measured = cost_report.read(Path(arguments.rates)) if arguments.rates else None
    made = cost_report.report(compilation, driver.levels(compilation), target, measured, arguments.steps or 1)
    terminal.show(compilation.diagnostics.items)
    _tables(compilation.tables, False, terminal)
    _times(compilation.seconds, arguments, terminal)
    if arguments.json:
        _print_json(cost_report.data(made))
    else:
        print(listing.table(cost_report.table(made)), *cost_report.facts(made), sep="\n")
    return 0


# ---------------------------------------------------------------- commands on spikec itself


def _explain(arguments: Namespace, terminal: Terminal) -> int:
    from spikec.dialects.codes import CODES

    if arguments.code is None:
        for code, entry in sorted(CODES.items()):
            print(f"{code}  {entry.title}")
        return 0
    code = arguments.code.upper()
    if code not in CODES:
        near = did_you_mean(code, CODES)
        raise UsageError(f"there is no code {arguments.code}; {near or '`spikec explain` lists all'}")
    print(f"{code}: {CODES[code].title}\n\n{CODES[code].explanation.strip()}")
    return 0


def _targets(arguments: Namespace, terminal: Terminal) -> int:
    from spikec import listing
    from spikec.choices import targets

    found = targets()
    if arguments.json:
        _print_json({"targets": found})
    else:
        print(listing.targets(found))
    return 0


def _passes(arguments: Namespace, terminal: Terminal) -> int:
    from spikec import listing, registry

    found = registry.described()
    if arguments.json:
        _print_json({"passes": found})
    else:
        print(listing.passes(found))
    return 0


def _doctor(arguments: Namespace, terminal: Terminal) -> int:
    from spikec.doctor import examine, report

    findings = examine()
    print(report(findings))
    return MissingTool.exit_status if any(f.status == "missing" for f in findings) else 0


def _print_json(data: Mapping[str, Any]) -> None:
    print(json.dumps(data, ensure_ascii=False))


COMMANDS: Mapping[str, Callable[[Namespace, Terminal], int]] = {
    "check": _check,
    "compile": _compile,
    "cost": _cost,
    "doctor": _doctor,
    "explain": _explain,
    "fmt": _fmt,
    "opt": _opt,
    "passes": _passes,
    "run": _run,
    "targets": _targets,
}
