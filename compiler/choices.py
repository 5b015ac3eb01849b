"""What people choose by name, and is known, unknown or not built yet: models, targets, kinds of files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikec.dialects.diagnostics import CompileError, Diagnostic, UsageError, did_you_mean

REFERENCE = "reference"
# What the project will compile for and cannot yet.
FUTURE_TARGETS = ("ptx", "fpga")
FUTURE_KINDS = ("ptx", "cubin", "verilog", "rtlil", "json", "edif", "blif", "bitstream")
LEVELS = ("snn", "step")
# What is made of a network without a target.
FORMATS = ("nir",)
TEXT_KINDS = ("snn", "step", "mlir", "llvm", "asm", "header")
# How a file of each kind ends where several kinds go into one folder.
SUFFIXES = {
    "snn": ".snn.mlir",
    "step": ".step.mlir",
    "nir": ".nir",
    "mlir": ".cpu.mlir",
    "llvm": ".ll",
    "asm": ".s",
    "obj": ".o",
    "so": ".so",
    "exe": "",
    "header": ".h",
}


@dataclass(frozen=True)
class Watch:
    """What to do around passes: print the IR after one of them (or `all`) to stderr, verify."""

    print_after: str | None = None
    verify_each: bool = False


def refuse_other_models(model: Path) -> None:
    """Raises CompileError for a file that is not a `.snn` text by its name."""
    suffix = model.suffix.lower()
    if suffix not in (".snn", ""):
        message = f"'{model.suffix}' is not a kind of model"
        raise CompileError(
            [Diagnostic("E0704", "error", message, file=str(model), help="a model is a .snn text or a .nir file")]
        )


def not_yet(what: str, file: str | None = None) -> CompileError:
    """The error for what the project promises and does not do yet."""
    return CompileError([Diagnostic("E0901", "error", f"'{what}' is not supported yet", file=file)])


def parse_target(text: str) -> Any:
    """The Target that a text names, None for the reference interpreter.

    Raises UsageError for an unknown target or option, CompileError for one that is not built yet.
    """
    from spikec.backends.target import TARGETS

    base, brace, braced = text.partition("{")
    head = base.partition(":")[0]
    known = (*TARGETS, REFERENCE, *FUTURE_TARGETS)
    if head not in known:
        near = did_you_mean(head, known)
        raise UsageError(f"unknown target '{head}'" + (f"; {near}" if near else f" (there is {', '.join(known)})"))
    if head in FUTURE_TARGETS:
        raise not_yet(f"--target {head}")
    if brace and not braced.endswith("}"):
        raise UsageError(f"--target {text}: the closing brace is missing")
    if braced.strip("} "):
        name = braced.partition("=")[0].strip("} ")
        raise UsageError(f"target '{head}' has no option '{name}'")
    if head != REFERENCE:
        return TARGETS[head](base)
    if base != REFERENCE:
        raise UsageError(f"unknown target '{base}'; write {REFERENCE}")
    return None


def check_kinds(kinds: Sequence[str], target: Any) -> None:
    """Raises UsageError for a kind that the target does not make, CompileError for one that is not built yet."""
    made = (*LEVELS, *FORMATS, *(target.kinds if target else ()))
    for kind in kinds:
        if kind in made:
            continue
        if kind in FUTURE_KINDS:
            raise not_yet(f"--emit {kind}")
        known = (*made, *FUTURE_KINDS)
        near = did_you_mean(kind, known)
        raise UsageError(f"unknown kind '{kind}'; {near or 'there is ' + ', '.join(made)}")


def targets() -> list[dict[str, Any]]:
    """Every target that is built: its name, form, what it is for, what `--emit` makes for it."""
    from spikec.backends.target import TARGETS

    always = [*LEVELS, *FORMATS]
    return [
        *(
            {"name": name, "form": FORMS[name], "about": ABOUT[name], "emit": [*always, *TARGETS[name](name).kinds]}
            for name in sorted(TARGETS)
        ),
        {"name": REFERENCE, "form": REFERENCE, "about": ABOUT[REFERENCE], "emit": always},
    ]


FORMS = {"cpu": "cpu[:TRIPLE[,CPU]]"}
ABOUT = {
    "cpu": "vectorised code for this processor, or for another one",
    REFERENCE: "the interpreter in numpy that defines what a program means",
}
