"""The passes by name: those of spikec, and those of other packages."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from spikec import plugins
from spikec.dialects.diagnostics import CompileError
from spikec.pass_options import options

if TYPE_CHECKING:
    from spikec.dialects.program import Program


@runtime_checkable
class Pass(Protocol):
    """One change to a program at the level `snn` or `step`, or at `any` of them.

    `run` leaves the program that it is given as it is.  A pass that reads files has a method `files()` too, which
    names them, so that a compiled network is made anew when they change.
    """

    @property
    def name(self) -> str: ...

    @property
    def level(self) -> str: ...

    def run(self, program: Program) -> Program: ...


PASSES: Mapping[str, str] = {
    "canonicalize": "spikec.passes.canonicalize:Canonicalize",
    "convert-ann": "spikec.passes.convert_ann:ConvertAnn",
    "formats": "spikec.passes.formats:Formats",
    "fuse": "spikec.passes.fuse:Fuse",
    "merge": "spikec.passes.merge:Merge",
    "narrow": "spikec.passes.narrow:Narrow",
    "quantize": "spikec.passes.quantize:Quantize",
    "remove-dead": "spikec.passes.remove_dead:RemoveDead",
    "schedule": "spikec.passes.schedule:Schedule",
    "sparsify": "spikec.passes.sparsify:Sparsify",
}
"""Where the class of each pass is; it is imported when the pass is used."""

LEVELS = ("snn", "step", "any")


def names() -> list[str]:
    """Every name that a pipeline may have: ours and those of other packages."""
    return sorted({*PASSES, *plugins.entries("spikec.passes")})


def find(name: str) -> type[Any] | None:
    """The class of a pass; None for an unknown name.  Raises CompileError for a stranger's that does not work."""
    if name in PASSES:
        module, _, attribute = PASSES[name].partition(":")
        cls: type[Any] = getattr(importlib.import_module(module), attribute)
        return cls
    found = plugins.entries("spikec.passes").get(name)
    return _checked(name, plugins.load("spikec.passes", name), plugins.package(found[0])) if found else None


def _checked(name: str, cls: Any, package: str) -> type[Any]:
    """A stranger's pass, which must be one.  Raises CompileError."""
    why = None
    if not isinstance(cls, type) or not dataclasses.is_dataclass(cls) or not callable(getattr(cls, "run", None)):
        why = "it is not a dataclass with a method run"
    elif getattr(cls, "name", None) != name:
        why = f"its name is {getattr(cls, 'name', None)!r}"
    elif getattr(cls, "level", None) not in LEVELS:
        why = f"its level is {getattr(cls, 'level', None)!r}, not one of {', '.join(LEVELS)}"
    else:
        try:
            options(cls)
        except (TypeError, NameError) as error:
            why = str(error)
    if why:
        raise plugins.unusable("spikec.passes", name, package, why)
    return cls  # type: ignore[no-any-return]


def described() -> list[dict[str, Any]]:
    """Each pass: its name, what it does, level, package and options; strangers' that do not work have an `error`."""
    found = [_described(name, plugins.OURS) for name in PASSES]
    for name, entries in plugins.entries("spikec.passes").items():
        found += [_described(name, plugins.package(entry), len(entries)) for entry in entries]
    return sorted(found, key=lambda entry: (entry["name"], entry["package"]))


def _described(name: str, package: str, offers: int = 1) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "about": "", "level": None, "package": package, "options": [], "error": None}
    if package != plugins.OURS and name in PASSES:
        return {**entry, "error": f"the name '{name}' belongs to spikec"}
    try:
        cls = find(name)
    except CompileError as error:
        return {**entry, "error": error.diagnostics[0].message}
    assert cls is not None and offers == 1
    about = (cls.__doc__ or "").strip().split("\n")[0]
    shown = [
        {
            "name": option.name,
            "type": option.type,
            "choices": list(option.choices) or None,
            "required": option.required,
            "default": None if option.required else option.default,
            "help": option.help,
        }
        for option in options(cls)
    ]
    return {**entry, "about": about, "level": cls.level, "options": shown}
