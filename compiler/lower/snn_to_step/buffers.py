"""The buffers of the module that is being made: names, kinds, and the forms of buffers of events.

A buffer of events is kept as a mask (one value per element), as a list (ascending indices of the
nonzero elements), or both.  The forms follow from the uses: event-driven propagation walks a list,
everything else reads a mask; counting and recording events take what there is, a list first.
Values that are not plain spikes need their mask beside the list.  Only what an update or the host
writes can be a list.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from spikec.dialects import snn, step
from spikec.dialects.constants import Array, Constants
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.lower.snn_to_step.types import element_of, is_bool, memref, shape_of, size_of

MLIR_NAMES = {"uint16": "i16", "uint32": "i32", "float32": "f32", "float64": "f64", "bool": "i1"}


@dataclass
class Buffer:
    name: str
    kind: str
    type: Any
    location: Any
    slots: int = 1
    init: Any = None
    extra: dict[str, Any] = field(default_factory=dict)
    listable: bool = False
    needs: set[str] = field(default_factory=set)

    @property
    def size(self) -> int:
        return size_of(self.type)

    def forms(self) -> list[str] | None:
        """The forms in memory, or None for a buffer that holds no events or is the host's own."""
        if self.kind in ("constant", "counter", "probe"):
            return None
        needs = set(self.needs)
        if "list" in needs and not is_bool(self.type):
            needs.add("mask")
        if "list" not in needs:
            needs = {"mask"} if is_bool(self.type) else set()
        return sorted(needs) or None


class Buffers:
    """All buffers in order of declaration; `store` gets the arrays that the lowering makes."""

    def __init__(self, program: Program, reserved: Iterable[str]) -> None:
        self.store: Constants = program.constants.copy()
        self._program = program
        self._declared: dict[str, Buffer] = {}
        self._reserved = set(reserved)
        self._taken = set(reserved) | {
            ir.StringAttr(op.attributes["sym_name"]).value
            for op in program.symbols().values()
            if op.name == "func.func"
        }
        self._constants: dict[str, str] = {}

    def __getitem__(self, name: str) -> Buffer:
        return self._declared[name]

    def __iter__(self) -> Any:
        return iter(self._declared.values())

    def fresh(self, wanted: str) -> str:
        """`wanted`, or `wanted_1` and so on where the name is taken; taken from now on."""
        name, number = wanted, 0
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name

    def declare(self, wanted: str, kind: str, type: Any, location: Any, **details: Any) -> str:
        """Adds a buffer and gives its name.  Reserved names are part of the interface and are kept as they are."""
        name = wanted if wanted in self._reserved and wanted not in self._declared else self.fresh(wanted)
        self._declared[name] = Buffer(name, kind, memref(shape_of(type), element_of(type)), location, **details)
        return name

    def drop(self, name: str) -> None:
        """Takes back a buffer that nothing uses after all."""
        del self._declared[name]

    def temp(self, wanted: str, type: Any, location: Any, listable: bool = False) -> str:
        return self.declare(wanted, "temp", type, location, listable=listable)

    def constant(self, name: str) -> str:
        """The buffer of an array that the program declares."""
        if name not in self._constants:
            declared = snn.Constant(self._program.symbols()[name])
            buffer = self.declare(
                name, "constant", declared.type, declared.operation.location, extra={"digest": declared.digest}
            )
            if buffer != name and name in self.store:
                self.store.add(buffer, self.store[name])
            self._constants[name] = buffer
        return self._constants[name]

    def array(self, wanted: str, array: Array, location: Any, element: Any = None) -> str:
        """A new constant buffer with an array of its own; `element` is its type where numpy's does not tell it.

        Nobody else may write to the array, which is not copied.
        """
        array = np.ascontiguousarray(array).view()
        array.flags.writeable = False
        name = self.fresh(wanted)
        if element is None:
            element = ir.Type.parse(MLIR_NAMES.get(str(array.dtype), str(array.dtype).replace("int", "i")))
        type = memref(array.shape, element)
        self._declared[name] = Buffer(name, "constant", type, location, extra={"digest": self.store.add(name, array)})
        return name

    def stored(self) -> Constants:
        """The arrays that the declared buffers name."""
        return self.store.only(buffer.name for buffer in self if buffer.kind == "constant")

    def build(self) -> None:
        """Makes the ops, at the current insertion point."""
        for buffer in self:
            with buffer.location:
                step.Buffer.build(
                    sym_name=buffer.name,
                    kind=buffer.kind,
                    type=buffer.type,
                    slots=buffer.slots,
                    init=buffer.init,
                    forms=buffer.forms(),
                    **buffer.extra,
                )
