"""What other packages add to spikec: passes and targets, found by their entry points.

A package names them in its `pyproject.toml`, in the groups `spikec.passes` and `spikec.targets`.  Nothing of it
is imported before one of its names is used, or all are listed.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from spikec.dialects.diagnostics import CompileError, Diagnostic

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Group = Literal["spikec.passes", "spikec.targets"]
KINDS = {"spikec.passes": "pass", "spikec.targets": "target"}
OURS = "spikec"


def entries(group: Group) -> dict[str, list[EntryPoint]]:
    """The entry points of a group by name, in order; more than one where packages clash."""
    found: dict[str, list[EntryPoint]] = {}
    for entry in sorted(_metadata().entry_points(group=group), key=lambda entry: (entry.name, package(entry))):
        found.setdefault(entry.name, []).append(entry)
    return found


def _metadata() -> Any:
    """What is known of installed packages; most commands need nothing of it, and it takes its time to load."""
    return importlib.import_module("importlib.metadata")


def package(entry: EntryPoint) -> str:
    """The name of the package that an entry point comes with."""
    return entry.dist.name if entry.dist is not None else entry.module


def load(group: Group, name: str) -> Any:
    """What a package offers under a name; None where no package does.

    Raises CompileError where two packages do, and where the package cannot be imported.
    """
    found = entries(group).get(name)
    if not found:
        return None
    if len(found) > 1:
        packages = ", ".join(f"'{package(entry)}'" for entry in found)
        message = f"the {KINDS[group]} '{name}' comes with several packages: {packages}"
        raise CompileError([Diagnostic("E1272", "error", message, help="remove all of them but one")])
    return import_entry(group, found[0])


def import_entry(group: Group, entry: EntryPoint) -> Any:
    """The object of an entry point.  Raises CompileError that names the package."""
    try:
        return entry.load()
    except (Exception, SystemExit) as error:
        raise unusable(group, entry.name, package(entry), f"{type(error).__name__}: {error}") from error


def unusable(group: Group, name: str, package: str, why: str) -> CompileError:
    """The error for what a package offers and does not work."""
    message = f"the {KINDS[group]} '{name}' of the package '{package}' cannot be used: {why}"
    remedy = f"mend the package, or remove it: pip uninstall {package}"
    return CompileError([Diagnostic("E1271", "error", message, help=remedy)])


def package_of(cls: type) -> str:
    """The package that a class comes with; its module where that belongs to none."""
    top = cls.__module__.partition(".")[0]
    if top == OURS:
        return OURS
    return next(iter(_metadata().packages_distributions().get(top, ())), cls.__module__)


def sources(cls: type) -> list[Path]:
    """The Python files of the package that a class of a stranger is in; none for one of ours."""
    top = cls.__module__.partition(".")[0]
    module = sys.modules.get(top)
    if top == OURS or module is None:
        return []
    folders = [Path(folder) for folder in getattr(module, "__path__", ())]
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    return files or [Path(file) for file in [module.__file__] if file]
