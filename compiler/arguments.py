"""The arguments of the command line, and what is said about wrong ones."""

from __future__ import annotations

import re
from argparse import (
    SUPPRESS,
    Action,
    ArgumentParser,
    ArgumentTypeError,
    HelpFormatter,
    Namespace,
    RawDescriptionHelpFormatter,
)
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, NoReturn

from spikec.dialects.diagnostics import UsageError, did_you_mean

DESCRIPTION = """\
A dataflow compiler for spiking neural networks.

  spikec check net.snn                         names, shapes, units and causality
  spikec run net.snn --input x.npy -o out.npz  compile (or take from the cache) and run
  spikec compile net.snn -o build              make an artifact: library, header, manifest
  spikec explain E0123                         what an error means
"""
EXIT = "exit status: 0 done, 1 wrong input, 2 wrong use, 3 a tool is missing, 70 a bug of spikec"


def parse_arguments(argv: Sequence[str]) -> Namespace:
    """Every argument of a command.  Raises UsageError, with a suggestion where a name is nearly right."""
    parser = _parser()
    arguments, unknown = parser.parse_known_args(list(argv))
    if unknown:
        command = parser.commands[arguments.command].parser
        raise UsageError(f"{_unknown(unknown[0], command)}\n  see: {command.prog} --help")
    return Namespace(**{**COMMON_DEFAULTS, **vars(arguments)})


def _unknown(argument: str, command: ArgumentParser) -> str:
    if not argument.startswith("-"):
        return f"unexpected argument '{argument}'"
    options = [option for action in command._actions for option in action.option_strings]
    name = argument.partition("=")[0]
    near = did_you_mean(name, options)
    return f"unknown option '{name}'" + (f"; {near}" if near else "")


class _Parser(ArgumentParser):
    """Raises instead of exiting, and never takes an abbreviation."""

    def __init__(self, formatter: type[HelpFormatter] = HelpFormatter, **settings: Any) -> None:
        # With a width of its own a formatter asks no terminal, for which much would be loaded.
        super().__init__(allow_abbrev=False, formatter_class=partial(formatter, width=80), **settings)
        self._formatter = formatter
        self.commands: dict[str, _Command] = {}

    def format_help(self) -> str:
        self.formatter_class = self._formatter
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        choice = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if choice:
            known = re.findall(r"[\w.]+", choice[2])
            what = message.partition(":")[0].removeprefix("argument ").split("/")[-1]
            near = did_you_mean(choice[1], known)
            message = f"{what}: '{choice[1]}' is none of {', '.join(known)}" + (f"; {near}" if near else "")
        raise UsageError(f"{message}\n  see: {self.prog} --help")


class _Command:
    """The parser of a command, made when it is needed: to make all of them takes longer than to read the arguments."""

    def __init__(self, fill: Callable[[ArgumentParser], None], **settings: Any) -> None:
        self._fill, self._settings = fill, settings

    @cached_property
    def parser(self) -> ArgumentParser:
        parser = _Parser(**self._settings)
        _common(parser)
        self._fill(parser)
        return parser

    def parse_known_args(self, *given: Any) -> tuple[Namespace, list[str]]:
        """What argparse asks of it."""
        return self.parser.parse_known_args(*given)


class _Version(Action):
    """Prints the version, which is looked up only then."""

    def __call__(self, parser: ArgumentParser, *_: Any) -> NoReturn:
        import spikec

        print(f"spikec {spikec.__version__}")
        parser.exit()


COMMON_DEFAULTS = {
    "force": False,
    "quiet": False,
    "verbose": False,
    "real": 32,
    "fast_math": False,
    "print_after": None,
    "time_passes": False,
    "verify_each": False,
}


def _parser() -> _Parser:
    parser = _Parser(
        prog="spikec",
        description=DESCRIPTION,
        epilog=EXIT,
        formatter=RawDescriptionHelpFormatter,
    )
    _common(parser)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    made: Any = _Command  # argparse only asks for what it has
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, prog="spikec", parser_class=made)
    for name, (help, fill) in COMMANDS.items():
        description = help[0].upper() + help[1:] + "."
        parser.commands[name] = commands.add_parser(name, help=help, description=description, fill=fill)
    return parser


def _check(check: ArgumentParser) -> None:
    _model(check)
    _json(check)


def _compile(compile: ArgumentParser) -> None:
    _model(compile)
    _target(compile)
    _seed(compile)
    kinds = "make files of these kinds (see `spikec targets`): snn, step, ...; one of text goes to stdout without -o"
    compile.add_argument("--emit", metavar="KIND[,KIND]", help=kinds)
    _output(compile, "PATH", "the artifact's folder, or the file of --emit")
    report = "print sizes, the seconds of each stage, and the tables of the passes"
    compile.add_argument("--report", action="store_true", help=report)
    _json(compile)


def _run(run: ArgumentParser) -> None:
    _model(run, "a .snn file, or the folder of an artifact")
    run.add_argument("--steps", type=_number, metavar="N", help="how many steps; by default as many as the inputs have")
    array = "an array from .npz, .npy or .csv: (T, *shape) streams, (*shape) is held"
    form = "[NAME=]FILE[:KEY]"
    run.add_argument("--input", dest="inputs", action="append", default=[], metavar=form, help=array)
    run.add_argument("--batch", type=_number, metavar="B", help="samples; inputs have a leading axis of this length")
    _target(run)
    run.add_argument("--device", choices=("cuda", "emulated"), help="where code for ptx runs; cuda by default")
    _seed(run)
    run.add_argument("--threads", type=_number, metavar="N", help="at most this many threads; the results are the same")
    _output(run, "OUT.npz", "where outputs and probes go")
    run.add_argument("--raw", action="store_true", help="write integers of integer programs as they are")
    run.add_argument("--plot", metavar="FILE", help="draw probes and outputs: .png, .svg or .pdf")
    _json(run)


def _opt(opt: ArgumentParser) -> None:
    opt.add_argument("file", metavar="FILE.mlir|-")
    opt.add_argument("--pipeline", metavar="TEXT", help="passes, as in canonicalize,quantize{weights=8}")
    opt.add_argument("--constants", metavar="FILE", help="the arrays; by default FILE.safetensors beside FILE.mlir")
    _output(opt, "FILE", "where the IR goes instead of stdout")


def _fmt(fmt: ArgumentParser) -> None:
    fmt.add_argument("files", metavar="FILE.snn|-", nargs="+", help="a file that is written anew; -: stdin to stdout")
    fmt.add_argument("--check", action="store_true", help="show what would change and change nothing; exit status 1")
    fmt.add_argument("--stdout", action="store_true", help="print the result instead of writing the file")


def _cost(cost: ArgumentParser) -> None:
    _model(cost)
    cost.add_argument("--rates", metavar="RUN.json", help="events as `run --json` counted them; else they are assumed")
    cost.add_argument("--steps", type=_number, metavar="N", help="steps of a run at assumed rates, 1 by default")
    _target(cost, "cpu, ptx, fpga, or reference for counts alone; cpu by default")
    _seed(cost)
    _json(cost)


def _explain(explain: ArgumentParser) -> None:
    explain.add_argument("code", metavar="CODE", nargs="?")


def _common(parser: ArgumentParser) -> None:
    """Options that stand before or after the command; absent ones leave no trace, so that neither hides the other."""
    group = parser.add_argument_group("common options", argument_default=SUPPRESS)
    group.add_argument("--force", action="store_true", help="replace files that exist")
    group.add_argument("--quiet", action="store_true", help="print nothing but errors")
    group.add_argument("--verbose", action="store_true", help="say more")
    group.add_argument("--float", dest="real", type=int, choices=(32, 64), help="bits of a real number")
    group.add_argument(
        "--fast-math",
        action="store_true",
        help="permit other roundings: fused products, reciprocals",
    )
    group.add_argument("--print-after", metavar="PASS|all", help="print the IR after a pass or lowering, to stderr")
    group.add_argument("--time-passes", action="store_true", help="print the time of each stage and pass")
    group.add_argument("--verify-each", action="store_true", help="verify the IR after each pass and lowering")


def _model(parser: ArgumentParser, help: str = "a .snn file") -> None:
    parser.add_argument("model", metavar="MODEL", help=help)
    value = "a parameter's value, as in -P 'w_e = 1.6 mV'"
    parser.add_argument("-P", dest="params", action="append", default=[], metavar="NAME=VALUE", help=value)
    parser.add_argument("--semantics", metavar="PROFILE[,KEY=VALUE]", help="what a .nir file leaves open")
    parser.add_argument("--dt", metavar="DT", help="the time step of a .nir file")


def _target(parser: ArgumentParser, help: str = "what `spikec targets` lists; cpu by default") -> None:
    parser.add_argument("--target", metavar="T", help=help)
    parser.add_argument("--pipeline", metavar="TEXT", help="passes, as in quantize{weights=8}; see `spikec passes`")


def _seed(parser: ArgumentParser) -> None:
    parser.add_argument("--seed", type=_seed_number, metavar="S", help="the seed of the run, 0 by default")


def _output(parser: ArgumentParser, metavar: str, help: str) -> None:
    parser.add_argument("-o", dest="output", metavar=metavar, help=help)


def _json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def _number(text: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text) or int(text) < 1:
        raise ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return int(text)


def _seed_number(text: str) -> int:
    if not re.fullmatch(r"\d{1,20}", text) or int(text) >= 2**64:
        raise ArgumentTypeError(f"'{text}' is not a whole number in 0..2^64-1")
    return int(text)


COMMANDS: Mapping[str, tuple[str, Callable[[ArgumentParser], None]]] = {
    "check": ("check a model and say all that is wrong with it", _check),
    "compile": ("compile a model to an artifact or to files of given kinds", _compile),
    "run": ("run a model or an artifact", _run),
    "opt": ("run passes over IR", _opt),
    "fmt": ("put .snn files into the usual layout, comments and line breaks kept", _fmt),
    "cost": ("count what a run costs, layer by layer: operations, bits, bytes, energy, time", _cost),
    "explain": ("say what a diagnostic means, or list all codes", _explain),
    "targets": ("list the targets", _json),
    "passes": ("list the passes and their options", _json),
    "doctor": ("look whether all that spikec needs is there", lambda doctor: None),
}
"""What each command is for, and what adds its own arguments."""
