"""What people choose by name, and is known or unknown: models, targets, kinds of files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spikec import plugins
from spikec.dialects.diagnostics import CompileError, Diagnostic, MissingTool, UsageError, did_you_mean

REFERENCE = "reference"
LEVELS = ("snn", "step")
# What is made of a network without a target.
FORMATS = ("nir",)
# What does not go to stdout.
BINARY_KINDS = ("nir", "obj", "so", "exe", "cubin", "bitstream")
# How a file of each kind ends where several kinds go into one folder; of other kinds, it ends with the kind.
SUFFIXES = {
    "snn": ".snn.mlir",
    "step": ".step.mlir",
    "nir": ".nir",
    "llvm": ".ll",
    "asm": ".s",
    "obj": ".o",
    "so": ".so",
    "exe": "",
    "header": ".h",
    "verilog": ".v",
    "rtlil": ".il",
    "bitstream": ".bit",
}


# The ways between levels, as `--print-after` names them.
LOWERINGS = ("lower-to-step", "lower-to-cpu", "lower-to-gpu", "lower-to-rtl")
VERIFY_EACH = "SPIKEC_VERIFY_EACH"


def _verifies() -> bool:
    return os.environ.get(VERIFY_EACH, "") not in ("", "0")


@dataclass(frozen=True)
class Watch:
    """What to do around passes and lowerings: print the IR after one of them (or `all`) to stderr, verify.

    Without a choice, IR is verified where the environment has SPIKEC_VERIFY_EACH=1.
    """

    print_after: str | None = None
    verify_each: bool = field(default_factory=_verifies)

    def show(self, name: str, text: Callable[[], str]) -> None:
        """Prints the IR after `name`, if it is wanted."""
        if self.print_after in (name, "all"):
            print(f"// after {name}\n{text()}", file=sys.stderr)


def refuse_other_models(model: Path) -> None:
    """Raises CompileError for a file that is not a `.snn` text by its name."""
    suffix = model.suffix.lower()
    if suffix not in (".snn", ""):
        message = f"'{model.suffix}' is not a kind of model"
        help = "a model is a .snn text, a .nir or an .onnx file"
        raise CompileError([Diagnostic("E0704", "error", message, file=str(model), help=help)])


def suffix(kind: str, target: Any) -> str:
    """How the name of a file of a kind ends where several kinds go into one folder."""
    return f".{target.level}.mlir" if kind == "mlir" and target else SUFFIXES.get(kind, f".{kind}")


def parse_target(text: str) -> Any:
    """The Target that a text names, None for the reference interpreter.

    Raises UsageError for an unknown target or option, CompileError for a stranger's that does not work.
    """
    from spikec.backends.target import WITH_OPTIONS

    base, brace, braced = text.partition("{")
    head = base.partition(":")[0]
    factory = None if head == REFERENCE else _factory(head)
    if head in WITH_OPTIONS and factory is not None:
        return factory(text)
    if brace and not braced.endswith("}"):
        raise UsageError(f"--target {text}: the closing brace is missing")
    if braced.strip("} "):
        name = braced.partition("=")[0].strip("} ")
        raise UsageError(f"target '{head}' has no option '{name}'")
    if factory is not None:
        return factory(base)
    if base != REFERENCE:
        raise UsageError(f"unknown target '{base}'; write {REFERENCE}")
    return None


def _factory(head: str) -> Callable[[str], Any]:
    """The function from a text to its target.  Raises UsageError for an unknown one."""
    from spikec.backends.target import TARGETS

    if head in TARGETS:
        return TARGETS[head]
    strangers = plugins.entries("spikec.targets")
    if head in strangers:
        return _strangers(head, plugins.load("spikec.targets", head), plugins.package(strangers[head][0]))
    known = (*TARGETS, REFERENCE, *strangers)
    near = did_you_mean(head, known)
    raise UsageError(f"unknown target '{head}'" + (f"; {near}" if near else f" (there is {', '.join(known)})"))


def _strangers(head: str, factory: Any, package: str) -> Callable[[str], Any]:
    """A stranger's function, which may do anything."""
    from spikec.backends.target import Target

    def make(text: str) -> Any:
        try:
            target = factory(text)
        except (CompileError, UsageError, MissingTool):
            raise
        except Exception as error:
            raise plugins.unusable("spikec.targets", head, package, f"{type(error).__name__}: {error}") from error
        if not isinstance(target, Target):
            raise plugins.unusable("spikec.targets", head, package, "it lacks one of name, level, kinds and emit")
        if target.level not in LEVELS:
            why = f"its level is {target.level!r}, not one of {', '.join(LEVELS)}"
            raise plugins.unusable("spikec.targets", head, package, why)
        return target

    return make


def check_kinds(kinds: Sequence[str], target: Any) -> None:
    """Raises UsageError for a kind that the target does not make."""
    from spikec.backends.target import TARGETS

    made = (*LEVELS, *FORMATS, *(target.kinds if target else ()))
    for kind in kinds:
        if kind in made:
            continue
        others = [name for name, factory in TARGETS.items() if kind in factory(name).kinds]
        if others:
            raise UsageError(f"the target makes no '{kind}'; --target {' or '.join(others)} does")
        near = did_you_mean(kind, made)
        raise UsageError(f"unknown kind '{kind}'; {near or 'there is ' + ', '.join(made)}")


def targets() -> list[dict[str, Any]]:
    """Every target: its name, form, what it is for, what `--emit` makes for it, and its package.

    Strangers' that do not work have an `error`.
    """
    from spikec.backends.target import TARGETS

    always = [*LEVELS, *FORMATS]
    found = [
        *(_entry(name, FORMS[name], ABOUT[name], [*always, *TARGETS[name](name).kinds]) for name in sorted(TARGETS)),
        _entry(REFERENCE, REFERENCE, ABOUT[REFERENCE], always),
    ]
    for name, entries in plugins.entries("spikec.targets").items():
        found += [_strangers_entry(name, plugins.package(entry)) for entry in entries]
    return found


def _entry(
    name: str, form: str, about: str, emit: list[str], package: str = plugins.OURS, error: str | None = None
) -> dict[str, Any]:
    return {"name": name, "form": form, "about": about, "emit": emit, "package": package, "error": error}


def _strangers_entry(name: str, package: str) -> dict[str, Any]:
    from spikec.backends.target import TARGETS

    if name in (*TARGETS, REFERENCE):
        return _entry(name, name, "", [], package, f"the name '{name}' belongs to spikec")
    try:
        target = parse_target(name)
    except CompileError as error:
        return _entry(name, name, "", [], package, error.diagnostics[0].message)
    except (UsageError, MissingTool) as error:
        return _entry(name, name, "", [], package, str(error))
    about = (type(target).__doc__ or "").strip().split("\n")[0].removesuffix(".")
    return _entry(name, name, about, [*LEVELS, *FORMATS, *target.kinds], package)


FORMS = {"cpu": "cpu[:TRIPLE[,CPU]]", "fpga": "fpga[:FAMILY][{OPTIONS}]", "ptx": "ptx[:CHIP][{OPTIONS}]"}
ABOUT = {
    "cpu": "vectorised code for this processor, or for another one",
    "fpga": "a circuit for xilinx, ecp5, ice40 or gowin; it is run in a simulator",
    "ptx": "kernels for NVIDIA's GPUs, with a plan of their launches",
    REFERENCE: "the interpreter in numpy that defines what a program means",
}
