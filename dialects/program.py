"""A program: an MLIR module and the constants store that belongs to it.  What passes map to what passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from spikec.dialects.constants import Constants
from spikec.dialects.mlir import context, ir
from spikec.dialects.notes import Note


@dataclass(frozen=True)
class Program:
    """`module` owns its context; `constants` are the arrays that its ops name; `notes` is what passes reported."""

    module: Any
    constants: Constants
    notes: tuple[Note, ...] = ()

    @staticmethod
    def parse(text: str, constants: Constants) -> Program:
        """Parses IR text in a fresh context; raises `ir.MLIRError` on malformed text."""
        with context(), ir.Location.unknown():
            return Program(ir.Module.parse(text), constants)

    def text(self, locations: bool = False) -> str:
        """The IR as text, the same bytes for the same program."""
        return str(self.module.operation.get_asm(enable_debug_info=locations))

    def clone(self) -> Program:
        """A copy of the module in the same context; the store is shared until it grows."""
        with self.module.context, ir.Location.unknown():
            module = ir.Module.create(self.module.operation.location)
            for name in self.module.operation.attributes:
                module.operation.attributes[name] = self.module.operation.attributes[name]
            with ir.InsertionPoint(module.body):
                for operation in self.module.body.operations:
                    operation.operation.clone()
            return replace(self, module=module, constants=self.constants.copy())

    def noted(self, *notes: Note) -> Program:
        """The same program with more to report."""
        return replace(self, notes=(*self.notes, *notes))

    @property
    def level(self) -> Literal["snn", "step", "rtl"]:
        """Which of the levels the module is at."""
        attributes = self.module.operation.attributes
        return "rtl" if "rtl.model" in attributes else "step" if "step.model" in attributes else "snn"

    def attribute(self, name: str) -> Any:
        """A module attribute as a Python value, without its dialect prefix: `model`, `dt`, `dt_unit`."""
        return self.module.operation.attributes[f"{self.level}.{name}"].value

    def ops(self, cls: type) -> Iterator[Any]:
        """The module-level ops of one class, in order."""
        name = cls.name()  # type: ignore[attr-defined]
        for operation in self.module.body.operations:
            if operation.operation.name == name:
                yield cls(operation.operation)

    def symbols(self) -> dict[str, Any]:
        """Module-level operations by symbol name; look it up again after any pass has run."""
        named = {}
        for operation in self.module.body.operations:
            name = operation.operation.attributes.get("sym_name")
            if name is not None:
                named[name.value] = operation.operation
        return named
